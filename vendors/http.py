"""The one policy for talking to vendors: how a call is made, how long it may take, what an answer means.

A client names a Call; `Wire.exchange` makes it once, records it as evidence and returns an Answer that was accepted,
or raises one of the four errors. Nothing here retries, sleeps or logs.
"""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from threading import Lock
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from domain.diagnosis import FALLBACK, NETWORK, Kind, Signature, matching, raised_from
from domain.errors import BadInput, OpsError, OutcomeUnknown, Unavailable
from domain.exchanges import Effect, Exchange
from vendors.dialing import NameUnknown, TlsFailed, Transport, exchange_limit
from vendors.hosts import HostRule, is_loopback
from vendors.rate_limits import DEFAULT_RATE_LIMIT_WAIT, RetryAfter, http_date, retry_after_seconds

ANSWER_LIMIT_BYTES = 10 * 1024 * 1024
# Sent with every request; the packings are those that httpx always unpacks.
_HEADERS = {"user-agent": "opsflows", "accept": "*/*", "accept-encoding": "gzip, deflate"}


@dataclass(frozen=True, slots=True)
class Conduct:
    """How this process talks to the outside: where to, how long, and who notes it down.

    `dial` is a hosts table: connections to a name go to that address and port instead (a local cut, a test's peer).
    `admit` is called with system and verb before each request: it may wait for its place within a limit, or raise.
    """

    hosts: HostRule
    record: Callable[[Exchange], None]
    connect_limit: timedelta = timedelta(seconds=10)
    exchange_limit: timedelta = timedelta(seconds=20)
    dial: Mapping[str, tuple[str, int]] = field(default_factory=lambda: MappingProxyType({}))
    proxy: str | None = None
    admit: Callable[[str, str], None] = lambda *_: None


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `verb` is ours (`send_event`), one word per thing, as it stands in evidence and messages."""

    verb: str
    effect: Effect
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes = b""
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that arrived whole. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    def fields(self) -> dict[str, Any]:
        """Return the JSON object in the body, or an empty one where the body holds none."""
        try:
            parsed = json.loads(self.body)
        except (ValueError, RecursionError):  # brackets nested by the thousand end as the latter
            return {}
        return parsed if isinstance(parsed, dict) else {}


def json_call(
    verb: str,
    effect: Effect,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    payload: object | None = None,
    nonce: str = "",
) -> Call:
    """Return a Call that sends `payload` as JSON (nothing when None) and asks for JSON."""
    body = b"" if payload is None else json.dumps(payload, separators=(",", ":")).encode()
    content = {"content-type": "application/json"} if body else {}
    return Call(verb, effect, method, url, {"accept": "application/json", **content, **headers}, body, nonce)


def succeeded(answer: Answer) -> bool:
    return httpx.codes.is_success(answer.status)


def is_json_object(answer: Answer) -> bool:
    """Accept a 2xx whose body is a JSON object; an empty or cut one is not the vendor's answer."""
    return succeeded(answer) and (bool(answer.fields()) or answer.body.strip() == b"{}")


