"""What Prefect's run history says is wrong: what ended badly, did not start, does not end, did not end well for too long.

Of each deployment, and of each environment, credential, rotation or scope that its runs name, the newest run that has ended
decides; a plan, which does nothing, decides nothing about what was done. A cancelled run says nothing: somebody, or a
deployment's own limit, decided that it was not needed.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.names import (
    CHECK_YESTERDAY,
    CONFIRM_STEP,
    CREDENTIAL_AGES,
    DAY1_WIRING,
    DECIDE,
    KMS_SMOKE,
    RECONCILE,
    RESPOND,
    ROTATE,
    ROTATE_DUE,
    STEP_ROTATION,
    SWEEPER,
    VERIFY_DUE,
    WATCH_RUNS,
)
from domain.run_bounds import ENDS_WELL_WITHIN, TAKES_AT_MOST
from domain.seen_runs import PLAN, Ended, SeenDeployment, SeenRun

# A run starts within half a minute where a worker is there and has nothing else to do.
LATE_AFTER = timedelta(minutes=15)
# One that waits for another run of its deployment: longer than any run of ours takes.
WAITS_AFTER = timedelta(hours=2)
WAITS_FOR_A_SLOT = "AwaitingConcurrencySlot"

# What looks at the same things again: its good end says as much as one of their own.
_DONE_TOO_BY: Mapping[str, str] = {WATCH_RUNS: SWEEPER}
# Started from a form by somebody who reads at once what was wrong with it; nothing was done.
_ASKED_IN_A_FORM = frozenset({DAY1_WIRING, CONFIRM_STEP, ROTATE, RESPOND, DECIDE})
# The keys under which a flow's own rules raise alerts of what it holds for.
_OWN_ALERTS: Mapping[str, tuple[str, ...]] = {
    VERIFY_DUE: ("verify:",),
    KMS_SMOKE: ("kms:",),
    CREDENTIAL_AGES: ("age:",),
    RECONCILE: ("reconciliation:",),
    CHECK_YESTERDAY: ("reconciliation:",),
    ROTATE: ("rotation:",),
    ROTATE_DUE: ("rotation:",),
    STEP_ROTATION: ("rotation:",),
}
_BAD_INPUT = "BadInput"
# How every key of these alerts begins.
ALL_KEYS = "deployment:"


class Kind(StrEnum):
    """What may be wrong with a deployment's runs."""

    ENDED = "ended"
    LATE = "late"
    SILENT = "silent"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that someone must know. `key` is the same for as long as it lasts."""

    key: str
    kind: Kind
    deployment: str
    environment: str
    is_paged: bool
    title: str
    text: str
    run: SeenRun | None = None


def troubles(
    deployments: Iterable[SeenDeployment], ended_well: Mapping[str, datetime | None], now: datetime
) -> Iterator[Trouble]:
    """Yield what is wrong now. `ended_well` is when each deployment ended well last, as the ledger remembers it."""
    for one in deployments:
        done_too_at = ended_well.get(_DONE_TOO_BY.get(one.name, ""))
        standing = [run for run in ended_badly(one.ended) if done_too_at is None or run.at > done_too_at]
        bad = [_ended_badly(one, run) for run in standing]
        long = [_long(one, run, now) for run in one.going_on if _is_long(run, now) and not run.is_rehearsal]
        late = [_late(one, run, now) for run in one.waiting if _is_late(run, now) and not run.is_rehearsal]
        yield from bad
        # One message per fact: what waits behind a run that does not end is not said to be late, and what is said to fail,
        # to be late or not to end is not said to be silent too.
        yield from (long or late)[:1]
        last = ended_well.get(one.name) or one.ended_well_at
        if not bad and not late and not long and _is_silent(one, last, now):
            yield _silent(one, last)


def seen_to_be_over(deployments: Iterable[SeenDeployment], wrong: Collection[str]) -> set[str]:
    """Return the keys of alerts that what was seen contradicts; `wrong` are the keys of what is wrong now.

    That a run ended badly is over when later ones about the same ended well; a run too old to be seen contradicts nothing.
    """
    keys = {
        key
        for one in deployments
        for key in (
            key_of(Kind.LATE, one.name),
            key_of(Kind.SILENT, one.name),
            key_of(Kind.LONG, one.name),
            *(_key_of_end(run) for run in _counted(one.ended)),
        )
    }
    return keys - set(wrong)


def ended_badly(ended: Iterable[SeenRun]) -> list[SeenRun]:
    """Return the runs that ended badly and that nothing newer replaces, newest first.

    A run is replaced by newer ones that together were about all that it was about, however they ended. A plan replaces plans
    only, and a plan that failed is over with any good end of the deployment: nothing was left half done.
    """
    found: list[SeenRun] = []
    done: set[str] = set()
    planned: set[str] = set()
    is_well_since = False
    for run in sorted(_counted(ended), key=lambda run: run.at, reverse=True):
        newer = done | planned if run.is_plan else done
        is_over = run.parts <= newer or (run.is_plan and is_well_since)
        if run.state == Ended.WELL:
            is_well_since = True
        elif not is_over:
            found.append(run)
        (planned if run.is_plan else done).update(run.parts)
    return found


def told_by_itself(trouble: Trouble, held: Mapping[str, Collection[str]]) -> bool:
    """Say whether the flow's own rule has told the same fact, so that it is not told twice, nor again once it was mended.

    It has where the run was judged and held (`held`: the environments of its records in the ledger that say HOLD), and in each
    of these environments the keys of alerts since then, open or cleared, have one of the flow's own kind. A crash, a bad input,
    or a hold that no rule of its own speaks of is told by nobody else.
    """
    run, own = trouble.run, _OWN_ALERTS.get(trouble.deployment, ())
    if run is None or run.state != Ended.FAILED or run.state_name == _BAD_INPUT or not held or not own:
        return False
    return all(any(key.startswith(own) for key in keys) for keys in held.values())


def key_of(kind: Kind, deployment: str, subject: str = "") -> str:
    """Return the alert's key, e.g. `deployment:sweeper:ended` or `deployment:rotate-credentials:ended:prod`."""
    return ":".join(part for part in ("deployment", deployment.partition("/")[2], kind.value, subject) if part)


