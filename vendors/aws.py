"""The one policy for calling AWS: its own client writes, signs and reads a request, which goes over the line that all have.

botocore (the core of boto3) chooses the endpoint, signs, and makes Python of the answer. Sending is ours: its event
`before-send` hands the finished request to `vendors.http.Wire`, so AWS has the same host rule, deadline, hosts table, rows and
evidence as every other vendor. Its own sending, repeating, and endpoints from the environment are off.

Whoever calls is an access key, or, without one, the worker's own role: boto3's default chain (environment, shared files, web
identity, container, instance). Where that chain asks a service for its credentials, botocore does so by itself, beside our
evidence. In the rehearsal the chain is not used: no real identity signs what a stand-in sees.
Source: https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html, .../guide/configuration.html
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from domain.diagnosis import Kind, Signature
from domain.errors import BadInput, OpsError, Unavailable
from domain.exchanges import Effect
from vendors.fields import NOTHING_SENT
from vendors.http import Answer, Call, Conduct, Wire, is_json_object, network_failure, succeeded
from vendors.rate_limits import http_date

# Tighter than *.amazonaws.com, below which customers of AWS have hosts of their own.
PUBLISHED_HOSTS = (
    "iam.amazonaws.com", "iam.us-gov.amazonaws.com", "sts.*.amazonaws.com", "secretsmanager.*.amazonaws.com",
)  # fmt: skip
REGION = r"[a-z]{2}(-[a-z]+){1,2}-[0-9]"
_KEY_ID = re.compile(r"AKIA[0-9A-Z]{12,124}")
_SECRET = re.compile(r"[0-9A-Za-z/+=]{30,128}")
# What a KMS key encrypts or decrypts changes nothing at AWS.
_READING = ("get_", "list_", "describe_", "encrypt", "decrypt")
_NO_IDENTITY = "aws.no_identity"
# Clients are made one at a time: botocore's session is shared by all threads, and making one changes it.
_MAKING = Lock()


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A long-lived access key. Its id is no secret: AWS writes it into every log."""

    key_id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """Return the key as it is stored: one JSON object."""
        return json.dumps({"access_key_id": self.key_id, "secret_access_key": self.secret}, separators=(",", ":"))


def access_key(text: str) -> AccessKey:
    """Return the key that a stored value or an operator's input holds.

    Raises:
        BadInput: it is not a JSON object with both parts of a long-lived key.
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    parts = said if isinstance(said, dict) else {}
    key_id, secret = (str(parts.get(name, "")) for name in ("access_key_id", "secret_access_key"))
    if not (_KEY_ID.fullmatch(key_id) and _SECRET.fullmatch(secret)):
        raise BadInput(
            f'the value ({len(text)} characters) is not an access key like {{"access_key_id": "AKIA...", "secret_access_key": "..."}}.',
            NOTHING_SENT,
            "Write both parts of a user's long-lived key as one JSON object; a temporary one (ASIA...) cannot be rotated.",
        )
    return AccessKey(key_id, secret)


def access_key_text(text: str) -> str:
    """Return the value as it is to be stored, whatever blanks and order it was written with."""
    return access_key(text).text


class AwsLine:
    """One system's line to AWS. One client per service, made with its first request; none of them repeats anything."""

    def __init__(
        self,
        system: str,
        conduct: Conduct,
        *,
        region: str,
        address: str | None,
        signatures: tuple[Signature, ...],
        key: AccessKey | None,
        hosts: tuple[str, ...] = (),
    ) -> None:
        """Prepare the line; `hosts` are the only ones of AWS that it may go to, the first of them asked first.

        Raises:
            BadInput: the host is not allowed in this environment, or the rehearsal has no access key.
        """
        self.system = system
        self._region, self._address, self._key = region, address, key
        self._conduct = conduct
        self._wire = Wire(system, conduct, signatures=signatures, published_hosts=hosts or PUBLISHED_HOSTS)
        self._wire.check_host(address or f"https://{hosts[0] if hosts else f'sts.{region}.amazonaws.com'}")
        self._clients: dict[str, Any] = {}
        if key is None and conduct.hosts.rehearsal:
            raise BadInput(
                f"{system} has no access key to call AWS with.",
                f"The worker's own role has no place in the rehearsal. {NOTHING_SENT}",
                f"Give the manage key of {system}, as the stand-ins generated it.",
                _NO_IDENTITY,
            )

    def open(self, service: str) -> None:
        """Make the service's client now, so that the first request is not the one that pays for its import; nothing is sent."""
        self._client(service)

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make one request, named as botocore names it (`iam`, `list_access_keys`), and return what it answers.

        Raises:
            BadInput: a host is not allowed here, or the worker has no identity at AWS; nothing was sent.
            Rejected, Unavailable, NotYet, OutcomeUnknown: as the row of the vendor's signatures says.
        """
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]  # noqa: PLC0415 (see _session)
        from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]  # noqa: PLC0415 (see _session)

        try:
            answer: dict[str, Any] = getattr(self._client(service), operation)(**parameters)
        except ResponseParserError:
            # Its text holds the answer's body.
            host = urlsplit(self._address or "").netloc or service
            raise network_failure("network.garbage", operation, effect_of(operation), host, 0) from None
        except BotoCoreError as error:
            raise self._without_role(error) from None
        return answer

    def close(self) -> None:
        self._wire.close()

    def _client(self, service: str) -> Any:
        with _MAKING:
            if service not in self._clients:
                self._clients[service] = self._made(service)
            return self._clients[service]

    def _made(self, service: str) -> Any:
        from botocore.config import Config  # type: ignore[import-untyped]  # noqa: PLC0415 (see _session)

        who = {}
        if self._key is not None:
            who = {"aws_access_key_id": self._key.key_id, "aws_secret_access_key": self._key.secret}
        client = _session().create_client(
            service,
            region_name=self._region,
            endpoint_url=self._address,
            config=Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                ignore_configured_endpoint_urls=True,
                parameter_validation=False,  # what does not fit is for AWS to say
                user_agent_extra="opsflows",  # CloudTrail then shows who made a key
            ),
            **who,
        )
        client.meta.events.register_first("before-send", self._send)
        return client

    def _send(self, request: Any, event_name: str, **_: Any) -> Any:
        """Send what botocore finished and signed; its event names the operation."""
        from botocore.awsrequest import AWSResponse  # type: ignore[import-untyped]  # noqa: PLC0415 (see _session)

        operation = event_name.rpartition(".")[2]
        headers = {str(name).lower(): _text(value) for name, value in request.headers.items()}
        verb = verb_of(operation)
        call = Call(verb, effect_of(verb), request.method, request.url, headers, _bytes(request.body))
        speaks_json = "json" in headers.get("content-type", "")
        accepted = is_json_object if speaks_json else partial(_answers, f"<{operation}Response")
        answer = self._wire.exchange(call, accepted=accepted)
        return AWSResponse(request.url, answer.status, answer.headers, _Whole(answer.body))

    def _without_role(self, error: Exception) -> OpsError:
        """Return the error for what can fail before anything is sent: a client that has no key and finds no role."""
        from botocore import exceptions  # type: ignore[import-untyped]  # noqa: PLC0415 (see _session)

        unusable = (
            exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.ProfileNotFound,
            exceptions.ConfigParseError,
        )  # fmt: skip
        kind = BadInput if isinstance(error, unusable) else Unavailable
        return kind(
            f"The worker's own role at AWS could not be had ({type(error).__name__}).",
            f"Without a manage key it calls AWS with its own role. {NOTHING_SENT}",
            f"Look at what gives the worker its role, or set the manage key of {self.system}.",
            _NO_IDENTITY,
        )


@cache
def _session() -> Any:
    """Return the one session of this process: it finds the worker's role once, and has AWS's descriptions in memory.

    botocore is imported here and in what needs it: that takes a quarter of a second, and the registry is imported by
    everything.
    """
    from botocore.session import get_session  # type: ignore[import-untyped]  # noqa: PLC0415 (as above)

    return get_session()


def verb_of(operation: str) -> str:
    """Return `create_access_key` of CreateAccessKey: evidence and rows name AWS's operations as boto3 does."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def effect_of(verb: str) -> Effect:
    return Effect.READS if verb.startswith(_READING) else Effect.CHANGES


