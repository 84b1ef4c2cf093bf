"""How long rotations of a fleet take beside the same vendor calls, block calls and ledger writes made bare.

    python -m benchmarks.rotation [--credentials 1000] [--chunk 100] [--workers 8] [--on-files 200] [--limited 60]

Stand-ins run in a process of their own and answer after 50 ms; blocks are held by a real Prefect server on SQLite. Every
credential goes from PLANNED to DONE: created, proven, published; 60 hours later switched off or deleted; 25 hours later
deleted. After each chunk of the fleet, what went out for it is made again bare. The first chunk pays for what is set up once
and is left out of the medians. Exits 1 where a bound does not hold.
"""

import argparse
import ctypes
import gc
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from benchmarks.rotation_fleet import MADE_BY_API, Console, Fleet, Member, Stored, made_fleet, step_all
from benchmarks.rotation_floor import BLOCK, VENDOR, Bare, chains_under_other_names, counted, recorded
from domain.rotation import RotationRecord, State
from domain.rotation_sections import RotationDefaults
from steps.rotation_hands import Hands
from steps.stand_ins_process import started_stand_ins
from steps.value_store import ValueStore
from tests.steps.file_store import FileStore

ANSWER_S = 0.05
AT_MOST_RATIO = 1.5
# How much more memory may be held after all rotations than after the first chunk: what two readings differ by anyway.
AT_MOST_GROWTH = 0.03
# Until which moments each rotation is taken: the overlap, what vendors tell late, and the quiet hours; then the soak.
_WAITS = (timedelta(0), timedelta(hours=60), timedelta(hours=25))


@dataclass(slots=True)
class Chunk:
    """What one part of the fleet took, ours and bare."""

    size: int
    ours_s: float
    floor_s: float
    ours_cpu_s: float
    floor_cpu_s: float
    busy_s: float
    waited_s: dict[str, float]
    made: Counter[str]
    rss_kb: int


@dataclass(slots=True)
class Measured:
    """All chunks of one way of keeping values."""

    what: str
    at_most_ratio: float | None
    chunks: list[Chunk] = field(default_factory=list)

    @property
    def counting(self) -> list[Chunk]:
        return self.chunks[1:] or self.chunks

    @property
    def ratio(self) -> float:
        return statistics.median(chunk.ours_s / chunk.floor_s for chunk in self.counting)

    @property
    def holds(self) -> bool:
        return (self.at_most_ratio is None or self.ratio <= self.at_most_ratio) and self.growth <= AT_MOST_GROWTH

    @property
    def growth(self) -> float:
        """Return how much more memory is held at the end than after the first chunk."""
        return self.chunks[-1].rss_kb / self.chunks[0].rss_kb - 1


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    with _home() as (home, console):
        ways: list[Measured] = []
        if chosen.credentials:
            ways.append(_in_blocks(console, home, chosen))
            _tell(ways[-1], chosen.workers)
        if chosen.on_files:
            ways.append(_on_files(console, home, chosen))
            _tell(ways[-1], chosen.workers)
        refused = _within_limits(console, chosen) if chosen.limited else 0
    return 0 if all(way.holds for way in ways) and not refused else 1


@contextmanager
def _home() -> Iterator[tuple[Path, Console]]:
    with (
        tempfile.TemporaryDirectory(prefix="opsflows-benchmark-") as folder,
        started_stand_ins() as stand_ins,
        prefect_test_harness(server_startup_timeout=180),
    ):
        home = Path(folder)
        key = home / "fingerprint.key"
        key.touch(mode=0o600)
        key.write_text(token_hex(32))
        os.environ |= {"OPSFLOWS_HOME": folder, "OPSFLOWS_STAND_INS_URL": stand_ins.url}
        os.environ.pop("OPSFLOWS_DATABASE_URL", None)
        yield home, Console(stand_ins.url)


