"""An old credential stays for any one reason; it goes only when there is none left."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.manifests import Manifest, Mint
from domain.policies import Policy
from domain.retiring import Evidence, Reading, clocks_disagree, last_use_by_others, why_it_stays, why_not_yet
from domain.rotation import Wait

SERVED = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
SILENT = Manifest(Mint.BY_VENDOR, "name", listable=True)
TELLS_LATE = Manifest(Mint.BY_VENDOR, "name", listable=True, last_used_lag=3 * HOUR)
POLICY = Policy()
OVER = SERVED + DAY


def evidence(now: datetime, last_used_at: datetime | None = None) -> Evidence:
    return Evidence(now, SERVED, old=Reading(now, last_used_at))


@pytest.mark.parametrize(
    ("manifest", "goes_at"), [(SILENT, OVER), (TELLS_LATE, OVER + 3 * HOUR)], ids=["silent", "tells use 3 h late"]
)
def test_it_goes_at_the_end_of_the_overlap_and_of_the_vendors_lag_and_not_a_second_earlier(
    manifest: Manifest, goes_at: datetime
) -> None:
    assert why_it_stays(evidence(goes_at - SECOND), POLICY, manifest) is not None
    assert why_it_stays(evidence(goes_at), POLICY, manifest) is None


def test_the_wait_for_the_overlap_and_the_one_for_the_vendor_are_named_with_their_end() -> None:
    overlap, lag = (why_not_yet(evidence(now), POLICY, TELLS_LATE) for now in (OVER - SECOND, OVER))

    assert overlap is not None
    assert (overlap.wait, overlap.until) == (Wait.OVERLAP, OVER)
    assert lag is not None
    assert (lag.wait, lag.until) == (Wait.VENDOR_LAG, OVER + 3 * HOUR)


def test_a_reading_from_before_the_end_of_the_overlap_says_nothing_about_it() -> None:
    now = OVER + 10 * HOUR
    stale = replace(evidence(now), old=Reading(OVER + 3 * HOUR - SECOND, None))

    stop = why_it_stays(stale, POLICY, TELLS_LATE)

    assert stop is not None
    assert stop.wait is Wait.VENDOR_LAG


@pytest.mark.parametrize(("ago", "stays"), [(12 * HOUR, False), (12 * HOUR - SECOND, True)])
def test_a_use_within_the_quiet_hours_keeps_it_counted_back_from_where_the_vendors_word_reaches(
    ago: timedelta, *, stays: bool
) -> None:
    now = OVER + 2 * DAY
    used = now - 3 * HOUR - ago

    stop = why_it_stays(evidence(now, used), POLICY, TELLS_LATE)

    assert (stop is not None) is stays
    if stop is not None:
        assert stop.wait is Wait.BLOCKED_STILL_USED
        assert stop.until == used + 15 * HOUR


def test_our_own_probe_is_no_use() -> None:
    now = OVER + DAY
    used = replace(evidence(now, now - 4 * HOUR), own_uses=(now - 4 * HOUR + 5 * SECOND,))

    assert why_it_stays(used, POLICY, TELLS_LATE) is None
    assert last_use_by_others(now, (now - 6 * SECOND,), 5 * SECOND) == now
    assert last_use_by_others(now, (now - 6 * SECOND,), 60 * SECOND) is None
    assert last_use_by_others(None, (), 5 * SECOND) is None


def test_a_vendor_that_tells_no_use_is_not_asked_for_it() -> None:
    used_just_now = evidence(OVER, OVER - SECOND)

    assert why_it_stays(used_just_now, POLICY, SILENT) is None


def test_what_only_the_old_credential_can_close_keeps_it_even_with_a_waiver() -> None:
    holding = replace(evidence(OVER), held_open=("alert 17",), waived=True)

    stop = why_it_stays(holding, POLICY, SILENT)

    assert stop is not None
    assert stop.wait is Wait.BLOCKED_HELD_OPEN
    assert "alert 17" in stop.words


def test_a_waiver_passes_use_lag_and_consumers_and_never_the_overlap() -> None:
    policy = Policy(consumers=("app",))
    waived = replace(evidence(OVER, OVER - HOUR), waived=True)

    assert why_it_stays(waived, policy, TELLS_LATE) is None
    early = why_it_stays(replace(waived, now=OVER - SECOND), policy, TELLS_LATE)
    assert early is not None
    assert early.wait is Wait.OVERLAP


def test_each_declared_consumer_must_have_shown_that_it_uses_the_new_one() -> None:
    policy = Policy(consumers=("app", "batch"))
    heard = replace(evidence(OVER), acknowledged=frozenset({"app"}))

    stop = why_it_stays(heard, policy, SILENT)

    assert stop is not None
    assert stop.wait is Wait.AWAITING_CONSUMERS
    assert "batch" in stop.words
    assert "app" not in stop.words.replace("batch", "")
    assert why_it_stays(replace(heard, acknowledged=frozenset({"app", "batch"})), policy, SILENT) is None


def test_a_use_of_the_new_one_beyond_our_own_probes_shows_that_consumers_have_it() -> None:
    policy = Policy(consumers=("app",))
    probed = replace(evidence(OVER), new_last_used_at=OVER - HOUR, own_uses_of_new=(OVER - HOUR,))

    assert why_it_stays(probed, policy, SILENT) is not None
    assert why_it_stays(replace(probed, new_last_used_at=OVER - 2 * HOUR), policy, SILENT) is None


@pytest.mark.parametrize(("worker", "vendor"), [(301, 0), (-301, 0), (0, 301), (0, -301)])
def test_three_clocks_agree_within_five_minutes_or_the_wrong_one_is_named(worker: int, vendor: int) -> None:
    worker_at, vendor_at = OVER + worker * SECOND, OVER + vendor * SECOND

    stop = clocks_disagree(OVER, worker_at, vendor_at)

    assert stop is not None
    assert stop.wait is Wait.BLOCKED_CLOCKS
    assert ("the vendor's" in stop.words) is (vendor != 0)
    assert clocks_disagree(OVER, OVER + 300 * SECOND, OVER - 300 * SECOND) is None
