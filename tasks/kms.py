"""Smoke checks as rows of a run: one task per service; what was seen is kept, told and shown before the task ends."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.secrets import load_secret
from blocks.store import values_with_manage
from domain.config import Config
from domain.errors import BadInput, OpsError
from domain.kms_checks import Checked, PartKind, faulty
from domain.kms_history import Change
from domain.kms_judging import judge_check, next_check_after
from domain.kms_sections import KmsTarget
from domain.names import Target
from domain.verdicts import EXIT_CODE, Judgement, Verdict, World
from ledger.kms_checks import record_check, standings
from steps.audited_run import AuditedRun
from steps.context import Context
from steps.kms_alerting import tell
from steps.kms_checking import check_target
from steps.kms_headline import headline
from steps.kms_log_lines import shown_lines
from steps.kms_planned import planned_versions
from steps.kms_report import kms_report
from tasks.log_lines import log_lines
from tasks.rehearsing import reading_context
from tasks.reporting import event, show_report

_TAGS = ["opsflows", "kms"]
# The stand-in of the service that encrypts, and what it calls the token of its canary.
_BACKEND, _BACKEND_TOKEN = Target("backend"), "BACKEND_TOKEN"


@dataclass(frozen=True, slots=True)
class TargetChecked:
    """What one target's check came to. `again_after` is None where the next scheduled check is soon enough."""

    judgement: Judgement
    headline: str
    report: str
    again_after: timedelta | None


class Looked:
    """What the tasks of one run have found so far, by target.

    No dataclass: Prefect walks through those that a task is given, and this one grows meanwhile in other threads.
    """

    def __init__(self) -> None:
        self.targets: dict[str, TargetChecked] = {}
        # Of a target whose check something of ours ended, the ledger for one: what that was.
        self.broke_off: dict[str, str] = {}


@contextmanager
def kms_context(run: AuditedRun, config: Config, environment: str) -> Iterator[Context]:
    """Give the context in which keys are used: with the manage key too, which is whom a key of Google's is opened by."""
    named = {
        Target.parse(key.credentials)
        for target in config.kms.values()
        for key in target.keys.values()
        if key.credentials and target.environment == environment
    }
    with reading_context(run, config, environment) as context:
        if context.is_rehearsal:
            yield context
            return
        kept = {one: values_with_manage(context.integrations[one.integration], one, environment) for one in named}

        def credentials(target: Target) -> Mapping[str, str] | None:
            return kept[target] if target in kept else context.credentials(target)

        yield replace(context, credentials=credentials)


