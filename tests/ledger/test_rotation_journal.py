"""A rotation's journal is chained to its ledger and its row: whatever is changed in it afterwards is found."""

import pytest
from sqlalchemy.exc import StatementError

from domain.rotation import State
from ledger import chain
from ledger.opening import Ledger
from ledger.rotation_journal import entries, journal_faults
from ledger.rotations import intend, write
from tests.ledger.rotating import DATADOG, SPLUNK, closed, held
from tests.ledger.tampering import tamper


def faults(ledger: Ledger) -> list[tuple[str, int]]:
    with ledger.reading() as connection:
        return [(rotation, fault.seq) for rotation, fault in journal_faults(connection, ledger.id)]


def test_what_was_intended_and_what_came_of_it_is_told_in_order(ledger: Ledger) -> None:
    hands = held(ledger)
    intend(hands, "create", {"marker": "opsflows-r1-1"}, state=State.CREATING)
    write(hands, "outcome", {"verb": "create", "vendor_id": "id2"}, state=State.CREATED)

    told = entries(ledger, hands.record.id)

    assert [(entry.seq, entry.kind, entry.said.get("state")) for entry in told] == [
        (1, "opened", None), (2, "intent", "CREATING"), (3, "outcome", "CREATED"),
    ]  # fmt: skip
    assert told[1].said["marker"] == "opsflows-r1-1"
    assert faults(ledger) == []


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE rotation_journal SET payload = replace(payload, 'CREATING', 'PLANNED') WHERE seq = 2", 2),
        ("UPDATE rotation_journal SET at = '2026-01-01T00:00:00+00:00' WHERE seq = 2", 2),
        ("DELETE FROM rotation_journal WHERE seq = 2", 2),
        ("DELETE FROM rotation_journal WHERE seq = 3", 3),
        ("UPDATE rotations SET head_seq = 2", 3),
    ],
    ids=["edited", "dated back", "an entry missing", "the last one missing", "the head moved back"],
)
def test_tampering_is_found_at_its_entry(ledger: Ledger, statement: str, seq: int) -> None:
    hands = held(ledger)
    intend(hands, "create", {}, state=State.CREATING)
    write(hands, "outcome", {}, state=State.CREATED)

    assert tamper(ledger, statement) == 1

    assert (hands.record.id, seq) in faults(ledger)


def test_an_entry_of_another_rotation_cannot_stand_in(ledger: Ledger) -> None:
    one, other = held(ledger), held(ledger, "w2", SPLUNK)
    write(one, "decision", {"a": 1})
    write(other, "decision", {"b": 1})

    tamper(
        ledger,
        "UPDATE rotation_journal SET payload = (SELECT payload FROM rotation_journal WHERE rotation = :other AND seq = 2),"
        " hash = (SELECT hash FROM rotation_journal WHERE rotation = :other AND seq = 2) WHERE rotation = :one AND seq = 2",
        one=one.record.id, other=other.record.id,
    )  # fmt: skip

    assert (one.record.id, 2) in faults(ledger)


def test_a_closed_rotations_last_entry_is_sealed_in_the_ledgers_own_chain(ledger: Ledger) -> None:
    hands = held(ledger)
    closed(hands)

    with ledger.reading() as connection:
        told = [link.payload for link in chain.read(connection)]

    assert any("rotation opened" in payload and str(DATADOG) in payload for payload in told)
    assert any("rotation closed" in payload and hands.record.head_hash in payload for payload in told)


def test_the_journal_of_an_unknown_rotation_is_empty(ledger: Ledger) -> None:
    assert entries(ledger, "r0") == []


def test_nothing_is_appended_where_the_rest_of_the_commit_fails(ledger: Ledger) -> None:
    hands = held(ledger)

    with pytest.raises(StatementError, match="aware"):
        write(hands, "decision", {}, columns={"not_before": ledger.now().replace(tzinfo=None)})

    assert [entry.kind for entry in entries(ledger, hands.record.id)] == ["opened"]
    assert faults(ledger) == []
