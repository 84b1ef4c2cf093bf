"""`opsflows doctor`: the server's looks against servers that are wrong in one way each; the whole with nothing there, and on a healthy one."""

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from socket import socket
from threading import Thread
from typing import Any

import pytest
from cryptography.fernet import Fernet

from domain.doctor import Finding, Health
from domain.errors import OpsError, Unavailable
from entrypoints.doctor_server import (
    ServerSeen,
    clock_of,
    look_at_server,
    server_answers,
    settings_are_safe,
    stand_ins_answer,
    versions_agree,
)
from ledger.opening import open_ledger
from steps.doctor_machine import clocks_agree
from tests.entrypoints.conftest import Cli
from tests.program import OPSFLOWS, ROOT, Standing

OURS = version("prefect")
SAFE = {"server": {"concurrency": {"lease_storage": "filesystem"}, "analytics_enabled": False, "services": {}}}
KEY = "PREFECT_SERVER_ENCRYPTION_KEY"


@dataclass(frozen=True, slots=True)
class Wrong:
    """A server that says this of itself."""

    version: str = OURS
    settings: Any = None
    status: int = 200
    login: str = ""
    age_s: float = 0


Serve = Callable[[Wrong], None]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serves what a test says as the Prefect server of this process's environment."""
    started: list[ThreadingHTTPServer] = []
    for name in ("PREFECT_API_AUTH_STRING", "PREFECT_API_SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(KEY, "a key")

    def start(wrong: Wrong) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(wrong))
        started.append(server)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api")

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def _handler(wrong: Wrong) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            let_in = not wrong.login or self.headers.get("Authorization", "").startswith(wrong.login)
            told = wrong.version if self.path.endswith("version") else wrong.settings or SAFE
            self.send_response_only(wrong.status if let_in else 401)
            self.send_header("Date", formatdate(time.time() - wrong.age_s, usegmt=True))
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: object) -> None: ...

    return Answering


def seen_with(**settings: Any) -> ServerSeen:
    return ServerSeen("http://127.0.0.1:4200/api", OURS, None, {"server": {**SAFE["server"], **settings}})


def test_a_server_as_it_should_be_is_fine(serve: Serve) -> None:
    serve(Wrong())

    seen = look_at_server()

    looks: list[Finding] = [server_answers(seen), versions_agree(seen), settings_are_safe(seen)]
    assert {one.health for one in looks} == {Health.FINE}
    assert clocks_agree(clock_of(seen), []).health is Health.FINE


@pytest.mark.parametrize(
    ("wrong", "login", "words"),
    [
        (Wrong(login="Basic"), "", "asks for a login"),
        (Wrong(login="Basic bWU6"), "you:else", "refuses the login"),
        (Wrong(status=502), "", "answers 502"),
    ],
    ids=["no login", "refused login", "a broken proxy"],
)
def test_a_server_that_does_not_let_us_in_says_why(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, wrong: Wrong, login: str, words: str
) -> None:
    serve(wrong)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", login)

    with pytest.raises(OpsError) as refused:
        look_at_server()

    assert words in refused.value.happened
    assert "you:else" not in str(refused.value)


def test_a_server_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{taken.getsockname()[1]}/api")

    with pytest.raises(Unavailable):
        look_at_server()


@pytest.mark.parametrize(("told", "health"), [("3.0.0", Health.BROKEN), (OURS, Health.FINE), ("99.0", Health.ADVICE)])
def test_a_client_that_is_newer_than_its_server_is_broken(serve: Serve, told: str, health: Health) -> None:
    serve(Wrong(version=told))

    assert versions_agree(look_at_server()).health is health


def test_a_server_whose_clock_is_wrong_is_seen_by_its_date(serve: Serve) -> None:
    serve(Wrong(age_s=600))

    assert clocks_agree(clock_of(look_at_server()), []).health is Health.BROKEN


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"concurrency": {"lease_storage": "prefect.server.concurrency.lease_storage.memory"}}, "LEASE_STORAGE"),
        ({"analytics_enabled": True}, "ANALYTICS"),
        ({"services": {"scheduler": {"enabled": False}}}, "SCHEDULER_ENABLED"),
        ({"services": {"late_runs": {"enabled": False}}}, "LATE_RUNS"),
    ],
    ids=["leases in memory", "analytics", "no scheduler", "no late runs"],
)
def test_a_dangerous_setting_is_broken_and_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], words: str
) -> None:
    monkeypatch.setenv(KEY, "a key")

    found = settings_are_safe(seen_with(**settings))

    assert (found.health, words in found.what) == (Health.BROKEN, True)