@task(task_run_name="check {name}", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def check_kms_target(run: AuditedRun, context: Context, name: str, looked: Looked) -> State[None]:
    """Look at every part of one target, keep the answers, tell whoever has to know, and add what came of it to `looked`."""
    try:
        return _looked_at(run, context, name, looked)
    except OpsError as error:
        looked.broke_off[name] = str(error)
        raise


def _looked_at(run: AuditedRun, context: Context, name: str, looked: Looked) -> State[None]:
    section = context.config.kms[name]
    token, complaint = _token(context, section)
    planned = planned_versions(context, section)
    checked = check_target(context, name, section, token=token, planned=planned)
    if complaint:
        checked = _without_token(checked, complaint)
    changes = record_check(context.ledger, context.run_id, checked)
    # Told first: whatever the log command does, somebody knows.
    told = tell(context, checked, changes, str(run.bundle.folder))
    lines = _log_lines(context, name, token) if checked.failed and section.log_command else ()
    standing = standings(context.ledger, context.environment, name)
    judgement = judge_check(checked, changes, World.REHEARSAL if context.is_rehearsal else World.REAL, standing)
    found = TargetChecked(
        judgement,
        headline(checked, changes, standing),
        _report(context, checked, changes, judgement, lines, told),
        next_check_after(changes),
    )
    looked.targets[name] = found
    _show(checked, changes, found)
    event("kms.checked", target=name, verdict=judgement, operations=checked.operations)
    message = f"{judgement}: {found.headline}"
    return Failed(message=message, name="Hold") if EXIT_CODE[judgement.verdict] else Completed(message=message)


def _token(context: Context, section: KmsTarget) -> tuple[str, str]:
    """Return the token of the application's canary, and what is wrong where there is none to be had."""
    if section.application is None or not section.application.token:
        return "", ""
    if context.is_rehearsal:
        return (context.credentials(_BACKEND) or {}).get(_BACKEND_TOKEN, ""), ""
    try:
        return load_secret(section.application.token), ""
    except BadInput as error:
        return "", f"{error.happened} {error.next_step}"


def _without_token(checked: Checked, complaint: str) -> Checked:
    """Return the check with the application's part told as what it is: not refused by the application, but not asked rightly."""
    asked_for_nothing = faulty(PartKind.APPLICATION.value, "kms.config", complaint.rstrip("."))
    return replace(
        checked,
        parts=tuple(asked_for_nothing if part.name == PartKind.APPLICATION.value else part for part in checked.parts),
    )


def _log_lines(context: Context, name: str, token: str) -> tuple[str, ...]:
    section = context.config.kms[name]
    secrets = [token, *_secrets(context, section)]
    state = log_lines(name, section.log_command, lambda lines: shown_lines(lines, secrets), return_state=True)
    lines: tuple[str, ...] | None = state.result() if state.is_completed() else None
    return lines or ("The log command could not be run; the log of its task says why.",)


def _secrets(context: Context, section: KmsTarget) -> list[str]:
    named = {Target.parse(key.credentials) for key in section.keys.values() if key.credentials}
    values = [(target, context.credentials(target) or {}) for target in named]
    return [
        value[row.name]
        for target, value in values
        for row in context.integrations[target.integration].variables
        if row.secret and row.name in value
    ]


def _report(  # noqa: PLR0917 (what one report tells of)
    context: Context,
    checked: Checked,
    changes: list[Change],
    judgement: Judgement,
    lines: tuple[str, ...],
    told: list[str],
) -> str:
    report = kms_report(context.ledger, checked, changes, judgement, log_lines=lines)
    return "\n".join([report.rstrip(), "", "## Who was told", "", *(f"- {sentence}" for sentence in told or ["Nobody; nothing changed."]), ""])  # fmt: skip


def _show(checked: Checked, changes: list[Change], found: TargetChecked) -> None:
    key = f"kms-{checked.environment}-{checked.target}"
    standing = {one.part.name: one.now for one in changes}
    rows = [
        {
            "part": part.name,
            "answer": part.outcome.value,
            "standing": f"{standing[part.name].standing} since {standing[part.name].since:%Y-%m-%d %H:%M} UTC"
            if part.name in standing
            else "not asked this time",
            "what was seen": part.happened,
            "what to do": part.row.next_step if part.row else "",
        }
        for part in checked.parts
    ]
    create_table_artifact(table=rows, key=f"{key}-parts".replace("_", "-"), description=found.headline)
    # Last, because Prefect lists the newest artifact first.
    show_report(key, found.report, str(found.judgement))


def worst_judgement(looked: Looked, names: list[str], world: World) -> Judgement:
    """Return HOLD where a target is on HOLD or nobody finished looking at it, WAITING where one waits, else GREEN."""
    verdicts = [looked.targets[name].judgement.verdict if name in looked.targets else Verdict.HOLD for name in names]
    order = (Verdict.HOLD, Verdict.WAITING, Verdict.GREEN)
    return Judgement(min(verdicts, key=order.index, default=Verdict.HOLD), world)


def environment_headline(looked: Looked, names: list[str]) -> str:
    """Return each target's diagnosis, the worst one first; a target that nobody finished looking at is named as such."""
    order = (Verdict.HOLD, Verdict.WAITING, Verdict.GREEN)
    found = sorted(
        (looked.targets[name] for name in names if name in looked.targets),
        key=lambda one: order.index(one.judgement.verdict),
    )
    reasons: dict[str, list[str]] = {}
    for name in names:
        if name not in looked.targets:
            reasons.setdefault(looked.broke_off.get(name, "The log of its task says why."), []).append(name)
    # What broke off all of them, a database that is away, is told once.
    broke_off = [f"{', '.join(those)}: the check broke off. {reason}" for reason, those in reasons.items()]
    return " ".join([*broke_off, *(one.headline for one in found)])
