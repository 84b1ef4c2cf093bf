"""`opsflows board` as browsers and machines meet it: who gets the page, who does not, and what it is while the ledger is away."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import httpx
import pytest

from domain.board import Board, Cell, EnvironmentBoard, Look
from domain.errors import Unavailable
from entrypoints import board_documents
from entrypoints.board import Links, Seen, board_app
from entrypoints.serving import listening
from ledger.opening import open_ledger
from ledger.places import ledger_url
from steps.board_page import style_digest
from steps.document_page import document_style_digest
from tests.entrypoints.conftest import Cli
from tests.entrypoints.test_metrics import refused, token_file

TOKEN = "t0ken-of-the-board"
_MONTH = Cell("reconciliation", Look.ASIDE, "nothing records what is emitted")
_PROD = EnvironmentBoard("prod", "prod", "not gone live", (), (), _MONTH, (), is_counted=True)
BOARD = Board(
    datetime(2026, 11, 26, 3, 0, 5, tzinfo=UTC), (), (_PROD,), (), Cell("Prefect", Look.GREEN, "16 deployments")
)
AWAY = Unavailable("The ledger does not answer.", "Nothing was read.", "See that it runs.", "ledger.unreachable")


@contextmanager
def serving(token: str = "", seen: Seen = BOARD) -> Iterator[str]:
    with listening(
        "127.0.0.1", 0, board_app(lambda: seen, token, Links("https://prefect.example.com", ".")), None
    ) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def asked(url: str, path: str = "/", method: str = "GET", headers: Mapping[str, str] | None = None) -> httpx.Response:
    with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501 (over plain http)
        return client.request(method, f"{url}{path}", headers=headers)


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def test_a_page_says_of_itself_what_a_browser_may_do_with_it() -> None:
    with serving() as url:
        answer = asked(url)

    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (policy.startswith("default-src 'none'; "), f"'{style_digest()}'" in policy, "unsafe" in policy) == (
        True,
        True,
        False,
    )
    assert {name: answer.headers[name] for name in ("cache-control", "referrer-policy", "x-content-type-options", "x-frame-options")} == {
        "cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff", "x-frame-options": "DENY",
    }  # fmt: skip
    assert "<script" not in answer.text
    assert "As of <b>2026-11-26 03:00:05 UTC</b>" in answer.text


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("/", "*/*", "text/html; charset=utf-8"),
        ("/", "application/json", "application/json"),
        ("/?format=json", "text/html", "application/json"),
        ("/?format=html", "application/json", "text/html; charset=utf-8"),
    ],
)
def test_machines_get_json_at_the_same_address(path: str, accept: str, kind: str) -> None:
    with serving() as url:
        answer = asked(url, path, headers={"accept": accept})

    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    if kind == "application/json":
        assert answer.json()["as_of"] == "2026-11-26T03:00:05+00:00"


def test_only_get_and_head_are_answered_and_a_head_has_no_body() -> None:
    with serving() as url:
        whole, head = asked(url), asked(url, method="HEAD")
        others = [asked(url, method=method).status_code for method in ("POST", "PUT", "DELETE", "OPTIONS")]
        places = [
            asked(url, path).status_code
            for path in ("/health", "/other", "/?environment=nowhere", "/?environment=prod")
        ]

    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole.content)))
    assert others == [405] * 4
    assert places == [200, 404, 404, 200]


@pytest.mark.parametrize("seen", [BOARD, AWAY], ids=["read", "away"])
@pytest.mark.parametrize("path", ["/", "/?format=json", "/docs/board.md", "/other"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer"}, {"authorization": f"Bearer {TOKEN}x"}, basic("ada", "wrong"), basic(TOKEN, ""), {"authorization": "Basic \xff%"}],
    ids=["nothing", "no token", "longer", "wrong password", "token as user", "no base64"],
)  # fmt: skip
def test_without_the_token_nobody_learns_anything(headers: dict[str, str], path: str, seen: Seen) -> None:
    status, said, told = _called(path, headers, seen)

    assert status == "401 Unauthorized"
    assert said == [b"the token is needed: as the password, or as a bearer token\n"]
    assert [value.partition(" ")[0] for name, value in told if name == "www-authenticate"] == ["Basic", "Bearer"]


@pytest.mark.parametrize(
    "headers",
    [{"authorization": f"Bearer {TOKEN}"}, basic("ada", TOKEN), basic("", TOKEN)],
    ids=["machine", "person", "nobody"],
)
def test_with_the_token_machines_and_people_get_the_page(headers: dict[str, str]) -> None:
    with serving(TOKEN) as url:
        assert asked(url, headers=headers).status_code == 200
        assert asked(url, "/health").text == "opsflows board\n"


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:9478", 200), ("localhost", 200), ("[::1]:9478", 200), ("evil.example.com", 421), ("127.0.0.1.example.com:80", 421), ("", 421)],
)  # fmt: skip
def test_on_loopback_a_name_that_leads_here_by_a_trick_is_refused(host: str, status: int) -> None:
    assert _called("/", {"host": host}, BOARD, token="")[0].startswith(str(status))


def test_a_ledger_away_is_told_and_no_page_of_before_is_shown() -> None:
    with serving(seen=AWAY) as url:
        page, told = asked(url), asked(url, "/?format=json")

    assert (page.status_code, told.status_code) == (503, 503)
    assert (told.json()["verdict"], "The ledger does not answer." in page.text) == ("NOT KNOWN", True)


def test_runbooks_are_shown_and_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(board_documents.DOCS / "runbooks", tmp_path / "runbooks")
    (tmp_path / "notes.txt").write_text("Not for everybody.")
    monkeypatch.setattr(board_documents, "DOCS", tmp_path)
    with serving() as url:
        page = asked(url, "/docs/runbooks/rotation-stuck.md")
        others = [
            asked(url, f"/docs/{path}").status_code
            for path in (
                "../opsflows.toml",
                "%2e%2e/README.md",
                "..%2fpyproject.toml",
                "notes.txt",
                "",
                "a%00.md",
                f"{'a' * 300}.md",
            )
        ]

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<h1 id=" in page.text
    assert '<a href="../../">the wiring board</a>' in page.text
    assert document_style_digest() in page.headers["content-security-policy"]
    assert others == [404] * 7


def test_a_runbooks_picture_is_shown_with_it() -> None:
    with serving() as url:
        picture = asked(url, "/docs/images/board.png")

    assert (picture.headers["content-type"], picture.content[1:4]) == ("image/png", b"PNG")


def test_a_hostile_name_is_escaped() -> None:
    cell = replace(_MONTH, name='<img src=x onerror="alert(1)">', words="</style><script>alert(1)</script>")

    with serving(seen=replace(BOARD, environments=(replace(_PROD, kms=(cell,)),))) as url:
        text = asked(url).text

    assert ("<img" in text, "<script" in text) == (False, False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "board.example.org"])
def test_any_other_host_than_loopback_needs_a_token(host: str, opsflows: Cli) -> None:
    assert "no --token-file is given" in refused(opsflows("board", "--host", host, "--port", "0"))


def test_a_token_file_that_others_can_read_is_refused(opsflows: Cli, tmp_path: Path) -> None:
    said = refused(opsflows("board", "--port", "0", "--token-file", str(token_file(tmp_path, TOKEN, 0o644))))

    assert ("can be read by others" in said, TOKEN in said) == (True, False)


@pytest.mark.parametrize("option", ["--prefect-ui", "--docs-url"])
def test_a_link_that_is_no_address_is_refused(option: str, opsflows: Cli) -> None:
    assert "is no address" in refused(opsflows("board", option, "javascript:alert(1)"))


def test_the_command_serves_what_the_ledger_says_until_it_is_interrupted(opsflows: Cli, tmp_path: Path) -> None:
    open_ledger(ledger_url(os.environ)).close()
    program = (
        "import signal; from entrypoints import cli; signal.signal(signal.SIGINT, signal.default_int_handler);"
        f"cli.main(['board', '--port', '0', '--token-file', {str(token_file(tmp_path, TOKEN))!r}])"
    )
    with subprocess.Popen([sys.executable, "-uc", program], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        url = running.stdout.readline().split()[3].rstrip("./")

        answer = asked(url, "/?format=json", headers={"authorization": f"Bearer {TOKEN}"})

        running.send_signal(2)
        assert running.stdout.read() == "Stopped.\n"
    told = json.loads(answer.text)
    assert (running.returncode, answer.status_code) == (0, 200)
    assert told["verdict"] != "GREEN"
    assert told["prefect"]["words"].startswith("no Prefect server")


def _called(
    path: str, headers: Mapping[str, str], seen: Seen, token: str = TOKEN
) -> tuple[str, Iterable[bytes], list[tuple[str, str]]]:
    """Call the app as its server would, without one: status, body, headers."""
    told: list[tuple[str, list[tuple[str, str]]]] = []
    where, _, query = path.partition("?")
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": where, "QUERY_STRING": query}
    sent = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    app = board_app(lambda: seen, token, Links())
    body = app(environ | sent, lambda status, found: told.append((status, found)))
    return told[0][0], body, told[0][1]
