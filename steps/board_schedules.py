"""The schedules on the wiring board: what has to tick is looked for by name, so that what was never deployed is seen as well."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.board import SCHEDULED, Cell, Look, Schedule, ago
from domain.run_bounds import ENDS_WELL_WITHIN
from domain.run_history import DeploymentRuns
from domain.run_watch import LATE_AFTER, WAITS_AFTER, WAITS_FOR_A_SLOT
from domain.seen_runs import SeenRun
from steps.board_cells import iso, moment

# What to do where a run ended badly, where nothing ends or comes, and where one is late.
_FAILED, _MISSING, _LATE = (f"docs/runbooks/run-{name}.md" for name in ("failed", "missing", "late"))
_LOOK_OF_ENDED = {("COMPLETED", "Waiting"): Look.WAITING, ("COMPLETED", "Planned"): Look.WAITING}
_LOOK_OF_KIND = {"COMPLETED": Look.GREEN, "FAILED": Look.HOLD, "CRASHED": Look.HOLD}
# Prefect's scheduler looks once a minute for what has no run ahead.
_SCHEDULED_WITHIN = timedelta(minutes=5)
_ENDS_WELL_WITHIN = {name.partition("/")[2]: within for name, within in ENDS_WELL_WITHIN.items()}
_UNSEEN = "not known: Prefect was not seen"


@dataclass(frozen=True, slots=True)
class PrefectSeen:
    """What Prefect said of our deployments; `wrong` says why nothing was seen, and is empty where it was."""

    deployments: tuple[DeploymentRuns, ...] = ()
    at: datetime | None = None
    wrong: str = ""


def prefect_cell(seen: PrefectSeen, now: datetime) -> Cell:
    """Return whether Prefect could be asked. Where not, nothing is known of what runs, and nothing may be green."""
    facts = {"at": iso(seen.at)}
    if seen.wrong:
        more = "What runs and what comes next is not known; what the ledger says stands. opsflows doctor says what is broken."
        return Cell("Prefect", Look.NOT_KNOWN, seen.wrong, more, facts=facts)
    if not seen.deployments:
        return Cell(
            "Prefect", Look.HOLD, "it has no deployment of ours", "Nothing ticks. Deploy: opsflows deploy.", page=_MISSING, facts=facts
        )  # fmt: skip
    read = f", read {ago(now - seen.at)} ago" if seen.at else ""
    return Cell("Prefect", Look.GREEN, f"{len(seen.deployments)} deployments{read}", facts=facts)


def schedules(seen: PrefectSeen, now: datetime) -> tuple[Schedule, ...]:
    """Return a row for each deployment that must tick, then for each other one that Prefect has."""
    found = {one.name: one for one in seen.deployments}
    ticking = [name.partition("/")[2] for name in SCHEDULED]
    by_hand = sorted(found.keys() - set(ticking))
    return (
        *(_ticking(name, found.get(name), seen, now) for name in ticking),
        *(_by_hand(found[name], now) for name in by_hand),
    )


def _ticking(name: str, one: DeploymentRuns | None, seen: PrefectSeen, now: datetime) -> Schedule:
    if one is not None:
        return Schedule(name, _last(one, now), _next(one, now), is_counted=True)
    if seen.wrong:
        return Schedule(name, _cell("last run", Look.NOT_KNOWN, _UNSEEN), _cell("next run", Look.NOT_KNOWN, _UNSEEN), is_counted=True)  # fmt: skip
    gone = Cell(
        "next run",
        Look.HOLD,
        "not deployed",
        "Nothing starts it. Deploy: opsflows deploy.",
        page=_MISSING,
        facts={"at": None},
    )
    return Schedule(name, _cell("last run", Look.NOT_YET, "never ran"), gone, is_counted=True)


def _by_hand(one: DeploymentRuns, now: datetime) -> Schedule:
    coming = (
        _next(one, now)
        if one.next
        else _cell("next run", Look.ASIDE, "when somebody or something starts it", deployment=one.id)
    )
    return Schedule(one.name, _last(one, now), coming, is_counted=False)


def _last(one: DeploymentRuns, now: datetime) -> Cell:
    running = f"; runs now ({one.running.state_name}, since {moment(one.running.at)})" if one.running else ""
    within = _ENDS_WELL_WITHIN.get(one.name)
    due = f"A good end is due every {ago(within)}." if within else ""
    if one.last is None:
        is_silent = within is not None and one.made_at is not None and now - one.made_at > within
        words = f"has not ended yet{running}" if running else "never ran"
        if is_silent:
            return _cell("last run", Look.HOLD, words, due, one.id, page=_MISSING)
        return _cell("last run", Look.NOT_YET, words, deployment=one.id)
    last = one.last
    is_silent = within is not None and now - last.at > within
    usual = _LOOK_OF_ENDED.get((last.state, last.state_name), _LOOK_OF_KIND.get(last.state, Look.NOT_KNOWN))
    words = f"{last.state_name} {ago(now - last.at)} ago{running}"
    more = (due if is_silent else "", "" if usual is Look.GREEN else last.message)
    return Cell(
        "last run", Look.HOLD if is_silent else usual, words, " ".join(part for part in more if part), last.run_id, one.id,
        _FAILED if usual is Look.HOLD else _MISSING if is_silent else "",
        facts={"run": last.name, "state": last.state_name, "type": last.state, "at": iso(last.at)},
    )  # fmt: skip


def _next(one: DeploymentRuns, now: datetime) -> Cell:
    if one.next is not None:
        return _coming(one, one.next, now)
    if one.is_paused or not one.has_schedule:
        off = "paused" if one.is_paused else "its schedule is switched off"
        return _cell("next run", Look.WAITING, off, "Somebody switched it off in Prefect; nothing ticks until it is on again.", one.id, page=_MISSING)  # fmt: skip
    if not one.next_is_known:
        return _cell("next run", Look.NOT_KNOWN, "not among the runs that Prefect listed", deployment=one.id)
    if one.made_at is not None and now - one.made_at < _SCHEDULED_WITHIN:
        return _cell("next run", Look.NOT_YET, "deployed just now; no run is scheduled yet", deployment=one.id)
    more = "Its schedule is on and Prefect made no run for it: the scheduler does not work. opsflows doctor says what is broken."
    return _cell("next run", Look.HOLD, "none is scheduled", more, one.id, page=_MISSING)


def _coming(one: DeploymentRuns, run: SeenRun, now: datetime) -> Cell:
    facts = {"run": run.name, "at": iso(run.at)}
    waits = run.state_name == WAITS_FOR_A_SLOT
    if now - run.at > (WAITS_AFTER if waits else LATE_AFTER):
        words = f"LATE: due {moment(run.at)}, not begun ({run.state_name})"
        more = (
            "It waits for another run of its deployment."
            if waits
            else "No worker takes it: opsflows doctor says what is broken."
        )
        return Cell("next run", Look.HOLD, words, more, run.run_id, one.id, _LATE, facts=facts)
    return Cell("next run", Look.GREEN, moment(run.at), "", run.run_id, one.id, facts=facts)


def _cell(name: str, look: Look, words: str, more: str = "", deployment: str = "", *, page: str = "") -> Cell:
    return Cell(name, look, words, more, deployment=deployment, page=page, facts={"at": None})


def worst_first(found: Iterable[Schedule]) -> list[Schedule]:
    """Return them as they are read: what is wrong first, what is not counted last."""
    order = list(Look)
    return sorted(found, key=lambda one: (not one.is_counted, order.index(one.look)))
