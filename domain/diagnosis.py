"""Every failure we know is a row: what was seen, what it means, what to do. The first row that fits speaks.

A vendor's own rows stand in its module, beside the verbs they speak of; the rows here hold for every vendor.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from domain.errors import NotYet, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.exchanges import Effect


class Kind(Enum):
    """Which error a row raises."""

    REJECTED = Rejected
    UNAVAILABLE = Unavailable
    NOT_YET = NotYet
    OUTCOME_UNKNOWN = OutcomeUnknown


@dataclass(frozen=True, slots=True)
class Signature:
    """One failure signature of one vendor.

    It fits when the verb is among `verbs` (empty: any), the status among `statuses`, and `marker` stands in the
    body, in any case (empty: any body). The body itself never leaves the vendor's module.
    """

    id: str
    statuses: frozenset[int]
    kind: Kind
    saw: str
    means: str
    next_step: str
    marker: str = ""
    verbs: frozenset[str] = frozenset()

    def fits(self, verb: str, status: int, body: str) -> bool:
        return (
            status in self.statuses
            and (not self.verbs or verb in self.verbs)
            and (not self.marker or self.marker.lower() in body.lower())
        )


@dataclass(frozen=True, slots=True)
class Symptom:
    """A failure that is not one vendor's: of the network, of several integrations, or seen only by reading back."""

    id: str
    saw: str
    means: str
    next_step: str


def matching(signatures: Iterable[Signature], verb: str, status: int, body: str) -> Signature | None:
    """Return the first row that fits, so specific rows stand above general ones."""
    return next((row for row in signatures if row.fits(verb, status, body)), None)


_CLIENT_ERRORS = frozenset(range(400, 500)) - {408, 429}
_SERVER_ERRORS = frozenset(range(500, 600)) | {408}

# What a status means where the vendor's own rows are silent. A 5xx may come after the work was done.
FALLBACK: dict[Effect, tuple[Signature, ...]] = {
    effect: (
        Signature(
            "http.rate_limited",
            frozenset({429}),
            Kind.UNAVAILABLE,
            "{system} answered 429 to {verb}.",
            "The vendor limits how often it may be asked; a cold account's first burst is limited too. Nothing was taken.",
            "Wait for the time the vendor names (60 s where it names none) and repeat; if it lasts, open a ticket with the vendor.",
        ),
        Signature(
            "http.unauthorized",
            frozenset({401, 403}),
            Kind.REJECTED,
            "{system} answered {status} to {verb}.",
            "The credential is wrong, was revoked, lacks a permission, or belongs to another region.",
            "Compare the credential and its region with the vendor's settings page, then verify again.",
        ),
        Signature(
            "http.not_found",
            frozenset({404, 410}),
            Kind.REJECTED,
            "{system} answered {status} to {verb}.",
            "What the request names does not exist there, or not any more.",
            "Check the names and ids in the credential's block (organisation, project, service, channel).",
        ),
        Signature(
            "http.refused",
            _CLIENT_ERRORS,
            Kind.REJECTED,
            "{system} answered {status} to {verb}.",
            "The vendor understood the request and refuses it; repeating it changes nothing.",
            "Look the status up on the integration's page under docs/integrations, then correct the credential or open an issue.",
        ),
        Signature(
            "http.server_error",
            _SERVER_ERRORS,
            Kind.UNAVAILABLE if effect is Effect.READS else Kind.OUTCOME_UNKNOWN,
            "{system} answered {status} to {verb}.",
            "The vendor failed while answering."
            + ("" if effect is Effect.READS else " The request may have taken effect all the same."),
            "Look at the vendor's status page; the next run looks first and repeats only what is missing.",
        ),
        Signature(
            "http.unexpected",
            frozenset(range(100, 400)),
            Kind.UNAVAILABLE if effect is Effect.READS else Kind.OUTCOME_UNKNOWN,
            "{system} answered {status} to {verb}, with a body that does not say success.",
            "Something between us and the vendor may have answered in its place (a proxy, a login page), or the vendor's API changed.",
            "Open the vendor's address from this machine; if the vendor answers there, compare with docs/integrations.",
        ),
    )
    for effect in Effect
}

