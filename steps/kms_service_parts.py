"""What is looked at of the service itself: its health page, and what its own encryption makes of a text that nobody knows."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Protocol
from urllib.parse import urlsplit

from domain.errors import OpsError
from domain.exchanges import Exchange
from domain.kms_checks import Part, PartKind, passed
from domain.kms_sections import KmsTarget
from steps.kms_operations import READ, Asking, FaultSeen, Tally, ask, failed, judged_by_time, seen_in
from steps.kms_question import PLAINTEXT_BYTES
from vendors.healthz import Reading
from vendors.http import Conduct
from vendors.kms_application import fallen_back

_HEALTH, _APPLICATION = PartKind.HEALTH.value, PartKind.APPLICATION.value
_SYSTEM = "health"


class ReadHealth(Protocol):
    def __call__(self, base_url: str, *, path: str, limit_seconds: float) -> Reading: ...


class Application(Protocol):
    """A service's own encrypt and decrypt path (vendors/kms_application.py)."""

    def encrypt(self, plaintext: bytes, context: Mapping[str, str]) -> str: ...

    def decrypt(self, ciphertext: str, context: Mapping[str, str]) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Service:
    """One service to be asked; `base_url` is where it is now."""

    environment: str
    name: str
    section: KmsTarget
    base_url: str
    conduct: Conduct
    asking: Asking


def health_part(service: Service, read: ReadHealth) -> Part:
    """Return what the health page says. Who does not answer at all is asked again; what a page says counts at once."""
    tally, seen = Tally(), list[Reading]()
    try:
        if service.conduct.hosts.rehearsal:
            service.conduct.hosts.check(service.base_url, ())
        ask(service.asking, tally, READ, lambda: seen.append(_read(service, read)))
    except OpsError as error:
        return failed(_HEALTH, seen_in(error, {}), tally)
    except FaultSeen as fault:
        return failed(_HEALTH, fault, tally)
    reading = seen[-1]
    part = passed(_HEALTH, reading.detail or "KMS and ready", mode=str(reading.mode), ready="true")
    return judged_by_time(part, tally, service.asking)


def application_part(
    service: Service, envelope: str, connect: Callable[[], Application], random: Callable[[int], bytes]
) -> Part:
    """Return whether the service's own path encrypts, and decrypts to the same text; `envelope` is how its ciphertexts begin.

    Its calls count as no operations: what of them reaches the KMS is the service's affair.
    """
    tally = Tally()
    try:
        canary = connect()
    except OpsError as error:
        return failed(_APPLICATION, seen_in(error, service.asking.faults), tally)
    try:
        part = _tried(service, canary, envelope, random(PLAINTEXT_BYTES), tally)
    except FaultSeen as fault:
        part = failed(_APPLICATION, fault, tally)
    finally:
        canary.close()
    return replace(part, operations=0)


def _tried(service: Service, canary: Application, envelope: str, plaintext: bytes, tally: Tally) -> Part:
    context = {"environment": service.environment, "service": service.name}
    ciphertext = ask(service.asking, tally, "encrypt", lambda: canary.encrypt(plaintext, context))
    if why := fallen_back(plaintext, ciphertext, envelope):
        return failed(_APPLICATION, FaultSeen("kms.plaintext", why), tally)
    opened = ask(service.asking, tally, "decrypt", lambda: canary.decrypt(ciphertext, context))
    if not hmac.compare_digest(opened, plaintext):
        return failed(_APPLICATION, FaultSeen("kms.application_wrong"), tally)
    part = passed(_APPLICATION, "its own path encrypted and decrypted")
    return judged_by_time(part, tally, service.asking)


def _read(service: Service, read: ReadHealth) -> Reading:
    """Return the page as it was read. Raises FaultSeen with what it came to where that is not well."""
    section = service.section
    try:
        reading = read(service.base_url, path=section.health_path, limit_seconds=section.limit_seconds)
    except ValueError as error:
        raise FaultSeen("kms.config", "base_url and health_path make no address that can be asked") from error
    service.conduct.record(_exchange(service.base_url, reading))
    if reading.fault:
        raise FaultSeen(reading.fault, reading.detail)
    return reading


def _exchange(base_url: str, reading: Reading) -> Exchange:
    return Exchange(
        system=_SYSTEM,
        verb="read_health",
        host=urlsplit(base_url).netloc.rpartition("@")[2],
        status=reading.status,
        duration_ms=round(reading.milliseconds),
        request_id="",
        nonce="",
        outcome=reading.state,
        at=reading.at.astimezone(UTC),
        vendor_date=None,
    )
