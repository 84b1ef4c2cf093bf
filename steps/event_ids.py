"""Spools are matched by id: what is unique, repeated, lost and extra, exactly, in memory that does not grow with the input.

Ids of the same first byte of hash are looked at together, in a NumPy array of 64-bit keys: hash first, cell last. Once it is
sorted, equal ids lie side by side, what was sent before what was dropped before what was received. docs/adr/0015 has the
reasons, and the odds that two ids share a hash.
"""

import bisect
import tempfile
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from domain.errors import BadInput
from domain.event_files import ComparedIds, DayCell, EmittedIds, EventKind, LostId, ReceivedIds, expected_collisions
from domain.event_rows import hours_of
from domain.windows import DAY, Window
from steps.event_spools import HASHED_BY, PARTS, Codes, Hashes, Spool, new_spool

MOST_CELL_BITS = 20
MOST_SAMPLES = 100
_HASH_BITS = 64
_PART_BITS = 8
_HOURS_A_DAY = 24
# Smaller spools are put together first: each has 256 parts, and reading thousands of small parts takes longer than that.
_SMALL_ROWS = 1 << 20
_FEW = 16
# Key, code, and what is worked out beside them.
_BYTES_PER_ROW = 64
_THREADS = 2
# Bits of the hash below the part's byte, by which a part that is too large is looked at in slices.
_SLICED_BY = 32
_SUMS = ("rows", "unique", "retried", "received", "extra")
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, order=True)
class _Cell:
    """A cell of either side. Of days, 0 is before the window, 1 its first day, and the last one after it."""

    is_received: bool
    is_dropped: bool
    day: int
    kind: EventKind


@dataclass(frozen=True, slots=True)
class _Layout:
    """All cells in the order of their codes: sent, dropped, received, each by day.

    By code: `label` numbers target and type, `samples_lost` tells whether lost ids of the cell are worth a sample.
    """

    cells: tuple[_Cell, ...]
    sent: int
    emitted: int
    label: Ints
    samples_lost: NDArray[np.bool_]

    @property
    def bits(self) -> int:
        # Eight at least: that many bits of the hash are the part's, and so are free in the key.
        return max(_PART_BITS, (len(self.cells) - 1).bit_length())

    @property
    def prefix_bits(self) -> int:
        """How many bits of the hash tell ids apart."""
        return _HASH_BITS + _PART_BITS - self.bits

    def is_within(self, code: int, days: Window) -> bool:
        return 0 < self.cells[code].day <= days.span // DAY

    def day_cell(self, code: int, days: Window) -> DayCell:
        cell = self.cells[code]
        return DayCell((days.start + (cell.day - 1) * DAY).date(), cell.kind)


