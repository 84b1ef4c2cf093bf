"""Whoever is in a folder is alone there, a killed process holds nothing, and a folder that is removed locks nobody out."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import Unavailable
from steps.alone import TAKEN, alone_in, folder_of_own, last_used, removed_unless_held

# Takes the folder, says so, and waits to be killed.
_HOLDER = """
import sys
from pathlib import Path
from steps.alone import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


def holder_of(folder: Path) -> "subprocess.Popen[str]":
    held = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert held.stdout is not None
    assert held.stdout.readline() == "in\n"
    return held


def test_a_second_one_is_told_to_wait(tmp_path: Path) -> None:
    with alone_in(tmp_path / "a"), pytest.raises(Unavailable) as told, alone_in(tmp_path / "a"):
        pass

    assert told.value.symptom == TAKEN
    assert "Another run" in told.value.happened


def test_after_one_has_left_the_next_may_enter(tmp_path: Path) -> None:
    with alone_in(tmp_path / "a"):
        pass

    with alone_in(tmp_path / "a"):
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    held = holder_of(tmp_path / "a")
    with pytest.raises(Unavailable), alone_in(tmp_path / "a"):
        pass

    held.send_signal(signal.SIGKILL)
    held.wait(timeout=20)

    with alone_in(tmp_path / "a"):
        assert last_used(tmp_path / "a").tzinfo is not None
    for stream in (held.stdin, held.stdout):
        assert stream is not None
        stream.close()


def test_a_folder_that_somebody_is_in_is_not_removed(tmp_path: Path) -> None:
    with alone_in(tmp_path / "a"):
        removed = removed_unless_held(tmp_path / "a")

        assert not removed
        assert (tmp_path / "a").is_dir()
    assert removed_unless_held(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_lock_of_a_removed_folder_keeps_nobody_out(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    with alone_in(folder):
        (folder / ".lock").unlink()

        with alone_in(folder), pytest.raises(Unavailable), alone_in(folder):
            pass


def test_a_folder_of_ones_own_is_gone_afterwards_and_what_others_left_before(tmp_path: Path) -> None:
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "spool.ids").write_bytes(b"of a killed run")

    with folder_of_own(tmp_path) as folder:
        there = list(tmp_path.iterdir())

        assert there == [folder]
    assert list(tmp_path.iterdir()) == []


def test_two_have_folders_of_their_own_at_once(tmp_path: Path) -> None:
    with folder_of_own(tmp_path) as first, folder_of_own(tmp_path) as second:
        assert first != second
        assert first.is_dir()
