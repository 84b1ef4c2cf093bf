"""opsflows as its users run it: a program with a home of its own, and what it leaves running."""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from entrypoints import cli
from steps.version import code_version

ROOT = Path(__file__).parents[1]
OPSFLOWS = str(Path(sys.executable).with_name("opsflows"))
# What this process was told must not reach the programs under test.
_OURS = ("OPSFLOWS_", "PREFECT_", "OPERATOR_WIRING_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
# Prefect's workers ask every ten seconds whether a run is due; five of them would be waited for at each run.
_QUERY_S = "2"
_COMPLAINT = re.compile(r"\| (WARNING|ERROR|CRITICAL) |^[\w.]+(Error|Exception)\b")
_COMPLAINTS_SHOWN = 6000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="this machine has no /proc in which to find processes"
)

T = TypeVar("T")


def eventually(look: Callable[[], T | None], within_s: float = 60, every_s: float = 0.2) -> T:
    """Return what `look` sees as soon as it is something; fail when it is still nothing at the deadline."""
    ends = time.monotonic() + within_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > ends:
            raise AssertionError(f"Still {seen!r} after {within_s:.0f} s.")
        time.sleep(every_s)


@cache
def to_loopback() -> httpx.Client:
    """One client for all that is asked: each new one would load the machine's certificate authorities again."""
    return httpx.Client(trust_env=False, timeout=90, limits=httpx.Limits(max_keepalive_connections=0))


def program(*names: str) -> str:
    """Return where the first of these programs is; without any of them a skip, under CI a failure."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        why = f"{' and '.join(names)} not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{why}; CI must have it")
        pytest.skip(why)
    return found


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Home:
    """A project home, and the programs that run in it."""

    path: Path

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_OURS)}
        # One version for all of it: what a demo rehearsed would not count any more once somebody commits.
        return {**kept, "OPSFLOWS_HOME": str(self.path), "OPSFLOWS_VERSION": code_version(), **more}

    def run(self, *arguments: str) -> Ended:
        """Run opsflows to its end, without a terminal."""
        ended = subprocess.run(
            [OPSFLOWS, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=480, cwd=ROOT,
            env=self.environment(),
        )  # fmt: skip
        return Ended(ended.returncode, _COLOUR.sub("", ended.stdout), ended.stderr)

    def processes(self) -> list[str]:
        """Return the command line of every process that was started in this home, ours and grandchildren alike."""
        marker = f"OPSFLOWS_HOME={self.path}".encode()
        return [line for entry in Path("/proc").glob("[0-9]*") if (line := _command_line_with(entry, marker))]


@dataclass(slots=True)
class Standing:
    """`opsflows up` in a home in which the demo has run: started when it is first asked for, and stopped at the end."""

    home: Home
    demo: Ended
    left_by_demo: list[str]
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def output(self) -> str:
        return (self.home.path / "up.log").read_text()

    @property
    def api(self) -> str:
        """Return the address of the Prefect API, as `up` printed it."""
        self._start()
        found = re.search(r"^Prefect API +(\S+)$", self.output, re.MULTILINE)
        assert found, self.output
        return found[1]

    @property
    def ui(self) -> str:
        return self.api.removesuffix("/api")

    def run(self, *arguments: str) -> Ended:
        """Run opsflows beside it; the command finds the server by itself."""
        self._start()
        return self.home.run(*arguments)

    def ask(self, method: str, path: str, json: object = None, **query: str) -> Any:
        """Ask Prefect's API and return its JSON, None where it has nothing to say.

        A 503 is asked again, as Prefect's own client does: SQLite was being written to by someone else, for up to two minutes where
        three servers share a machine's disk.
        """
        url = f"{self.api}{path}"

        def answered() -> httpx.Response | None:
            answer = to_loopback().request(method, url, json=json, params=query)
            return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

        answer = eventually(answered, within_s=180, every_s=1)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def deployment(self, full_name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/deployments/name/{full_name}")
        return found

    def runs_of(self, full_name: str, *states: str) -> list[dict[str, Any]]:
        """Return the runs of a deployment that are in one of these states."""
        chosen = {
            "deployments": {"id": {"any_": [self.deployment(full_name)["id"]]}},
            "flow_runs": {"state": {"type": {"any_": list(states)}}},
        }
        found: list[dict[str, Any]] = self.ask("POST", "/flow_runs/filter", chosen)
        return found

    def complaints(self) -> str:
        """Return what servers and workers warned of last, and of their tracebacks the last lines."""
        said = [(log.stem, line) for log in sorted((self.home.path / "logs").glob("*.log")) for line in _lines(log)]
        return "\n".join(f"{name}: {line}" for name, line in said if _COMPLAINT.search(line))[-_COMPLAINTS_SHOWN:]

    def stop(self, number: signal.Signals = signal.SIGINT, within_s: float = 60) -> int:
        """Send the signal a terminal sends, and return the exit code."""
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise

    def stop_at_once(self) -> None:
        """Kill it as nobody would: what it started is left to itself."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def _start(self) -> None:
        if self.process is None:
            with (self.home.path / "up.log").open("wb") as log:
                self.process = subprocess.Popen(
                    [OPSFLOWS, "up"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT,
                    env=self.home.environment(PYTHONUNBUFFERED="1", PREFECT_WORKER_QUERY_SECONDS=_QUERY_S),
                )  # fmt: skip
        process = self.process
        eventually(lambda: process.poll() is not None or "Ctrl-C stops" in self.output, within_s=360)
        assert process.poll() is None, self.output


@dataclass(frozen=True, slots=True)
class Beside:
    """The command line in this process, in the home of the running opsflows: a new process would cost each command seconds."""

    standing: Standing

    def run(self, *arguments: str, **environment: str) -> Ended:
        """Run a command to its end as `Standing.run` does; variables that it sets are gone afterwards."""
        # Imported here, because most tests need no Prefect, and its import takes a second.
        from prefect.settings import (  # noqa: PLC0415 (as above)
            PREFECT_API_TLS_INSECURE_SKIP_VERIFY,
            PREFECT_API_URL,
            temporary_settings,
        )

        told = self.standing.home.environment(PREFECT_API_URL=self.standing.api, **environment)
        out, err = io.StringIO(), io.StringIO()
        # It speaks http, so that there is nothing to verify; each client would load the machine's authorities to do it.
        own = {PREFECT_API_URL: self.standing.api, PREFECT_API_TLS_INSECURE_SKIP_VERIFY: True}
        with _environment(told), temporary_settings(own), redirect_stdout(out), redirect_stderr(err):
            code = _code_of(arguments)
        return Ended(code, out.getvalue(), err.getvalue())


def _code_of(arguments: tuple[str, ...]) -> int:
    try:
        cli.main(arguments)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


@contextmanager
def _environment(told: dict[str, str]) -> Iterator[None]:
    """Let this process's environment be that and nothing else."""
    before = dict(os.environ)
    _become(told)
    try:
        yield
    finally:
        _become(before)


def _become(environment: dict[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


def _lines(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _command_line_with(entry: Path, marker: bytes) -> str:
    """Return the process's command line where its environment holds the marker, empty where not or where it is gone."""
    try:
        if marker not in (entry / "environ").read_bytes().split(b"\0"):
            return ""
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""
