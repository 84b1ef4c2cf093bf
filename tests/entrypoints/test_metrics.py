"""`opsflows metrics` as Prometheus and node_exporter meet it: who gets the metrics, who does not, and what is refused at the start."""

import http.client
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import trustme

from entrypoints import metrics
from entrypoints.serving import listening
from ledger.opening import open_ledger
from ledger.places import ledger_url
from tests.conftest import StandIns
from tests.entrypoints.conftest import Cli, Said

TOKEN = "t0ken-of-prometheus"
BEARER = {"authorization": f"Bearer {TOKEN}"}


def page(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ.get("QUERY_STRING") == "break":
        raise RuntimeError("a fault with a s3cret in it")
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"some_metric 1\n"]


@contextmanager
def serving(token: str = "", tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[int]:
    with listening(host, 0, metrics.guarded(page, token), tls) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def asked(port: int, path: str = "/metrics", method: str = "GET", **headers: str) -> tuple[int, str]:
    with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501 (over plain http)
        answer = client.request(method, f"http://127.0.0.1:{port}{path}", headers=headers)
    return answer.status_code, answer.text


def configured(folder: Path, monkeypatch: pytest.MonkeyPatch, base_url: str, more: str = "") -> None:
    file = folder / "opsflows.toml"
    file.write_text(
        "[environments.rehearsal]\nkind = 'rehearsal'\nin_scope = []\n"
        f"[kms.shop]\nenvironment = 'rehearsal'\nbase_url = '{base_url}'\n{more}"
    )
    monkeypatch.setenv("OPSFLOWS_CONFIG", str(file))


PROD = "[environments.prod]\nkind = 'prod'\nin_scope = []\n[kms.pay]\nenvironment = 'prod'\nbase_url = 'http://127.0.0.1:1'\n"
AT_STAND_INS = ("metrics", "--environment", "rehearsal")


@pytest.fixture
def shop(tmp_path: Path, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch, opsflows: Cli) -> Cli:
    """The command line with one service configured, at the stand-ins."""
    configured(tmp_path, monkeypatch, "$STAND_INS/backend")
    monkeypatch.setenv("OPSFLOWS_STAND_INS_URL", stand_ins.url)
    return opsflows


def token_file(folder: Path, text: str = f"{TOKEN}\n", mode: int = 0o600) -> Path:
    file = folder / "token"
    file.touch(mode=0o600)
    file.write_text(text)
    file.chmod(mode)
    return file


def refused(said: Said) -> str:
    assert (said.code, len(said.sentences)) == (2, 3)
    return said.err


def test_get_of_two_paths_is_answered_and_nothing_else() -> None:
    with serving() as port:
        answers = [
            asked(port),
            asked(port, "/"),
            asked(port, "/other"),
            asked(port, "/metrics/"),
            asked(port, method="POST"),
        ]

    assert answers == [
        (200, "some_metric 1\n"), (200, "opsflows metrics: see /metrics\n"), (404, "see /metrics\n"), (404, "see /metrics\n"), (405, "only GET\n"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "sent", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xff"]
)
@pytest.mark.parametrize("path", ["/metrics", "/other", "//"])
def test_without_the_token_nobody_learns_anything(sent: str, path: str) -> None:
    said = metrics._refusal({"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_AUTHORIZATION": sent}, TOKEN)

    assert said is not None
    assert (said.status, said.headers) == ("401 Unauthorized", (("www-authenticate", "Bearer"),))


def test_with_the_token_prometheus_gets_the_metrics() -> None:
    with serving(TOKEN) as port:
        assert asked(port) == (401, "a bearer token is needed\n")
        assert asked(port, "/") == (200, "opsflows metrics: see /metrics\n")
        assert asked(port, "/", "POST")[0] == 401
        assert asked(port, **BEARER) == (200, "some_metric 1\n")


def test_a_fault_of_ours_is_no_traceback_for_the_client(capfd: pytest.CaptureFixture[str]) -> None:
    with serving() as port:
        status, text = asked(port, "/metrics?break")

    assert status == 500
    assert not any(word in text for word in ("Traceback", "RuntimeError", "s3cret"))
    assert "RuntimeError" in capfd.readouterr().err


def test_over_tls_a_client_that_never_shakes_hands_holds_up_nobody() -> None:
    authority = trustme.CA()
    served, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(served)
    authority.configure_trust(trusting)

    with serving(TOKEN, served) as port:
        silent = http.client.HTTPConnection("127.0.0.1", port)
        silent.connect()
        with httpx.Client(verify=trusting, trust_env=False) as client:
            answer = client.get(f"https://127.0.0.1:{port}/metrics", headers=BEARER)
        silent.close()

    assert (answer.status_code, answer.text) == (200, "some_metric 1\n")


def test_a_textfile_is_written_whole_and_nothing_is_left_beside_it(shop: Cli, tmp_path: Path) -> None:
    file = tmp_path / "textfiles" / "kms.prom"
    file.parent.mkdir()
    file.write_text("of before\n")
    open_ledger(ledger_url(os.environ)).close()

    said = shop(*AT_STAND_INS, "--textfile", str(file))

    text = file.read_text()
    assert (said.code, said.err) == (0, "")
    assert 'kms_health_up{environment="rehearsal",target="shop"} 1.0' in text
    assert "kms_ledger_up 1.0" in text
    assert [one.name for one in file.parent.iterdir()] == ["kms.prom"]


def test_a_textfile_is_written_without_a_ledger_too(shop: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSFLOWS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

    said = shop(*AT_STAND_INS, "--textfile", str(tmp_path / "kms.prom"))

    text = (tmp_path / "kms.prom").read_text()
    assert said.code == 0
    assert said.err.startswith("ledger: ")
    assert ("kms_ledger_up 0.0" in text, 'kms_health_up{environment="rehearsal",target="shop"} 1.0' in text) == (
        True,
        True,
    )


def test_a_ledger_that_is_not_there_is_said_to_be_down_and_is_not_made(
    shop: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSFLOWS_DATABASE_URL", f"sqlite:///{tmp_path / 'none' / 'ledger.db'}")

    said = shop(*AT_STAND_INS, "--textfile", str(tmp_path / "kms.prom"))

    assert (said.code, "ledger.db is not there" in said.err) == (0, True)
    assert "kms_ledger_up 0.0" in (tmp_path / "kms.prom").read_text()
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "served"),
    [((), {"pay"}), (("--environment", "prod"), {"pay"}), (("--environment", "rehearsal"), {"shop"})],
)
def test_the_rehearsals_targets_are_served_where_they_are_asked_for(
    options: tuple[str, ...], served: set[str], shop: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(tmp_path, monkeypatch, "$STAND_INS/backend", PROD)

    shop("metrics", *options, "--textfile", str(tmp_path / "kms.prom"))

    assert set(re.findall(r'target="(\w+)"', (tmp_path / "kms.prom").read_text())) == served


def test_an_environment_that_is_not_declared_is_bad_input(shop: Cli) -> None:
    assert "'prod' is not an environment." in refused(shop("metrics", "--environment", "prod"))


@pytest.mark.parametrize("name", ["kms.txt", "gone/kms.prom"])
def test_a_textfile_that_nobody_would_read_or_write_is_bad_input(name: str, shop: Cli, tmp_path: Path) -> None:
    assert "kms" in refused(shop(*AT_STAND_INS, "--textfile", str(tmp_path / name)))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "metrics.example.org"])
def test_any_other_host_than_loopback_needs_a_token(host: str, shop: Cli) -> None:
    assert "no --token-file is given" in refused(shop(*AT_STAND_INS, "--host", host, "--port", "0"))


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        (TOKEN, 0o644, "can be read by others"),
        ("", 0o600, "holds no token"),
        ("two words", 0o600, "holds no token"),
        ("two\nlines", 0o600, "holds no token"),
        ("schlüssel", 0o600, "holds no token"),
    ],
)
def test_a_token_file_that_is_no_secret_or_no_token_is_bad_input(
    text: str, mode: int, says: str, shop: Cli, tmp_path: Path
) -> None:
    said = refused(shop(*AT_STAND_INS, "--port", "0", "--token-file", str(token_file(tmp_path, text, mode))))

    assert says in said
    assert not (text and text in said)


