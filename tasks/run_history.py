"""How a run reads in Prefect's run history: its name says what and for whom, its tags what a list can be narrowed to."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from prefect.client.orchestration import SyncPrefectClient
from prefect.context import FlowRunContext
from prefect.runtime import flow_run

from blocks.answering import answering
from domain.errors import OpsError
from ledger.opening import Ledger
from steps.audited_run import AuditedRun, audited_run
from tasks.reporting import event

SCHEDULE = "schedule"
AUTOMATION = "automation"
SCHEDULED = "scheduled"
BY_HAND = "by hand (Prefect UI)"
NOT_GIVEN = "not given"
# What stands in a form where nobody is named.
_NOBODY = frozenset({"", SCHEDULE, AUTOMATION})
# What Prefect's own scheduler puts on a run.
_BY_SCHEDULE = "auto-scheduled"
_MODES = frozenset({"plan", "apply"})
# An audited run that is about several environments, or about none.
_NO_ENVIRONMENT = "-"


def occasion() -> str:
    """Return why there is this run: `scheduled` for one of a schedule's, else `by hand`."""
    return SCHEDULED if _BY_SCHEDULE in flow_run.tags else "by hand"


def named(what: str) -> Callable[[], str]:
    """Return what names a run of a flow that is about no one thing: `sweep (scheduled)`, `sweep (by ana)`."""
    return lambda: f"{what} ({started_by()})"


def started_by() -> str:
    """Return who the form says starts the run (`by ana`); where nobody was named, why there is this run."""
    who = flow_run.parameters.get("operator", SCHEDULE).strip()
    return occasion() if who in _NOBODY else f"by {who}"


def is_by_hand() -> bool:
    """Return whether a person started this run in Prefect's UI.

    A schedule, an automation and opsflows itself give each run an idempotency key, and the UI gives none. What `opsflows` starts
    from a terminal has none either, and always a name.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run is not None and run.deployment_id is not None and not run.idempotency_key


@contextmanager
def recorded_run(
    ledger: Ledger,
    *,
    flow: str,
    environment: str,
    mode: str,
    actor: str,
    reason: str,
    ticket: str = "",
    parameters: Mapping[str, object],
    why: str = "",
    name: str = "",
) -> Iterator[AuditedRun]:
    """Open an audited run that knows its Prefect run, and tag that one: environment:staging, mode:plan, reason:scheduled.

    `why` is the tag's one word where there is more to say than by hand or scheduled; `name` is the Prefect run's, where it is known only now.
    """
    tag_run(environment=environment, mode=mode, reason=why or occasion().replace(" ", "-"), name=name)
    with audited_run(
        ledger, flow=flow, environment=environment, mode=mode, actor=recorded_as(actor), reason=reason_recorded_as(reason), ticket=ticket,
        prefect_run_id=str(flow_run.id or ""), parameters=parameters,
    ) as run:  # fmt: skip
        yield run


def recorded_as(actor: str) -> str:
    """Return the actor, never blank; that it was by hand, where a person named nobody in the form or left the name as it was."""
    given = flow_run.parameters.get("operator")
    is_untouched = given is not None and given.strip() in _NOBODY
    return BY_HAND if is_untouched and is_by_hand() else actor.strip() or occasion()


def reason_recorded_as(reason: str) -> str:
    """Return the reason; that none was given, where a person left the form's own words for it as they were."""
    return NOT_GIVEN if reason and reason == _reason_in_the_form() and is_by_hand() else reason


def _reason_in_the_form() -> object:
    context = FlowRunContext.get()
    return context.flow.parameters.properties.get("reason", {}).get("default") if context and context.flow else None


def tag_run(*, environment: str, mode: str, reason: str, name: str = "") -> None:
    """Add the tags to this process's flow run, and give it another name where there is one: one request, none where nothing is new.

    A run that cannot be tagged goes on: what it does stands in the ledger.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or not isinstance(context.client, SyncPrefectClient):
        return
    has = context.flow_run.tags
    tags = sorted({*has, *tags_of(environment, mode, reason)})
    if tags == sorted(has) and name in {"", context.flow_run.name}:
        return
    try:
        with answering(changes=True):
            context.client.update_flow_run(context.flow_run.id, tags=tags, name=name or None)
    except OpsError as error:
        event("run.not_tagged", kind=type(error).__name__)
        return
    context.flow_run.tags = tags
    context.flow_run.name = name or context.flow_run.name


def tags_of(environment: str, mode: str, reason: str) -> list[str]:
    """Return the tags; of `real_all apply` the mode is apply, and what has no environment has no such tag."""
    last = mode.rpartition(" ")[2]
    return [
        *([] if environment == _NO_ENVIRONMENT else [f"environment:{environment}"]),
        *([f"mode:{last}"] if last in _MODES else []),
        f"reason:{reason}",
    ]
