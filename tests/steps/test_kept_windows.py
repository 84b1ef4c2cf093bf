"""Old windows go: days after a week, months after a hundred days, and none that is in use."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from domain.windows import DAY, Month, Window, day_window
from steps.alone import alone_in
from steps.kept_windows import prune_windows, window_name

OCTOBER = Month(2026, 10).window


def kept(root: Path, window: Window) -> Path:
    folder = root / "gateway" / window_name(window)
    with alone_in(folder):
        (folder / "spool.ids").write_bytes(b"ids")
    used = window.end.timestamp()
    os.utime(folder / ".lock", (used, used))
    return folder


@pytest.mark.parametrize(("after", "stays"), [(timedelta(days=100), True), (timedelta(days=100, seconds=1), False)])
def test_a_month_is_kept_for_a_hundred_days(tmp_path: Path, after: timedelta, *, stays: bool) -> None:
    folder = kept(tmp_path, OCTOBER)

    prune_windows(tmp_path, OCTOBER.end + after)

    assert folder.exists() is stays


@pytest.mark.parametrize(("after", "stays"), [(timedelta(days=7), True), (timedelta(days=7, seconds=1), False)])
def test_a_day_is_kept_for_a_week(tmp_path: Path, after: timedelta, *, stays: bool) -> None:
    day = day_window(date(2026, 10, 31))
    folder = kept(tmp_path, day)

    prune_windows(tmp_path, day.end + after)

    assert folder.exists() is stays


def test_a_window_that_was_used_today_is_kept(tmp_path: Path) -> None:
    folder, now = kept(tmp_path, OCTOBER), OCTOBER.end + timedelta(days=300)
    os.utime(folder / ".lock", (now.timestamp(), now.timestamp()))

    removed = prune_windows(tmp_path, now + DAY)
    later = prune_windows(tmp_path, now + DAY + timedelta(seconds=1))

    assert (removed, later) == ((), (folder.name,))


def test_a_window_that_somebody_is_in_is_kept(tmp_path: Path) -> None:
    folder = kept(tmp_path, OCTOBER)
    long_after = datetime(2199, 1, 1, tzinfo=UTC)

    with alone_in(folder):
        assert prune_windows(tmp_path, long_after) == ()
    assert prune_windows(tmp_path, long_after) == (folder.name,)


def test_what_is_no_window_is_left_alone(tmp_path: Path) -> None:
    for name in ("notes", "20269901T00-20269902T00", "20261001T00"):
        (tmp_path / name).mkdir()

    removed = prune_windows(tmp_path, datetime(2199, 1, 1, tzinfo=UTC))

    assert removed == ()
    assert len(list(tmp_path.iterdir())) == 3
