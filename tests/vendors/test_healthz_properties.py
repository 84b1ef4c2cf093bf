"""A health page is green if and only if a specification says so that shares nothing with the code."""

import http.client
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kms_faults import FAULTS
from tests.vendors.health_answers import chunked, page
from tests.vendors.health_server import HEALTHY, Backend, backend, told
from vendors.healthz import read_health

# A slow machine's time too: none of this is about the limit.
AMPLE_S = 60
MODES = st.sampled_from(["kms", "kms", "KMS", "kms\n", "plaintext", "", 1, True, None, ["kms"], {"kms": 1}])
READY = st.sampled_from([True, True, False, "true", "True", 1, 1.0, 0, None, [True]])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PAGES = st.one_of(
    JSON,
    st.builds(
        lambda more, mode, ready, left_out: {
            name: value for name, value in {**more, "crypto_mode": mode, "crypto_ready": ready}.items() if name not in left_out
        },
        st.dictionaries(st.text(max_size=5), JSON, max_size=3),
        MODES,
        READY,
        st.sampled_from([(), (), (), ("crypto_mode",), ("crypto_ready",)]),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def service() -> Iterator[Backend]:
    with backend() as running:
        yield running


@given(document=PAGES, escaped=st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_document_is_green_if_and_only_if_it_says_kms_and_true(
    service: Backend, document: Any, *, escaped: bool
) -> None:
    url = service.says(told(json.dumps(document, ensure_ascii=escaped).encode("utf-8", "surrogatepass")))

    seen = read_health(url, limit_seconds=AMPLE_S)

    said = document if isinstance(document, dict) else {}
    mode, ready = said.get("crypto_mode"), said.get("crypto_ready")
    well = type(mode) is str and mode == "kms" and type(ready) is bool and ready
    assert (seen.state == "ok") is well, seen


STATUSES = {
    "200 OK": True,
    "200 Found": True,
    "200": True,
    "201 Created": False,
    "302 Found": False,
    "404 Not Found": False,
    "500 200": False,
}
TYPES = {
    "application/json": True,
    "application/json;charset=utf-8": True,
    "text/json": False,
    "application/jsonp": False,
    "": False,
}
MORE = {
    ("X-Frame-Options", "DENY"): True, ("Age", "0"): True, ("Age", "1"): False, ("X-Cache", "MISS"): True, ("X-Cache", "Hit"): False,
    ("CF-Cache-Status", "BYPASS"): True, ("CF-Cache-Status", "HIT"): False, ("Content-Encoding", "br"): False, ("Location", "/x"): True,
}  # fmt: skip


@given(
    status=st.sampled_from(list(STATUSES)),
    content_type=st.sampled_from(list(TYPES)),
    more=st.lists(st.sampled_from(list(MORE)), max_size=2, unique=True),
    frame=st.sampled_from(["length", "chunks", "end"]),
    cut=st.sampled_from([0, 0, 0, 1, 20]),
    body=st.sampled_from([HEALTHY, HEALTHY, HEALTHY, page(crypto_ready=False)]),
)
@settings(max_examples=80, deadline=None)
def test_an_answer_is_green_if_and_only_if_all_of_it_is(  # noqa: PLR0917 (one parameter per part of an answer)
    service: Backend, status: str, content_type: str, more: list[tuple[str, str]], frame: str, cut: int, body: bytes
) -> None:
    sent = {"length": body, "end": body, "chunks": chunked(body)}[frame]
    framing: Mapping[str, Mapping[str, str]] = {
        "length": {}, "end": {"Content-Length": ""}, "chunks": {"Content-Length": "", "Transfer-Encoding": "chunked"},
    }  # fmt: skip
    lines = "".join(f"\r\n{name}: {text}" for name, text in more)
    answer = told(sent, status, {**framing[frame], "X-First": f"1{lines}"}, content_type)
    url = service.says(answer[: len(answer) - cut])

    seen = read_health(url, limit_seconds=AMPLE_S)

    well = STATUSES[status] and TYPES[content_type] and all(MORE[one] for one in more) and not cut and body == HEALTHY
    assert (seen.state == "ok") is well, seen


@given(
    at=st.integers(min_value=0, max_value=len(told())),
    taken=st.integers(min_value=0, max_value=30),
    put=st.binary(max_size=20) | st.sampled_from([b"\r\n", b"\n", b":", b"Age: 9\r\n", b"0\r\n\r\n", b'"', b"\x00"]),
)
@settings(max_examples=120, deadline=None)
def test_a_damaged_answer_is_green_only_where_another_reader_finds_it_whole(
    service: Backend, at: int, taken: int, put: bytes
) -> None:
    whole = told()
    damaged = whole[:at] + put + whole[at + taken :]
    url = service.says(damaged)

    seen = read_health(url, limit_seconds=AMPLE_S)

    assert seen.fault in {"", *FAULTS}
    if seen.state == "ok":
        assert otherwise_read(damaged) == ("kms", True)


@given(answer=st.binary(max_size=300) | st.binary(max_size=100).map(lambda text: b"HTTP/1.1 200 OK\r\n" + text))
@settings(max_examples=60, deadline=None)
def test_arbitrary_bytes_are_never_green_and_never_raise(service: Backend, answer: bytes) -> None:
    url = service.says(answer)

    seen = read_health(url, limit_seconds=AMPLE_S)

    assert seen.state in {"unreadable", "unreachable", "status", "redirect", "cached"}


class _Held:
    """A socket that http.client reads from."""

    def __init__(self, held: bytes) -> None:
        self._held = held

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._held)


def otherwise_read(answer: bytes) -> tuple[object, object]:
    """Return mode and ready as the standard library reads them."""
    response = http.client.HTTPResponse(_Held(answer))  # type: ignore[arg-type]  # it needs no more of a socket
    response.begin()
    assert response.status == http.HTTPStatus.OK
    assert response.getheader("Age", "0") == "0"
    document = json.loads(response.read())
    return document["crypto_mode"], document["crypto_ready"]
