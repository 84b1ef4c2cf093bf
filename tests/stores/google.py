"""A bucket of Google Storage as its JSON API shows it, for tests: listed in pages, fetched by generation and range.

Traps kept: a generation that is not the object's is a 412 or a 404; an object that is stored packed is unpacked for whoever
does not accept gzip, and then ranges are ignored; each download names the CRC32C and MD5 of the whole, never of the range.
Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list, .../objects/get, .../docs/transcoding
"""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

import google_crc32c

from tests.stores.loopback import Asked, Loopback, Told, serving

_LIST = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)/o")
_GET = re.compile(r"/download/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Kept:
    body: bytes
    generation: int
    encoding: str = ""


@dataclass(slots=True)
class Bucket:
    name: str
    objects: dict[str, Kept] = field(default_factory=dict)

    def put(self, name: str, body: bytes, encoding: str = "") -> None:
        before = self.objects.get(name)
        self.objects[name] = Kept(body, (before.generation if before else 1_700_000_000_000_000) + 1, encoding)

    def answer(self, asked: Asked) -> Told:
        listing, getting = _LIST.fullmatch(asked.path), _GET.fullmatch(asked.path)
        found = listing or getting
        if found is None:
            return refused(404, "no such method")
        if found["bucket"] != self.name:
            return refused(404, "The specified bucket does not exist.")
        return self._listed(asked) if listing else self._got(asked, unquote(found["name"]))

    def _listed(self, asked: Asked) -> Told:
        names = sorted(name for name in self.objects if name.startswith(asked.query.get("prefix", "")))
        begin = int(base64.b64decode(asked.query.get("pageToken", "")) or b"0")
        end = begin + min(int(asked.query.get("maxResults", "1000")), 1000)
        items = [
            {"name": name, "size": str(len(kept.body)), "generation": str(kept.generation)}
            for name in names[begin:end]
            for kept in (self.objects[name],)
        ]
        more = {"nextPageToken": base64.b64encode(str(end).encode()).decode()} if end < len(names) else {}
        return Told(200, json.dumps({"items": items, **more}).encode(), {"content-type": "application/json"})

    def _got(self, asked: Asked, name: str) -> Told:
        kept = self.objects.get(name)
        if kept is None or asked.query.get("generation", str(kept.generation)) != str(kept.generation):
            return refused(404, f"No such object: {self.name}/{name}")
        if asked.query.get("ifGenerationMatch", str(kept.generation)) != str(kept.generation):
            return refused(412, "At least one of the pre-conditions you specified did not hold.")
        sums = f"crc32c={crc32c(kept.body)},md5={base64.b64encode(hashlib.md5(kept.body, usedforsecurity=False).digest()).decode()}"
        headers = {"x-goog-hash": sums, "x-goog-generation": str(kept.generation)}
        if kept.encoding == "gzip" and "gzip" not in asked.headers.get("accept-encoding", ""):
            return Told(200, gzip.decompress(kept.body), headers)
        headers |= {"content-encoding": kept.encoding} if kept.encoding else {}
        asked_for = _RANGE.fullmatch(asked.headers.get("range", ""))
        if asked_for is None:
            return Told(200, kept.body, headers)
        first, last = int(asked_for[1]), min(int(asked_for[2]), len(kept.body) - 1)
        headers["content-range"] = f"bytes {first}-{last}/{len(kept.body)}"
        return Told(206, kept.body[first : last + 1], headers)


def crc32c(body: bytes) -> str:
    return base64.b64encode(int(google_crc32c.value(body)).to_bytes(4, "big")).decode()


def refused(status: int, message: str) -> Told:
    error = {"code": status, "message": message, "errors": [{"message": message, "domain": "global", "reason": "x"}]}
    return Told(status, json.dumps({"error": error}).encode(), {"content-type": "application/json"})


@contextmanager
def google_bucket(name: str = "events") -> Iterator[tuple[Bucket, Loopback]]:
    bucket = Bucket(name)
    with serving(bucket.answer) as loopback:
        yield bucket, loopback
