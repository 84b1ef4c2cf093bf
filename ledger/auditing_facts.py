"""What the chain says of recorded facts, compared with their rows: counts kept, revisions, waivers, investigations, sign-offs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, Text, select, type_coerce

from ledger.chain import Link
from ledger.facts import AT, ENDED, FACTS, SEQ, FactKind, is_kept_when_ended
from ledger.moments import spelled


@dataclass(frozen=True, slots=True)
class FactDiffers:
    """One fact that was changed afterwards; `seq` is the chain's entry that it contradicts, `about` what people call it."""

    seq: int
    about: str
    words: str


@dataclass(frozen=True, slots=True)
class _Told:
    """What the chain says of one fact."""

    kind: FactKind
    said: Mapping[str, Any]
    at: str

    @property
    def about(self) -> str:
        return " ".join((self.kind.words, *(str(self.said.get(name)) for name in self.kind.named)))


@dataclass(slots=True)
class FactStory:
    """What the chain's entries say of facts, taken in one after the other. `ended` has by which entry a fact ended."""

    told: dict[int, _Told] = field(default_factory=dict)
    ended: dict[int, int] = field(default_factory=dict)

    def take(self, link: Link, said: Mapping[str, Any]) -> bool:
        """Take in one entry; False where it does not follow from the entries before it. Entries about anything else follow."""
        kind = FACTS.get(str(said.get("kind")))
        if kind is None:
            return True
        named = said.get("ends")
        ends = [one for one in named if isinstance(one, int)] if isinstance(named, list) else []
        follows = all(self._can_end(kind, one) for one in ends)
        self.told[link.seq] = _Told(kind, said, link.at)
        self.ended |= dict.fromkeys(ends, link.seq)
        return follows

    def _can_end(self, kind: FactKind, seq: int) -> bool:
        known = self.told.get(seq)
        return known is not None and known.kind.table is kind.ends and seq not in self.ended


def compared_facts(connection: Connection, story: FactStory) -> Iterator[FactDiffers]:
    """Yield every row that does not fit its entry, and every entry without its row."""
    for table in dict.fromkeys(kind.table for kind in FACTS.values()):
        told_of = {seq: told for seq, told in story.told.items() if told.kind.table is table and _is_there(story, seq)}
        yield from _compared(connection, table, told_of, story.ended)


def _is_there(story: FactStory, seq: int) -> bool:
    return seq not in story.ended or is_kept_when_ended(story.told[seq].kind.table)


def _compared(
    connection: Connection, table: Table, told_of: Mapping[int, _Told], ended: Mapping[int, int]
) -> Iterator[FactDiffers]:
    missing = dict(told_of)
    # As text, because an edited row may hold what is no moment any more.
    columns = [type_coerce(column, Text).label(column.name) for column in table.c]
    query = select(*columns).execution_options(yield_per=100)
    for row in connection.execute(query):
        found = row._asdict()
        seq = _number(found[SEQ])
        told = missing.pop(seq, None)
        if told is None:
            yield FactDiffers(max(seq, 1), f"{table.name} {found[SEQ]}", "its row has no entry in the chain")
            continue
        edited = [name for name, value in _expected(told, found, seq, ended) if _shown(told.kind, name, found) != value]
        if edited:
            yield FactDiffers(seq, told.about, f"its row was edited: {', '.join(edited)}")
    for seq, told in missing.items():
        yield FactDiffers(seq, told.about, "its row was deleted")


def _expected(
    told: _Told, row: Mapping[str, object], seq: int, ended: Mapping[int, int]
) -> Iterator[tuple[str, str | None]]:
    """Yield what each column must hold, spelled as the chain spells it."""
    of_the_chain = {SEQ: str(seq), AT: told.at, ENDED: str(ended[seq]) if seq in ended else None}
    for name in row:
        yield name, of_the_chain[name] if name in of_the_chain else str(told.said.get(name))


def _shown(kind: FactKind, name: str, row: Mapping[str, object]) -> str | None:
    raw = row[name]
    if raw is not None and name == kind.hashed:
        return str(kind.told(name, raw))
    # A text that looks like a moment is compared letter by letter; only moments of the database are spelled anew.
    return spelled(raw) if _is_moment(kind, name) else None if raw is None else str(raw)


def _is_moment(kind: FactKind, name: str) -> bool:
    return not isinstance(kind.table.c[name].type, Text)


def _number(raw: object) -> int:
    """Return the entry that a row names, 0 where it names none."""
    text = str(raw)
    return int(text) if text.isascii() and text.isdecimal() else 0
