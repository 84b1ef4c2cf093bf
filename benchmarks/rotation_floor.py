"""The floor of a rotation: the very requests it made and as many ledger writes, made again bare, in the same order.

They are taken down where they leave the process: at httpcore, through which the vendors' clients and Prefect's both go, and
at the ledger's engine. The floor checks and decides nothing; its ledger writes are rows of the same sizes in as many
transactions of a bare SQLite file, as durable as the ledger's.
"""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpcore
import httpx
from sqlalchemy import Engine, event

# httpx writes these itself.
_WRITTEN_ANEW = frozenset({b"host", b"content-length", b"connection"})
_LIMIT_S = 60.0
# The servers close a connection after five idle seconds, sometimes just as it is used again.
_IDLE_S = 2.0
_TRIES = 20
_CHANGES = ("INSERT", "UPDATE", "DELETE")
VENDOR, BLOCK = "vendor", "block"
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, to a vendor or to the block store."""

    whom: str
    method: str
    url: str
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def changes_block(self) -> bool:
        return self.whom == BLOCK and not self.url.endswith("/filter") and self.method != "GET"


@dataclass(frozen=True, slots=True)
class Written:
    """One committed transaction of the ledger: per statement whether it adds a row, and how many bytes it carries."""

    statements: tuple[tuple[bool, int], ...]


Step = Asked | Written
Chain = list[Step]


@dataclass(slots=True)
class Recorder:
    """What went out, rotation by rotation, and how long the answers took in all."""

    block_url: str
    chains: dict[str, Chain] = field(default_factory=dict)
    waited_s: dict[str, float] = field(default_factory=lambda: {VENDOR: 0.0, BLOCK: 0.0})
    busy_s: float = 0.0
    _local: threading.local = field(default_factory=threading.local)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def around(self, act: Callable[[], R], name: str) -> R:
        """Do it, taking down what goes out under this name."""
        self._local.chain, self._local.open = self.chains.setdefault(name, []), []
        started = time.perf_counter()
        try:
            return act()
        finally:
            took = time.perf_counter() - started
            self._local.chain = None
            with self._lock:
                self.busy_s += took

    def asked(self, request: httpcore.Request, send: Callable[[], Any]) -> Any:
        chain: Chain | None = getattr(self._local, "chain", None)
        if chain is None:
            return send()
        url = bytes(request.url).decode()
        whom = BLOCK if url.startswith(self.block_url) else VENDOR
        body = b"".join(request.stream)  # type: ignore[arg-type]  # our clients send bytes, which can be read again
        kept = [(name, text) for name, text in request.headers if name.lower() not in _WRITTEN_ANEW]
        chain.append(Asked(whom, request.method.decode(), url, kept, body))
        started = time.perf_counter()
        try:
            return send()
        finally:
            took = time.perf_counter() - started
            with self._lock:
                self.waited_s[whom] += took

    def executed(self, statement: str, parameters: Any) -> None:
        if getattr(self._local, "chain", None) is not None and statement.startswith(_CHANGES):
            size = sum(len(str(one)) for one in _flat(parameters))
            self._local.open.append((statement.startswith("INSERT"), size))

    def committed(self) -> None:
        if getattr(self._local, "chain", None) is not None and self._local.open:
            self._local.chain.append(Written(tuple(self._local.open)))
            self._local.open = []


@contextmanager
def recorded(engine: Engine, block_url: str) -> Iterator[Recorder]:
    """Give the recorder, which sees all that this process sends and writes."""
    recorder = Recorder(block_url)
    real = httpcore.ConnectionPool.handle_request

    def noted(pool: httpcore.ConnectionPool, request: httpcore.Request) -> httpcore.Response:
        answer: httpcore.Response = recorder.asked(request, lambda: real(pool, request))
        return answer

    def executed(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        recorder.executed(statement, parameters)

    def committed(_connection: object) -> None:
        recorder.committed()

    httpcore.ConnectionPool.handle_request = noted  # type: ignore[assignment, method-assign]
    event.listen(engine, "before_cursor_execute", executed)
    event.listen(engine, "commit", committed)
    try:
        yield recorder
    finally:
        httpcore.ConnectionPool.handle_request = real  # type: ignore[method-assign]
        event.remove(engine, "before_cursor_execute", executed)
        event.remove(engine, "commit", committed)


@dataclass(slots=True)
class Bare:
    """A bare client and a bare SQLite file per thread. Prefect on SQLite turns away writes that meet: they take turns here too."""

    folder: Path
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _local: threading.local = field(default_factory=threading.local)
    _opened: list[Callable[[], object]] = field(default_factory=list)

    def replay(self, chains: Sequence[Chain], workers: int) -> float:
        """Make all of it again with that many threads; return how long it took."""
        started = time.perf_counter()
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(self._make, chains))
        took = time.perf_counter() - started
        for close in self._opened:
            close()
        self._opened.clear()
        return took

    def _make(self, chain: Chain) -> None:
        client, ledger = self._own()
        for step in chain:
            if isinstance(step, Asked):
                self._ask(client, step)
            else:
                _write(ledger, step)

    def _ask(self, client: httpx.Client, step: Asked) -> None:
        """Ask, and at once again where Prefect's own work was in the way, or a connection broke.

        Ours is asked again by Prefect's client, seconds later.
        """
        status = 503
        for _ in range(_TRIES):
            try:
                with self._turn if step.changes_block else nullcontext():
                    answer = client.request(step.method, step.url, headers=step.headers, content=step.body or None)
            except httpx.NetworkError:
                continue
            status = answer.status_code
            if status != httpx.codes.SERVICE_UNAVAILABLE:
                break
        # What was made or deleted when it was taken down is there, or gone, now.
        assert status < httpx.codes.INTERNAL_SERVER_ERROR, f"{status} from {step.method} {step.url}"

    def _own(self) -> tuple[httpx.Client, sqlite3.Connection]:
        if not hasattr(self._local, "own"):
            limits = httpx.Limits(keepalive_expiry=_IDLE_S)
            client = httpx.Client(limits=limits, trust_env=False, verify=False, timeout=_LIMIT_S)  # noqa: S501 (plain http)
            ledger = bare_file(self.folder)
            self._opened += [client.close, ledger.close]
            self._local.own = (client, ledger)
        own: tuple[httpx.Client, sqlite3.Connection] = self._local.own
        return own


def bare_file(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "floor.db", timeout=_LIMIT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS bare (id INTEGER PRIMARY KEY, held TEXT)")
    return connection


def chains_under_other_names(recorder: Recorder) -> list[Chain]:
    """Return the chains with documents of other names: the store would refuse those that are there."""
    return [
        [_renamed(step) if isinstance(step, Asked) and step.whom == BLOCK else step for step in chain]
        for chain in recorder.chains.values()
    ]


def counted(chains: Sequence[Chain]) -> Counter[str]:
    """Return how many vendor calls, block calls, ledger writes and listings there are in all."""
    count: Counter[str] = Counter()
    for step in (one for chain in chains for one in chain):
        if isinstance(step, Written):
            count["ledger"] += 1
        else:
            count[step.whom] += 1
    return count


def _renamed(step: Asked) -> Asked:
    return Asked(step.whom, step.method, step.url, step.headers, step.body.replace(b"--", b"--f"))


def _write(ledger: sqlite3.Connection, written: Written) -> None:
    ledger.execute("BEGIN IMMEDIATE")
    for adds, size in written.statements:
        if adds:
            ledger.execute("INSERT INTO bare (held) VALUES (?)", ("x" * size,))
        else:
            ledger.execute("UPDATE bare SET held = ? WHERE id = (SELECT max(id) FROM bare)", ("x" * size,))
    ledger.execute("COMMIT")


def _flat(parameters: Any) -> Iterator[Any]:
    rows = parameters if isinstance(parameters, list) else [parameters]
    for row in rows:
        yield from row.values() if isinstance(row, dict) else row
