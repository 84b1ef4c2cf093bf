"""A health page is green when it says so itself, here and now; anything else is a fault with a name, in time."""

import ast
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path

import pytest

from domain.kms_faults import FAULTS
from tests.vendors.health_answers import FAULTY, GREEN, chunked, in_chunks, page, without_length
from tests.vendors.health_server import HEALTHY, Backend, Ending, backend, told
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


@pytest.mark.parametrize("case", GREEN)
def test_a_page_that_says_kms_and_ready_is_green(service: Backend, case: str) -> None:
    url = service.says(GREEN[case]())

    seen = read_health(url, limit_seconds=AMPLE_S)

    assert (seen.fault, seen.detail, seen.state) == ("", "", "ok")
    assert (seen.status, seen.mode, seen.ready) == (200, "kms", True)


@pytest.mark.parametrize("case", FAULTY)
def test_anything_else_is_a_fault_with_a_name(service: Backend, case: str) -> None:
    word, answer = FAULTY[case]
    url = service.says(answer())

    seen = read_health(url, limit_seconds=AMPLE_S)

    assert seen.state == word, seen
    assert seen.fault in FAULTS
    assert seen.detail


# Made when they are sent: their Date must not be older than a minute.
NEVER_WHOLE: dict[str, tuple[Callable[[], bytes], Ending]] = {
    "nothing is read": (lambda: b"", Ending.DEAF),
    "nothing is sent": (lambda: b"", Ending.STALL),
    "the headers drip": (lambda: b"HTTP/1.1 200 OK\r\nX-Slow: ", Ending.DRIP),
    "the headers stall": (lambda: b"HTTP/1.1 200 OK\r\nX-Slow: a\r\n", Ending.STALL),
    "the body drips": (lambda: told(headers={"Content-Length": "60000"}), Ending.DRIP),
    "the body stalls": (lambda: told()[:-1], Ending.STALL),
    "a body without a length drips": (lambda: without_length(HEALTHY), Ending.DRIP),
    "the last chunk does not come": (lambda: in_chunks(chunked(HEALTHY, end=b"")), Ending.STALL),
}


@pytest.mark.parametrize("case", NEVER_WHOLE)
def test_what_never_becomes_whole_ends_with_the_limit(service: Backend, case: str) -> None:
    answer, ending = NEVER_WHOLE[case]
    url = service.says(answer(), ending)

    seen = read_health(url, limit_seconds=A_MOMENT_S)

    assert seen.fault == "health.timeout"
    assert seen.detail.startswith("0.2 s were over while ")


def test_a_service_that_resets_the_connection_is_unreachable(service: Backend) -> None:
    url = service.says(b"", Ending.RESET)

    seen = read_health(url, limit_seconds=AMPLE_S)

    assert (seen.fault, seen.detail, seen.status) == ("health.unreachable", "the connection was reset", None)


def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    seen = read_health(f"http://127.0.0.1:{port}", limit_seconds=AMPLE_S)

    assert (seen.fault, seen.detail) == ("health.unreachable", "the connection is refused")


def test_a_name_that_is_not_found_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_options: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    seen = read_health("http://no-such-host.example", limit_seconds=AMPLE_S)

    assert (seen.fault, seen.detail) == ("health.unreachable", "its name is not found")


def test_a_resolver_that_does_not_answer_takes_no_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def silent(*_args: object, flags: int = 0, **_options: object) -> object:
        if not flags:
            over.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", silent)

    seen = read_health("http://no-such-host.example", limit_seconds=A_MOMENT_S)

    over.set()
    assert (seen.fault, seen.detail) == ("health.timeout", "0.2 s were over while its name was looked up")


def test_the_next_address_is_tried_where_one_refuses_or_does_not_answer(service: Backend) -> None:
    port = int(service.says(told()).rpartition(":")[2])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    # With its queue of one place taken, Linux lets further connections to it wait.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        ports = (closed, full.getsockname()[1], port)
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", one)) for one in ports]

        with healthz._connected(addresses, time.monotonic() + 30) as line:
            assert line.getpeername()[1] == port


def test_an_ipv6_address_is_asked() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with backend(host="::1") as service:
        seen = read_health(service.says(told()), limit_seconds=AMPLE_S)

    assert seen.state == "ok"
    assert f"\r\nHost: {service.url.removeprefix('http://')}\r\n".encode() in service.asked[0]


def test_one_request_is_made_that_asks_caches_to_stand_aside() -> None:
    # A server of its own: one that others were not waited for may still be reading what they asked.
    with backend() as service:
        url = service.says(told(status="302 Found", headers={"Location": "/elsewhere"}))
        read_health(f"{url}/api/", path="/live/healthz", limit_seconds=AMPLE_S)

    (asked,) = service.asked
    assert asked.startswith(b"GET /api/live/healthz HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nCache-Control: no-cache\r\n" in asked
    assert b"\r\nAccept-Encoding: identity\r\n" in asked


def test_no_proxy_is_used(service: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    seen = read_health(service.says(told()), limit_seconds=AMPLE_S)

    assert seen.state == "ok"


def test_a_clock_that_is_far_ahead_is_told_and_counts_for_nothing(service: Backend) -> None:
    url = service.says(told(headers={"Date": formatdate(datetime.now(UTC).timestamp() + 3600, usegmt=True)}))

    seen = read_health(url, limit_seconds=AMPLE_S)

    assert seen.state == "ok"
    assert "s ahead of this machine's" in seen.detail


def test_of_the_body_nothing_is_shown_but_the_cut_mode(service: Backend) -> None:
    url = service.says(told(page(crypto_mode="\udcff\u202e\x1b[31m" + "s" * 1000, secret="not-to-be-told")))

    seen = read_health(url, limit_seconds=AMPLE_S)

    assert seen.mode == (r"\udcff\u202e\x1b[31m" + "s" * 40)[:40]
    assert seen.detail == f"crypto_mode is '{seen.mode}'"
    assert "not-to-be-told" not in repr(seen)


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost:8000", "ftp://localhost", "http://", "http:///x", "http://a b", "http://user:secret@localhost", "http://localhost?x=1",
        "http://localhost#x", "http://localhost:0", "http://localhost:65536", "http://localhost:x", "http://b\u00fccher.example", "http://a..b",
        "http://-a", "http://[::1", "http://[fe80::1%25eth0]", "http://localhost\r\nX: y", "http://localhost/\u00fc", f"http://{'a' * 64}.example",
    ],
)  # fmt: skip
def test_an_odd_address_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ValueError, match="the address must be like https://"):
        read_health(url)


@pytest.mark.parametrize("path", ["", "healthz", "/a b", "/healthz?x=1", "/healthz#x", "/\u00fc", "/a\r\nX: y"])
def test_an_odd_path_is_refused_before_anything_is_sent(path: str) -> None:
    with pytest.raises(ValueError, match="the path must begin with /"):
        read_health("http://127.0.0.1:9", path=path)


@pytest.mark.parametrize("limit", [0, -1, 61, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="the limit must be more than 0"):
        read_health("http://127.0.0.1:9", limit_seconds=limit)


def test_its_grammar_is_of_the_oldest_python_that_it_names() -> None:
    source = PROGRAM.read_text()

    assert "needs Python 3.9" in source
    ast.parse(source, feature_version=(3, 9))


@pytest.mark.parametrize(
    "word", ["mode", "not_ready", "unreachable", "timeout", "tls", "status", "redirect", "unreadable", "cached"]
)
def test_every_finding_has_its_row(word: str) -> None:
    assert f'"{word}"' in PROGRAM.read_text()
    assert f"health.{word}" in FAULTS