class Wire:
    """One system's line to the outside: its connections, and the rules by which its answers are read.

    Costs no TLS set-up of its own: all wires of a process share one SSLContext.
    """

    def __init__(
        self,
        system: str,
        conduct: Conduct,
        *,
        signatures: tuple[Signature, ...],
        published_hosts: tuple[str, ...],
        retry_after: RetryAfter = retry_after_seconds,
        verify_tls: bool = True,
    ) -> None:
        self.system = system
        self._conduct = conduct
        self._signatures = signatures
        self._published = published_hosts
        self._retry_after = retry_after
        self._verify_tls = verify_tls
        self._transport: Transport | None = None
        self._opening = Lock()

    def check_host(self, url: str) -> None:
        """Raise BadInput unless this environment's credentials may be sent there."""
        self._conduct.hosts.check(url, self._published)

    def exchange(self, call: Call, accepted: Callable[[Answer], bool] = is_json_object) -> Answer:
        """Make the call once and return its answer when `accepted` says that it is a success.

        Raises:
            BadInput: the host is not one that this environment's credentials may go to; nothing was sent.
            Rejected, Unavailable, NotYet, OutcomeUnknown: as the row of the vendor's signatures says.
        """
        self.check_host(call.url)
        self._conduct.admit(self.system, call.verb)
        started = time.monotonic()
        host = urlsplit(call.url).netloc.rpartition("@")[2]
        answer: Answer | None = None
        try:
            answer = self._request(call, host)
            if not accepted(answer):
                raise self._refusal(call, answer)
        except OpsError as error:
            self._note(call, host, started, answer, type(error).__name__)
            raise
        self._note(call, host, started, answer, "ok")
        return answer

    def refusal(self, call: Call, answer: Answer) -> OpsError:
        """Return the error for an accepted answer whose content the client finds to be a refusal after all."""
        return self._refusal(call, answer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _request(self, call: Call, host: str) -> Answer:
        limit = self._conduct.exchange_limit.total_seconds()
        with exchange_limit(limit) as seconds:
            try:
                return self._send(call)
            except httpx.InvalidURL as error:
                raise BadInput(
                    f"The address of {self.system} cannot be read.",
                    "It is not a URL; nothing was sent.",
                    "Correct it in the credential.",
                ) from error
            except _NETWORK_ERRORS as error:
                raise _network_failure(error, call, host, seconds) from None
            except (_TooLarge, httpx.DecodingError):
                raise _failure("network.garbage", call, host, seconds) from None

    def _send(self, call: Call) -> Answer:
        # Without httpx's own client, which would follow cookies and logins in a URL, and costs as much as the request.
        request = httpx.Request(
            call.method,
            call.url,
            headers={**_HEADERS, **call.headers},
            content=call.body or None,
            extensions={"timeout": {"connect": self._conduct.connect_limit.total_seconds()}},
        )
        response = self._opened(call.url).handle_request(request)
        try:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > ANSWER_LIMIT_BYTES:
                    raise _TooLarge
        finally:
            response.close()
        return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(body))

    def _opened(self, url: str) -> Transport:
        with self._opening:  # two probes of one vendor share its connections
            if self._transport is None:
                secure = urlsplit(url).scheme == "https"
                context = (_tls_context() if self._verify_tls else _unverified_tls_context()) if secure else None
                proxy = None if is_loopback(urlsplit(url).hostname or "") else self._conduct.proxy
                self._transport = Transport(context=context, dial=self._conduct.dial, proxy=proxy)
            return self._transport

    def _refusal(self, call: Call, answer: Answer) -> OpsError:
        rows = (*self._signatures, *FALLBACK[call.effect])
        row = matching(rows, call.verb, answer.status, answer.text)
        if row is None:  # a status outside 100-599
            return _failure("network.garbage", call, "the vendor", 0)
        if row.id == "http.unexpected" and succeeded(answer):
            return _failure("network.garbage", call, urlsplit(call.url).hostname or "", 0)
        return raised_from(row, self.system, call.verb, answer.status, self._wait(row, answer))

    def _wait(self, row: Signature, answer: Answer) -> timedelta | None:
        """Return when to repeat. The vendor's own header counts at a limit alone: many send it with every answer."""
        now = datetime.now(UTC)
        if row.kind is not Kind.UNAVAILABLE:
            return None
        limited = answer.status == httpx.codes.TOO_MANY_REQUESTS
        if limited or succeeded(answer):  # a vendor may name a limit with a 200
            named = self._retry_after(answer.headers, now)
            return DEFAULT_RATE_LIMIT_WAIT if limited and named is None else named
        return retry_after_seconds(answer.headers, now)

    def _note(self, call: Call, host: str, started: float, answer: Answer | None, outcome: str) -> None:
        headers = answer.headers if answer else {}
        self._conduct.record(
            Exchange(
                system=self.system,
                verb=call.verb,
                host=host,
                status=answer.status if answer else None,
                duration_ms=round((time.monotonic() - started) * 1000),
                request_id=_request_id(headers),
                nonce=call.nonce,
                outcome=outcome,
                at=datetime.now(UTC),
                vendor_date=http_date(headers.get("date", "")),
            )
        )


class _TooLarge(Exception):
    """The answer is larger than any answer of a vendor we read."""


_NETWORK_ERRORS = (
    httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.ProxyError, OSError,
)  # fmt: skip
_BEFORE_SENDING = (
    NameUnknown, TlsFailed, httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.ProxyError,
)  # fmt: skip
_SYMPTOM_OF: tuple[tuple[type[Exception], str], ...] = (
    (NameUnknown, "network.dns"),
    (TlsFailed, "network.tls"),
    (httpcore.ProxyError, "network.proxy"),
    (httpcore.ConnectTimeout, "network.connect_timeout"),
    (httpcore.PoolTimeout, "network.connect_timeout"),
    (httpcore.ConnectError, "network.refused"),
    (httpcore.TimeoutException, "network.timeout"),
)


def _network_failure(error: Exception, call: Call, host: str, seconds: float) -> OpsError:
    symptom = next((symptom for kind, symptom in _SYMPTOM_OF if isinstance(error, kind)), "network.reset")
    return _failure(symptom, call, host, seconds, sent=not isinstance(error, _BEFORE_SENDING))


def _failure(symptom: str, call: Call, host: str, seconds: float, *, sent: bool = True) -> OpsError:
    return network_failure(symptom, call.verb, call.effect, host, seconds, sent=sent)


def network_failure(
    symptom: str, verb: str, effect: Effect, host: str, seconds: float, *, sent: bool = True
) -> OpsError:  # fmt: skip
    """Return OutcomeUnknown where the request may have taken effect, else Unavailable."""
    kind = OutcomeUnknown if sent and effect is Effect.CHANGES else Unavailable
    row = NETWORK[symptom]
    words = {"host": host, "verb": verb, "seconds": f"{seconds:.0f}"}
    return kind(row.saw.format(**words), row.means.format(**words), row.next_step.format(**words), row.id)


@cache
def _tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@cache
def _unverified_tls_context() -> ssl.SSLContext:
    """For SPLUNK_HEC_INSECURE alone, which is refused outside dev environments."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_REQUEST_ID_HEADERS = (
    "x-request-id",
    "dd-request-id",
    "x-slack-req-id",
    "x-sentry-request-id",
    "x-splunk-request-id",
    "x-github-request-id",
    "x-amzn-requestid",
)


def _request_id(headers: Mapping[str, str]) -> str:
    return next((headers[name] for name in _REQUEST_ID_HEADERS if name in headers), "")