def test_a_token_file_that_is_not_there_is_bad_input(shop: Cli, tmp_path: Path) -> None:
    assert "cannot be read" in refused(shop(*AT_STAND_INS, "--token-file", str(tmp_path / "none")))


@pytest.mark.parametrize("options", [("--key-file", "none"), ("--cert-file", "none"), ("--cert-file", "token")])
def test_a_certificate_that_cannot_be_used_is_bad_input(options: tuple[str, str], shop: Cli, tmp_path: Path) -> None:
    token_file(tmp_path)

    refused(shop(*AT_STAND_INS, "--port", "0", options[0], str(tmp_path / options[1])))


def test_an_address_that_is_not_this_machines_is_bad_input(shop: Cli, tmp_path: Path) -> None:
    said = shop(*AT_STAND_INS, "--host", "192.0.2.1", "--port", "0", "--token-file", str(token_file(tmp_path)))

    assert refused(said).startswith("Nothing can listen at 192.0.2.1, port 0")


def test_without_a_service_opsflows_itself_is_served(
    opsflows: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "opsflows.toml").write_text("[environments.rehearsal]\nkind = 'rehearsal'\nin_scope = []\n")
    monkeypatch.setenv("OPSFLOWS_CONFIG", str(tmp_path / "opsflows.toml"))

    said = opsflows("metrics", "--textfile", str(tmp_path / "kms.prom"))
    refusal = refused(opsflows("metrics", "--environment", "prod"))

    served = (tmp_path / "kms.prom").read_text()
    assert said.code == 0, said.err
    assert ("opsflows_ledger_up" in served, "kms_" in served) == (True, False)
    assert refusal.startswith("'prod' is not an environment.")


def test_the_command_serves_until_it_is_interrupted_and_needs_no_prefect(shop: Cli, tmp_path: Path) -> None:
    program = (
        "import signal, sys; from entrypoints import cli; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "sys.addaudithook(lambda event, found: event == 'import' and found[0] == 'prefect' and sys.exit('Prefect is imported'));"
        f"cli.main(['metrics', '--environment', 'rehearsal', '--port', '0', '--token-file', {str(token_file(tmp_path))!r}])"
    )
    with subprocess.Popen([sys.executable, "-uc", program], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        told = running.stdout.readline()

        answer = httpx.get(told.split()[2].rstrip("."), headers=BEARER, trust_env=False)

        running.send_signal(2)
        assert running.stdout.read() == "Stopped.\n"
    assert 'kms_health_up{environment="rehearsal",target="shop"} 1.0' in answer.text
    assert running.returncode == 0
