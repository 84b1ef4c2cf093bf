"""The proxy, run as a process on loopback: who is passed on to whom, and what it adds or takes away on the way."""

import base64
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.program import ROOT, eventually, program

FILE = ROOT / "deployments" / "caddy" / "Caddyfile"
ACCESS = ("login", "oidc")
LOGIN = base64.b64encode(b"admin:machine").decode()
PERSON = "alice@example.org"


@dataclass(slots=True)
class Behind:
    """A server behind the proxy: says who it is, and what reached it; as oauth2-proxy it knows one cookie."""

    name: str
    server: ThreadingHTTPServer
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def behind(name: str) -> Iterator[Behind]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {key.lower(): value for key, value in self.headers.items()}
            made.seen.append((self.path, headers))
            asked = self.path.partition("?")[0] == "/oauth2/auth"
            nobody = name == "login-proxy" and asked and headers.get("cookie") != "session=good"
            self.send_response(401 if nobody else 200)
            if name == "login-proxy" and not nobody:
                self.send_header("X-Auth-Request-Email", PERSON)
            if name == "board":
                self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(name.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
            """Say nothing."""

    made = Behind(name, ThreadingHTTPServer(("127.0.0.1", 0), Answer))
    Thread(target=made.server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        made.stop()


@dataclass(frozen=True, slots=True)
class Proxy:
    """Caddy with our file, and what stands behind it."""

    public: str
    inside: str
    log: Path
    apis: tuple[Behind, Behind]
    board: Behind

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"{self.public}{path}", headers=headers, trust_env=False, timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module", params=ACCESS)
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("caddy")
    public, inside = free_port(), free_port()
    with (
        behind("api-1") as one, behind("api-2") as two, behind("board") as board, behind("metrics") as metrics,
        behind("login-proxy") as people, (folder / "log").open("wb") as log,
    ):  # fmt: skip
        settings = {
            "OPSFLOWS_PUBLIC": f"http://127.0.0.1:{public}", "OPSFLOWS_INSIDE": f"http://127.0.0.1:{inside}",
            "OPSFLOWS_TLS": "off", "OPSFLOWS_ACCESS": request.param, "OPSFLOWS_URL": f"http://127.0.0.1:{public}",
            "OPSFLOWS_API_SERVERS": f"{one.address} {two.address}", "OPSFLOWS_BOARD": board.address,
            "OPSFLOWS_METRICS": metrics.address, "OPSFLOWS_OIDC_PROXY": people.address,
            "OPSFLOWS_MACHINE_LOGIN": LOGIN, "OPSFLOWS_BOARD_TOKEN": "board-token",
            "HOME": str(folder), "PATH": os.environ["PATH"],
        }  # fmt: skip
        process = subprocess.Popen(
            [program("caddy"), "run", "--config", str(FILE), "--adapter", "caddyfile"], env=settings, stdout=log, stderr=log
        )  # fmt: skip
        made = Proxy(
            f"http://127.0.0.1:{public}", f"http://127.0.0.1:{inside}", folder / "log", (one, two), board
        )  # fmt: skip
        try:
            eventually(lambda: is_up(inside) or process.poll() is not None)
            assert process.poll() is None, made.log.read_text()
            yield made
        finally:
            process.terminate()
            process.wait(timeout=30)


def is_up(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def only(access: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("proxy", [access], indirect=True)


@pytest.mark.parametrize("tls", ["internal", "acme"])
@pytest.mark.parametrize("access", ACCESS)
def test_caddy_accepts_it(access: str, tls: str) -> None:
    command = [program("caddy"), "adapt", "--config", str(FILE), "--adapter", "caddyfile", "--validate"]

    ended = subprocess.run(
        command, env={"OPSFLOWS_ACCESS": access, "OPSFLOWS_TLS": tls, "HOME": "/nonexistent"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr


def test_caddy_takes_a_certificate_of_ones_own() -> None:
    files = {"OPSFLOWS_TLS": "files", "OPSFLOWS_TLS_CERTIFICATE": "/a/own.pem", "OPSFLOWS_TLS_KEY": "/a/key.pem"}

    ended = subprocess.run(
        [program("caddy"), "adapt", "--config", str(FILE), "--adapter", "caddyfile"],
        env=files, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    [loaded] = json.loads(ended.stdout)["apps"]["tls"]["certificates"]["load_files"]
    assert (loaded["certificate"], loaded["key"]) == ("/a/own.pem", "/a/key.pem")


@only("login")
def test_both_servers_answer_and_the_login_is_passed_on(proxy: Proxy) -> None:
    answers = {proxy.get("/api/health", Authorization="Basic mine").text for _ in range(4)}

    assert answers == {"api-1", "api-2"}
    assert {headers["authorization"] for path, headers in proxy.apis[0].seen if path == "/api/health"} == {"Basic mine"}


@only("login")
def test_our_own_containers_have_an_address_of_their_own(proxy: Proxy) -> None:
    answer = httpx.get(f"{proxy.inside}/api/flows", trust_env=False, timeout=30)

    assert answer.text in {"api-1", "api-2"}


def test_the_board_and_metrics_are_at_the_same_address(proxy: Proxy) -> None:
    page = proxy.get("/board/", Authorization="Bearer mine")
    again = proxy.get("/board/?format=json", Authorization="Bearer mine")
    bare = proxy.get("/board?format=json", Authorization="Bearer mine")
    metrics = proxy.get("/metrics", Authorization="Bearer mine")

    assert (page.text, again.text, metrics.text) == ("board", "board", "metrics")
    assert [path for path, _ in proxy.board.seen[-2:]] == ["/", "/?format=json"]
    assert proxy.board.seen[-1][1]["authorization"] == "Bearer mine"
    assert (bare.status_code, bare.headers["location"]) == (308, "/board/?format=json")


def test_what_a_page_may_do_is_said(proxy: Proxy) -> None:
    headers = proxy.get("/board/", Authorization="Bearer mine").headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    # The board says its own, and a second one beside it would leave the choice to the browser.
    assert headers.get_list("referrer-policy") == ["no-referrer"]
    assert "server" not in headers or "Caddy" not in headers["server"]


@only("oidc")
def test_nobody_is_sent_to_log_in(proxy: Proxy) -> None:
    page = proxy.get("/v2/runs?state=failed")
    call = proxy.get("/api/flows", Authorization=f"Basic {LOGIN}")

    assert page.status_code == httpx.codes.FOUND
    # A path, which oauth2-proxy goes back to; a whole address it refuses.
    assert page.headers["location"] == "/oauth2/start?rd=/v2/runs?state=failed"
    assert call.status_code == httpx.codes.UNAUTHORIZED
    assert not [path for api in proxy.apis for path, _ in api.seen if path != "/api/ready"]


@only("oidc")
def test_who_has_logged_in_needs_no_machine_login(proxy: Proxy) -> None:
    answer = proxy.get("/api/deployments", Cookie="session=good", **{"X-Auth-Request-Email": "mallory@example.org"})
    board = proxy.get("/board/", Cookie="session=good")

    [reached] = [headers for api in proxy.apis for path, headers in api.seen if path == "/api/deployments"]
    assert answer.text in {"api-1", "api-2"}
    assert reached["authorization"] == f"Basic {LOGIN}"
    assert reached["x-auth-request-email"] == PERSON
    assert board.text == "board"
    assert proxy.board.seen[-1][1]["authorization"] == "Bearer board-token"


@only("oidc")
def test_the_log_names_who_it_was_and_no_secret(proxy: Proxy) -> None:
    proxy.get("/api/deployments/who", Cookie="session=good")

    def line() -> dict[str, Any] | None:
        rows = [json.loads(row) for row in proxy.log.read_text().splitlines() if '"/api/deployments/who"' in row]
        return rows[0] if rows else None

    row = eventually(line)
    text = proxy.log.read_text()
    assert row["resp_headers"]["X-Opsflows-Actor"] == [PERSON]
    assert (row["request"]["method"], row["status"]) == ("GET", 200)
    assert LOGIN not in text
    assert "board-token" not in text
    assert "session=good" not in text


@only("oidc")
def test_the_ui_asks_for_no_login(proxy: Proxy) -> None:
    settings = proxy.get("/ui-settings", Cookie="session=good").json()

    assert settings["auth"] is None
    assert settings["api_url"] == f"{proxy.public}/api"


@only("login")
def test_a_server_that_died_is_passed_over(proxy: Proxy) -> None:
    proxy.apis[0].stop()

    answers = {proxy.get(f"/api/health?{number}").text for number in range(6)}

    assert answers == {"api-2"}


def test_what_does_not_answer_is_said(proxy: Proxy) -> None:
    proxy.board.stop()

    silent = proxy.get("/board/", Authorization="Bearer mine")

    assert silent.status_code == httpx.codes.BAD_GATEWAY
    assert "opsflows doctor" in silent.text
