"""A health page over TLS, and the check as a program that other repositories take along."""

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.vendors.health_answers import page
from tests.vendors.health_server import Backend, Ending, backend, told
from vendors import healthz
from vendors.healthz import read_health

PROGRAM = Path(healthz.__file__)
# What a check may take where the test is not about its limit: a slow machine's time too.
AMPLE_S = 60
A_MOMENT_S = 0.2


@pytest.fixture(scope="module")
def service() -> Iterator[Backend]:
    with backend() as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_over_tls_a_trusted_service_is_green(
    authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    with backend(certified(authority, "localhost")) as service:
        seen = read_health(service.says(told()), limit_seconds=AMPLE_S)

    assert (seen.state, seen.detail) == ("ok", "")


@pytest.mark.parametrize(("name", "trusted"), [("localhost", False), ("elsewhere.example", True)])
def test_a_certificate_that_is_not_the_services_is_refused(
    authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, trusted: bool
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file) if trusted else os.devnull)
    with backend(certified(authority, name)) as service:
        seen = read_health(service.says(told()), limit_seconds=AMPLE_S)

        assert service.asked == []
    assert seen.fault == "health.tls"
    assert seen.detail


def test_a_service_without_tls_is_no_tls_service() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_greet_in_plain, args=(listening,))
        thread.start()
        seen = read_health(f"https://127.0.0.1:{listening.getsockname()[1]}", limit_seconds=AMPLE_S)
        thread.join()

    assert (seen.fault, seen.status) == ("health.tls", None)


def _greet_in_plain(listening: socket.socket) -> None:
    line, _ = listening.accept()
    with line, contextlib.suppress(OSError):
        line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        while line.recv(4096):
            pass


@pytest.mark.parametrize("ending", [Ending.DEAF, Ending.DRIP])
def test_over_tls_the_limit_holds_as_well(
    authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch, ending: Ending
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    with backend(certified(authority, "localhost")) as service:
        seen = read_health(service.says(b"HTTP/1.1 200 OK\r\nX-Slow: ", ending), limit_seconds=A_MOMENT_S)

    assert seen.fault == "health.timeout"


def run(*arguments: str, program: Path = PROGRAM, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the file as another repository does: with nothing installed (-S), from a folder of its own."""
    return subprocess.run(
        [sys.executable, "-S", str(program), f"--timeout={AMPLE_S}", *arguments], cwd=cwd, env={"PATH": os.defpath, **environment}, capture_output=True,
        text=True, check=False, timeout=2 * AMPLE_S,
    )  # fmt: skip


def test_as_a_program_it_ends_with_0_1_or_2(service: Backend, tmp_path: Path) -> None:
    url = service.says(told())
    well = run("--base-url", url, cwd=tmp_path)
    service.says(told(page(crypto_mode="plaintext")))
    ill = run("--base-url", url, cwd=tmp_path)
    wrong = run("--base-url", "localhost", cwd=tmp_path)

    assert (well.returncode, well.stdout, well.stderr) == (0, "OK crypto_mode is kms, crypto_ready is true\n", "")
    assert (ill.returncode, ill.stdout, ill.stderr) == (1, "FAIL health.mode: crypto_mode is 'plaintext'\n", "")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "the address must be like https://" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_as_a_program_it_is_not_led_astray_by_its_neighbours(service: Backend, tmp_path: Path) -> None:
    taken_along = Path(shutil.copy(PROGRAM, tmp_path))
    for name in ("json", "socket", "http", "argparse", "ssl"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)\n")
    (tmp_path / "elsewhere").mkdir()

    ended = run("--base-url", service.says(told()), "--verbose", program=taken_along, cwd=tmp_path / "elsewhere")

    assert ended.returncode == 0, ended.stderr
    assert "  status: 200\n" in ended.stdout


def test_as_a_program_it_tells_machines_one_object(authority: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    with backend(certified(authority, "localhost")) as service:
        url = service.says(told(page(crypto_ready="true")))
        ended = run("--base-url", url, "--json", cwd=tmp_path, SSL_CERT_FILE=str(ca_file))

    document = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert (document["ok"], document["fault"], document["status"]) == (False, "health.not_ready", 200)
    assert (document["mode"], document["ready"], document["url"]) == ("kms", None, url)


@pytest.mark.parametrize("how", ["--verbose", "--json"])
def test_of_an_address_scheme_host_and_port_are_shown_and_never_its_path(
    service: Backend, tmp_path: Path, how: str
) -> None:
    url = service.says(told())

    ended = run("--base-url", f"{url}/a-secret", "--path", "/another-secret", how, cwd=tmp_path)

    assert ended.returncode == 0
    assert url in ended.stdout
    assert "secret" not in ended.stdout + ended.stderr
