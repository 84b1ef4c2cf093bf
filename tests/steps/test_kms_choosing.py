"""Which services are checked, and that a run which comes late adds nothing to what was checked since."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.config import Config
from domain.errors import BadInput
from domain.kms_checks import Checked, passed
from ledger.kms_checks import record_check
from ledger.opening import Ledger, open_ledger
from steps.kms_choosing import EVERY, chosen_targets, not_checked_since

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