@dataclass(frozen=True, slots=True)
class _Coded:
    """A spool whose codes, looked up in `code_of`, are those of the layout."""

    spool: Spool
    code_of: Codes


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found among the ids of one part, by code, and a sample of lost ones: prefix and code, by prefix."""

    sums: Ints
    lost: Hashes
    lost_codes: Ints


def compare_ids(
    emitted: Sequence[Spool],
    received: Sequence[Spool],
    days: Window,
    folder: Path,
    *,
    listed: Mapping[str, Collection[date]] | None = None,
    memory_mib: int = 1024,
    samples: int = MOST_SAMPLES,
    bytes_at_once: int | None = None,
) -> ComparedIds:
    """Return what the ids on both sides say of every cell of the days; with no received spools, all about one side.

    The days are whole ones, and those that the spools were made for. What lies beside them is matched as well and left
    out of the result. `folder` takes a temporary file where there are many small spools. `samples` is how many lost ids
    are remembered for each target and type, of the days of a target that are `listed` on the other side (all, where nothing
    is said): of the others nobody knows what is lost. `bytes_at_once` is how much is in hand at a time, half of the memory where
    nothing is said.

    Raises:
        BadInput: there are more cells than a key has room for, or spools that were not made alike.
    """
    _made_alike([*emitted, *received], days)
    layout = _layout(emitted, received, days, listed)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sums = np.zeros((len(_SUMS), len(layout.cells)), dtype=np.int64)
    sample = _Sample(layout, samples)
    with tempfile.TemporaryDirectory(prefix="matching-", dir=folder) as spare:
        spools = _gathered(_coded(emitted, received, layout), Path(spare) / "small.ids", len(layout.cells))
        rows = sum(one.spool.rows for one in spools)
        slices = max(1, -(-rows * _BYTES_PER_ROW * _THREADS // (PARTS * (bytes_at_once or memory_mib << 19))))
        parts = [part for part in range(PARTS) if any(one.spool.holds(part) for one in spools)]
        pieces = [(part, piece, slices) for part in parts for piece in range(slices)]
        # A few at a time: what all of them found would not fit.
        with ThreadPoolExecutor(_THREADS) as pool:
            for at in range(0, len(pieces), _THREADS):
                for found in pool.map(
                    lambda piece: _matched(spools, layout, piece, samples), pieces[at : at + _THREADS]
                ):
                    sums += found.sums
                    sample.add(found)
    emitted_ids, received_ids = _by_cell(layout, sums, days)
    collisions = expected_collisions(rows, layout.prefix_bits)
    return ComparedIds(emitted_ids, received_ids, sample.lost(days), layout.prefix_bits, collisions)


@dataclass(slots=True)
class _Sample:
    """Keeps the lost ids with the smallest hashes for each target and type, so that the same input gives the same ones."""

    layout: _Layout
    most: int
    _kept: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, found: _Found) -> None:
        for prefix, code in zip(found.lost.tolist(), found.lost_codes.tolist(), strict=True):
            kind = self.layout.cells[code].kind
            kept = self._kept.setdefault((kind.target, kind.type), [])
            if len(kept) < self.most or prefix < kept[-1][0]:
                bisect.insort(kept, (prefix, code))
                del kept[self.most :]

    def lost(self, days: Window) -> tuple[LostId, ...]:
        kept = sorted(one for some in self._kept.values() for one in some)
        return tuple(LostId(self.layout.day_cell(code, days), prefix) for prefix, code in kept)


def _made_alike(spools: Sequence[Spool], days: Window) -> None:
    others = [one for one in spools if one.hashed_by != HASHED_BY or one.hours != hours_of(days) + 2]
    if others:
        raise BadInput(
            f"{others[0].path.name} was made for other days, or by another version of DuckDB.",
            "Its ids cannot be matched with the others; nothing was compared.",
            "Count its file anew.",
        )


def _layout(
    emitted: Sequence[Spool], received: Sequence[Spool], days: Window, listed: Mapping[str, Collection[date]] | None
) -> _Layout:
    whole_days = days.span // DAY + 2
    kinds = [(is_received, kind) for is_received, spools in ((False, emitted), (True, received))
             for kind in {kind for spool in spools for kind in spool.kinds}]  # fmt: skip
    if len(kinds) * whole_days > 1 << MOST_CELL_BITS:
        raise BadInput(
            f"The files have {len(kinds) * whole_days} cells of day, integration, type and outcome; "
            f"{1 << MOST_CELL_BITS} are the most.",
            "Ids cannot be matched by cell; nothing was compared.",
            "See whether a column of [emitted.*] or of a received export has another value in each row.",
        )
    cells = sorted(
        _Cell(is_received, not is_received and not kind.is_sent, day, kind)
        for is_received, kind in kinds
        for day in range(whole_days)
    )
    sent = sum(not cell.is_received and not cell.is_dropped for cell in cells)
    labels = {pair: at for at, pair in enumerate(sorted({(cell.kind.target, cell.kind.type) for cell in cells}))}
    label = np.array([labels[cell.kind.target, cell.kind.type] for cell in cells], dtype=np.int64)
    within = [*days.days()]
    is_listed = [
        0 < cell.day < whole_days - 1
        and not cell.kind.is_probe
        and (listed is None or within[cell.day - 1] in listed.get(cell.kind.target, ()))
        for cell in cells
    ]
    inside = np.array(is_listed, dtype=bool)
    inside[sent if received else 0 :] = False
    return _Layout(tuple(cells), sent, sum(not cell.is_received for cell in cells), label, inside)


def _coded(emitted: Sequence[Spool], received: Sequence[Spool], layout: _Layout) -> list[_Coded]:
    code_of = {cell: code for code, cell in enumerate(layout.cells)}

    def coded(spool: Spool, *, is_received: bool) -> _Coded:
        last = (spool.hours - 3) // _HOURS_A_DAY + 2
        days = [0, *((hour - 1) // _HOURS_A_DAY + 1 for hour in range(1, spool.hours - 1)), last]
        codes = [
            [code_of[_Cell(is_received, not is_received and not kind.is_sent, day, kind)] for day in range(last + 1)]
            for kind in spool.kinds
        ]
        by_hour = np.array(codes, dtype=np.uint32).reshape(-1, last + 1)[:, days]
        return _Coded(spool, by_hour.ravel())

    return [coded(one, is_received=False) for one in emitted] + [coded(one, is_received=True) for one in received]


def _gathered(spools: Sequence[_Coded], path: Path, cells: int) -> list[_Coded]:
    """Return the spools, small ones put together where there are many."""
    small = [one for one in spools if one.spool.rows < _SMALL_ROWS]
    if len(small) <= _FEW:
        return list(spools)
    writer = new_spool(path)
    for one in small:
        for hashes, codes in one.spool.all_parts():
            writer.add(hashes, one.code_of[codes])
    writer.flush()
    gathered = Spool(path, (), cells, tuple(writer.segments), writer.checksum)
    large = [one for one in spools if one.spool.rows >= _SMALL_ROWS]
    return [*large, _Coded(gathered, np.arange(cells, dtype=np.uint32))]


def _matched(spools: Sequence[_Coded], layout: _Layout, piece: tuple[int, int, int], samples: int) -> _Found:
    """Match the ids of one part, or of one slice of it."""
    part, _, _ = piece
    keys = _sorted_keys(spools, layout.bits, piece)
    bits = np.uint64(layout.bits)
    codes = (keys & np.uint64((1 << layout.bits) - 1)).astype(np.int64)
    begins = np.ones(len(keys), dtype=bool)
    begins[1:] = (keys[1:] ^ keys[:-1]) >> bits != 0
    starts = np.flatnonzero(begins)
    first = codes[starts]
    is_here = codes[np.append(starts[1:], len(keys)) - 1] >= layout.emitted if len(keys) else np.zeros(0, dtype=bool)
    is_emitted = first < layout.emitted

    is_received = codes >= layout.emitted
    first_received = is_received.copy()
    first_received[1:] &= begins[1:] | ~is_received[:-1]
    # Few: rows that were dropped, of events of which an earlier row is there.
    dropped = np.flatnonzero((codes >= layout.sent) & ~is_received & ~begins)
    retried = dropped[first[np.searchsorted(starts, dropped, side="right") - 1] < layout.sent]

    counted = (
        codes,
        np.concatenate([first[is_emitted], codes[first_received]]),
        codes[retried],
        first[is_emitted & is_here],
        first[~is_emitted],
    )
    sums = np.stack([np.bincount(some, minlength=len(layout.cells)) for some in counted])
    lost = layout.samples_lost[first] & ~is_here
    prefixes = (keys[starts[lost]] >> bits) | np.uint64(part << (_HASH_BITS - layout.bits))
    kept = _first_of_each(layout.label[first[lost]], samples)
    return _Found(sums, prefixes[kept], first[lost][kept])


def _sorted_keys(spools: Sequence[_Coded], cell_bits: int, piece: tuple[int, int, int]) -> Hashes:
    """Return the keys of a piece, sorted: the hash without its first byte, and in place of its last bits the cell."""
    part, number, slices = piece
    found = []
    for one in spools:
        for hashes, local in one.spool.part(part):
            codes = one.code_of[local]
            if slices > 1:
                ours = (hashes >> np.uint64(_SLICED_BY)) % np.uint64(slices) == number
                hashes, codes = hashes[ours], codes[ours]  # noqa: PLW2901 (of this piece alone)
            found.append((hashes << np.uint64(_PART_BITS)) & ~np.uint64((1 << cell_bits) - 1) | codes)
    keys = np.concatenate(found) if found else np.zeros(0, dtype=np.uint64)
    keys.sort()
    return keys


def _first_of_each(labels: Ints, most: int) -> Ints:
    """Return where the first `most` of each label are."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    rank = np.arange(len(ordered)) - np.searchsorted(ordered, ordered, side="left")
    return np.sort(order[rank < most])


def _by_cell(layout: _Layout, sums: Ints, days: Window) -> tuple[dict[DayCell, EmittedIds], dict[DayCell, ReceivedIds]]:
    emitted: dict[DayCell, EmittedIds] = {}
    received: dict[DayCell, ReceivedIds] = {}
    for code in np.flatnonzero(sums[0]).tolist():
        if not layout.is_within(code, days):
            continue
        rows, unique, retried, here, extra = sums[:, code].tolist()
        cell = layout.day_cell(code, days)
        if layout.cells[code].is_received:
            received[cell] = ReceivedIds(rows, unique, rows - unique, extra)
        else:
            emitted[cell] = EmittedIds(rows, unique, rows - unique - retried, retried, here)
    return emitted, received