def _counted(ended: Iterable[SeenRun]) -> list[SeenRun]:
    """Return the ended runs, none of the rehearsal's and none that was refused while it was filled in."""
    return [
        run
        for run in ended
        if not run.is_rehearsal and not (run.deployment in _ASKED_IN_A_FORM and run.state_name == _BAD_INPUT)
    ]


def _key_of_end(run: SeenRun) -> str:
    return key_of(Kind.ENDED, run.deployment, f"{run.subject} ({PLAN})".strip() if run.is_plan else run.subject)


def _is_long(run: SeenRun, now: datetime) -> bool:
    within = TAKES_AT_MOST.get(run.deployment)
    return within is not None and now - run.at > within


def _is_late(run: SeenRun, now: datetime) -> bool:
    return now - run.at > (WAITS_AFTER if run.state_name == WAITS_FOR_A_SLOT else LATE_AFTER)


def _is_silent(one: SeenDeployment, last: datetime | None, now: datetime) -> bool:
    within = ENDS_WELL_WITHIN.get(one.name)
    return within is not None and now - (last or one.made_at) > within


def _ended_badly(one: SeenDeployment, run: SeenRun) -> Trouble:
    how = "crashed" if run.state == Ended.CRASHED else f"ended {run.state_name}"
    about = f" of {run.subject}" if run.subject else ""
    if run.is_plan:
        about += " (plan)"
    return Trouble(
        _key_of_end(run), Kind.ENDED, one.name, run.environment, one.is_paged and not run.is_plan,
        f"{one.name.partition('/')[2]}{about} {how}",
        f"Run {run.name} at {run.at:%Y-%m-%d %H:%M} UTC: {run.message or 'Prefect knows no more.'}"
        f" Told again every day until the sweeper has seen a run of it end well. Prefect knows the run as {run.run_id}.",
        run,
    )  # fmt: skip


def _late(one: SeenDeployment, run: SeenRun, now: datetime) -> Trouble:
    minutes = int((now - run.at).total_seconds() // 60)
    why = (
        "It waits for another run of the same deployment to end."
        if run.state_name == WAITS_FOR_A_SLOT
        else "No worker of its pool takes it: none runs, or each has its hands full."
    )
    return Trouble(
        key_of(Kind.LATE, one.name), Kind.LATE, one.name, run.environment, one.is_paged,
        f"{one.name.partition('/')[2]} did not start",
        f"Run {run.name} was to start {minutes} minutes ago and is {run.state_name}. {why}"
        " See the pool's workers in Prefect, and the runs that stand before it.",
        run,
    )  # fmt: skip


def _long(one: SeenDeployment, run: SeenRun, now: datetime) -> Trouble:
    return Trouble(
        key_of(Kind.LONG, one.name), Kind.LONG, one.name, run.environment, one.is_paged,
        f"{one.name.partition('/')[2]} does not end",
        f"Run {run.name} is {run.state_name} for {_words(now - run.at)}, and one takes {_words(TAKES_AT_MOST[one.name])} at most."
        " It may hang, and it holds the place of the next. See what its log says last in Prefect; where nothing moves, cancel it:"
        " the next run goes on from the ledger.",
        run,
    )  # fmt: skip


def _silent(one: SeenDeployment, last: datetime | None) -> Trouble:
    since = f"ended well last at {last:%Y-%m-%d %H:%M} UTC" if last else "never ended well"
    off = " The deployment is paused or its schedule is switched off." if one.is_off else ""
    return Trouble(
        key_of(Kind.SILENT, one.name), Kind.SILENT, one.name, "", one.is_paged,
        f"{one.name.partition('/')[2]} does not run",
        f"It {since}, and a good end is due every {_words(ENDS_WELL_WITHIN[one.name])}.{off}"
        " See its runs and schedule in Prefect; start it by hand and see whether it ends.",
    )  # fmt: skip


def _words(within: timedelta) -> str:
    minutes = int(within.total_seconds() // 60)
    for size, word in ((1440, "days"), (60, "hours")):
        if minutes >= 2 * size:
            return f"{minutes // size} {word}"
    return f"{minutes} minutes"
