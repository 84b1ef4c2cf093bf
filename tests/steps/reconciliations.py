"""A month of prod as a comparison would have found it, for tests of whatever tells it: every finding is in it but PROVISIONAL."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from domain.event_counts import NOT_SPLIT, Clock, Fate, Trust, Unit
from domain.reconciliation import (
    Cell,
    Edition,
    Explained,
    Finding,
    Investigation,
    LikelyCause,
    Overlay,
    ProbeRatio,
    Received,
    Reconciliation,
    ShiftFound,
    SignOff,
    SourceFact,
    TargetMonth,
    Waiver,
    Why,
)
from domain.windows import HOUR, Window
from steps.reconciliation_document import digest
from tests.steps.compared_months import OCTOBER, RULE, SETTLED, cell_of, emitted_of, month_of, past_of

MADE_AT = datetime(2026, 11, 5, 6, 2, tzinfo=UTC)
TYPES = ("checkout.failed", "deploy.finished", "disk.full", "login.blocked")
# The hours that failing verifications and an incident are known to have spoiled.
OUTAGE = Window(datetime(2026, 10, 12, 9, tzinfo=UTC), datetime(2026, 10, 13, 17, tzinfo=UTC))


def sample() -> Reconciliation:
    """Return October 2026 of six integrations, of which pagerduty has two instances: each finding but PROVISIONAL is there."""
    cells = tuple(cell for make in _CELLS for cell in make())
    targets = tuple(make(cells) for make in _TARGETS)
    return Reconciliation(
        environment="prod",
        month=OCTOBER,
        window=OCTOBER.window,
        tolerance=RULE,
        confidence=0.95,
        targets=targets,
        cells=cells,
        facts=_FACTS,
        overlays=(Overlay(OUTAGE, "slack", "verifications failed, 32 of 33 hours"),),
        files_read=217,
        expected_false_alarms=0.4,
        carried_over=(
            Investigation("2026-08", "splunk", "Ana Prates", date(2026, 11, 20), "waiting for the indexer's logs"),
        ),
    )


def provisional_sample() -> Reconciliation:
    """Return the same month, looked at before it has settled."""
    month = sample()
    later = SETTLED + timedelta(days=30)
    return replace(
        month,
        targets=tuple(
            replace(one, finding=Finding.PROVISIONAL, why="late events may still arrive", settles_at=later)
            for one in month.targets
        ),
        cells=tuple(replace(cell, finding=Finding.PROVISIONAL) for cell in month.cells),
    )


def big(targets: int = 20, types: int = 50) -> Reconciliation:
    """Return a month of so many targets and types, a part of them lossy."""
    cells = tuple(
        cell_of(day, f"vendor{target:02}", f"service.event_{kind:02}", emitted_of(1_000 + kind, repeats=3),
                Received(1_000 + kind - (25 if target % 4 == 0 and kind % 5 == 0 else 1)))
        for target in range(targets)
        for kind in range(types)
        for day in OCTOBER.window.days()
    )  # fmt: skip
    months = tuple(
        month_of(name, cells, Finding.BREACH if target % 4 == 0 else Finding.OK, "the residual decides")
        for target, name in ((target, f"vendor{target:02}") for target in range(targets))
    )
    return replace(sample(), targets=months, cells=cells)


def edition_of(reconciliation: Reconciliation, **more: object) -> Edition:
    """Return the second revision of a month, signed off."""
    usual = Edition(
        revision=2,
        digest=digest(reconciliation),
        made_at=MADE_AT,
        run="5f0c3f5e-8a0e-4f6d-9b5a-1d2f3a4b5c6d",
        verdict="HOLD",
        bundle="https://audit.example.com/reconcile-events/2026/11/05/5f0c3f5e/",
        prefect="https://prefect.example.com/runs/flow-run/5f0c3f5e",
        changes=("slack: received 58,204 is now 58,216 (12 more).",),
        signed=SignOff("Mirela Dobre", MADE_AT + 3 * HOUR, "breach of slack accepted for investigation"),
    )
    return replace(usual, **more)  # type: ignore[arg-type]  # the fields are those of Edition


def _busy(day: date, number: int) -> int:
    """Return how many events of a type a day has: fewer at weekends, never the same on two days."""
    usual = (620, 340, 190, 110)[number % 4]
    return round(usual * (0.55 if day.weekday() > 4 else 1.0)) + (day.day * 7 + number * 3) % 23


def _days() -> list[date]:
    return list(OCTOBER.window.days())


def _datadog() -> list[Cell]:
    """Both agree; a handful is missing now and then."""
    return [
        cell_of(day, "datadog", kind, emitted_of(_busy(day, at), repeats=day.day % 3), Received(_busy(day, at) - (day.day % 9 == 0)))
        for at, kind in enumerate(TYPES) for day in _days()
    ]  # fmt: skip


def _slack() -> list[Cell]:
    """Listed by id; most of two days is missing, and some of what arrived arrived twice."""
    cells = []
    for at, kind in enumerate(TYPES):
        for day in _days():
            sent = _busy(day, at)
            lost = round(sent * {12: 0.42, 13: 0.55}.get(day.day, 0.0))
            twice = day.day % 5
            received = Received(sent - lost + twice, sent - lost, lost, 0)
            cells.append(cell_of(day, "slack", kind, emitted_of(sent, repeats=twice, dropped=day.day % 2), received))
    return cells


def _sentry() -> list[Cell]:
    """The vendor says itself what it took out: a quota was used up, and a filter was set."""
    cells = []
    for at, kind in enumerate(TYPES):
        for day in _days():
            sent, limited = _busy(day, at), 40 if 20 <= day.day <= 24 else 0
            filtered, dropped = sent // 60, day.day % 4
            losses = (
                (Fate.RATE_LIMITED, "error_usage_exceeded", limited),
                (Fate.FILTERED, "browser-extensions", filtered),
            )
            explained = (
                Explained(Why.VENDOR, "filtered: browser-extensions", filtered),
                Explained(Why.RATE_LIMIT, "rate-limited: error_usage_exceeded", limited),
            )
            received = Received(sent - limited - filtered, losses=losses)
            cells.append(cell_of(
                day, "sentry", kind, emitted_of(sent, dropped=dropped, sampled_out=sent // 10), received,
                explained=tuple(one for one in explained if one.events),
            ))  # fmt: skip
    return cells


def _opsgenie() -> list[Cell]:
    """So few events that a handful decides nothing; types are not told apart."""
    return [cell_of(day, "opsgenie", NOT_SPLIT, emitted_of(8 + day.day % 5), Received(8 + day.day % 5 - (day.day in {9, 27, 30}))) for day in _days()]  # fmt: skip


def _splunk() -> list[Cell]:
    """Three days could not be asked for."""
    return [
        cell_of(
            day, "splunk", kind, emitted_of(_busy(day, at)), None if 17 <= day.day <= 19 else Received(_busy(day, at)),
            missing="the search was refused: the role may not read the index",
        )
        for at, kind in enumerate(TYPES) for day in _days()
    ]  # fmt: skip


def _pagerduty() -> list[Cell]:
    """Counted by another clock: what a day misses, the next one has too much."""
    cells = []
    for day in _days():
        sent = 96 + day.day % 7
        moved_in = 0 if day.day == 1 else 24 + day.day % 3
        moved_out = 24 + (day.day + 1) % 3
        one = cell_of(day, "pagerduty", NOT_SPLIT, emitted_of(sent), Received(sent + moved_in - moved_out))
        cells.append(_boundary(one))
    return cells


def _payments() -> list[Cell]:
    return [
        cell_of(day, "pagerduty/payments", NOT_SPLIT, emitted_of(210 + day.day % 9), Received(206 + day.day % 9))
        for day in _days()
    ]


def _boundary(cell: Cell) -> Cell:
    assert cell.compared is not None
    lost, over = cell.compared.loss.high, cell.compared.excess.high
    return replace(
        cell,
        compared=replace(
            cell.compared,
            loss_explained=(Explained(Why.BOUNDARY, "on the neighbouring day", lost),) if lost else (),
            excess_explained=(Explained(Why.BOUNDARY, "from the neighbouring day", over),) if over else (),
        ),
        finding=Finding.EXPLAINED if lost or over else Finding.OK,
    )


def _slack_month(cells: tuple[Cell, ...]) -> TargetMonth:
    return month_of(
        "slack", cells, Finding.BREACH, "3.6 % of the expected events are missing and no reason covers them",
        cause=LikelyCause(
            "the webhook answered 404 while its channel was archived (two days, all types alike)",
            "Ask the owner of the channel to restore it, then run opsflows verify again; the lost events can be sent again from the records.",
        ),
        investigation=Investigation("2026-10", "slack", "Mirela Dobre", date(2026, 11, 12), "channel restored on 13 October, resend not decided"),
        missing_ids=tuple(f"0f9a{number:04x}-0000-4000-8000-00000000{number:04x}" for number in range(100)),
        past=past_of(lambda number: 0.0021 + 0.0011 * (number % 3)),
        probes=ProbeRatio(744, 712),
    )  # fmt: skip


_CELLS: tuple[Callable[[], list[Cell]], ...] = (
    _datadog, _slack, _sentry, _opsgenie, _splunk, _pagerduty, _payments,
)  # fmt: skip
_TARGETS: tuple[Callable[[tuple[Cell, ...]], TargetMonth], ...] = (
    lambda cells: month_of("datadog", cells, Finding.OK, "the share of unexplained events is below the rule with 95 % confidence"),
    _slack_month,
    lambda cells: month_of("sentry", cells, Finding.EXPLAINED, "the vendor's own reasons cover the whole difference", clock=Clock.RECEIVED, trust=(Trust.EXACT, Trust.COUNTERS)),
    lambda cells: month_of(
        "opsgenie", cells, Finding.INCONCLUSIVE, "3 of 309 are missing: the true share may be on either side of the rule",
        low=0.002, high=0.0281, probes=None, past=past_of(lambda _: 0.004, months=2),
        cause=LikelyCause("too few events to tell", "Nothing to repair; judge the quarter as one, or list alerts by id."),
    ),
    lambda cells: month_of(
        "splunk", cells, Finding.NO_DATA, "three days could not be counted",
        cause=LikelyCause("the role of the read credential may not search the index", "Grant the role the index, then run opsflows reconcile --month 2026-10 again."),
    ),
    lambda cells: month_of(
        "pagerduty", cells, Finding.EXPLAINED, "the account's days begin six hours later than ours", unit=Unit.MERGED,
        shift=ShiftFound(-6, "the vendor's hours look like ours moved by 6 hours: time zone, not loss"),
    ),
    lambda cells: month_of(
        "pagerduty/payments", cells, Finding.WAIVED, "1.9 % are missing, which is accepted until 31 December",
        waiver=Waiver("pagerduty/payments", "Ilie Munteanu", "merged by the vendor's own grouping, to be changed in Q1", date(2026, 12, 31)),
        past=past_of(lambda number: 0.017 + 0.001 * (number % 2)),
    ),
)  # fmt: skip
_FACTS = (
    SourceFact("applications", "2026/10/*.jsonl.gz", "files read", 217, is_fault=False),
    SourceFact("applications", "2026/10/07/api-3.jsonl.gz", "lines that are no events", 14, is_fault=True),
    SourceFact("applications", "2026/10/21/api-1.jsonl.gz", "cut off in the middle: read up to there", 1, is_fault=True),
    SourceFact("applications", "2026/11/01/api-2.jsonl.gz", "late: in a file of another day", 386, is_fault=False),
    SourceFact("applications", "2026/10/*.jsonl.gz", "of another environment", 12_004, is_fault=False),
    SourceFact("applications", "2026/10/*.jsonl.gz", "recorded more than once", 640, is_fault=False),
    SourceFact("applications", "2026/10/02/worker-1.jsonl.gz", "of an unknown integration (pagerdutty)", 22, is_fault=True),
)  # fmt: skip
