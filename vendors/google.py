"""The one policy for calling Google through its official clients: what http.py is for vendors that are spoken to in HTTP.

A client of ours names a verb and a method; `GoogleLine.exchange` calls it once, records it as evidence and returns what
`read` made of the answer, or raises one of the four errors. The clients' own repeating is off. Both transports come to the
same: the rows of `signatures` see the HTTP status (of a gRPC code: the one it stands for), and `CODE: message` as the body.

An address is None for Google itself (gRPC, TLS), `grpc://host:port` or `http://host:port/prefix` (REST, of the clients that
have it) for a stand-in or a gateway. Who calls is the service account of `key`, and where that is empty the worker itself
(its workload identity, GOOGLE_APPLICATION_CREDENTIALS); its tokens are fetched by Google's library, beside our evidence.
Source: https://googleapis.dev/python/google-api-core/latest/, https://cloud.google.com/docs/authentication
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import google_crc32c

from domain.diagnosis import FALLBACK, Kind, Signature, matching, raised_from
from domain.errors import BadInput, OpsError
from domain.exchanges import Effect, Exchange
from vendors.dialing import exchange_limit
from vendors.google_failures import Heard, failures, heard_from, make_readable
from vendors.hosts import is_loopback
from vendors.http import Conduct, network_failure
from vendors.rate_limits import DEFAULT_RATE_LIMIT_WAIT

T = TypeVar("T")
PUBLISHED_HOSTS = ("*.googleapis.com", "accounts.google.com")
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_OK, _TOO_MANY_REQUESTS = 200, 429


@dataclass(frozen=True, slots=True)
class Service:
    """One of Google's services: its published host, and its official client, imported when it is first needed."""

    host: str
    client: Callable[[], Any]


class GoogleLine:
    """One system's line to one of Google's services. Its client is made with the first request."""

    def __init__(
        self,
        system: str,
        service: Service,
        conduct: Conduct,
        *,
        signatures: tuple[Signature, ...],
        key: str = "",
        address: str | None = None,
    ) -> None:
        self.system = system
        self._service = service
        self._conduct = conduct
        self._signatures = signatures
        self._key = key
        self._address = address
        self._opening = Lock()
        self._client: Any = None
        self._bearer: Any = None
        conduct.hosts.check(self._url, PUBLISHED_HOSTS)

    def open(self) -> None:
        """Make the client now, so that the first request is not the one that pays for its import; nothing is sent.

        Raises:
            BadInput: the address has no such transport, or the worker has no identity.
        """
        self._opened()

    def exchange(
        self,
        verb: str,
        effect: Effect,
        method: str,
        request: Mapping[str, object],
        *,
        read: Callable[[Any], T],
        otherwise: Mapping[str, Callable[[str], T]] = MappingProxyType({}),
    ) -> T:
        """Call the client's method once and return what `read` makes of its answer.

        `otherwise` names codes that are an answer as well (NOT_FOUND to a deletion), and what their message comes to.
        `read` may raise an OpsError where the answer does not hold what it must.

        Raises:
            BadInput: the address has no such transport, or the worker has no identity; nothing was sent.
            Rejected, Unavailable, NotYet, OutcomeUnknown: as the row of the vendor's signatures says.
        """
        client = self._opened()
        self._conduct.admit(self.system, verb)
        started = time.monotonic()
        heard = Heard(None)
        try:
            with exchange_limit(self._conduct.exchange_limit.total_seconds()) as seconds:
                heard = self._asked(client, method, request, seconds)
            if heard.status == _OK:
                result = read(heard.answer)
            elif heard.code in otherwise:
                result = otherwise[heard.code](heard.text)
            else:
                raise self._refusal(heard, verb, effect, seconds)
        except OpsError as error:
            self._note(verb, started, heard.status, type(error).__name__)
            raise
        self._note(verb, started, heard.status, "ok")
        return result

    def close(self) -> None:
        if self._client is not None:
            self._client.transport.close()

    def _asked(self, client: Any, method: str, request: Mapping[str, object], seconds: float) -> Heard:
        try:
            metadata = self._authorization()
            answer = getattr(client, method)(request=request, retry=None, timeout=seconds, metadata=metadata)
        except failures() as error:
            return heard_from(error)
        return Heard(_OK, answer=answer)

    def _refusal(self, heard: Heard, verb: str, effect: Effect, seconds: float) -> OpsError:
        if heard.symptom:
            host = self.host if heard.reached_google else "the place that proves the worker's identity"
            return network_failure(heard.symptom, verb, effect, host, seconds, sent=heard.sent)
        row = matching((*self._signatures, *FALLBACK[effect]), verb, heard.judged_as, f"{heard.code}: {heard.text}")
        if row is None:
            return network_failure("network.garbage", verb, effect, self.host, seconds)
        return raised_from(row, self.system, verb, heard.judged_as, _wait(row, heard))

    @property
    def _url(self) -> str:
        return self._address or f"https://{self._service.host}"

    @property
    def host(self) -> str:
        return urlsplit(self._url).netloc.rpartition("@")[2]

    @property
    def _on_loopback(self) -> bool:
        return is_loopback(urlsplit(self._url).hostname or "")

    def _opened(self) -> Any:
        with self._opening:  # two probes of one vendor share its connections
            if self._client is None:
                self._client = self._made()
            return self._client

    def _made(self) -> Any:
        kind = self._service.client()
        scheme = urlsplit(self._url).scheme
        if scheme == "grpc":
            return self._made_for_plain_grpc(kind)
        credentials = _credentials(self._key, anonymous=scheme == "http")
        if self._address is None:
            return kind(credentials=credentials, client_options={"api_endpoint": self._service.host})
        return self._made_for_rest(kind, credentials)

    def _made_for_plain_grpc(self, kind: Any) -> Any:
        import grpc  # type: ignore[import-untyped]  # noqa: PLC0415 (heavy, and the registry is imported by everything)

        channel = grpc.insecure_channel(self.host, [("grpc.enable_http_proxy", 0 if self._on_loopback else 1)])
        self._bearer = _bearer(self._key, self._service.host)
        return kind(transport=kind.get_transport_class("grpc")(channel=channel))

    def _made_for_rest(self, kind: Any, credentials: Any) -> Any:
        try:
            kind.get_transport_class("rest")
        except KeyError:
            raise BadInput(
                f"{self.system} cannot be reached over http: Google's client for {self._service.host} speaks gRPC alone.",
                "Nothing was sent.",
                "Write the address as grpc://host:port.",
            ) from None
        client = kind(transport="rest", credentials=credentials, client_options={"api_endpoint": self._address})
        # Google's session has no public place for these: it would ask up to three times after a 401, follow a redirect
        # with a secret in the body, and take a proxy for loopback.
        session = client.transport._session  # noqa: SLF001 (as above)
        session._refresh_status_codes, session.max_redirects = (), 0  # noqa: SLF001 (as above)
        session.trust_env = not self._on_loopback
        session.hooks["response"].append(make_readable)
        return client

    def _authorization(self) -> tuple[tuple[str, str], ...]:
        """Return what Google's own channel adds to each call; an unencrypted one carries no credentials by itself."""
        headers: dict[str, str] = {}
        if self._bearer is not None:
            self._bearer.before_request(None, "POST", self._url, headers)
        return tuple(headers.items())

    def _note(self, verb: str, started: float, status: int | None, outcome: str) -> None:
        self._conduct.record(
            Exchange(
                system=self.system,
                verb=verb,
                host=self.host,
                status=status,
                duration_ms=round((time.monotonic() - started) * 1000),
                request_id="",
                nonce="",
                outcome=outcome,
                at=datetime.now(UTC),
                vendor_date=None,  # Google's clients show no Date
            )
        )


