"""What every test may use: the stand-ins, served once for the session and forgetful between tests."""

import gc
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings

from mocks.app import build, found_stand_ins
from mocks.serving import served_in_thread
from mocks.tls import ThrowAwayAuthority
from tests.program import Beside, Home, Standing
from tests.sharing import scheduler

# How long data takes to be made, or a test with them, says how busy the machine is, and nothing else.
settings.register_profile("opsflows", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("opsflows")

# Fixtures that start a Prefect server: their tests take longest, and so run first.
_SERVERS = ("standing", "lived", "prefect")

# Collecting makes a million objects that stay, and each process collects all tests: the collector, which would look through
# them again and again, took a third of that time.
gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the running server complained of beside the failure of a test that asked it."""
    report = yield
    standing = item.funcargs.get("standing") if isinstance(item, pytest.Function) else None
    if report.failed and isinstance(standing, Standing):
        report.sections.append(("of the server's log", standing.complaints()))
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    return scheduler(config, log)


def _place(item: pytest.Item) -> int:
    names = item.fixturenames if isinstance(item, pytest.Function) else []
    return next((place for place, name in enumerate(_SERVERS) if name in names), len(_SERVERS))


@cache
def _console() -> httpx.Client:
    """One client for all tests: each new one would load the certificate authorities again.

    It waits long, because some orders take the stand-ins seconds (twenty thousand alerts) on a busy machine.
    """
    return httpx.Client(trust_env=False, timeout=60, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass(frozen=True, slots=True)
class StandIns:
    """Where the stand-ins are, and their control plane."""

    url: str
    https_url: str
    ca_file: Path

    @property
    def grpc(self) -> str:
        """Where the stand-ins speak gRPC, as host:port."""
        return str(self.control("GET", "/addresses")["gcpsecret"]).removeprefix("grpc://")

    def control(self, method: str, path: str, json: object = None) -> Any:
        """Ask the control plane (`/slack/faults`) and return its JSON; fails the test where it refuses."""
        answer = _console().request(method, f"{self.url}/_control{path}", json=json)
        assert answer.is_success, answer.text
        return answer.json()


@pytest.fixture(scope="session")
def served_stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIns]:
    names = [host for stand_in in found_stand_ins() for host in stand_in.hosts]
    authority = ThrowAwayAuthority(names)
    ca_file = authority.write_ca(tmp_path_factory.mktemp("stand-ins") / "ca.pem")
    with served_in_thread(build(), authority.server_context()) as (http, https):
        yield StandIns(f"http://127.0.0.1:{http}", f"https://localhost:{https}", ca_file)


@pytest.fixture
def stand_ins(served_stand_ins: StandIns) -> StandIns:
    """The stand-ins, with no state, no faults and no requests yet."""
    served_stand_ins.control("POST", "/reset")
    return served_stand_ins


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Prefect server of this process's own (SQLite), for flows and blocks that run in the tests' process."""
    # Imported here, because most tests need no Prefect, and its import takes a second.
    from prefect.settings import (  # noqa: PLC0415 (as above)
        PREFECT_API_SSL_CERT_FILE,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415 (as above)

    # Prefect's clients read it anew for every connection: the machine's authorities would cost 40 ms each time.
    ca_file = ThrowAwayAuthority().write_ca(tmp_path_factory.mktemp("prefect") / "ca.pem")
    # Without a heartbeat a flow run takes a quarter of a second instead of one; nothing here is about heartbeats.
    with (
        prefect_test_harness(server_startup_timeout=180),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_API_SSL_CERT_FILE: str(ca_file)}),
    ):
        yield


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """A home in which the demo ran, with `opsflows up` in it: the one Prefect server that tests may share."""
    home = Home(tmp_path_factory.mktemp("standing") / "home")
    up = Standing(home, home.run("demo"), home.processes())
    yield up
    if up.process is not None:
        up.stop()


@pytest.fixture
def beside(standing: Standing) -> Beside:
    """Runs commands in this process, beside the running opsflows."""
    return Beside(standing)
