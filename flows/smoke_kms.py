"""Every 30 minutes: whether services really encrypt with their KMS, and whether what was encrypted before still opens."""

from datetime import datetime, timedelta
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import BeforeValidator, Field

from domain.config import Config, EnvironmentKind
from domain.errors import OpsError
from domain.names import KMS_SMOKE
from domain.verdicts import Verdict, World
from ledger.opening import Ledger
from steps.audited_run import AuditedRun
from steps.kms_alerting import put_away_targets_gone
from steps.kms_choosing import EVERY, chosen_targets, not_checked_since
from steps.side_by_side import side_by_side
from tasks.concluding import concluded, refused, together
from tasks.heartbeats import with_heartbeat
from tasks.kms import Looked, check_kms_target, environment_headline, kms_context, worst_judgement
from tasks.kms_again import ASKED_AGAIN, NOT_SCHEDULED, schedule_next
from tasks.parts import expect, part
from tasks.preparing import own_ledger, read_own_config
from tasks.progress import shown_progress
from tasks.run_history import recorded_run, started_by

_NAME = KMS_SMOKE.partition("/")[0]
_WORKERS = 8
_NAMES_SHOWN = 3
_NOTHING_DECLARED = "No [kms.<target>] outside the rehearsal is declared in opsflows.toml."


def _as_list(targets: str | list[str]) -> list[str]:
    """Return the names: earlier releases scheduled runs with one text, which a new deployment leaves as they are."""
    if isinstance(targets, str):
        return [] if targets == EVERY else targets.split(",")
    return targets


def _run_name() -> str:
    """Return e.g. `kms smoke pay, shop prod (scheduled)`; of many targets the first."""
    given = flow_run.parameters
    named, where = _as_list(given.get("targets", [])), given.get("environment", EVERY)
    more = [f"and {len(named) - _NAMES_SHOWN} more"] if len(named) > _NAMES_SHOWN else []
    what = ", ".join([*named[:_NAMES_SHOWN], *more]) or EVERY
    why = "asked again" if given.get("reason") == ASKED_AGAIN else started_by()
    return f"kms smoke {what}{'' if where == EVERY else f' {where}'} ({why})"


@flow(name=_NAME, flow_run_name=_run_name, persist_result=False)
def smoke_kms(
    targets: Annotated[list[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]], BeforeValidator(_as_list)] = [],  # noqa: B006 (Prefect reads the default into the form; nobody changes it)
    environment: Annotated[str, Field(pattern=r"^[a-z0-9]+$")] = EVERY,
    operator: Annotated[str, Field(min_length=1, max_length=100)] = "schedule",
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "scheduled check",
) -> State[None]:
    """Look at every declared service: its health page, its own canary, its keys, golden ciphertexts, versions, drift and age.

    Nothing is changed at a provider. One answer is not a state: a part is DOWN after two failures of three, or at once where it
    cannot be a hiccup; after a first failure the next check comes a minute later by itself.
    When it fails: the state's message is the diagnosis, with what to do next. The artifact `kms-<environment>-<target>` has every
    part, the golden ciphertexts and the service's last log lines; the runbooks are docs/runbooks/kms-*.md.

    Args:
        targets: Names of [kms.NAME] sections. None chosen: every one of the environment.
        environment: An environment of opsflows.toml, or "all" but the rehearsal.
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        reason: Why it is run now, in your words.
    """
    try:
        config = read_own_config()
    except OpsError as error:
        return refused(error)
    # What is expected outside is the check of everything, every half hour.
    names = ",".join(targets) or EVERY
    block = config.heartbeats.kms_smoke if (names, environment) == (EVERY, EVERY) else ""
    return with_heartbeat(_looked_at(config, names, environment, operator, reason), config, block)


def _looked_at(config: Config, targets: str, environment: str, operator: str, reason: str) -> State[None]:
    try:
        chosen = chosen_targets(config, environment, targets)
        states: dict[str, State[None]] = {}
        with shown_progress(), own_ledger() as ledger:
            put_away_targets_gone(ledger, config)
            if not chosen:
                return Completed(message=_NOTHING_DECLARED, name="NothingDue")
            began: datetime = flow_run.scheduled_start_time or ledger.now()
            expect(len(chosen))
            for name, wanted in chosen.items():
                # What one environment lacks is no reason to leave the others unchecked.
                try:
                    with part(name):
                        due = not_checked_since(ledger, name, wanted, began)
                        if due:
                            states[name] = _checked(ledger, config, name, due, operator, reason)
                except OpsError as error:
                    states[name] = refused(error)
    except OpsError as error:
        return refused(error)
    if not states:
        return Completed(message=f"Everything was checked since {began:%H:%M} UTC, by another run.", name="NothingDue")
    return together(states)


def _checked(  # noqa: PLR0917 (what one environment's run works with)
    ledger: Ledger, config: Config, environment: str, names: list[str], operator: str, reason: str
) -> State[None]:
    with recorded_run(
        ledger, flow=_NAME, environment=environment, mode="apply", actor=operator, reason=reason,
        parameters={"targets": names}, why="scheduled" if reason == ASKED_AGAIN else "",
    ) as run:  # fmt: skip
        looked = Looked()
        with kms_context(run, config, environment) as context:

            def check(name: str) -> None:
                with part(name):
                    check_kms_target(run, context, name, looked, return_state=True)

            expect(len(names))
            side_by_side(check, names, _WORKERS)
        return _concluded(run, config, environment, names, looked)


def _concluded(
    run: AuditedRun, config: Config, environment: str, names: list[str], looked: Looked
) -> State[None]:  # fmt: skip
    is_rehearsal = config.environment(environment).kind is EnvironmentKind.REHEARSAL
    found = {name: looked.targets[name] for name in names if name in looked.targets}
    again = {name: one.again_after for name, one in found.items() if one.again_after is not None}
    # Before the run is sealed: who is killed in between has seen to it.
    at = run.ledger.now() + min(again.values(), default=timedelta(0))
    is_seen_to = schedule_next(run.ledger, environment, again, at, run.run_id)
    judgement = worst_judgement(looked, names, World.REHEARSAL if is_rehearsal else World.REAL)
    missed = [] if is_seen_to or judgement.verdict is Verdict.GREEN else [NOT_SCHEDULED]
    run.conclude(judgement, "\n".join([*(one.report for one in found.values()), *missed]))
    return concluded(run, " ".join([environment_headline(looked, names), *missed]))
