"""The audit believes nothing: it recomputes the chain, the runs and every bundle, and names the first that does not fit."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Text, select, type_coerce

from domain.errors import BadInput
from ledger import chain
from ledger.auditing_facts import FactDiffers, FactStory, compared_facts
from ledger.auditing_rotations import Differs, RotationStory, compared_rotations
from ledger.bundles import AUDIT, MANIFEST, bundle_path
from ledger.chain import Checkpoint, Fault, Link
from ledger.moments import spelled
from ledger.opening import Ledger
from ledger.runs import ABANDONED, OPENED, SEALED, SEALED_LATE
from ledger.schema import CHAIN_HEAD, RUNS


class Where(Enum):
    """What does not fit."""

    CHAIN = "chain"
    CHECKPOINT = "checkpoint"
    RUN = "run"
    BUNDLE = "bundle"
    ROTATION = "rotation"
    FACT = "recorded"


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that was changed after it was written. `seq` is the chain's entry that it contradicts."""

    seq: int
    where: Where
    differs: str
    run_id: str = ""
    file: str = ""
    rotation: str = ""
    about: str = ""

    def __str__(self) -> str:
        run = f", run {self.run_id}" if self.run_id else ""
        file = f", {self.file}" if self.file else ""
        name = self.rotation or self.about
        return f"entry {self.seq} ({self.where.value}{f' {name}' if name else ''}{run}{file}): {self.differs}"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was recomputed, and every break in the chain's order.

    `unsealed` are runs whose bundles vouch for nothing: still open, or killed. `intact_since` is the earliest
    checkpoint after which nothing is broken, None where there is none or where nothing is broken at all.
    """

    entries: int
    bundles: int
    rotations: int
    facts: int
    breaks: tuple[Break, ...]
    unsealed: tuple[str, ...]
    intact_since: Checkpoint | None

    @property
    def is_intact(self) -> bool:
        return not self.breaks

    @property
    def first(self) -> Break | None:
        return self.breaks[0] if self.breaks else None

    @property
    def intact_until(self) -> int:
        """The last entry before the first break."""
        return self.breaks[0].seq - 1 if self.breaks else self.entries


@dataclass(slots=True)
class _Told:
    """What the chain says of one run."""

    opened: Link
    said: dict[str, Any]
    sealed: Link | None = None
    verdict: str | None = None
    world: str | None = None
    bundle: str = ""
    bundle_seq: int = 0


@dataclass(slots=True)
class _Story:
    """The chain read once, from its first entry to its last."""

    runs: dict[str, _Told] = field(default_factory=dict)
    hashes: dict[int, str] = field(default_factory=dict)
    breaks: list[Break] = field(default_factory=list)
    rotations: RotationStory = field(default_factory=RotationStory)
    facts: FactStory = field(default_factory=FactStory)

    def following(self, links: Iterable[Link], wanted: frozenset[int]) -> Iterator[Link]:
        """Pass the links on, keeping what they say."""
        for link in links:
            if link.seq in wanted:
                self.hashes[link.seq] = link.hash
            self._take(link)
            yield link

    def _take(self, link: Link) -> None:
        said = _parsed(link.payload)
        kind, run_id = said.get("kind"), str(said.get("run"))
        if kind == OPENED and run_id not in self.runs:
            self.runs[run_id] = _Told(link, said)
            return
        if kind not in {OPENED, SEALED, SEALED_LATE}:
            if not (self.rotations.take(link.seq, said) and self.facts.take(link, said)):
                self.breaks.append(_not_following(link))
            return
        told = self.runs.get(run_id)
        if told is None or kind == OPENED or (kind == SEALED) != (told.sealed is None):
            self.breaks.append(_not_following(link))
            return
        told.bundle, told.bundle_seq = str(said.get("bundle")), link.seq
        if kind == SEALED:
            told.sealed, told.verdict, told.world = link, said.get("verdict"), said.get("world")


def verify_audit(ledger: Ledger, home: Path, *, audit_url: str = "", outside: Sequence[Checkpoint] = ()) -> AuditReport:
    """Recompute everything and report what does not fit; `outside` are checkpoints kept elsewhere.

    Bundles are looked for below `home`, and below `audit_url` where it is given; a run's must be in one of them, and
    every copy must fit.
    """
    story = _Story()
    with ledger.reading() as connection:
        kept = [*chain.checkpoints(connection), *outside]
        head = _head(connection)
        links = story.following(chain.read(connection), frozenset(point.seq for point in kept))
        breaks = [_of_fault(fault) for fault in chain.faults(links, ledger.id, head)]
        breaks += story.breaks
        breaks += _compared_runs(connection, story.runs)
        breaks += map(_of_difference, compared_rotations(connection, ledger.id, story.rotations))
        breaks += map(_of_fact, compared_facts(connection, story.facts))
    breaks += _compared_checkpoints(kept, story.hashes, ledger.id)
    checked = 0
    places = [str(home / AUDIT), *([audit_url] if audit_url else [])]
    for run_id, told in story.runs.items():
        if told.bundle:
            checked += 1
            breaks += _compared_bundle(run_id, told, places)
    breaks.sort(key=lambda one: one.seq)
    return AuditReport(
        entries=head.seq,
        bundles=checked,
        rotations=len(story.rotations.told),
        facts=len(story.facts.told),
        breaks=tuple(breaks),
        unsealed=tuple(run_id for run_id, told in story.runs.items() if _vouches_for_nothing(told)),
        intact_since=_intact_since(breaks, kept, story.hashes),
    )


def _head(connection: Connection) -> Checkpoint:
    row = connection.execute(select(CHAIN_HEAD.c.seq, CHAIN_HEAD.c.hash)).first()
    if row is None or not isinstance(row.seq, int):
        return Checkpoint(0, "")
    return Checkpoint(row.seq, str(row.hash))


def _of_fault(fault: Fault) -> Break:
    return Break(fault.seq, Where.CHAIN, fault.differs)


def _not_following(link: Link) -> Break:
    return Break(link.seq, Where.CHAIN, "it does not follow from the entries before it")


def _of_difference(found: Differs) -> Break:
    return Break(found.seq, Where.ROTATION, found.words, rotation=found.rotation)


def _of_fact(found: FactDiffers) -> Break:
    return Break(found.seq, Where.FACT, found.words, about=found.about)


def _vouches_for_nothing(told: _Told) -> bool:
    return told.sealed is None or (told.verdict == ABANDONED and not told.bundle)


def _compared_runs(connection: Connection, told_of: Mapping[str, _Told]) -> Iterator[Break]:
    # As text, because an edited row may hold what is no moment any more.
    columns = [type_coerce(column, Text).label(column.name) for column in RUNS.c]
    rows = {str(row.run_id): row._asdict() for row in connection.execute(select(*columns))}
    for run_id, told in told_of.items():
        row = rows.pop(run_id, None)
        if row is None:
            yield Break(told.opened.seq, Where.RUN, "its row was deleted", run_id)
            continue
        differing = [name for name, value in _expected(told).items() if spelled(row[name]) != value]
        if differing:
            seq = _contradicted(told, row) if set(differing) <= _SEALED_COLUMNS else told.opened.seq
            yield Break(seq, Where.RUN, f"its row was edited: {', '.join(differing)}", run_id)
    for run_id, row in rows.items():
        yield Break(_number(row["opened_seq"], 1), Where.RUN, "its row has no entry in the chain", run_id)


def _contradicted(told: _Told, row: Mapping[str, object]) -> int:
    """Return the entry that sealed the run: as the chain tells it, else as the row does, for it may be deleted."""
    return told.sealed.seq if told.sealed else max(told.opened.seq, _number(row["sealed_seq"], 0))


def _number(raw: object, otherwise: int) -> int:
    text = str(raw)
    return int(text) if text.isascii() and text.isdecimal() else otherwise


_SEALED_COLUMNS = frozenset({"sealed_seq", "sealed_at", "verdict", "world", "bundle_digest"})


def _expected(told: _Told) -> dict[str, str | None]:
    said = told.said
    plain = ("flow", "environment", "mode", "actor", "reason", "ticket", "prefect_run_id")
    return {
        **{name: str(said.get(name)) for name in plain},
        "parameters": chain.canonical(said.get("parameters") or {}),
        "opened_seq": str(told.opened.seq),
        "opened_at": told.opened.at,
        "sealed_seq": str(told.sealed.seq) if told.sealed else None,
        "sealed_at": told.sealed.at if told.sealed else None,
        "verdict": told.verdict,
        "world": told.world,
        "bundle_digest": told.bundle,
    }


def _compared_checkpoints(kept: Iterable[Checkpoint], hashes: Mapping[int, str], ledger_id: str) -> Iterator[Break]:
    for point in kept:
        found = hashes.get(point.seq, chain.genesis(ledger_id) if point.seq == 0 else "")
        if found != point.hash:
            yield Break(
                max(point.seq, 1),
                Where.CHECKPOINT,
                "the checkpoint kept of it has another hash: the chain was rewritten, or the checkpoint was",
            )


def _compared_bundle(run_id: str, told: _Told, places: Iterable[str]) -> Iterator[Break]:
    try:
        path = bundle_path(str(told.said.get("flow")), datetime.fromisoformat(str(told.opened.at)), run_id)
    except (ValueError, BadInput):
        yield Break(told.opened.seq, Where.BUNDLE, "where its bundle lies cannot be told from its entry", run_id)
        return
    found = False
    for place in places:
        files = _read_all(f"{place.rstrip('/')}/{path}")
        if files:
            found = True
            for file, differs in _compared_files(files, told.bundle):
                yield Break(told.bundle_seq, Where.BUNDLE, differs, run_id, file)
    if not found:
        yield Break(told.bundle_seq, Where.BUNDLE, f"its bundle is missing (audit/{path})", run_id)


def _compared_files(digests: Mapping[str, tuple[str, bytes]], sealed: str) -> Iterator[tuple[str, str]]:
    manifest = digests.get(MANIFEST)
    if manifest is None:
        yield MANIFEST, "it is missing"
        return
    if manifest[0] != sealed:
        yield MANIFEST, "its digest is not the one the ledger sealed"
    listed = _parsed(manifest[1].decode(errors="replace")).get("files")
    listed = listed if isinstance(listed, dict) else {}
    for name in sorted(set(listed) | set(digests) - {MANIFEST}):
        if name not in digests:
            yield name, "it is missing"
        elif name not in listed:
            yield name, "it was added after the bundle was sealed"
        elif not isinstance(listed[name], dict) or listed[name].get("sha256") != digests[name][0]:
            yield name, "its content is not what was sealed"


def _read_all(folder: str) -> dict[str, tuple[str, bytes]]:
    """Return sha256 and, for the manifest, content of every file below the folder; empty where there is none."""
    import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 (the audit alone reads bundles back)

    files, root = fsspec.core.url_to_fs(folder)
    found: dict[str, tuple[str, bytes]] = {}
    for path in files.find(root):
        name = str(path)[len(root.rstrip("/")) + 1 :]
        content = files.cat_file(path)
        found[name] = (hashlib.sha256(content).hexdigest(), content if name == MANIFEST else b"")
    return found


def _intact_since(breaks: Sequence[Break], kept: Iterable[Checkpoint], hashes: Mapping[int, str]) -> Checkpoint | None:
    if not breaks:
        return None
    last = max(one.seq for one in breaks)
    good = [point for point in kept if point.seq >= last and hashes.get(point.seq) == point.hash]
    return min(good, key=lambda point: point.seq, default=None)


def _parsed(payload: object) -> dict[str, Any]:
    try:
        said = json.loads(payload)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
