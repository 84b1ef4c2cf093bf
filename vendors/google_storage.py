"""A bucket of Google Storage, read by Google's own client over the line that all vendors have.

The client writes the requests, puts the caller's token into them and reads the answers; sending is ours: its session hands
each finished request to `vendors.http.Wire`. Its own repeating is off. Each part is fetched of one generation alone, and the
CRC32C of the whole comes with it: Google's client checks none for parts, so whoever puts them together must.
Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list, .../objects/get,
https://cloud.google.com/storage/docs/data-validation, https://cloud.google.com/storage/docs/transcoding
"""

import base64
import binascii
import io
import json
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import urlsplit

from google.auth import default
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage  # type: ignore[attr-defined,import-untyped,unused-ignore]  # untyped, and seen otherwise with other modules
from google.oauth2 import service_account
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from domain.diagnosis import Kind, Signature
from domain.errors import BadInput, OpsError, Unavailable
from domain.exchanges import Effect
from vendors.fields import NOTHING_SENT
from vendors.http import Answer, Call, Conduct, is_json_object, network_failure
from vendors.object_stores import (
    PAGE_OBJECTS,
    Check,
    Digest,
    ObjectPage,
    Part,
    StoredBytesWire,
    StoredObject,
    conduct_towards,
    is_the_part,
    last_byte,
)

T = TypeVar("T")
SYSTEM = "gs"
ADDRESS = "https://storage.googleapis.com"
PUBLISHED_HOSTS = ("storage.googleapis.com",)
SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
LIST, GET = "list_objects", "get_object"
_FIELDS = "items(name,size,generation),nextPageToken"


def _row(
    name: str, statuses: set[int], means: str, next_step: str, *, marker: str = "", verb: str = "", kind: Kind = Kind.REJECTED,
) -> Signature:  # fmt: skip
    saw = "Google Storage answered {status} to {verb}."
    verbs = frozenset({verb}) if verb else frozenset[str]()
    return Signature(f"{SYSTEM}.{name}", frozenset(statuses), kind, saw, means, next_step, marker, verbs)


# Source: https://cloud.google.com/storage/docs/json_api/v1/status-codes
SIGNATURES = (
    _row("slow_down", {429}, "Google limits how often the bucket may be asked.", "Nothing: it is asked again, later each time. If it lasts, look for what else reads the bucket.", kind=Kind.UNAVAILABLE),
    _row("object_changed", {412}, "The object was replaced after it was listed; what there is of it now was not read.", "Count again: the bucket is listed anew. Files of events should be written once.", verb=GET),
    _row("object_gone", {404}, "The object was removed after it was listed, or replaced.", "Count again; look at the bucket's lifecycle rules if it stays away.", verb=GET),
    _row("bucket_unknown", {404}, "There is no bucket of this name.", "Compare the section's place with the bucket's page in the console.", verb=LIST),
    _row("who_unknown", {401}, "Google does not know who asks: the key was disabled or deleted, or the worker's identity was taken away.", "Put a live key into the credentials that the section names, or run the worker under a service account."),
    _row("list_denied", {403}, "Whoever was chosen may not list the bucket.", "Grant storage.objects.list (the role Storage Object Viewer) on the bucket.", verb=LIST),
    _row("read_denied", {403}, "Whoever was chosen may list the bucket and not read this object.", "Grant storage.objects.get (the role Storage Object Viewer) on the bucket.", verb=GET),
)  # fmt: skip


