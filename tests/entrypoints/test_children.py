"""Processes of ours, tiny ones: one of a name in a home, stopped with what they started, found after their parent was killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from domain.errors import BadInput, Unavailable
from entrypoints.children import Child, is_running, log_file, running, sole_owner, stop_left_over
from entrypoints.supervising import Household, household
from tests.program import ROOT, eventually

SLEEPER = "import signal; print('up', flush=True); signal.pause()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
# Starts a child in the home and is killed: what `kill -9` of `opsflows up` leaves.
_KILLED_PARENT = f"""
import os, signal, sys
from entrypoints.children import Child, sole_owner
with sole_owner():
    child = Child("worker", [sys.executable, "-c", {SLEEPER!r}], dict(os.environ), lambda _: True)
    child.start()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSFLOWS_HOME", str(tmp_path))
    return tmp_path


def says_up(name: str) -> bool:
    return log_file(name).exists() and "up" in log_file(name).read_text()


def sleeper(name: str, code: str = SLEEPER) -> Child:
    def is_ready(since: datetime) -> bool:
        del since
        return says_up(name)

    return Child(name, [sys.executable, "-c", code], dict(os.environ), is_ready)


def process_of(home: Path, name: str) -> int:
    return int((home / f"{name}.lock").read_text())


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def is_over(process: int) -> bool:
    """Tell whether it ended; one that nobody has asked for its end yet (a zombie) did."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False
    ).stdout
    return state.strip()[:1] in {"", "Z"}


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def house(told: list[str]) -> Iterator[Household]:
    with household(told.append) as house:
        yield house


def test_a_second_one_of_a_name_is_refused_while_the_first_runs() -> None:
    with running(sleeper("worker")), pytest.raises(BadInput, match="is running already"), running(sleeper("worker")):
        pass

    assert not is_running("worker")


def test_one_that_ends_before_it_serves_is_told_with_its_exit_code_and_its_log() -> None:
    ending = Child("server", [sys.executable, "-c", "raise SystemExit(3)"], {}, lambda _: False)

    with running(ending), pytest.raises(Unavailable) as told:
        ending.wait_until_ready()

    assert told.value.means == "It ended with exit code 3."
    assert str(log_file("server")) in told.value.next_step


def test_what_a_killed_command_left_is_found_by_its_lock_and_stopped(home: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", _KILLED_PARENT], cwd=ROOT, check=False, timeout=30)
    process = process_of(home, "worker")
    assert killed.returncode == -signal.SIGKILL
    assert lives(process)

    with sole_owner():
        left = stop_left_over(["board", "worker"])

    assert left == [f"worker (process {process})"]
    assert not is_running("worker")


def test_a_number_of_an_earlier_one_does_not_stand_where_nothing_was_started(home: Path) -> None:
    (home / "worker.lock").write_text("4194303\n")
    nothing = Child("worker", [str(home / "no-such-program")], {}, lambda _: True)

    with pytest.raises(FileNotFoundError), running(nothing):
        pass

    assert (home / "worker.lock").read_text() == ""


def test_a_terminal_that_is_closed_stops_it_as_control_c_does(house: Household) -> None:
    signal.raise_signal(signal.SIGHUP)

    assert house.stopped.is_set()


def test_what_nohup_started_goes_on_when_the_terminal_is_closed() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with household(print) as house:
            signal.raise_signal(signal.SIGHUP)
            stopped = house.stopped.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)

    assert not stopped


def test_what_runs_for_somebody_else_is_not_left_over() -> None:
    with sole_owner(), pytest.raises(BadInput, match="is running already"), sole_owner():
        pass


def test_what_dies_is_told_and_started_again(house: Household, told: list[str], home: Path) -> None:
    def tell(line: str) -> None:
        told.append(line)
        house.stopped.set()

    house.tell = tell
    house.start(sleeper("worker"))
    first = process_of(home, "worker")
    os.kill(first, signal.SIGKILL)

    house.watch()

    assert [line.partition(" (")[0] for line in told] == ["worker ended by SIGKILL"]
    assert process_of(home, "worker") != first
    assert lives(process_of(home, "worker"))


def test_what_a_dead_one_had_started_ends_with_the_one_after_it(house: Household, home: Path) -> None:
    starts_another = (
        f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {DEAF!r}]).pid, flush=True); {SLEEPER}"
    )
    worker = sleeper("worker", starts_another)
    house.start(worker)
    house.wait_until_ready(worker)
    orphan = int(log_file("worker").read_text().split()[0])
    os.kill(process_of(home, "worker"), signal.SIGKILL)
    assert eventually(worker.how_it_ended)

    worker.start()
    lived_on = lives(orphan)
    house.stop()

    assert lived_on
    assert eventually(lambda: is_over(orphan))


def test_what_dies_again_and_again_stops_all_of_it_with_the_reason(house: Household, told: list[str]) -> None:
    house.start(sleeper("stand-ins"))
    house.start(sleeper("worker", "raise SystemExit(7)"))

    with pytest.raises(Unavailable, match="worker ended with exit code 7, for the 4th time within 10 minutes"):
        house.watch()
    house.stop()

    assert len(told) == 3
    assert not is_running("stand-ins")


def test_what_was_started_last_is_stopped_first(house: Household, home: Path) -> None:
    note = f"import sys; {SLEEPER.replace('signal.pause()', 'signal.sigwait([signal.SIGTERM]); open(sys.argv[1], chr(97)).write(sys.argv[2])')}"
    note = f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); {note}"
    children = [
        Child(name, [sys.executable, "-c", note, str(home / "order"), name[0]], {}, lambda _, name=name: says_up(name))  # type: ignore[misc]  # mypy cannot type a default of a lambda
        for name in ("server", "worker")
    ]
    for child in children:
        house.start(child)
    house.wait_until_ready(*children)

    house.stop()

    assert (home / "order").read_text() == "ws"


def test_a_second_control_c_kills_what_does_not_listen(house: Household, home: Path) -> None:
    deaf = sleeper("worker", DEAF)
    house.start(deaf)
    house.wait_until_ready(deaf)

    signal.raise_signal(signal.SIGINT)
    heard_first = lives(process_of(home, "worker"))
    signal.raise_signal(signal.SIGINT)

    assert heard_first
    assert house.stopped.is_set()
    assert eventually(deaf.how_it_ended) is not None
