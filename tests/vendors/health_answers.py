"""What services and what stands before them answer to a health check, and what each answer is."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import formatdate

from tests.vendors.health_server import HEALTHY, told


def chunked(body: bytes, size: int = 7, end: bytes = b"0\r\n\r\n") -> bytes:
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts) + end


def in_chunks(body: bytes) -> bytes:
    return told(body, headers={"Content-Length": "", "Transfer-Encoding": "chunked"})


def without_length(body: bytes) -> bytes:
    return told(body, headers={"Content-Length": ""})


def page(**fields: object) -> bytes:
    return json.dumps({"crypto_mode": "kms", "crypto_ready": True, **fields}).encode()


GREEN: Mapping[str, Callable[[], bytes]] = {
    "as a service writes it": told,
    "more fields": lambda: told(page(version="1.2", checks=[{"kms": None, "x": {"crypto_mode": "off"}}])),
    "another reason": lambda: told(status="200 Fine"),
    "no reason": lambda: told(status="200"),
    "HTTP/1.0": lambda: told().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "bare line feeds": lambda: told().replace(b"\r\n", b"\n"),
    "a parameter": lambda: told(content_type="Application/JSON; charset=utf-8"),
    "the health page's own type": lambda: told(content_type="application/health+json"),
    "chunks": lambda: in_chunks(chunked(HEALTHY)),
    "chunks and a trailer": lambda: in_chunks(chunked(HEALTHY, end=b"0\r\nX-Sum: 1\r\n\r\n")),
    "no length, but an end": lambda: without_length(HEALTHY),
    "an interim answer first": lambda: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + told(),
    "not compressed": lambda: told(headers={"Content-Encoding": "identity"}),
    "a cache that had it too old and asked": lambda: told(headers={"Cache-Status": "Edge; fwd=stale; fwd-status=200; stored"}),
    "a cache that missed": lambda: told(headers={"X-Cache": "MISS from WHITELISTED", "CF-Cache-Status": "DYNAMIC", "Age": "0"}),
    "no Date": lambda: told(headers={"Date": ""}),
    "a Date that cannot be read": lambda: told(headers={"Date": "Sun, 99 Foo 2026 10:00:00 GMT"}),
    "just small enough": lambda: told(page(x="y" * (64 * 1024 - len(page(x=""))))),
}  # fmt: skip

FAULTY: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    # Not well, by its own word.
    "another mode": ("mode", lambda: told(page(crypto_mode="plaintext"))),
    "a mode in capitals": ("mode", lambda: told(page(crypto_mode="KMS"))),
    "a mode with a blank": ("mode", lambda: told(page(crypto_mode="kms "))),
    "no mode at all": ("mode", lambda: told(page(crypto_mode=None))),
    "a list of modes": ("mode", lambda: told(page(crypto_mode=["kms"]))),
    "a number as mode": ("mode", lambda: told(page(crypto_mode=1))),
    "ready as a text": ("not_ready", lambda: told(page(crypto_ready="true"))),
    "ready as a number": ("not_ready", lambda: told(page(crypto_ready=1))),
    "ready as nothing": ("not_ready", lambda: told(page(crypto_ready=None))),
    "not ready": ("not_ready", lambda: told(page(crypto_ready=False))),
    "neither mode nor ready": ("mode", lambda: told(page(crypto_mode="off", crypto_ready=False))),
    # Another status.
    "a server error": ("status", lambda: told(status="503 Service Unavailable")),
    "created": ("status", lambda: told(status="201 Created")),
    "no content": ("status", lambda: told(b"", status="204 No Content")),
    "not modified": ("status", lambda: told(b"", status="304 Not Modified")),
    "part of it": ("status", lambda: told(status="206 Partial Content")),
    "another protocol": ("status", lambda: told(b"", status="101 Switching Protocols", headers={"Upgrade": "h2c"})),
    "moved": ("redirect", lambda: told(status="301 Moved", headers={"Location": "/healthz"})),
    "found": ("redirect", lambda: told(b"", status="302 Found", headers={"Location": "http://127.0.0.1:9/healthz"})),
    # No health page.
    "HTML": ("unreadable", lambda: told(b"<html><body>Please log in</body></html>", content_type="text/html")),
    "a page called HTML": ("unreadable", lambda: told(content_type="text/html")),
    "HTML called JSON": ("unreadable", lambda: told(b"<html></html>")),
    "no type": ("unreadable", lambda: told(content_type="")),
    "two types": ("unreadable", lambda: told(content_type="application/json\r\nContent-Type: text/html")),
    "no body": ("unreadable", lambda: told(b"")),
    "an empty object": ("unreadable", lambda: told(b"{}")),
    "no word of ready": ("unreadable", lambda: told(b'{"crypto_mode": "kms"}')),
    "a list": ("unreadable", lambda: told(b"[" + HEALTHY + b"]")),
    "a text": ("unreadable", lambda: told(json.dumps(HEALTHY.decode()).encode())),
    "a key twice": ("unreadable", lambda: told(HEALTHY[:-1] + b', "crypto_mode": "kms"}')),
    "a key twice, once in disguise": ("unreadable", lambda: told(rb'{"crypto_mode":"off","crypto_\u006dode":"kms","crypto_ready":true}')),
    "a key twice, deep down": ("unreadable", lambda: told(HEALTHY[:-1] + b', "x": [{"a": 1, "a": 2}]}')),
    "a byte order mark": ("unreadable", lambda: told(b"\xef\xbb\xbf" + HEALTHY)),
    "UTF-16": ("unreadable", lambda: told(HEALTHY.decode().encode("utf-16"))),
    "no UTF-8": ("unreadable", lambda: told(HEALTHY[:-1] + b', "x": "\xff"}')),
    "no number": ("unreadable", lambda: told(HEALTHY[:-1] + b', "x": NaN}')),
    "a number without end": ("unreadable", lambda: told(HEALTHY[:-1] + b', "x": ' + b"9" * 60_000 + b"}")),
    "two objects": ("unreadable", lambda: told(HEALTHY + HEALTHY)),
    "nested without end": ("unreadable", lambda: told(HEALTHY[:-1] + b', "x": ' + b"[" * 60_000 + b"}")),
    "compressed": ("unreadable", lambda: told(headers={"Content-Encoding": "gzip"})),
    "10 MB": ("unreadable", lambda: told(page(x="y" * 10_000_000))),
    "10 MB without a length": ("unreadable", lambda: without_length(page(x="y" * 10_000_000))),
    "10 MB in chunks": ("unreadable", lambda: in_chunks(chunked(page(x="y" * 10_000_000), 30_000))),
    "10 MB of header": ("unreadable", lambda: told(headers={"X-Long": "y" * 10_000_000})),
    "10 MB of headers": ("unreadable", lambda: told(headers={f"X-{at}": "y" * 1000 for at in range(10_000)})),
    "a trailer without end": ("unreadable", lambda: in_chunks(chunked(HEALTHY, end=b"0\r\n" + b"a: b\r\n" * 100_000))),
    "one interim answer after the other": ("unreadable", lambda: b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + told()),
    "another protocol's greeting": ("unreadable", lambda: b"220 mail.example.org ESMTP\r\n"),
    "HTTP/2": ("unreadable", lambda: told().replace(b"HTTP/1.1", b"HTTP/2.0")),
    "a header without a colon": ("unreadable", lambda: told(headers={"Date": "x\r\nnonsense"})),
    "a blank before the colon": ("unreadable", lambda: told(headers={"Date": "x\r\nAge : 7"})),
    "a folded header": ("unreadable", lambda: told(headers={"X-Old": "a\r\n b"})),
    "a control sign in a header": ("unreadable", lambda: told(headers={"X-Odd": "a\x00b"})),
    # Not whole.
    "cut in the body": ("unreadable", lambda: told()[:-1]),
    "cut, and whole to the eye": ("unreadable", lambda: told(headers={"Content-Length": str(len(HEALTHY) + 1)})),
    "cut in the headers": ("unreadable", lambda: told()[:40]),
    "cut before the last chunk": ("unreadable", lambda: in_chunks(chunked(HEALTHY, end=b""))),
    "cut after the last chunk": ("unreadable", lambda: in_chunks(chunked(HEALTHY, end=b"0\r\n"))),
    "a chunk too short": ("unreadable", lambda: in_chunks(b"5\r\n" + HEALTHY + b"\r\n0\r\n\r\n")),
    "a chunk of no size": ("unreadable", lambda: in_chunks(b"-1\r\n" + HEALTHY + b"\r\n0\r\n\r\n")),
    "two lengths": ("unreadable", lambda: told(headers={"content-length": "5"})),
    "a negative length": ("unreadable", lambda: told(headers={"Content-Length": "-1"})),
    "a length of many digits": ("unreadable", lambda: told(headers={"Content-Length": "9" * 5000})),
    "a length and chunks": ("unreadable", lambda: told(chunked(HEALTHY), headers={"Transfer-Encoding": "chunked"})),
    "chunks in gzip": ("unreadable", lambda: told(headers={"Content-Length": "", "Transfer-Encoding": "gzip, chunked"})),
    "hung up at once": ("unreachable", lambda: b""),
    # Out of a cache.
    "an Age": ("cached", lambda: told(headers={"Age": "31"})),
    "an Age that is none": ("cached", lambda: told(headers={"Age": "old"})),
    "two ages": ("cached", lambda: told(headers={"Age": "0", "age": "1"})),
    "a hit": ("cached", lambda: told(headers={"X-Cache": "HIT"})),
    "a hit behind a miss": ("cached", lambda: told(headers={"X-Cache": "MISS, HIT"})),
    "CloudFront's hit": ("cached", lambda: told(headers={"X-Cache": "RefreshHit from cloudfront"})),
    "Squid's hit": ("cached", lambda: told(headers={"X-Cache": "TCP_MEM_HIT from proxy:3128"})),
    "nginx's hit": ("cached", lambda: told(headers={"X-Cache-Status": "UPDATING"})),
    "Cloudflare's hit": ("cached", lambda: told(headers={"CF-Cache-Status": "STALE"})),
    "revalidated": ("cached", lambda: told(headers={"CF-Cache-Status": "REVALIDATED"})),
    "the standard's hit": ("cached", lambda: told(headers={"Cache-Status": "Edge; hit; ttl=30"})),
    "an old Date": ("cached", lambda: told(headers={"Date": formatdate(datetime.now(UTC).timestamp() - 300, usegmt=True)})),
}  # fmt: skip