class GoogleBucket:
    """One bucket. Its client is made with the first request and repeats nothing."""

    def __init__(self, bucket: str, conduct: Conduct, *, key: str = "", address: str = "") -> None:
        self._name, self._key, self._address = bucket, key, address
        towards = conduct_towards(address, conduct)
        self._wire = StoredBytesWire(SYSTEM, towards, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS)
        self._wire.check_host(address or ADDRESS)
        self._opening = Lock()
        self._client: Any = None

    def page(self, prefix: str, cursor: str) -> ObjectPage:
        def asked(client: Any) -> ObjectPage:
            rows = client.list_blobs(
                self._name, prefix=prefix, page_size=PAGE_OBJECTS, page_token=cursor or None, fields=_FIELDS, retry=None
            )
            blobs = next(rows.pages, ())
            found = (StoredObject(str(blob.name), int(blob.size), str(blob.generation)) for blob in blobs)
            return ObjectPage(
                tuple(one for one in found if one.key.startswith(prefix)), str(rows.next_page_token or "")
            )

        return self._read(LIST, asked)

    def part(self, wanted: StoredObject, start: int) -> Part:
        def asked(client: Any) -> Part:
            generation = int(wanted.version)
            blob = client.bucket(self._name).blob(wanted.key, generation=generation)
            body = blob.download_as_bytes(
                start=start, end=last_byte(wanted, start), raw_download=True, if_generation_match=generation,
                checksum=None, retry=None,
            )  # fmt: skip
            return Part(body, _whole(blob.crc32c))

        return self._read(GET, asked)

    def close(self) -> None:
        self._wire.close()

    def _read(self, verb: str, asked: Callable[[Any], T]) -> T:
        try:
            return asked(self._opened())
        except GoogleAuthError as error:
            raise _no_token(error) from None
        except (ValueError, KeyError, TypeError):
            # Google's client found something else in an answer than Google writes.
            raise network_failure("network.garbage", verb, Effect.READS, self._host, 0) from None

    @property
    def _host(self) -> str:
        return urlsplit(self._address or ADDRESS).netloc.rpartition("@")[2]

    def _opened(self) -> Any:
        with self._opening:
            if self._client is None:
                who = _identity(self._key, anonymous=urlsplit(self._address).scheme == "http")
                session = AuthorizedSession(who, refresh_status_codes=(), max_refresh_attempts=0)  # type: ignore[no-untyped-call]
                for scheme in ("https://", "http://"):
                    session.mount(scheme, _ByWire(self._wire))
                made = storage.Client(
                    project=None, credentials=who, _http=session, client_options={"api_endpoint": self._address or ADDRESS}
                )  # fmt: skip
                # For traces that nobody takes it would ask for the bucket itself, from a thread of its own, with repeats
                # and a permission that readers of objects do not have. There is no public switch but an environment's.
                made._bucket_metadata_cache = None  # noqa: SLF001 (as above)
                self._client = made
            return self._client


class _ByWire(BaseAdapter):
    """Sends what Google's client finished, over our wire."""

    def __init__(self, wire: StoredBytesWire) -> None:
        super().__init__()
        self._wire = wire

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        del args, kwargs  # its limits are not ours
        headers = {str(name).lower(): _text(value) for name, value in request.headers.items()}
        url = str(request.url)
        verb = GET if "alt=media" in urlsplit(url).query else LIST
        # Only a client that takes gzip is given an object as it is stored, and then ranges hold.
        call = Call(verb, Effect.READS, str(request.method), url, {**headers, "accept-encoding": "gzip"})
        answer = self._wire.exchange(call, accepted=lambda got: _is_answer(verb, headers, got))
        return _as_requests_has_it(request, answer)

    def close(self) -> None:
        """The wire is closed by whoever opened it."""


def _as_requests_has_it(request: PreparedRequest, answer: Answer) -> Response:
    raw = HTTPResponse(
        body=io.BytesIO(answer.body), headers=dict(answer.headers), status=answer.status, preload_content=False
    )
    return HTTPAdapter().build_response(request, raw)


def _is_answer(verb: str, headers: Mapping[str, str], answer: Answer) -> bool:
    return is_the_part(answer, headers) if verb == GET else is_json_object(answer)


def _whole(crc32c: str | None) -> Digest | None:
    """Return Google's CRC32C, which it writes as base64 of four bytes, the most significant first."""
    try:
        return Digest(Check.CRC32C, base64.b64decode(crc32c or "", validate=True).hex()) if crc32c else None
    except binascii.Error:
        return None


def _identity(key: str, *, anonymous: bool) -> Any:
    """Return who calls: the key's account, which signs each call itself; else the worker, or nobody where that may be."""
    if key:
        return service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            json.loads(key), scopes=[SCOPE], always_use_jwt_access=True
        )
    if anonymous:
        return AnonymousCredentials()  # type: ignore[no-untyped-call]
    try:
        return default(scopes=[SCOPE])[0]
    except DefaultCredentialsError:
        raise BadInput(
            "The worker has no identity of its own at Google.",
            f"Without credentials in its section a bucket is read as the worker. {NOTHING_SENT}",
            "Run the worker under a service account (workload identity), or name credentials in the section.",
        ) from None


def _no_token(error: GoogleAuthError) -> OpsError:
    kind = Unavailable if error.retryable else BadInput
    return kind(
        "Google hands out no token for whoever reads the bucket.",
        f"The key or the worker's identity was refused, or the place that proves it did not answer. {NOTHING_SENT}",
        "Look at the service account in Google's console, and at the credentials that the section names.",
    )


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