def test_an_encryption_key_that_lies_in_the_database_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)

    assert KEY in settings_are_safe(seen_with()).what


def test_an_open_server_elsewhere_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)

    assert server_answers(replace(seen_with(), api="https://ops.example.org/api")).health is Health.BROKEN


def test_stand_ins_that_do_not_run_are_no_fault() -> None:
    found = [stand_ins_answer("", is_declared=True), stand_ins_answer("http://127.0.0.1:1", is_declared=True)]

    assert [one.health for one in found] == [Health.NOT_USED, Health.FINE]


def test_with_everything_down_it_says_so_and_calls_nothing_fine_that_it_could_not_see(opsflows: Cli) -> None:
    said = opsflows("doctor", "--json")

    document = json.loads(said.out)
    assert said.code == 1
    assert {"ledger", "server"} <= set(document["broken"])
    assert {"audit chain", "clock", "encryption key", "blocks", "schedules", "workers"} <= set(document["not_checked"])


def test_a_ledger_that_is_behind_is_broken_and_stays_as_it_is(opsflows: Cli, tmp_path: Path) -> None:
    open_ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}").close()
    with closing(sqlite3.connect(tmp_path / "home" / "ledger.db")) as database:
        database.execute("UPDATE ledger_version SET version_num = '0003'")
        database.commit()

    said = opsflows("doctor")

    assert "BROKEN      ledger: The ledger has schema 0003" in said.out


def test_next_with_nothing_to_look_at_never_says_that_nothing_is_needed(opsflows: Cli) -> None:
    said = opsflows("next")

    assert said.code == 1
    assert said.out.count("NOW    NOT KNOWN") == 2
    assert "Nothing needs you" not in said.out


def test_next_of_an_environment_that_is_not_declared_is_bad_input(opsflows: Cli) -> None:
    assert opsflows("next", "--environment", "nowhere").code == 2


def test_on_a_healthy_home_nothing_is_broken(standing: Standing) -> None:
    said = standing.run("doctor", "--json")

    document = json.loads(said.out)
    assert (document["broken"], document["not_checked"], said.code) == ([], [], 0)


def test_what_is_broken_on_a_running_server_is_named(standing: Standing, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    open_ledger(other).close()
    (tmp_path / "short.key").write_text("short")
    with block_of_a_lost_key(standing):
        ended = subprocess.run(
            [OPSFLOWS, "doctor", "--json"], capture_output=True, text=True, check=False, timeout=240, cwd=ROOT,
            env=standing.home.environment(
                OPSFLOWS_DATABASE_URL=other, OPSFLOWS_FINGERPRINT_KEY_FILE=str(tmp_path / "short.key")
            ),
        )  # fmt: skip

    document = json.loads(ended.stdout)
    assert {"encryption key", "registered ledger", "fingerprint key"} <= set(document["broken"])
    assert "blocks" in document["not_checked"]
    assert ended.returncode == 1


@contextmanager
def block_of_a_lost_key(standing: Standing) -> Iterator[None]:
    """A Secret block that nobody uses, and whose text no key of the server opens; it is gone afterwards."""
    kind = standing.ask("GET", "/block_types/slug/secret")
    schema = standing.ask("POST", "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}})
    made = {
        "name": "of-a-lost-key",
        "data": {"value": "x"},
        "block_type_id": kind["id"],
        "block_schema_id": schema[0]["id"],
    }
    block = standing.ask("POST", "/block_documents/", made)
    database = standing.home.path / "prefect" / "prefect.db"
    [(kept,)] = _in(database, "SELECT data FROM block_document WHERE name = 'of-a-lost-key'")
    lost = json.dumps(Fernet(Fernet.generate_key()).encrypt(b"{}").decode())
    try:
        _in(database, "UPDATE block_document SET data = ? WHERE name = 'of-a-lost-key'", lost)
        yield
    finally:
        # The server opens a block before it deletes it.
        _in(database, "UPDATE block_document SET data = ? WHERE name = 'of-a-lost-key'", kept)
        standing.ask("DELETE", f"/block_documents/{block['id']}")


def _in(file: Path, statement: str, *values: str) -> list[tuple[str]]:
    with closing(sqlite3.connect(file, timeout=30)) as database:
        found: list[tuple[str]] = database.execute(statement, values).fetchall()
        database.commit()
    return found
