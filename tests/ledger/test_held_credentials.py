"""One row says which version is current; it moves by compare-and-set, together with the journal entry that says so."""

import threading
from datetime import timedelta

import pytest

from domain.errors import Rejected
from domain.rotation import State
from ledger.held_credentials import (
    find_credential,
    held_credentials,
    mark_compromised,
    move_pointer,
    see_credential,
    set_vendor_id,
)
from ledger.opening import Ledger
from ledger.rotation_journal import entries
from ledger.rotations import Flip, write
from tests.ledger.rotating import DATADOG, SPLUNK, held


def flip(ledger: Ledger, expected: str, version: str) -> None:
    with ledger.writing() as connection:
        move_pointer(
            connection, DATADOG, expected=expected, version=version, vendor_id=f"id of {version}", fingerprint="f1", minted_at=None
        )  # fmt: skip


def test_a_credential_is_recorded_when_it_is_first_seen_and_left_alone_from_then_on(ledger: Ledger) -> None:
    first = see_credential(ledger, DATADOG, "f0")

    again = see_credential(ledger, DATADOG, "f9")

    assert again == first
    assert (first.version, first.vendor_id, first.fingerprint, first.flips) == ("", "", "f0", 0)
    assert first.since == first.first_seen_at
    assert find_credential(ledger, SPLUNK) is None


def test_the_pointer_moves_from_where_it_is_expected_and_from_nowhere_else(ledger: Ledger) -> None:
    see_credential(ledger, DATADOG, "f0")
    flip(ledger, "", "v1")

    with pytest.raises(Rejected, match="another current version"):
        flip(ledger, "", "v2")

    there = find_credential(ledger, DATADOG)
    assert there is not None
    assert (there.version, there.vendor_id, there.flips) == ("v1", "id of v1", 1)


def test_of_two_flips_at_once_from_the_same_version_one_wins(ledger: Ledger) -> None:
    see_credential(ledger, DATADOG, "f0")
    start, lost = threading.Barrier(2), []

    def run(version: str) -> None:
        start.wait()
        try:
            flip(ledger, "", version)
        except Rejected:
            lost.append(version)

    threads = [threading.Thread(target=run, args=(version,)) for version in ("v1", "v2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    there = find_credential(ledger, DATADOG)
    assert there is not None
    assert there.flips == 1
    assert sorted([there.version, *lost]) == ["v1", "v2"]


def test_a_flip_that_is_refused_leaves_neither_state_nor_entry_behind(ledger: Ledger) -> None:
    hands = held(ledger)
    for state in (State.CREATING, State.CREATED, State.VERIFIED):
        write(hands, "outcome", {}, state=state)
    before = len(entries(ledger, hands.record.id))

    with pytest.raises(Rejected):
        write(hands, "outcome", {}, state=State.PUBLISHED, flip=Flip("v0", "v1", "id1", "f1", None))

    assert hands.record.state is State.VERIFIED
    assert len(entries(ledger, hands.record.id)) == before


def test_the_current_value_is_bound_to_its_entry_at_the_vendor(ledger: Ledger) -> None:
    see_credential(ledger, DATADOG, "f0")

    with ledger.writing() as connection:
        set_vendor_id(connection, DATADOG, "id7")

    assert [(one.credential, one.vendor_id) for one in held_credentials(ledger)] == [(DATADOG, "id7")]
    assert held_credentials(ledger, "staging") == []


def test_a_value_minted_before_a_compromise_is_exposed_and_an_earlier_compromise_takes_no_later_one_back(
    ledger: Ledger,
) -> None:
    see_credential(ledger, DATADOG, "f0")
    now = ledger.now()

    mark_compromised(ledger, DATADOG, now)
    mark_compromised(ledger, DATADOG, now - timedelta(days=1))
    exposed = find_credential(ledger, DATADOG)
    with ledger.writing() as connection:
        move_pointer(
            connection, DATADOG, expected="", version="v1", vendor_id="id1", fingerprint="f1", minted_at=now + timedelta(minutes=1)
        )  # fmt: skip
    renewed = find_credential(ledger, DATADOG)

    assert exposed is not None
    assert exposed.is_exposed
    assert exposed.compromised_at == now
    assert renewed is not None
    assert not renewed.is_exposed
