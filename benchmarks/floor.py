"""The floor of a verification: the very requests it made, made again by a bare httpx client in a thread pool.

Nothing is checked, kept or waited for but the answers. A probe's requests follow each other, as each needs what the one
before it told; probes stand side by side, as many as a verification lets stand side by side.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx

from domain.exchanges import Exchange

# httpx writes these itself; a packed body stands unpacked in the stand-ins' journal.
_WRITTEN_ANEW = frozenset({"host", "content-length", "content-encoding", "connection"})
_LIMIT_S = 30.0
# With hundreds of threads one client takes three times as long as many (all wait for its one lock), and now and then
# closes an idle connection just as it gives it away.
_ONE_CLIENT_FOR_AT_MOST = 32


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived at a stand-in."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


Chain = list[Request]


def chains(
    exchanges: Iterable[Exchange], journals: Mapping[str, Sequence[Mapping[str, Any]]], url_of: Mapping[str, str]
) -> list[Chain]:
    """Return the requests of each probe, in order.

    The evidence knows a request's probe, a vendor's journal its content. Where one probe ran after the other, both have
    them in the same order.
    """
    arrived = {
        vendor: deque(_request(row, f"{url_of[vendor]}/{vendor}") for row in rows) for vendor, rows in journals.items()
    }
    by_nonce: dict[str, Chain] = {}
    for exchange in exchanges:
        by_nonce.setdefault(exchange.nonce, []).append(arrived[exchange.system].popleft())
    assert not any(arrived.values()), "a request has no evidence"
    return list(by_nonce.values())


def with_one_client(made: Iterable[Chain], workers: int) -> None:
    """Let all probes share one client and its connections."""
    limits = httpx.Limits(max_connections=workers, max_keepalive_connections=workers)
    with closing(_client(limits)) as client, ThreadPoolExecutor(workers) as pool:
        deque(pool.map(lambda chain: _make(client, chain), made), maxlen=0)


def with_own_clients(made: Iterable[Chain], workers: int) -> None:
    """Give each probe a client of its own: more connections, and no lock that all threads wait for."""
    with ThreadPoolExecutor(workers) as pool:
        deque(pool.map(_make_alone, made), maxlen=0)


def floors(workers: int) -> dict[str, Callable[[Iterable[Chain], int], None]]:
    """Return the ways by name, of which the fastest is the floor."""
    one = {"one client": with_one_client} if workers <= _ONE_CLIENT_FOR_AT_MOST else {}
    return {**one, "a client per probe": with_own_clients}


def _request(row: Mapping[str, Any], base_url: str) -> Request:
    query = f"?{row['query']}" if row["query"] else ""
    headers = {name: text for name, text in row["headers"].items() if name not in _WRITTEN_ANEW}
    return Request(row["method"], f"{base_url}{row['path']}{query}", headers, row["body"].encode())


def _make_alone(chain: Chain) -> None:
    with closing(_client(httpx.Limits())) as client:
        _make(client, chain)


def _make(client: httpx.Client, chain: Chain) -> None:
    for request in chain:
        answer = client.request(request.method, request.url, headers=request.headers, content=request.body or None)
        # What was cleaned up when it was recorded is found under another id now, or not at all.
        assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, answer.text


def _client(limits: httpx.Limits) -> httpx.Client:
    # The stand-ins speak plain http: unverified, a client spares itself the loading of the certificate authorities.
    return httpx.Client(limits=limits, trust_env=False, verify=False, timeout=_LIMIT_S)  # noqa: S501
