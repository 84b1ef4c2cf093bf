"""What tests of rotations write into a ledger, with everything said that a test does not care about."""

from domain.names import Credential
from domain.rotation import Kind, RotationRecord, State, rotation_id
from ledger.held_credentials import see_credential
from ledger.opening import Ledger
from ledger.rotations import Held, claim, open_rotation, write

DATADOG = Credential.parse("datadog-default-prod-send")
SPLUNK = Credential.parse("splunk-default-prod-send")


def opened(
    ledger: Ledger, credential: Credential = DATADOG, window: str = "2026-Q1", *, emergency: bool = False
) -> RotationRecord:
    see_credential(ledger, credential, "f0")
    return open_rotation(
        ledger, rotation_id(credential, window), credential, Kind.SCHEDULED, operator="ada", reason="due", ticket="OPS-1",
        due_window=window, emergency=emergency,
    )  # fmt: skip


def held(ledger: Ledger, worker: str = "w1", credential: Credential = DATADOG) -> Held:
    """Open a rotation and take it."""
    taken = claim(ledger, opened(ledger, credential).id, worker)
    assert taken is not None
    return taken


def published(hands: Held) -> None:
    """Move it along its edges as far as PUBLISHED, without a flip."""
    for state in (State.CREATING, State.CREATED, State.VERIFIED, State.PUBLISHED):
        write(hands, "outcome", {"came": "to"}, state=state)


def closed(hands: Held) -> None:
    published(hands)
    write(hands, "outcome", {}, state=State.REVOKING)
    write(hands, "outcome", {}, state=State.DONE)