def told_at(answer: Mapping[str, Any]) -> datetime | None:
    """Return AWS's own time at its answer, None where something on the way removed it."""
    return http_date(str(answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")))


def row_maker(system: str) -> Callable[..., Signature]:
    """Return a maker of rows of one integration; the same failure has a row in each that calls AWS."""

    def row(
        name: str, statuses: set[int], marker: str, means: str, next_step: str, *,
        verbs: frozenset[str] = frozenset(), kind: Kind = Kind.REJECTED,
    ) -> Signature:  # fmt: skip
        saw = "AWS answered {status} to {verb}."
        return Signature(f"{system}.{name}", frozenset(statuses), kind, saw, means, next_step, marker, verbs)

    return row


def shared_rows(system: str) -> tuple[Signature, ...]:
    """Return what any of AWS's services may answer. The markers are parts of its error codes and messages.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html,
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
    """
    row = row_maker(system)
    return (
        row("throttled", {400, 429, 503}, "Throttling", "More requests were made than AWS allows the account; nothing was taken.", "Wait and repeat; if it lasts, look in CloudTrail for what else calls AWS with this account.", kind=Kind.UNAVAILABLE),
        row("clock_behind", {400, 403}, "Signature expired", "This machine's clock is behind AWS's by more than a signature's five minutes; it says nothing about the key.", "Set this machine's clock (timedatectl, chronyc tracking), then repeat."),
        row("clock_ahead", {400, 403}, "Signature not yet current", "This machine's clock is ahead of AWS's by more than a signature's five minutes; it says nothing about the key.", "Set this machine's clock (timedatectl, chronyc tracking), then repeat."),
        row("request_late", {400, 403}, "RequestExpired", "The request arrived too long after it was signed; it says nothing about the key.", "Set this machine's clock, look at the proxy between this machine and AWS, then repeat."),
        row("region_wrong", {400, 403}, "Credential should be scoped to", "The request was signed for another region or service than the one that was asked; it says nothing about the key.", "Correct the region in the credential's block."),
        row("role_expired", {400, 401, 403}, "ExpiredToken", "The worker's own role has run out and was not renewed; it says nothing about an access key.", "Restart the worker; if it stays, look at what gives the worker its role.", kind=Kind.UNAVAILABLE),
    )  # fmt: skip


class _Whole:
    """An answer's body as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


def _answers(element: str, answer: Answer) -> bool:
    """Accept AWS's own XML: what something on the way says with a 200 changed nothing."""
    return succeeded(answer) and element in answer.text


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else str(body or "").encode()
