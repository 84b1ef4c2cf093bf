"""What the Prefect server does by itself when a run ends badly, hangs or does not come: the fast way, and the second channel.

None of it needs a worker of ours or the ledger, but for the one that starts watch-runs. Prefect's automations lose an event now
and then, so the sweeper looks at the same history (steps/watching_runs.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from deployments.catalog import CATALOG, Entry, Tier
from domain.names import KMS_SMOKE, SWEEPER, WATCH_RUNS
from domain.run_bounds import ENDS_WELL_WITHIN

OUR_MARK = "Made by opsflows deploy."
PREFIX = "opsflows: "
_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}
_EVERY_EVENT = "prefect.flow-run.*"
_STATE = "prefect.state-type"
_FAILED = ["FAILED", "CRASHED"]
_DEPLOYMENT = "related:deployment:prefect.resource.id"
# Not the wildcard: Submitting and InfrastructurePending come after Pending too, and would disarm it.
_NOT_PENDING = {
    f"prefect.flow-run.{name}"
    for name in (
        "Running",
        "Completed",
        "Failed",
        "Crashed",
        "Cancelled",
        "Cancelling",
        "AwaitingConcurrencySlot",
        "AwaitingRetry",
    )
}
_BEGUN = _NOT_PENDING | {"prefect.flow-run.Pending"}
# Their runs are minutes apart: that one is late is no news, that none has ended for so long is.
_WATCHED_BY_THEIR_ENDS = (SWEEPER, KMS_SMOKE)


@dataclass(frozen=True, slots=True)
class Windows:
    """How long the server waits before it acts. Tests give shorter ones."""

    pending: timedelta = timedelta(minutes=10)
    silent: timedelta = timedelta(seconds=540)
    not_started: timedelta = timedelta(minutes=30)
    # Of several failures within it one starts watch-runs; the sweeper sees what came after.
    looked_again: timedelta = timedelta(minutes=1)
    # Once on entering the state and daily from then on, as near as a server without memory comes to it.
    told_again: timedelta = timedelta(days=1)
    ends: Mapping[str, timedelta] = field(default_factory=lambda: ENDS_WELL_WITHIN)


@dataclass(frozen=True, slots=True)
class Server:
    """What the server holds that automations name: deployments by full name, and the block of each tier that has one."""

    deployments: Mapping[str, UUID]
    blocks: Mapping[Tier, UUID]


def wanted(server: Server, windows: Windows) -> list[AutomationCore]:
    """Return the automations as they are to be."""
    return [
        _stuck_pending(server, windows),
        _silent(server, windows),
        _failed(server, windows),
        *(one for tier in server.blocks for one in _second_channel(server, windows, tier)),
        *(_dead_man(server, windows, _entry(name)) for name in _WATCHED_BY_THEIR_ENDS),
    ]


def _stuck_pending(server: Server, windows: Windows) -> AutomationCore:
    return _automation(
        "stuck pending",
        "A run that was taken and never began holds its place for ever: it is counted as crashed, and told as such.",
        _trigger(
            server.deployments.values(), windows.pending, after={"prefect.flow-run.Pending"}, expect=_NOT_PENDING,
            for_each="prefect.resource.id",
        ),
        _crash(f"Taken by a worker {_words(windows.pending)} ago and never begun: the worker died, or cannot start processes."),
    )  # fmt: skip


def _silent(server: Server, windows: Windows) -> AutomationCore:
    return _automation(
        "lost heartbeat",
        "A run that gives no sign of life for three heartbeats is counted as crashed, and told as such. Its process is not killed: leases fence it.",
        _trigger(
            server.deployments.values(), windows.silent, after={"prefect.flow-run.heartbeat"}, expect={_EVERY_EVENT},
            for_each="prefect.resource.id",
        ),
        _crash(f"No sign of life for {_words(windows.silent)}: its process was killed, or its machine went away."),
    )  # fmt: skip


def _failed(server: Server, windows: Windows) -> AutomationCore:
    # Not watch-runs itself: one that fails would start the next, for ever.
    ids = [one for name, one in server.deployments.items() if name != WATCH_RUNS]
    return _automation(
        "run failed",
        "A run that failed, crashed, timed out or holds is looked at by watch-runs, which alerts through opsflows' own targets.",
        _trigger(ids, windows.looked_again, states=_FAILED),
        *_watch(server),
    )


def _second_channel(server: Server, windows: Windows, tier: Tier) -> Iterator[AutomationCore]:
    told = [entry.full_name for entry in CATALOG if entry.tier is tier]
    ids = [server.deployments[name] for name in told if name in server.deployments]
    yield _automation(
        f"tell, {tier}",
        f"The second channel ({tier}): the server itself tells of each deployment whose run ended badly, once a day at most.",
        _trigger(ids, windows.told_again, states=_FAILED, for_each=_DEPLOYMENT),
        _notice(
            server, tier, "opsflows: {{ deployment.name }} {{ flow_run.state.name }}",
            "Run {{ flow_run.name }}: {{ flow_run.state.message }}\n{{ flow_run|ui_url }}\n"
            "docs/runbooks/run-failed.md. Told again tomorrow if it still fails.",
        ),
    )  # fmt: skip
    late = [
        server.deployments[name] for name in told if name in server.deployments and name not in _WATCHED_BY_THEIR_ENDS
    ]
    if late:
        yield _automation(
            f"did not start, {tier}",
            f"The second channel ({tier}): a run that is late and does not begin: no worker takes it.",
            _trigger(late, windows.not_started, after={"prefect.flow-run.Late"}, expect=_BEGUN, for_each=_DEPLOYMENT),
            _notice(
                server, tier, "opsflows: {{ deployment.name }} did not start",
                "Run {{ flow_run.name }} is late, and no run of its deployment has begun since. {{ flow_run|ui_url }}\n"
                "docs/runbooks/run-late.md",
            ),
        )  # fmt: skip


def _dead_man(server: Server, windows: Windows, entry: Entry) -> AutomationCore:
    within, name = windows.ends[entry.full_name], entry.name
    ids = [server.deployments[entry.full_name]] if entry.full_name in server.deployments else []
    told = (
        [
            _notice(
                server, entry.tier, f"opsflows: {name} does not run",
                f"No run of {name} has ended for {_words(within)}. Its schedule is off, or server, worker or pool do not work.\n"
                "docs/runbooks/run-missing.md",
            )
        ]
        if entry.tier in server.blocks
        else []
    )  # fmt: skip
    return _automation(
        f"no end of {name}",
        f"A dead-man's switch: no run of {name} has ended for {_words(within)}. Told once, and again after one has ended.",
        # Any end: one that ended badly is told as that.
        _trigger(ids, within, after={_EVERY_EVENT}, expect={_EVERY_EVENT}, states=["COMPLETED", *_FAILED], for_each=_DEPLOYMENT),
        *_watch(server),
        *told,
    )  # fmt: skip


def _automation(name: str, says: str, trigger: EventTrigger, *actions: ActionTypes) -> AutomationCore:
    return AutomationCore(
        name=f"{PREFIX}{name}", description=f"{says} {OUR_MARK}", enabled=True, trigger=trigger, actions=[*actions]
    )


def _trigger(
    deployments: Iterable[UUID], within: timedelta, *, after: Iterable[str] = (), expect: Iterable[str] = (_EVERY_EVENT,),
    states: Sequence[str] = (), for_each: str = "",
) -> EventTrigger:  # fmt: skip
    """Return a trigger on runs of these deployments; with `after` it waits for what does not come."""
    # With no deployment there it must match none: an empty list would match every one.
    ids = sorted(f"prefect.deployment.{one}" for one in deployments) or ["prefect.deployment.none"]
    return EventTrigger(
        match=ResourceSpecification(_RUNS | ({_STATE: [*states]} if states else {})),
        match_related=ResourceSpecification({"prefect.resource.role": "deployment", "prefect.resource.id": ids}),
        after=set(after),
        expect=set(expect),
        for_each={for_each} if for_each else set(),
        posture=Posture.Proactive if after else Posture.Reactive,
        threshold=1,
        within=within,
    )


def _crash(message: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(state=StateType.CRASHED, message=f"{message} See docs/runbooks/run-abandoned.md.")


def _watch(server: Server) -> list[ActionTypes]:
    """Return the action that starts watch-runs, none while it is not deployed."""
    deployment = server.deployments.get(WATCH_RUNS)
    return [RunDeployment(deployment_id=deployment)] if deployment else []


def _notice(server: Server, tier: Tier, subject: str, body: str) -> SendNotification:
    return SendNotification(block_document_id=server.blocks[tier], subject=subject, body=body)


def _entry(name: str) -> Entry:
    return next(entry for entry in CATALOG if entry.full_name == name)


def _words(within: timedelta) -> str:
    minutes, seconds = divmod(int(within.total_seconds()), 60)
    return f"{minutes} minutes" if not seconds else f"{int(within.total_seconds())} seconds"