def _in_blocks(console: Console, home: Path, chosen: argparse.Namespace) -> Measured:
    fleet = made_fleet(console, chosen.credentials, "c", in_blocks=True)
    return _measured(Measured("with blocks", AT_MOST_RATIO), fleet, home, chosen)


def _on_files(console: Console, home: Path, chosen: argparse.Namespace) -> Measured:
    fleet = made_fleet(console, chosen.on_files, "f", in_blocks=False)
    store = FileStore(home / "values")
    store.folder.mkdir(mode=0o700)
    for member in fleet.members:
        store.project(member.credential, member.values[member.variable])

    def stored(_member: Member, _hands: Hands) -> ValueStore:
        return store

    return _measured(Measured("engine alone, values in files", None), fleet, home, chosen, stored)


def _measured(
    way: Measured, fleet: Fleet, home: Path, chosen: argparse.Namespace, stored: Stored | None = None
) -> Measured:
    bare = Bare(home)
    fleet.console.begin(ANSWER_S, limited=False)
    for start in range(0, len(fleet.members), chosen.chunk):
        members = fleet.members[start : start + chosen.chunk]
        way.chunks.append(
            _chunk(fleet, members, f"{way.what} {start}", bare=bare, workers=chosen.workers, stored=stored)
        )
    fleet.ledger.close()
    return way


def _chunk(
    fleet: Fleet, members: Sequence[Member], window: str, *, bare: Bare, workers: int, stored: Stored | None
) -> Chunk:
    """Take these credentials from PLANNED to DONE; after each wait's steps, make bare what went out for them."""
    ours_s = floor_s = ours_cpu_s = floor_cpu_s = busy_s = 0.0
    waited_s = {VENDOR: 0.0, BLOCK: 0.0}
    made: Counter[str] = Counter()
    ids = fleet.open(members, window)
    records: list[RotationRecord] = []
    for wait in _WAITS:
        fleet.go_on(wait)
        with fleet.desk(paced=False) as desk, recorded(fleet.ledger.engine, PREFECT_API_URL.value() or "") as recorder:
            started, cpu = time.perf_counter(), time.process_time()
            records = step_all(desk, members, ids, workers=workers, around=recorder.around, stored=stored)
            ours_s += time.perf_counter() - started
            ours_cpu_s += time.process_time() - cpu
        chains = chains_under_other_names(recorder)
        cpu = time.process_time()
        floor_s += bare.replay(chains, workers)
        floor_cpu_s += time.process_time() - cpu
        made += counted(chains)
        waited_s = {whom: took + recorder.waited_s[whom] for whom, took in waited_s.items()}
        busy_s += recorder.busy_s
    open_still = [f"{one.id} {one.state} {one.wait} {one.words}" for one in records if one.state is not State.DONE]
    assert not open_still, open_still[:3]
    del chains, recorder, records
    gc.collect()
    return Chunk(len(members), ours_s, floor_s, ours_cpu_s, floor_cpu_s, busy_s, waited_s, made, _rss_kb())