NETWORK: dict[str, Symptom] = {
    row.id: row
    for row in (
        Symptom(
            "network.dns",
            "{host} could not be resolved.",
            "This machine's DNS does not know the vendor: often a corporate resolver that blocks the domain.",
            "Ask for {host} to be allowed; meanwhile rehearse on the stand-ins and note the block (opsflows wire block).",
        ),
        Symptom(
            "network.refused",
            "{host} refused the connection.",
            "Nothing listens at that address, or a firewall answers in its place.",
            "Check the address and port in the credential, then the route from this machine.",
        ),
        Symptom(
            "network.connect_timeout",
            "{host} did not accept a connection within {seconds} s.",
            "A firewall drops the packets, or the network is down.",
            "Ask for {host} to be allowed from this machine, and test with curl from here.",
        ),
        Symptom(
            "network.tls",
            "The TLS handshake with {host} failed.",
            "Its certificate is not trusted here: self-signed, expired, for another name, or replaced by an inspecting proxy.",
            "Install the issuer's certificate (SSL_CERT_FILE); for Splunk in dev only, SPLUNK_HEC_INSECURE=1.",
        ),
        Symptom(
            "network.proxy",
            "The proxy on the way to {host} refused to connect.",
            "HTTPS_PROXY names a proxy that does not let this machine through to the vendor, or wants a login.",
            "Ask for {host} to be allowed at the proxy, or correct HTTPS_PROXY.",
        ),
        Symptom(
            "network.timeout",
            "{host} did not finish its answer to {verb} within {seconds} s.",
            "The vendor or the line is too slow, or the answer only drips.",
            "Look at the vendor's status page and verify again; the time it took is in the evidence.",
        ),
        Symptom(
            "network.reset",
            "{host} broke the connection during {verb}.",
            "A proxy, a firewall or the vendor's load balancer closed it half-way.",
            "Verify again; if it stays, look at the proxy between this machine and {host}.",
        ),
        Symptom(
            "network.garbage",
            "{host} answered {verb} with something that is not the vendor's answer.",
            "The answer was cut short, or a proxy or login page answered in the vendor's place.",
            "Open the vendor's address from this machine and look who answers.",
        ),
    )
}

SUBSTRATE = Symptom(
    "network.substrate",
    "{count} integrations failed at the network at once: {names}.",
    "That is one cause, not {count} bad credentials: this machine's network, its DNS or its proxy.",
    "Escalate to the platform on-call, not per integration; do not touch credentials.",
)

DELIVERED_UNSEEN = Symptom(
    "delivery.unseen",
    "Every probe was confirmed, but no person saw the notification.",
    "Verification shows that the vendor took the event; routing it to a person is the vendor's setting: escalation policy, "
    "channel, on-call rotation.",
    "Open the page of the integration under docs/integrations, section 'After set-up', and follow it; then opsflows confirm.",
)

NOT_DELIVERED = Symptom(
    "delivery.missing",
    "{system} accepted the {probe} event with nonce {nonce}, and within {seconds} s it could not be read back.",
    "Accepted is not delivered: it went elsewhere or was dropped (routing, filter, quota, paused service), which is not a "
    "matter of the credential that sent it.",
    "Check where the vendor sends this credential's events, on the integration's page under docs/integrations.",
)

_NETWORK_WIDE = frozenset(
    {"network.dns", "network.refused", "network.connect_timeout", "network.tls", "network.proxy", "network.reset"}
)
_SEVERAL = 2


def substrate_failure(symptoms_by_integration: Sequence[tuple[str, str]]) -> Symptom | None:
    """Return the common cause when two or more integrations fail at the network, else None.

    Takes (integration, symptom id) of every integration that failed.
    """
    names = sorted({name for name, symptom in symptoms_by_integration if symptom in _NETWORK_WIDE})
    if len(names) < _SEVERAL:
        return None
    return Symptom(
        SUBSTRATE.id,
        SUBSTRATE.saw.format(count=len(names), names=", ".join(names)),
        SUBSTRATE.means.format(count=len(names)),
        SUBSTRATE.next_step,
    )


def raised_from(row: Signature, system: str, verb: str, status: int, retry_after: timedelta | None = None) -> OpsError:
    """Return the error that a row speaks for."""
    error: type[OpsError] = row.kind.value
    return error(row.saw.format(system=system, verb=verb, status=status), row.means, row.next_step, row.id, retry_after)


def error_of(row: Symptom, kind: type[OpsError], **words: str) -> OpsError:
    """Return the error of that kind that a symptom speaks for; `words` fill its sentences."""
    return kind(row.saw.format(**words), row.means.format(**words), row.next_step.format(**words), row.id)
