"""What credentials wait for, and which values were in use, without any value."""

from ledger.credentials import block, blocker_history, blockers, fingerprints, see_fingerprints, unblock
from ledger.opening import Ledger
from tests.ledger.recording import SLACK, SPLUNK

_URL = "SLACK_WEBHOOK_URL"


def test_a_blocked_credential_waits_under_its_ticket(ledger: Ledger) -> None:
    block(ledger, "staging", SPLUNK, ticket="SEC-7", who="ada", note="InfoSec gates HEC")

    waiting = blockers(ledger, "staging")

    assert {target: (row.ticket, row.who, row.note) for target, row in waiting.items()} == {
        SPLUNK: ("SEC-7", "ada", "InfoSec gates HEC")
    }
    assert blockers(ledger, "prod") == {}


def test_a_new_ticket_takes_the_place_of_the_old_one(ledger: Ledger) -> None:
    block(ledger, "staging", SPLUNK, ticket="SEC-7", who="ada")
    block(ledger, "staging", SPLUNK, ticket="SEC-9", who="ada")

    assert blockers(ledger, "staging")[SPLUNK].ticket == "SEC-9"
    assert [row.ticket for row in blocker_history(ledger, "staging")] == ["SEC-7", "SEC-9"]


def test_an_unblocked_credential_stays_in_the_history(ledger: Ledger) -> None:
    block(ledger, "staging", SPLUNK, ticket="SEC-7", who="ada")

    ended, again = unblock(ledger, "staging", SPLUNK), unblock(ledger, "staging", SPLUNK)

    assert (ended, again) == (True, False)
    assert blockers(ledger, "staging") == {}
    assert blocker_history(ledger, "staging")[0].unblocked_at is not None


def test_a_swapped_value_is_seen_as_new_once(ledger: Ledger) -> None:
    first = see_fingerprints(ledger, "staging", SLACK, {_URL: "k1:aa", "SLACK_BOT_TOKEN": "k1:bb"}, "run-1")
    same = see_fingerprints(ledger, "staging", SLACK, {_URL: "k1:aa"}, "run-2")
    swapped = see_fingerprints(ledger, "staging", SLACK, {_URL: "k1:cc"}, "run-3")

    assert [sorted(fields) for fields in (first, same, swapped)] == [["SLACK_BOT_TOKEN", _URL], [], [_URL]]


def test_fingerprints_stand_in_the_order_in_which_they_were_first_seen(ledger: Ledger) -> None:
    for run, fingerprint in (("run-1", "k1:bb"), ("run-2", "k1:aa"), ("run-3", "k1:bb")):
        see_fingerprints(ledger, "staging", SLACK, {_URL: fingerprint}, run)

    seen = fingerprints(ledger, "staging", SLACK, _URL)

    assert [(row.fingerprint, row.first_run_id) for row in seen] == [("k1:bb", "run-1"), ("k1:aa", "run-2")]
    assert seen[0].last_seen_at >= seen[1].last_seen_at
