"""Windows of a scene reconciled as the flow does it, without Prefect: files on disk, stand-ins or a vendor of the test's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from domain.errors import OpsError
from domain.event_counts import NOT_SPLIT, Clock, Count, Fate, Listed, Page, Unit
from domain.reconciliation import Cell, Reconciliation, TargetMonth
from domain.reconciliation_sections import (
    CounterSnapshots,
    EventColumns,
    EventFiles,
    KnownIncident,
    PrometheusCounters,
    ReceivedSection,
)
from domain.windows import HOUR, Month, Window, day_window
from steps.emitted_sides import Place, SourceRead, read_source
from steps.matched_ids import match_sides
from steps.received_sides import LISTS, ReceivedSide, received_side
from steps.reconciling import Answered, Question, assembled, question_of, widened
from tests.steps.event_rows import event, jsonl
from tests.steps.rehearsal_context import Scene
from vendors.counting import Counting

OCTOBER = Month(2026, 10)
START = OCTOBER.window.start
# Long after the settle time of October.
SETTLED = datetime(2026, 11, 20, tzinfo=UTC)
THREE_DAYS = Window(START, START + timedelta(days=3))
COLUMNS = EventColumns(environment="environment", outcome="outcome", sampled="sampled", verify="verify")
Section = EventFiles | CounterSnapshots | PrometheusCounters


@dataclass(slots=True)
class Vendor:
    """A vendor of the test's own: counts or lists what it is told it received, an hour at a time, and notes what is asked."""

    by: str = "counts"
    received: list[Listed] = field(default_factory=list)
    losses: list[Count] = field(default_factory=list)
    fails: OpsError | None = None
    splits: bool = True
    asked: list[Window] = field(default_factory=list)

    def page(self, window: Window, _cursor: str) -> Page:
        self.asked.append(window)
        if self.fails is not None:
            raise self.fails
        inside = [one for one in self.received if window.start <= one.at < window.end]
        losses = [one for one in self.losses if window.start <= one.start < window.end]
        if self.by == "ids":
            return Page(tuple(losses), tuple(inside))
        return Page((*(self._count(one) for one in inside), *losses))

    def close(self) -> None:
        return

    def _count(self, one: Listed) -> Count:
        hour = one.at.replace(minute=0, second=0, microsecond=0)
        kind = one.type if self.splits else NOT_SPLIT
        return Count(hour, HOUR, kind, Fate.ACCEPTED, one.copies, is_probe=one.is_probe)

    def counting(self, **changes: Any) -> Counting:
        usual = Counting(
            "slack", lambda *_: self, "events", Unit.EVENTS, Clock.EVENT, lists_ids=True, type_fields="any",
            reporting_lag=timedelta(0), retention=None, longest=timedelta(days=400),
        )  # fmt: skip
        return replace(usual, **changes)


@dataclass(slots=True)
class Rows:
    """What was asked of a run, and all that it read."""

    question: Question
    sources: list[SourceRead]
    received: Mapping[str, ReceivedSide]
    reconciliation: Reconciliation

    def month(self, target: str = "slack") -> TargetMonth:
        return next(one for one in self.reconciliation.targets if one.target == target)

    def cells(self, target: str = "slack") -> list[Cell]:
        return [one for one in self.reconciliation.cells if one.target == target]

    def fault_words(self) -> list[str]:
        return [f"{one.file} {one.what}".strip() for one in self.reconciliation.facts if one.is_fault]


def told_nothing(_name: str, _done: int, _of: int, _rows: int) -> None:
    return


@dataclass(slots=True)
class MonthScene:
    """One environment with its event files below `events`, and what it keeps below `place`."""

    scene: Scene
    events: Path
    place: Place

    @classmethod
    def of(cls, scene: Scene, **sections: Section) -> "MonthScene":
        events = scene.home / "events"
        events.mkdir(exist_ok=True)
        made = cls(scene, events, Place(scene.home, scene.home / "reconciliation"))
        made.configure(emitted=sections or {"gateway": made.files()})
        return made

    def configure(self, *, emitted: Mapping[str, Section] | None = None, received: Mapping[str, ReceivedSection] | None = None, incidents: Sequence[KnownIncident] = ()) -> None:  # fmt: skip
        config, environment = self.scene.config, self.scene.environment
        self.scene.config = config.model_copy(
            update={
                "emitted": dict(config.emitted if emitted is None else emitted),
                "received": {environment: dict(received)} if received is not None else config.received,
                "incidents": tuple(incidents),
            }
        )

    def files(self, **changes: Any) -> EventFiles:
        said = {"environment": self.scene.environment, "place": str(self.events), **changes}
        return EventFiles.model_validate(said)

    def writes(self, day: str, rows: Sequence[Mapping[str, Any] | bytes], ending: str = ".jsonl") -> Path:
        return jsonl(self.events / f"events-{day}{ending}", rows)

    def question(
        self, counts: Mapping[str, Counting], window: Window = THREE_DAYS, now: datetime = SETTLED
    ) -> Question:  # fmt: skip
        return question_of(self.scene.context(), Month.of(window.start), window, counts, now)

    def read(self, question: Question, told: Callable[[str, int, int, int], None] = told_nothing) -> list[SourceRead]:
        sections = question.context.config.emitted
        return [read_source(question, name, section, self.place, told) for name, section in sections.items()]

    def run(
        self,
        counts: Mapping[str, Counting],
        window: Window = THREE_DAYS,
        now: datetime = SETTLED,
        told: Callable[[str, int, int, int], None] = told_nothing,
    ) -> Rows:
        question = self.question(counts, window, now)
        sources = self.read(question, told)
        exports = {
            str(asked.target): read_source(question, f"{asked.target} export", asked.section.export.model_copy(update={"targets": (str(asked.target),)}), self.place, told)
            for asked in question.asked
            if asked.section.export is not None
        }  # fmt: skip
        received = {name: ReceivedSide(missing=read.missing) for name, read in exports.items()}
        for asked in question.asked:
            if asked.section.export is None:
                span = widened(window) if asked.section.by == "ids" else window
                received[str(asked.target)] = received_side(
                    question.context, asked, span, now, self.place.spool / LISTS
                )
        found, received = match_sides(question, sources, exports, received, self.place)
        facts = [fact for read in (*sources, *exports.values()) for fact in read.facts]
        answered = Answered(
            found.emitted, received, found.matched, (*facts, *found.facts), sum(read.files_read for read in sources)
        )
        return Rows(question, sources, received, assembled(question, answered))


def at(day: int, hour: float = 12, month: int = 10) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC) + timedelta(hours=hour)


def recorded(number: object, moment: datetime, **more: Any) -> dict[str, Any]:
    return event(number, moment.isoformat(), **more)


def listed(number: object, moment: datetime, kind: str = "alert", **more: Any) -> Listed:
    return Listed(f"e-{number}", moment, kind, **more)


def every_day(window: Window, each: int) -> list[tuple[str, datetime]]:
    """Return names and moments of so many events on each day, spread over it."""
    return [
        (f"{day}-{n}", day_window(day).start + timedelta(hours=24 * n / each)) for day in window.days() for n in range(each)
    ]  # fmt: skip
