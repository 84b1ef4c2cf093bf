"""What the wiring board says: one verdict for everything, and a look for each thing. What was not seen is never GREEN.

The worst look of what counts decides. Whatever someone must see to keeps the board from GREEN as well, whichever list tells of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from domain.attention import Attention, Weight
from domain.run_bounds import ENDS_WELL_WITHIN

# What has to tick. That each of them has a run ahead is looked at, whatever Prefect has of it.
SCHEDULED = tuple(ENDS_WELL_WITHIN)


class Look(StrEnum):
    """How one thing stands. The value is what people and machines read."""

    HOLD = "HOLD"
    NOT_KNOWN = "NOT KNOWN"
    NOT_YET = "NOT YET"
    WAITING = "WAITING"
    GREEN = "GREEN"
    # Shown and not counted: by hand, left out, not in scope.
    ASIDE = "NOT COUNTED"


_WORST_FIRST = (Look.HOLD, Look.NOT_KNOWN, Look.NOT_YET, Look.WAITING, Look.GREEN)


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing on the board: what it is called, how it stands, in words, and the same for machines.

    `words` come first and are short; `more` says what it means and what to do. `run` is a flow run's id in Prefect, `deployment`
    a deployment's, `page` a page of docs/; each is empty where there is none. `facts` are names and plain values.
    """

    name: str
    look: Look
    words: str
    more: str = ""
    run: str = ""
    deployment: str = ""
    page: str = ""
    facts: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Row:
    """One integration or platform of one environment."""

    target: str
    page: str
    verified: Cell
    credentials: tuple[Cell, ...]
    month: Cell

    @property
    def cells(self) -> tuple[Cell, ...]:
        return (self.verified, *self.credentials, self.month)

    @property
    def look(self) -> Look:
        return worst(cell.look for cell in self.cells)

    @property
    def was_seen(self) -> bool:
        """Say whether anything of it was ever looked at."""
        return any(cell.look not in {Look.NOT_YET, Look.ASIDE} for cell in self.cells)


@dataclass(frozen=True, slots=True)
class EnvironmentBoard:
    """One environment. Only where `is_counted` does it decide the board's verdict: a rehearsal is a world of its own."""

    name: str
    kind: str
    live: str
    rows: tuple[Row, ...]
    rotations: tuple[Cell, ...]
    month: Cell
    kms: tuple[Cell, ...]
    is_counted: bool

    @property
    def look(self) -> Look:
        cells = (*self.rotations, self.month, *self.kms)
        return worst((*(row.look for row in self.rows), *(cell.look for cell in cells)))


@dataclass(frozen=True, slots=True)
class Schedule:
    """One deployment: how its last run ended, and when the next one begins."""

    name: str
    last: Cell
    next: Cell
    is_counted: bool

    @property
    def look(self) -> Look:
        return worst((self.last.look, self.next.look)) if self.is_counted else Look.ASIDE


@dataclass(frozen=True, slots=True)
class Board:
    """The whole page. `now` is the ledger's time when it was read; `prefect` says whether Prefect could be asked, and when.

    `attentions` are those of all environments, `needs` those that concern the ones that count. `world` is "rehearsal" where
    nothing but the rehearsal counts.
    """

    now: datetime
    attentions: tuple[Attention, ...]
    environments: tuple[EnvironmentBoard, ...]
    schedules: tuple[Schedule, ...]
    prefect: Cell
    world: str = ""
    left_out: frozenset[str] = frozenset()

    @property
    def counted(self) -> tuple[EnvironmentBoard, ...]:
        return tuple(one for one in self.environments if one.is_counted)

    @property
    def needs(self) -> tuple[Attention, ...]:
        aside = {one.name for one in self.environments if not one.is_counted} | self.left_out
        return tuple(one for one in self.attentions if one.environment not in aside)

    @property
    def verdict(self) -> Look:
        """Return the worst look of what counts; where nothing does, nothing is known."""
        found = worst((*self._looks(), *(look_of(one.weight) for one in self.needs)))
        return Look.NOT_KNOWN if found is Look.ASIDE else found

    @property
    def sentence(self) -> str:
        """Return what an on-call reads first: how many things are wrong and which is the first, else why it is not green."""
        return _SENTENCES[self.verdict](self)

    def places(self, look: Look) -> list[str]:
        """Return the names of what stands so, of what counts: `prod slack`, `sweeper`."""
        rows = [(f"{one.name} {row.target}", row.look) for one in self.counted for row in one.rows]
        cells = [(f"{one.name} {cell.name}", cell.look) for one in self.counted for cell in (one.month, *one.kms, *one.rotations)]  # fmt: skip
        # What Prefect could not be asked about is not told once more for each schedule.
        ticks = [(one.name, one.look) for one in self.schedules if self.prefect.look is Look.GREEN]
        return [name for name, found in (("Prefect", self.prefect.look), *rows, *cells, *ticks) if found is look]

    def _looks(self) -> Iterable[Look]:
        yield self.prefect.look
        yield from (one.look for one in self.counted)
        yield from (one.look for one in self.schedules)