def crc32c(data: bytes) -> int:
    """Return the checksum that Google sends with payloads. Its clients never check it themselves."""
    return int(google_crc32c.value(data))


def moment(stamp: Any) -> datetime | None:
    """Return a time of an answer as a plain one, None where there is none."""
    return datetime.fromtimestamp(stamp.timestamp(), UTC) if stamp else None


def _wait(row: Signature, heard: Heard) -> timedelta | None:
    if row.kind is not Kind.UNAVAILABLE:
        return None
    limited = heard.status == _TOO_MANY_REQUESTS
    return DEFAULT_RATE_LIMIT_WAIT if limited and heard.wait is None else heard.wait


def loaded_private_key(pem: str) -> Any:
    """Return the private key, or raise ValueError where it is none. Its numbers are not checked: that takes 0.1 s each time."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 (heavy)
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 (heavy)

    try:
        return load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    except (TypeError, UnsupportedAlgorithm) as error:  # it has a password, or is of a kind that nobody knows here
        raise ValueError("no private key") from error


def _credentials(key: str, *, anonymous: bool) -> Any:
    """Return who calls: the key's account, which signs each call itself; else the worker, or nobody where that may be."""
    from google.auth import credentials, default  # noqa: PLC0415 (heavy)
    from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415 (heavy)
    from google.oauth2 import service_account  # noqa: PLC0415 (heavy)

    if key:
        info = json.loads(key)
        return service_account.Credentials(  # type: ignore[no-untyped-call]
            _signer(info), info["client_email"], info["token_uri"], scopes=[SCOPE], always_use_jwt_access=True
        )
    if anonymous:
        return credentials.AnonymousCredentials()  # type: ignore[no-untyped-call]
    try:
        return default(scopes=[SCOPE])[0]
    except DefaultCredentialsError:
        raise BadInput(
            "The worker has no identity of its own at Google, and no manage key was given.",
            "Nothing was sent.",
            "Run the worker under a service account (workload identity), or set the integration's manage key.",
            "google.no_identity",
        ) from None


def _bearer(key: str, host: str) -> Any:
    from google.auth import jwt  # noqa: PLC0415 (heavy)

    if not key:
        return None
    info = json.loads(key)
    return jwt.Credentials(_signer(info), info["client_email"], info["client_email"], f"https://{host}/")  # type: ignore[no-untyped-call]


def _signer(info: Mapping[str, str]) -> Any:
    from google.auth.crypt import RSASigner  # noqa: PLC0415 (heavy)

    return RSASigner(loaded_private_key(info["private_key"]), info["private_key_id"])  # type: ignore[no-untyped-call]
