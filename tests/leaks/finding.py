"""Finds a secret in bytes, in every form in which it could have left: encoded, escaped, packed, or packed in packing."""

import base64
import html
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from urllib.parse import quote, quote_plus

_GZIP_OR_ZLIB = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]{40,}={0,2}")
_UNPACKED_LIMIT_BYTES = 20 * 1024 * 1024
_DEEPEST = 4
_BASE64_GROUP = 3
_DETECT_HEADER = zlib.MAX_WBITS | 32


def found(secrets: Mapping[str, str], blob: bytes) -> set[tuple[str, str]]:
    """Return (name of the secret, form) for every secret in the blob, or in what is packed inside it."""
    return {
        (name, form)
        for layer in _layers(blob, _DEEPEST)
        for name, secret in secrets.items()
        for form, needle in forms(secret).items()
        if needle in layer
    }


@cache
def forms(secret: str) -> Mapping[str, bytes]:
    """Return every spelling of the secret by the name of the form. Spellings equal to a former one are left out."""
    raw = secret.encode()
    in_json = json.dumps(secret)[1:-1]
    spellings = {
        "plain": raw,
        "url-encoded": quote(secret, safe="").encode(),
        "url-encoded path": quote(secret).encode(),
        "url-encoded form": quote_plus(secret).encode(),
        "url-encoded lower case": re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), quote(secret, safe="")).encode(),
        "hex": raw.hex().encode(),
        "hex upper case": raw.hex().upper().encode(),
        "json": in_json.encode(),
        "json with escaped slashes": in_json.replace("/", "\\/").encode(),
        "json with its own letters": json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        "json in json": json.dumps(in_json)[1:-1].encode(),
        "repr": repr(secret)[1:-1].encode(),
        "html": html.escape(secret).encode(),
        **{f"base64 at {offset}": _inner(raw, offset) for offset in range(_BASE64_GROUP)},
        **{f"base64url at {offset}": _inner(raw, offset).translate(_URL_SAFE) for offset in range(_BASE64_GROUP)},
    }
    return {
        form: needle
        for at, (form, needle) in enumerate(spellings.items())
        if needle not in list(spellings.values())[:at]
    }


_STANDARD = bytes.maketrans(b"-_", b"+/")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _inner(raw: bytes, offset: int) -> bytes:
    """Return what base64 makes of the secret, without the letters that its neighbours share."""
    encoded = base64.b64encode(bytes(offset) + raw)
    starts = -(-offset * 8 // 6)
    ends = (offset + len(raw)) * 8 // 6
    return encoded[starts:ends]


def _layers(blob: bytes, depth: int) -> Iterator[bytes]:
    yield blob
    if depth:
        for inner in (*_unpacked(blob), *_decoded(blob)):
            yield from _layers(inner, depth - 1)


def _unpacked(blob: bytes) -> Iterator[bytes]:
    """Yield what is packed by gzip or zlib, wherever in the blob it starts, as far as it can be read."""
    for match in _GZIP_OR_ZLIB.finditer(blob):
        reader = zlib.decompressobj(wbits=_DETECT_HEADER)
        try:
            inner = reader.decompress(blob[match.start() :], _UNPACKED_LIMIT_BYTES)
        except zlib.error:
            continue
        if inner:
            yield inner


def _decoded(blob: bytes) -> Iterator[bytes]:
    """Yield what base64 hides where that is itself packed; the secret in plain base64 is a form of its own.

    A letter in front of the run shifts what it means, so that every start is tried.
    """
    for match in _BASE64_RUN.finditer(blob):
        run = match[0].translate(_STANDARD).rstrip(b"=")
        for start in range(4):
            inner = base64.b64decode(run[start : start + (len(run) - start) // 4 * 4])
            if _GZIP_OR_ZLIB.search(inner):
                yield inner