def alone(board: Board, name: str) -> Board | None:
    """Return the board of one environment by itself, which then counts whatever it is; None where there is none of that name."""
    chosen = [one for one in board.environments if one.name == name]
    if not chosen:
        return None
    others = frozenset(one.name for one in board.environments) - {name}
    world = _REHEARSAL if chosen[0].kind == _REHEARSAL else ""
    return replace(board, environments=(replace(chosen[0], is_counted=True),), world=world, left_out=others)


def worst(looks: Iterable[Look]) -> Look:
    """Return the worst of what counts; where nothing does, that nothing was counted."""
    found = set(looks)
    return next((look for look in _WORST_FIRST if look in found), Look.ASIDE)


def look_of(weight: Weight | None) -> Look:
    """Return how something open stands that needs someone so much, None where nobody: it is never green before it is over."""
    return Look.HOLD if weight is Weight.NOW else Look.WAITING


def named(places: Sequence[str], most: int = 3) -> str:
    """Return e.g. `prod slack, prod sentry and 4 more`."""
    shown, more = ", ".join(places[:most]), len(places) - most
    return f"{shown} and {more} more" if more > 0 else shown


def ago(span: timedelta) -> str:
    """Return e.g. `12 min`, `7 h`, `3 days`, as people say how long something is."""
    minutes = max(int(span.total_seconds() // 60), 0)
    if minutes < _TWO_HOURS_IN_MINUTES:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < _TWO_DAYS_IN_HOURS else f"{hours // 24} days"


def _hold(board: Board) -> str:
    urgent = [one for one in board.needs if one.weight is Weight.NOW]
    if urgent:
        first = urgent[0].what.rstrip(".")
        others = f" and {_things(len(urgent) - 1)} more" if len(urgent) > 1 else ""
        return f"{_things(len(urgent))} need{'s' if len(urgent) == 1 else ''} someone now: {first}{others}."
    return f"Not as it should be: {named(board.places(Look.HOLD))}."


def _not_known(board: Board) -> str:
    unseen = board.places(Look.NOT_KNOWN)
    if unseen:
        return f"Could not be seen: {named(unseen)}. What could be seen shows nothing wrong."
    return "Nothing is in scope, so nothing was looked at."


def _not_yet(board: Board) -> str:
    return (
        f"Not all of it was looked at yet: {named(board.places(Look.NOT_YET))}. What was looked at shows nothing wrong."
    )


def _waiting(board: Board) -> str:
    if board.needs:
        return f"Nothing is wrong. {_things(len(board.needs))} will need someone: {board.needs[0].what.rstrip('.')}."
    return f"Nothing is wrong. Only time is waited for: {named(board.places(Look.WAITING))}."


def _green(board: Board) -> str:
    rows = sum(len(one.rows) for one in board.counted)
    return f"All of it was seen to work: {rows} integrations and platforms in {named([one.name for one in board.counted])}."


def _things(number: int) -> str:
    return f"{number} thing{'' if number == 1 else 's'}"


_REHEARSAL = "rehearsal"
_TWO_HOURS_IN_MINUTES = 120
_TWO_DAYS_IN_HOURS = 48
_SENTENCES = {
    Look.HOLD: _hold,
    Look.NOT_KNOWN: _not_known,
    Look.NOT_YET: _not_yet,
    Look.WAITING: _waiting,
    Look.GREEN: _green,
}
