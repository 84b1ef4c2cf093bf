"""Each vendor's row says how far its clock may put an event from ours: what it takes late or merges needs more than a minute."""

from datetime import timedelta

from domain.event_counts import Clock
from domain.windows import DAY
from vendors.registry import COUNTS


def test_a_vendor_that_counts_by_receipt_allows_for_its_senders_queue() -> None:
    allowed = {name: row.shifts_at_day_end for name, row in COUNTS.items() if row.clock is Clock.RECEIVED}

    assert min(allowed.values()) == timedelta(minutes=5)


def test_a_vendor_that_counts_by_event_time_allows_for_clocks_alone() -> None:
    allowed = {row.shifts_at_day_end for row in COUNTS.values() if row.clock is Clock.EVENT}

    assert allowed == {timedelta(minutes=1)}


def test_opsgenie_may_count_a_repeat_a_day_early() -> None:
    assert COUNTS["opsgenie"].shifts_at_day_end == DAY
