"""A probe: one synthetic event, sent, read back, cleaned up. What it can come to is a named state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType

from domain.names import Target


class Outcome(Enum):
    """What one probe, or one integration, came to. Only PASS counts as passed."""

    PASS = "PASS"  # noqa: S105 (not a password)
    FAIL = "FAIL"
    SENT_NOT_CONFIRMED = "SENT, NOT CONFIRMED"
    MISSING = "MISSING"  # credentials are not there
    BLOCKED = "BLOCKED"  # credentials are waited for, under a ticket
    NOT_AGREED = "NOT AGREED"  # the probe would wake someone, and nobody agreed to that
    NOT_RUN = "NOT RUN"  # outside the mode's selection: shown, not counted
    NOT_IN_SCOPE = "NOT IN SCOPE"


class CleanUp(Enum):
    """What became of the synthetic event."""

    DONE = "done"  # removed, resolved or closed, and seen to be
    TAGGED = "tagged"  # the vendor cannot delete it; it carries verify=true and its nonce
    LEFT = "left behind"  # a clean-up was due and did not succeed; the next run tries again
    KEPT = "kept to be seen"  # a person is asked about it; cleaned up after the answer
    NOTHING_SENT = "-"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of one sent event: enough, with the nonce alone, to find it again after a crash.

    `ids` holds the vendor's identifiers as they become known (event id, incident id, message ts); never a secret.
    """

    nonce: str
    sent_at: datetime
    ids: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def with_ids(self, **ids: str) -> "Receipt":
        return Receipt(self.nonce, self.sent_at, MappingProxyType({**self.ids, **ids}))


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One line of the report. Durations are None where the phase was not reached, never 0.

    `happened`, `means`, `next_step` and `symptom` are empty on PASS.
    """

    target: Target
    probe: str
    nonce: str
    outcome: Outcome
    clean_up: CleanUp
    sent: timedelta | None = None
    confirmed: timedelta | None = None
    cleaned: timedelta | None = None
    took: timedelta | None = None
    attempts: int = 0
    symptom: str = ""
    happened: str = ""
    means: str = ""
    next_step: str = ""
    hosts: tuple[str, ...] = ()


def integration_outcome(results: list[ProbeResult]) -> Outcome:
    """Return the worst of an integration's probes: PASS only when every one passed."""
    order = (
        Outcome.FAIL,
        Outcome.MISSING,
        Outcome.BLOCKED,
        Outcome.NOT_AGREED,
        Outcome.SENT_NOT_CONFIRMED,
        Outcome.NOT_RUN,
        Outcome.NOT_IN_SCOPE,
        Outcome.PASS,
    )
    return min((result.outcome for result in results), key=order.index)
