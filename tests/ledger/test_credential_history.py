"""The newest proof of the value in use, and what each sink was given last; from what rotations wrote down."""

from collections.abc import Mapping

from domain.names import Credential
from domain.rotation import Kind, State, rotation_id
from ledger.credential_history import last_proofs, sinks_filled
from ledger.held_credentials import move_pointer
from ledger.opening import Ledger
from ledger.rotation_journal import entries
from ledger.rotations import Held, claim, open_rotation, write
from tests.ledger.rotating import DATADOG, SPLUNK, held

OLD, NEW = f"{DATADOG}--r0-0", f"{DATADOG}--r0-1"
STEPS = (State.CREATING, State.CREATED, State.VERIFIED, State.PUBLISHED, State.REVOKING, State.DONE)


def is_current(ledger: Ledger, version: str, expected: str = "", credential: Credential = DATADOG) -> None:
    with ledger.writing() as connection:
        move_pointer(
            connection, credential, expected=expected, version=version, vendor_id="id", fingerprint="f1", minted_at=None
        )  # fmt: skip


def making(ledger: Ledger) -> Held:
    """A rotation of the old version into the new one, neither being current yet."""
    hands = held(ledger)
    write(hands, "decision", {}, columns={"old_version": OLD, "new_version": NEW})
    return hands


def proves(hands: Held, version: str, **said: str) -> None:
    write(hands, "outcome", {"verb": "prove", "version": version, **said})


def when(hands: Held, seq: int) -> object:
    return next(entry.at for entry in entries(hands.ledger, hands.record.id) if entry.seq == seq)


def test_the_newest_proof_of_the_current_version_counts_and_no_others(ledger: Ledger) -> None:
    hands = making(ledger)
    is_current(ledger, NEW)
    write(hands, "intent", {"verb": "prove", "version": NEW})
    proves(hands, NEW)
    proves(hands, NEW)
    newest = hands.record.head_seq
    proves(hands, OLD)
    write(hands, "outcome", {"sink": "app_env", "version": NEW})

    proof = last_proofs(ledger)[DATADOG]

    assert (proof.at, proof.how) == (when(hands, newest), "prove")


def test_a_proof_of_the_version_before_is_none_of_the_current_one(ledger: Ledger) -> None:
    hands = making(ledger)
    proves(hands, OLD)

    before = last_proofs(ledger)
    is_current(ledger, NEW)

    assert before == last_proofs(ledger) == {}


def test_an_entry_that_says_how_it_was_proven_is_told_so(ledger: Ledger) -> None:
    hands = making(ledger)
    is_current(ledger, NEW)
    proves(hands, NEW, how="check")

    assert last_proofs(ledger)[DATADOG].how == "check"


def test_an_adoption_proves_the_value_that_was_there_and_its_intent_nothing(ledger: Ledger) -> None:
    hands = making(ledger)
    is_current(ledger, OLD)
    write(hands, "intent", {"verb": "adopt", "vendor_id": "id", "told_by": "its value"})
    nothing = last_proofs(ledger)
    write(hands, "outcome", {"verb": "adopt", "vendor_id": "id", "told_by": "its value"})

    assert nothing == {}
    assert last_proofs(ledger)[DATADOG].how == "adopt"


def test_each_sink_has_what_the_newest_rotation_that_filled_it_gave_it(ledger: Ledger) -> None:
    first = making(ledger)
    fill(first, {"app_env": OLD, "batch_env": OLD})
    for state in STEPS:
        write(first, "outcome", {}, state=state)
    second = opened_again(ledger)
    fill(second, {"app_env": f"{NEW} (sent, not confirmed)"})
    held(ledger, credential=SPLUNK)

    filled = sinks_filled(ledger)

    assert filled == {DATADOG: {"app_env": f"{NEW} (sent, not confirmed)", "batch_env": OLD}}


def fill(hands: Held, sinks: Mapping[str, str]) -> None:
    write(hands, "outcome", {"sink": "one of them"}, facts={"sinks": dict(sinks)})


def opened_again(ledger: Ledger) -> Held:
    opened = open_rotation(
        ledger, rotation_id(DATADOG, "2026-Q2"), DATADOG, Kind.SCHEDULED, operator="ada", reason="due", ticket="OPS-2",
        due_window="2026-Q2",
    )  # fmt: skip
    taken = claim(ledger, opened.id, "w1")
    assert taken is not None
    return taken
