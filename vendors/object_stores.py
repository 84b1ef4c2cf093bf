"""Stores of objects, all read the same way: listed page by page, and fetched in parts that all belong to one version.

A part is one request, small enough to be repeated: an object of gigabytes is then fetched under the policy that every other
call has (host rule, deadline, evidence), and a broken line costs one part. What the whole must come to is said with each part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from domain.diagnosis import Signature
from domain.errors import BadInput
from vendors.dialing import Transport
from vendors.fields import NOTHING_SENT
from vendors.http import Answer, Conduct, Wire

# Both stores answer with up to 1,000 objects. Source: the pages of ListObjectsV2 and of objects.list
PAGE_OBJECTS = 1000
# Below vendors.http.ANSWER_LIMIT_BYTES: a part is one answer.
PART_BYTES = 8 * 1024 * 1024
_PARTIAL_CONTENT = 206


class Check(Enum):
    """By what a store lets the content of an object be checked."""

    MD5 = "md5"
    CRC32C = "crc32c"


@dataclass(frozen=True, slots=True)
class Digest:
    """What the whole content of an object comes to, in hex."""

    check: Check
    value: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object. `version` tells contents apart that had this key one after the other (S3: ETag, Google: generation)."""

    key: str
    size_bytes: int
    version: str


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """One answer to a listing. `cursor` asks for the next page and is empty at the end."""

    objects: tuple[StoredObject, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of an object as they are stored, packed or not; `whole` is None where the store cannot say it."""

    body: bytes
    whole: Digest | None


class Store(Protocol):
    """One bucket, read. Each method makes one request.

    Raises the errors of vendors.http: Rejected among them where an object was replaced or removed since it was listed.
    """

    def page(self, prefix: str, cursor: str) -> ObjectPage: ...

    def part(self, wanted: StoredObject, start: int) -> Part:
        """Return the bytes from `start` on, PART_BYTES of them or as many as are left."""
        ...

    def close(self) -> None: ...


class StoredBytesWire(Wire):
    """A wire whose answers hold what is stored: a packed object stays packed, whatever its store says of it.

    Uploaders often set `Content-Encoding: gzip` on a .gz file. An HTTP client would then unpack each part by itself,
    which is neither the object nor its size.
    """

    def __init__(
        self, system: str, conduct: Conduct, *, signatures: tuple[Signature, ...], published_hosts: tuple[str, ...]
    ) -> None:
        super().__init__(system, conduct, signatures=signatures, published_hosts=published_hosts)
        self._as_stored: _AsStored | None = None

    def _opened(self, url: str) -> Any:
        transport = super()._opened(url)
        if self._as_stored is None:
            self._as_stored = _AsStored(transport)
        return self._as_stored


class _AsStored:
    """A transport whose answers do not say how they are packed, so that nobody unpacks them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._transport.handle_request(request)
        kept = [(name, text) for name, text in answer.headers.multi_items() if name != "content-encoding"]
        return httpx.Response(answer.status_code, headers=kept, stream=answer.stream, extensions=answer.extensions)


def last_byte(wanted: StoredObject, start: int) -> int:
    """Return the place of a part's last byte, counted from 0."""
    return min(start + PART_BYTES, wanted.size_bytes) - 1


def is_the_part(answer: Answer, headers: Mapping[str, str]) -> bool:
    """Accept the range that the request's headers ask for, whole; a store that ignores ranges sends something else."""
    start, _, end = headers.get("range", "").removeprefix("bytes=").partition("-")
    if not (start.isdecimal() and end.isdecimal()) or len(answer.body) != int(end) - int(start) + 1:
        return False
    said = answer.headers.get("content-range", "")
    return answer.status == _PARTIAL_CONTENT and (not said or said.startswith(f"bytes {start}-{end}/"))


def conduct_towards(address: str, conduct: Conduct) -> Conduct:
    """Return the conduct in which an address that opsflows.toml gives is an allowed host.

    As for all such addresses: not in the rehearsal, and plain http on this machine only where its host is allowed by name.
    """
    host = urlsplit(address).hostname or ""
    if not host or conduct.hosts.rehearsal:
        return conduct
    parts = urlsplit(address)
    if parts.scheme != "https":
        return conduct
    return replace(conduct, hosts=replace(conduct.hosts, allowed=conduct.hosts.allowed | {host}))


def bucket_and_prefix(place: str) -> tuple[str, str, str]:
    """Return scheme, bucket, and the prefix of every key in the place: `events` is a folder, so `events-old` is not in it.

    Raises:
        BadInput: it is no place in a store.
    """
    scheme, _, rest = place.partition("://")
    bucket, _, folder = rest.partition("/")
    if scheme not in {"s3", "gs"} or not bucket:
        raise BadInput(f"{place!r} is no place in a store.", NOTHING_SENT, "Write it like s3://bucket/folder.")
    folder = folder.strip("/")
    return scheme, bucket, f"{folder}/" if folder else ""
