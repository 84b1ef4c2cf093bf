"""The stand-ins as a process: one line when ready, a clean end, and a memory that survives in the state file."""

import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]  # grpc ships no types
import httpx
import pytest

from tests.mocks.polling import eventually

ROOT = Path(__file__).parents[2]


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Give the process and its ready line; end it, if the test has not."""
    command = [sys.executable, "-m", "mocks", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            yield process, json.loads(line)
        finally:
            process.terminate()


def control(ready: dict[str, Any], path: str) -> Any:
    return httpx.get(f"http://127.0.0.1:{ready['http']}/_control{path}").json()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_within_two_seconds(number: signal.Signals) -> None:
    with running() as (process, ready):
        webhook = control(ready, "/credentials")["slack"]["SLACK_WEBHOOK_URL"]
        httpx.post(f"http://127.0.0.1:{ready['http']}/_control/slack/faults", json={"delay_s": 600})
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(webhook, json={"text": "held"}, timeout=0.2)
        started = time.monotonic()

        process.send_signal(number)
        output, errors = process.communicate(timeout=10)

    assert process.returncode == 0
    assert time.monotonic() - started < 2
    assert (output, errors) == ("", "")


def test_a_held_back_answer_does_not_keep_it_alive() -> None:
    with running() as (process, ready):
        httpx.post(f"http://127.0.0.1:{ready['http']}/_control/slack/faults", json={"delay_s": 600})
        with socket.create_connection(("127.0.0.1", ready["http"]), timeout=5) as held:
            held.sendall(b"GET /slack/api/auth.test HTTP/1.1\r\nhost: localhost\r\n\r\n")
            eventually(lambda: control(ready, "/slack/requests"))
            started = time.monotonic()

            process.terminate()
            _, errors = process.communicate(timeout=10)

    assert (process.returncode, errors) == (0, "")
    assert time.monotonic() - started < 2.5


def test_a_held_back_grpc_call_does_not_keep_it_alive() -> None:
    with running() as (process, ready):
        httpx.post(f"http://127.0.0.1:{ready['http']}/_control/gcpsecret/faults", json={"delay_s": 600})
        with grpc.insecure_channel(f"127.0.0.1:{ready['grpc']}") as channel:
            held = channel.unary_unary("/google.cloud.secretmanager.v1.SecretManagerService/GetSecret").future(b"")
            eventually(lambda: control(ready, "/gcpsecret/requests"))
            started = time.monotonic()

            process.terminate()
            _, errors = process.communicate(timeout=10)

            assert held.code() is grpc.StatusCode.UNAVAILABLE
    assert (process.returncode, errors) == (0, "")
    assert time.monotonic() - started < 2.5


def test_it_names_its_ports_its_authority_and_its_process(tmp_path: Path) -> None:
    ports_file = tmp_path / "ports.json"

    with running("--tls", "--name", "stand-ins.example", "--ports-file", str(ports_file)) as (process, ready):
        trusted = ssl.create_default_context(cafile=ready["ca_file"])
        with (
            socket.create_connection(("127.0.0.1", ready["https"]), timeout=5) as plain,
            trusted.wrap_socket(plain, server_hostname="stand-ins.example") as encrypted,
        ):
            assert encrypted.version()
        assert ready["pid"] == process.pid
        assert json.loads(ports_file.read_text()) == ready


def test_without_tls_there_is_neither_port_nor_authority() -> None:
    with running() as (_, ready):
        assert (ready["https"], ready["ca_file"]) == (None, None)


def test_it_listens_on_loopback_only() -> None:
    with running() as (_, ready):
        listening = [listening_addresses(ready[port]) for port in ("http", "grpc")]

    assert listening == [{"0100007F"}] * 2  # 127.0.0.1, as Linux writes it


def test_the_state_file_brings_credentials_messages_and_revocations_back(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with running("--state", str(state)) as (process, ready):
        before = control(ready, "/credentials")
        httpx.post(before["slack"]["SLACK_WEBHOOK_URL"], json={"text": "kept"})
        httpx.post(f"http://127.0.0.1:{ready['http']}/_control/slack/actions/revoke_webhook")
        httpx.post(f"http://127.0.0.1:{ready['http']}/_control/clock", json={"offset_s": 3600})
        process.kill()

    with running("--state", str(state)) as (_, ready):
        after = control(ready, "/credentials")
        inbox = control(ready, "/slack/inbox")
        refused = httpx.post(after["slack"]["SLACK_WEBHOOK_URL"], json={"text": "again"})

    assert after["slack"]["SLACK_BOT_TOKEN"] == before["slack"]["SLACK_BOT_TOKEN"]
    assert [message["text"] for message in inbox] == ["kept"]
    assert (refused.status_code, refused.text) == (404, "no_service")


def test_the_state_file_is_for_its_owner_alone_and_stands_alone(tmp_path: Path) -> None:
    with running("--state", str(tmp_path / "state.json")):
        assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
        assert os.listdir(tmp_path) == ["state.json"]  # noqa: PTH208 - names are what is compared


@pytest.mark.parametrize("content", ["not json", "[]", '{"version": 99}'])
def test_a_state_file_of_someone_else_is_refused_and_left_alone(content: str, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text(content)

    finished = subprocess.run(
        [sys.executable, "-m", "mocks", "--state", str(state)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip

    assert finished.returncode == 2
    assert str(state) in finished.stderr
    assert "Traceback" not in finished.stderr
    assert state.read_text() == content


def test_a_taken_port_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        finished = subprocess.run(
            [sys.executable, "-m", "mocks", "--port", str(port)],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip

    assert finished.returncode == 2
    assert "another port" in finished.stderr
    assert "Traceback" not in finished.stderr


def listening_addresses(port: int) -> set[str]:
    """Return the addresses on which this machine listens at the port, in hexadecimal. Source: proc_net_tcp(5)."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("this machine has no /proc/net/tcp to read listening addresses from")
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    local = [row[1].split(":") for row in rows if row[3] == "0A"]
    return {address for address, hexadecimal in local if int(hexadecimal, 16) == port}
