"""Looks at the machine, each made true by breaking what it looks at."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from domain.doctor import Finding, Health
from ledger.unfinished_restore import UNFINISHED
from steps.doctor_machine import (
    ClockSeen,
    clocks_agree,
    disks_have_room,
    home_is_private,
    packages_fit,
    python_fits,
    restore_is_finished,
)

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    for name in ("env", "fingerprint.key", "ledger.db"):
        (folder / name).touch(mode=0o600)
    return folder


def locked(folder: Path, *rows: str) -> Path:
    lock = folder / "requirements.lock"
    lock.write_text("\n".join(rows))
    return lock


def of_clocks(seconds: float) -> Finding:
    return clocks_agree([ClockSeen("database", AT, AT), ClockSeen("server", AT + timedelta(seconds=seconds), AT)], [])


def test_a_home_that_is_closed_to_others_is_fine(home: Path) -> None:
    assert home_is_private(home).health is Health.FINE


@pytest.mark.parametrize(
    ("name", "mode"), [(".", 0o750), ("env", 0o640), ("fingerprint.key", 0o604), ("ledger.db", 0o644)]
)
def test_a_home_that_others_can_read_is_broken_and_named(home: Path, name: str, mode: int) -> None:
    (home / name).chmod(mode)

    found = home_is_private(home)

    assert found.health is Health.BROKEN
    assert f"{mode:04o}" in found.what


def test_a_restore_that_was_never_finished_is_broken_until_it_is(home: Path) -> None:
    finished = restore_is_finished(home)
    (home / UNFINISHED).write_text('{"sha256": "ab12"}')

    found = restore_is_finished(home)

    assert (finished.health, found.health) == (Health.FINE, Health.BROKEN)
    assert "ab12" in found.what
    assert "opsflows restore FILE" in found.next_step


def test_a_home_that_is_not_there_is_broken(tmp_path: Path) -> None:
    assert home_is_private(tmp_path / "nowhere").health is Health.BROKEN


@pytest.mark.parametrize(
    ("least", "low", "health"),
    [(0, 0, Health.FINE), (0, 2**62, Health.ADVICE), (2**62, 2**62, Health.BROKEN)],
)
def test_a_disk_is_judged_by_what_is_free_where_we_write(tmp_path: Path, least: int, low: int, health: Health) -> None:
    found = disks_have_room([tmp_path / "home" / "audit", tmp_path], least, low)

    assert found.health is health
    assert str(tmp_path) in found.what


@pytest.mark.parametrize(
    ("seconds", "health"), [(1, Health.FINE), (-45, Health.ADVICE), (301, Health.BROKEN), (-3600, Health.BROKEN)]
)
def test_clocks_are_judged_by_how_far_they_are_apart(seconds: float, health: Health) -> None:
    assert of_clocks(seconds).health is health


def test_a_clock_that_could_not_be_seen_is_not_fine() -> None:
    assert clocks_agree([ClockSeen("database", AT, AT)], ["server"]).health is Health.NOT_CHECKED


@pytest.mark.parametrize(
    ("found", "health"), [((3, 11, 7), Health.FINE), ((3, 10, 2), Health.BROKEN), ((3, 14, 0), Health.BROKEN)]
)
def test_python_is_the_one_that_was_tested(found: tuple[int, ...], health: Health) -> None:
    assert python_fits(found).health is health


@pytest.mark.parametrize(
    ("row", "health"),
    [
        (f"click=={version('click')} \\", Health.FINE),
        (f"click==0.1 ; python_version < '3' \\\nclick=={version('click')} ; python_version >= '3' \\", Health.FINE),
        ("click==0.1 \\", Health.BROKEN),
        ("a-test-tool-that-is-left-out==1.0 \\", Health.FINE),
    ],
    ids=["as locked", "locked twice", "another version", "left out"],
)
def test_packages_are_compared_with_the_lock_file(tmp_path: Path, row: str, health: Health) -> None:
    assert packages_fit(locked(tmp_path, row)).health is health


def test_without_a_lock_file_nothing_is_said_to_be_fine(tmp_path: Path) -> None:
    look: Callable[[Path], Finding] = packages_fit

    assert look(tmp_path / "requirements.lock").health is Health.NOT_CHECKED
