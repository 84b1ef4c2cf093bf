"""A month of one environment, put together: which targets, both sides of each, incidents, waivers, earlier months."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from domain.comparing import Manner, total_emitted
from domain.config import Config, EnvironmentKind
from domain.errors import BadInput
from domain.event_counts import Trust
from domain.findings import Rule
from domain.month_results import Sides, false_alarms_expected, month_results, waived
from domain.reconciliation import (
    Emitted,
    Investigation,
    Overlay,
    PastMonth,
    ProbeRatio,
    Received,
    Reconciliation,
    SourceFact,
    TargetMonth,
    Waiver,
)
from domain.reconciliation_sections import PrometheusCounters, ReceivedSection
from domain.windows import DAY, Month, Window
from ledger.investigations import open_investigations
from ledger.probes import probe_ratios
from ledger.reconciliations import past_months
from ledger.waivers import Waiver as RecordedWaiver
from ledger.waivers import waivers_on
from steps.context import Context
from steps.known_windows import known_windows
from steps.received_sides import Asked, ReceivedSide, days_not_over, section_of
from steps.unresolved_months import WAIVED_AS, unresolved, waivable
from vendors.counting import Counting

# In place of an environment's name: all that are live and record their events.
EVERY_ENVIRONMENT = "all"


@dataclass(frozen=True, slots=True)
class EmittedSide:
    """What one source recorded of one target. `missing` names days of which it says nothing, and why."""

    target: str
    trust: Trust
    days: Mapping[tuple[date, str], Emitted]
    missing: Mapping[date, str]


@dataclass(frozen=True, slots=True)
class Matched:
    """What the comparison of ids found of one target, by day and type, and some of the ids that are missing."""

    received: Mapping[tuple[date, str], Received]
    missing_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One run's question: a window of an environment, a month or a day of one; and whom it concerns, asked at `now`."""

    context: Context
    month: Month
    window: Window
    now: datetime
    asked: tuple[Asked, ...]

    @property
    def rule(self) -> Rule:
        said = self.context.config.reconciliation
        return Rule(said.tolerance, said.confidence)


@dataclass(frozen=True, slots=True)
class Answered:
    """Everything that was read for a question. `files_read` counts input files, whether counted now or before."""

    emitted: Sequence[EmittedSide]
    received: Mapping[str, ReceivedSide]
    matched: Mapping[str, Matched]
    facts: Sequence[SourceFact]
    files_read: int


def chosen_environments(config: Config, name: str) -> list[str]:
    """Return the environment of that name, or all that record their events but the rehearsal.

    Raises:
        BadInput: it is not declared.
    """
    if name != EVERY_ENVIRONMENT:
        config.environment(name)
        return [name]
    recording = {section.environment for section in config.emitted.values()}
    return [
        one
        for one, row in config.environments.items()
        if one in recording and row.kind is not EnvironmentKind.REHEARSAL
    ]


def planned_lines(question: Question) -> list[str]:
    """Return what would be read, a sentence each."""
    context = question.context
    sources = [
        f"{name}: {section.kind} at {section.place if not isinstance(section, PrometheusCounters) else section.address}"
        for name, section in context.config.emitted.items()
        if section.environment == context.environment
    ]
    vendors = [
        f"{asked.target}: {asked.counting.counts}, by {asked.section.by}, {asked.counting.clock.value}; settles {settles_at(question, asked):%Y-%m-%d %H:%M} UTC"
        for asked in question.asked
    ]
    return [*(sources or ["no [emitted] section records this environment"]), *vendors]


def question_of(
    context: Context, month: Month, window: Window, counts: Mapping[str, Counting], now: datetime
) -> Question:  # fmt: skip
    """Return what is to be compared in the window.

    Raises:
        BadInput: the window has not begun, or nothing in scope counts or is wanted.
    """
    if window.start >= now:
        raise BadInput(
            f"{month} has not begun.",
            "There is nothing to count yet; nothing was read.",
            "Choose a month that is over.",
        )
    asked = tuple(
        Asked(target, counts[target.integration], section_of(context, target))
        for target in context.declared.targets
        if target.integration in counts and section_of(context, target).wanted
    )
    if not asked:
        raise BadInput(
            f"Nothing in scope of environment {context.environment} can be counted.",
            "Either its integrations do not count, or opsflows.toml says wanted = false for each. Nothing was read.",
            f"Choose another environment, or see [received.{context.environment}] in opsflows.toml.",
        )
    return Question(context, month, window, now, asked)


def settles_at(question: Question, asked: Asked) -> datetime:
    """Return when late events of the window have stopped coming: after the rule's time, or the vendor's where it is longer."""
    after = max(question.context.config.reconciliation.settles_after, asked.counting.reporting_lag)
    return question.window.end + after


def shift_of(asked: Asked) -> timedelta:
    """Return how far the vendor's clock may put an event from where ours does: as opsflows.toml says, or the usual."""
    minutes = asked.section.shift_minutes
    return asked.counting.shifts_at_day_end if minutes is None else timedelta(minutes=minutes)


def widened(window: Window) -> Window:
    """Return the window with a day on each side: events that are matched one by one may lie on either side of an edge."""
    return Window(window.start - DAY, window.end + DAY)


