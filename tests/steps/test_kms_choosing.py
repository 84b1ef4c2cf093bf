"""Which services are checked, and that a run which comes late adds nothing to what was checked since."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from domain.config import Config
from domain.errors import BadInput
from domain.kms_checks import Checked, faulty, passed
from ledger.kms_checks import record_check
from ledger.opening import Ledger, open_ledger
from steps.kms_choosing import EVERY, NAMES_LENGTH, chosen_targets, fitting, not_asked_again, not_checked_since

SERVICE = {"base_url": "https://api.example.org"}
CONFIG = Config.model_validate(
    {
        "environments": {name: {"kind": name} for name in ("rehearsal", "staging", "prod")},
        "kms": {
            "sample": {"environment": "rehearsal", "base_url": "$STAND_INS/backend"},
            "pay": {"environment": "prod", **SERVICE},
            "mail": {"environment": "prod", **SERVICE},
            "shop": {"environment": "staging", **SERVICE},
        },
    }
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("environment", "targets", "chosen"),
    [
        (EVERY, EVERY, {"prod": ["pay", "mail"], "staging": ["shop"]}),
        ("prod", EVERY, {"prod": ["pay", "mail"]}),
        ("rehearsal", EVERY, {"rehearsal": ["sample"]}),
        (EVERY, "sample, pay,pay", {"rehearsal": ["sample"], "prod": ["pay"]}),
        ("prod", "mail", {"prod": ["mail"]}),
    ],
)
def test_the_rehearsal_is_checked_only_where_it_is_named(
    environment: str, targets: str, chosen: dict[str, list[str]]
) -> None:
    assert chosen_targets(CONFIG, environment, targets) == chosen


@pytest.mark.parametrize(
    ("environment", "targets"), [(EVERY, "moon"), ("prod", "shop"), ("moon", EVERY), (EVERY, " , ")]
)
def test_what_is_not_declared_there_is_refused(environment: str, targets: str) -> None:
    with pytest.raises(BadInput):
        chosen_targets(CONFIG, environment, targets)


def test_a_run_in_time_checks_all_and_a_late_one_what_nobody_checked_since_its_moment(ledger: Ledger) -> None:
    record_check(ledger, "run", Checked("prod", "pay", (passed("health"),)))
    now = ledger.now()

    in_time = not_checked_since(ledger, "prod", ["pay", "mail"], now - timedelta(seconds=90))
    late = not_checked_since(ledger, "prod", ["pay", "mail"], now - timedelta(hours=3))

    assert (in_time, late) == (["pay", "mail"], ["mail"])


@pytest.mark.parametrize(
    ("after", "found"), [(timedelta(minutes=1), set()), (timedelta(minutes=3), {"pay"}), (timedelta(hours=3), set())]
)
def test_a_declared_target_whose_next_answer_nobody_asked_for_is_found_while_the_last_one_counts(
    ledger: Ledger, after: timedelta, found: set[str]
) -> None:
    fails = (faulty("health", "health.timeout", "3 s"),)
    for environment, name in (("prod", "pay"), ("rehearsal", "sample"), ("staging", "pay"), ("prod", "gone")):
        record_check(ledger, "run", Checked(environment, name, fails))
    record_check(ledger, "run", Checked("prod", "mail", (passed("health"),)))

    asked = not_asked_again(replace(ledger, offset=after), CONFIG)

    assert {name for names in asked.values() for name in names} == found
    assert set(asked) == ({"prod"} if found else set())


def test_names_that_one_run_has_no_room_for_go_to_another_run() -> None:
    names = [f"{'service' * 5}{number:03}" for number in range(120)]

    lists = list(fitting(names))

    assert [name for one in lists for name in one] == names
    assert (len(lists), max(len(",".join(one)) for one in lists) <= NAMES_LENGTH) == (3, True)
    assert list(fitting([])) == []
