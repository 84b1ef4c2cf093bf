"""How blocks are read and written: one connection for many of them, each type registered once, many documents in one request.

Prefect's own Block.load and Block.save connect anew each time, and a new connection loads all certificate authorities first.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

import httpx
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from blocks.answering import answering

_REGISTERING = Lock()
_TURN = Lock()
_LONGEST_TURN_S = 30.0
_BRIEF_S = 2.0
_ASKED_AGAIN = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS})
# For an address over http: it trusts nobody, so that TLS, where it were spoken all the same, would be refused.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def prefect_client() -> Iterator[SyncPrefectClient]:
    """Give one connection to this process's Prefect server, for any number of stores."""
    api = PREFECT_API_URL.value() or ""
    plain = {"verify": _NO_TLS, "mounts": {f"http://{_host(api)}": _InTurn(verify=_NO_TLS)}}
    with get_client(httpx_settings=plain if api.startswith("http://") else {}, sync_client=True) as client:
        yield client


@contextmanager
def brief_client() -> Iterator[SyncPrefectClient]:
    """Give a connection for what no work may wait for: nothing is asked twice, and no answer within seconds is none."""
    api = PREFECT_API_URL.value() or ""
    brief = {"timeout": _BRIEF_S, "event_hooks": {"response": [_raise_where_asked_again]}}
    plain = {"verify": _NO_TLS} if api.startswith("http://") else {}
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(httpx_settings={**plain, **brief}, sync_client=True) as client,
    ):
        yield client


def _raise_where_asked_again(response: httpx.Response) -> None:
    """Raise HTTPStatusError where Prefect's client waits first, as long as the answer says, even if it asks no more."""
    if response.is_server_error or response.status_code in _ASKED_AGAIN:
        response.raise_for_status()


def _host(api: str) -> str:
    """Return the address's host as a mount takes it: httpx gives an IPv6 address without the brackets that it then wants."""
    host = httpx.URL(api).host
    return f"[{host}]" if ":" in host else host


class _InTurn(httpx.HTTPTransport):
    """The line to a server that may be on SQLite, which turns a write away that meets another one.

    Prefect's client asks again, but seconds later; so the threads of this process take turns at writing.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" or request.url.path.endswith("/filter"):
            return super().handle_request(request)
        if not _TURN.acquire(timeout=_LONGEST_TURN_S):
            raise httpx.ConnectTimeout("Other threads take too long over their writes; nothing was sent.")
        try:
            return super().handle_request(request)
        finally:
            _TURN.release()


def registered(kind: type[Block]) -> tuple[Any, Any]:
    """Return the ids of a block's type and schema; registered once per process and server."""
    # Of two threads that register one type at the same time, each would find the other's half of it.
    with _REGISTERING:
        return _registered_once(kind, PREFECT_API_URL.value() or "")


def documents(
    client: SyncPrefectClient, wanted: Mapping[str, object], slugs: list[str], **page: int
) -> list[Mapping[str, Any]]:
    """Return the block documents that fit, of the types with these slugs, with their values; in one request.

    At most 200, as the server has it; `page` (limit, offset) asks for the next ones.
    """
    asked = {"block_documents": wanted, "block_types": {"slug": {"any_": slugs}}, "include_secrets": True, **page}
    with answering(changes=False):
        rows: list[Mapping[str, Any]] = client.request("POST", "/block_documents/filter", json=asked).json()
    return rows


@cache
def _registered_once(kind: type[Block], server: str) -> tuple[Any, Any]:
    del server
    # Registering is no change of ours: repeated, it comes to the same.
    with answering(changes=False):
        kind.register_type_and_schema()
    return kind._block_type_id, kind._block_schema_id  # noqa: SLF001 (Prefect keeps them nowhere else)