def assembled(question: Question, answered: Answered) -> Reconciliation:
    """Return what the window says, from what was read and what the ledger knows."""
    context, window = question.context, question.window
    ledger, environment = context.ledger, context.environment
    overlays = known_windows(context, window)
    probes = probe_ratios(ledger, environment, window)
    past = past_months(ledger, environment, question.month)
    waivers = waivers_on(ledger, environment, WAIVED_AS, question.now.date())
    investigations = open_investigations(ledger, environment)
    carried = tuple(one for one in investigations if one.month < str(question.month))
    looked_into = {(one.month, one.target) for one in carried}
    sides = [
        _sides(question, asked, answered, overlays, probes.get(asked.target), past.get(str(asked.target), ()))
        for asked in question.asked
    ]
    months, cells = month_results(sides, question.rule, window, question.now)
    targets = tuple(
        replace(
            _accepted(one, waivers.get(waivable(one.target, question.month))),
            investigation=_of(investigations, question.month, one.target),
        )
        for one in months
    )
    return Reconciliation(
        environment=environment,
        month=question.month,
        window=window,
        tolerance=question.rule.tolerance,
        confidence=question.rule.confidence,
        targets=targets,
        cells=cells,
        facts=tuple(answered.facts),
        overlays=overlays,
        files_read=answered.files_read,
        expected_false_alarms=false_alarms_expected(cells),
        carried_over=carried,
        unresolved=tuple(
            one
            for one in unresolved(ledger, environment, question.now.date(), question.month)
            if (one.month, one.target) not in looked_into
        ),
    )


def _sides(  # noqa: PLR0917 (the parts of one value, in its order)
    question: Question, asked: Asked, answered: Answered, overlays: Sequence[Overlay],
    probes: ProbeRatio | None, past: tuple[PastMonth, ...],
) -> Sides:  # fmt: skip
    name = str(asked.target)
    mine = [side for side in answered.emitted if side.target == name]
    received = answered.received[name]
    matched = answered.matched.get(name)
    section = asked.section
    # Which events a sampler leaves out is not known: there ids decide nothing, and one that is not there is not lost.
    decides = matched is not None and not _is_sampled(section)
    windows = tuple(one for one in overlays if one.target in {"", name})
    return Sides(
        target=name,
        manner=Manner(
            unit=asked.counting.unit,
            shift=shift_of(asked),
            rates=section.sample_rates,
            rate=section.sample_rate,
            overlays=tuple(one for one in windows if one.explains),
        ),
        trust=_trust(mine),
        clock=asked.counting.clock,
        splits_types=section.splits_types,
        by_ids=decides,
        settles_at=settles_at(question, asked),
        emitted=_added(mine),
        received=_within(question.window, _by_ids(matched, received) if matched else received.days),
        emitted_missing=_emitted_missing(question, mine),
        received_missing=received.missing,
        probes=probes,
        past=past,
        missing_ids=matched.missing_ids if matched is not None and decides else (),
        windows=windows,
    )


def _is_sampled(section: ReceivedSection) -> bool:
    return any(rate != 1 for rate in (section.sample_rate, *section.sample_rates.values()))


def _trust(sides: Iterable[EmittedSide]) -> tuple[Trust, ...]:
    """Return where the numbers come from: of the sources that recorded something, else of those that could have."""
    rows = list(sides)
    said = {side.trust for side in rows if side.days} or {side.trust for side in rows}
    return tuple(trust for trust in Trust if trust in said)


def _added(sides: Iterable[EmittedSide]) -> dict[tuple[date, str], Emitted]:
    found: dict[tuple[date, str], list[Emitted]] = {}
    for side in sides:
        for key, one in side.days.items():
            found.setdefault(key, []).append(one)
    return {key: rows[0] if len(rows) == 1 else total_emitted(rows) for key, rows in found.items()}


def _emitted_missing(question: Question, sides: Sequence[EmittedSide]) -> dict[date, str]:
    if not sides:
        why = f"no [emitted] section of opsflows.toml records it for environment {question.context.environment}"
        return dict.fromkeys(question.window.days(), why)
    missing = {day: why for side in sides for day, why in side.missing.items()}
    return {**missing, **days_not_over(question.window, question.now)}


def _by_ids(matched: Matched, side: ReceivedSide) -> dict[tuple[date, str], Received]:
    """Return what ids say, with the vendor's own reasons and hours, which are only counted.

    Of a day whose events are not listed any more ids say nothing, and least of all that all of them are lost.
    """
    none = Received(0, 0, 0, 0)
    keys = {*matched.received, *side.days}
    listed = {key for key in keys if key[0] not in side.counted_only}
    counted = {key: side.days.get(key, Received(0)) for key in keys - listed}
    return counted | {
        key: replace(matched.received.get(key, none), losses=told.losses, by_hour=told.by_hour)
        for key in listed
        for told in (side.days.get(key, none),)
    }


def _within(
    window: Window, received: Mapping[tuple[date, str], Received]
) -> dict[tuple[date, str], Received]:  # fmt: skip
    """Return the days of the window: vendors are asked for a day more on each side where ids are matched."""
    days = set(window.days())
    return {key: one for key, one in received.items() if key[0] in days}


def _accepted(one: TargetMonth, said: RecordedWaiver | None) -> TargetMonth:
    """Return the month as it is with what someone accepts; what the numbers say stays beside it."""
    if said is None:
        return one
    accepted = waived(one, Waiver(one.target, said.who, said.reason, said.until))
    return replace(accepted, before_waiver=one.finding) if accepted.finding is not one.finding else one


def _of(investigations: Iterable[Investigation], month: Month, target: str) -> Investigation | None:
    return next((one for one in investigations if (one.month, one.target) == (str(month), target)), None)
