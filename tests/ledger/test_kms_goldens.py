"""A golden ciphertext is kept once and for as long as nobody retires its version; the chain vouches for it."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import BadInput
from domain.kms_goldens import MINTED, WRAPPED, Golden, NewGolden, Slot
from ledger.auditing import Where, verify_audit
from ledger.kms_goldens import first_kept, goldens, keep_golden, record_trial, retire_goldens, retired_slots
from ledger.opening import Ledger
from tests.ledger.tampering import tamper

_KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
_NEW = NewGolden(_KEY, "3", MINTED, b"\x00\xff sealed", hashlib.sha256(b"text").hexdigest(), {"opsflows": "golden"})
_WRAPPED = replace(_NEW, version="", source=WRAPPED, slot="a" * 64)
_ANOTHER = replace(_WRAPPED, slot="b" * 64)
_EDITS = (
    "ciphertext = 'AAAA'",
    "plaintext_sha256 = ''",
    "version = '4'",
    "context = '{}'",
    "ended_seq = 1",
    "key = 'another'",
)


def keep(ledger: Ledger, new: NewGolden = _NEW, target: str = "pay", key_name: str = "main") -> bool:
    return keep_golden(ledger, "run-1", "prod", target, key_name, new)


def retire(ledger: Ledger, version: str = "3", slot: str = "", target: str = "pay") -> int:
    return retire_goldens(
        ledger, "run-2", "prod", target, "main", version, slot=slot, who="ada", reason="everything was re-encrypted"
    )


def one(ledger: Ledger) -> Golden:
    [found] = goldens(ledger)
    return found


def test_when_a_version_got_its_first_golden_outlives_its_retirement(ledger: Ledger) -> None:
    keep(ledger)
    kept_at = one(ledger).kept_at
    retire(ledger)
    keep(ledger)
    keep(ledger, _WRAPPED)
    keep(ledger, target="other")

    found = first_kept(ledger, "prod", "pay")

    assert found == {("main", _KEY, "3"): kept_at}


def test_a_golden_is_read_back_as_it_was_kept(ledger: Ledger) -> None:
    keep(ledger)

    found = one(ledger)

    assert (found.environment, found.target, found.key_name, found.key, found.version) == (
        "prod",
        "pay",
        "main",
        _KEY,
        "3",
    )
    assert (found.ciphertext, found.plaintext_sha256, found.context) == (
        _NEW.ciphertext,
        _NEW.plaintext_sha256,
        _NEW.context,
    )
    assert (found.tried_at, found.opened_at, found.fault) == (None, None, "")
    assert "sealed" not in repr(found) + repr(_NEW)


def test_a_version_has_one_golden_for_each_of_its_slots(ledger: Ledger) -> None:
    kept = [keep(ledger, new) for new in (_NEW, _NEW, _WRAPPED, _WRAPPED, _ANOTHER)]

    assert kept == [True, False, True, False, True]
    assert [golden.source for golden in goldens(ledger)] == [MINTED, WRAPPED, WRAPPED]


def test_of_many_runs_that_keep_the_same_at_once_one_does(ledger: Ledger) -> None:
    kept: list[bool] = []
    threads = [threading.Thread(target=lambda: kept.append(keep(ledger))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(kept) == [False, False, False, True]
    assert len(goldens(ledger)) == 1


def test_goldens_are_found_by_target_or_wherever_they_are_declared(ledger: Ledger) -> None:
    keep(ledger)
    keep(ledger, target="mail")
    keep(ledger, replace(_NEW, version="4"))
    keep_golden(ledger, "run-1", "staging", "pay", "main", _NEW)

    assert len(goldens(ledger)) == 4
    assert [golden.version for golden in goldens(ledger, "prod", "pay")] == ["3", "4"]


def test_a_trial_that_fails_keeps_when_the_golden_last_opened(
    ledger: Ledger, later: Callable[[timedelta], Ledger]
) -> None:
    keep(ledger)
    record_trial(ledger, one(ledger), "")
    opened = one(ledger)
    then = later(timedelta(hours=1))

    record_trial(then, opened, "kms.golden_lost")
    failed = one(then)
    record_trial(then, failed, "")

    assert opened.opened_at == opened.tried_at == failed.opened_at
    assert failed.tried_at is not None
    assert opened.tried_at is not None
    assert failed.tried_at - opened.tried_at >= timedelta(hours=1)
    assert (opened.fault, failed.fault, one(then).fault) == ("", "kms.golden_lost", "")


def test_retiring_ends_what_was_minted_of_the_version_and_nothing_else(ledger: Ledger) -> None:
    for new in (_NEW, replace(_NEW, key="its name by number"), replace(_NEW, version="4"), _WRAPPED):
        keep(ledger, new)
    keep(ledger, target="mail")

    ended = retire(ledger)

    assert ended == 2
    assert [(golden.target, golden.version) for golden in goldens(ledger)] == [("pay", "4"), ("pay", ""), ("mail", "3")]


def test_of_two_wrapped_keys_one_is_retired_and_the_other_holds_on(ledger: Ledger, tmp_path: Path) -> None:
    for new in (_WRAPPED, _ANOTHER):
        keep(ledger, new)

    ended = retire(ledger, "", slot=_WRAPPED.slot)

    assert (ended, one(ledger).slot) == (1, _ANOTHER.slot)
    assert retired_slots(ledger) == {Slot("prod", "pay", "main", _WRAPPED.slot)}
    assert verify_audit(ledger, tmp_path).breaks == ()


def test_a_wrapped_key_that_was_retired_is_not_taken_in_again(ledger: Ledger) -> None:
    keep(ledger, _WRAPPED)
    retire(ledger, "", slot=_WRAPPED.slot)

    kept = [keep(ledger, _WRAPPED), keep(ledger, _ANOTHER), keep(ledger, _WRAPPED, key_name="second")]

    assert kept == [False, True, True]


@pytest.mark.parametrize(("version", "slot"), [("", ""), ("3", _WRAPPED.slot)], ids=["neither", "both"])
def test_either_a_version_or_a_file_is_retired(ledger: Ledger, version: str, slot: str) -> None:
    for new in (_NEW, _WRAPPED):
        keep(ledger, new)

    with pytest.raises(BadInput, match="A version or a wrapped key's file has to be named") as refused:
        retire(ledger, version, slot=slot)

    assert "--file SHA" in refused.value.next_step
    assert len(goldens(ledger)) == 2


def test_a_version_that_was_retired_may_get_a_golden_again(ledger: Ledger) -> None:
    keep(ledger)
    retire(ledger)

    assert keep(ledger)
    assert len(goldens(ledger)) == 1


def test_what_has_no_golden_cannot_be_retired(ledger: Ledger) -> None:
    keep(ledger)

    with pytest.raises(BadInput, match="Version 9 of main in pay"):
        retire(ledger, version="9")
    with pytest.raises(BadInput, match="The wrapped key aaaaaaaaaaaa of main in pay"):
        retire(ledger, "", slot=_WRAPPED.slot)

    assert len(goldens(ledger)) == 1


@pytest.mark.parametrize("edit", _EDITS)
def test_an_edited_golden_is_named_by_the_audit(ledger: Ledger, tmp_path: Path, edit: str) -> None:
    keep(ledger)
    record_trial(ledger, one(ledger), "")
    before = verify_audit(ledger, tmp_path).breaks

    tamper(ledger, f"UPDATE kms_goldens SET {edit}")  # noqa: S608 (the test's own words)

    [found] = verify_audit(ledger, tmp_path).breaks
    assert before == ()
    assert (found.where, found.differs) == (Where.FACT, f"its row was edited: {edit.partition(' ')[0]}")


@pytest.mark.parametrize("table", ["kms_goldens", "kms_golden_retirements"])
def test_a_deleted_golden_or_retirement_is_named_by_the_audit(ledger: Ledger, tmp_path: Path, table: str) -> None:
    keep(ledger)
    retire(ledger)

    tamper(ledger, f"DELETE FROM {table}")  # noqa: S608 (the test's own words)

    assert [found.differs for found in verify_audit(ledger, tmp_path).breaks] == ["its row was deleted"]


def test_a_hostile_text_of_a_person_is_kept_as_it_is(ledger: Ledger, tmp_path: Path) -> None:
    keep(ledger, replace(_NEW, context={"quote": "'; DROP TABLE kms_goldens; --", "key": "\U0001f511\u202e"}))

    retire_goldens(ledger, "run", "prod", "pay", "main", "3", who="'; --", reason='\u202e"}]\U0001f511')

    assert verify_audit(ledger, tmp_path).breaks == ()