def _rss_kb() -> int:
    """Return how much memory this process holds, without what the allocator keeps for later; Linux tells it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _within_limits(console: Console, chosen: argparse.Namespace) -> int:
    """Rotate credentials of each vendor, all at once, with the published limits enforced; return how often one was exceeded."""
    print(f"\nwithin the published limits, {chosen.limited} credentials of each vendor, {chosen.workers} at a time")
    refused = 0
    for name in MADE_BY_API:
        fleet = made_fleet(console, chosen.limited, "l", in_blocks=True, of=(name,))
        fleet.console.begin(ANSWER_S, limited=True)
        before, started = console.too_many(name), time.perf_counter()
        ids, calls = fleet.open(fleet.members, f"limits {name}"), 0
        records = []
        for wait in _WAITS:
            fleet.go_on(wait)
            with fleet.desk(paced=True) as desk:
                records = step_all(desk, fleet.members, ids, workers=chosen.workers, around=_plainly)
        over, done = console.too_many(name) - before, sum(1 for one in records if one.state is State.DONE)
        refused += over
        took = time.perf_counter() - started
        calls = len(console("GET", f"{name}/requests"))
        print(f"  {name:<12}{done:>5} done in {took:>6.1f} s, {calls} requests so far, {over} refused for the limit")
        fleet.ledger.close()
    return refused


def _plainly(act: Callable[[], RotationRecord], _name: str) -> RotationRecord:
    return act()


def _tell(way: Measured, workers: int) -> None:
    total = sum((chunk.made for chunk in way.counting), Counter())
    rotations = sum(chunk.size for chunk in way.counting)
    each = {kind: total[kind] / rotations for kind in (VENDOR, BLOCK, "ledger")}
    per_minute = statistics.median(60 * chunk.size / chunk.ours_s for chunk in way.counting)
    busy = sum(chunk.busy_s for chunk in way.counting)
    shares = {kind: sum(chunk.waited_s.get(kind, 0.0) for chunk in way.counting) / busy for kind in (VENDOR, BLOCK)}
    print(f"\n{way.what}: {sum(chunk.size for chunk in way.chunks)} rotations, {workers} at a time")
    print(
        f"  per rotation      {each[VENDOR]:.1f} vendor calls, {each[BLOCK]:.1f} block calls, {each['ledger']:.1f} ledger writes"
    )
    print(f"  rotations/minute  {per_minute:.0f} (floor {_floor_per_minute(way):.0f})")
    ours_ms, floor_ms = (
        1000 * statistics.median(getattr(chunk, name) / chunk.size for chunk in way.counting)
        for name in ("ours_cpu_s", "floor_cpu_s")
    )
    print(f"  CPU per rotation  {ours_ms:.0f} ms of this process (floor {floor_ms:.0f} ms)")
    print(
        f"  time goes to      vendors {shares[VENDOR]:.0%}, block store {shares[BLOCK]:.0%}, ledger and engine {1 - sum(shares.values()):.0%}"
    )
    ratios = [chunk.ours_s / chunk.floor_s for chunk in way.counting]
    bound = (
        ""
        if way.at_most_ratio is None
        else f", at most {way.at_most_ratio}: {_verdict(way.ratio <= way.at_most_ratio)}"
    )
    print(
        f"  ours / floor      {way.ratio:.2f} (median of {len(ratios)} alternating rounds, {min(ratios):.2f} to {max(ratios):.2f}){bound}"
    )
    marks = _marks(way)
    flat = _verdict(way.growth <= AT_MOST_GROWTH)
    print(f"  memory            {marks}: {way.growth:+.1%}, at most {AT_MOST_GROWTH:+.0%}: {flat}")


def _verdict(holds: bool) -> str:  # noqa: FBT001 (what it says is all it does)
    return "holds" if holds else "does not hold"


def _floor_per_minute(way: Measured) -> float:
    return statistics.median(60 * chunk.size / chunk.floor_s for chunk in way.counting)


def _marks(way: Measured) -> str:
    """Return the memory after the first chunk, half of them, and all."""
    last = len(way.chunks) - 1
    chosen = sorted({0, last // 2, last})
    sizes = [sum(chunk.size for chunk in way.chunks[: at + 1]) for at in chosen]
    return ", ".join(
        f"{way.chunks[at].rss_kb / 1024:.0f} MB after {size}" for at, size in zip(chosen, sizes, strict=True)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rotation", description=__doc__.splitlines()[0])
    parser.add_argument("--credentials", type=int, default=1000, help="how many, with blocks; 0 leaves it out")
    parser.add_argument("--chunk", type=int, default=100, help="how many between two looks at the floor")
    parser.add_argument("--workers", type=int, default=RotationDefaults().workers, help="rotations side by side")
    parser.add_argument("--on-files", type=int, default=200, help="how many with values in files; 0 leaves it out")
    parser.add_argument(
        "--limited", type=int, default=60, help="how many of each vendor within its limits; 0 leaves it out"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
