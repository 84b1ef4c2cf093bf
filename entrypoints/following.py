"""Starts runs of a deployment, most often the one that rotates, and follows them: states, what each rotation came to, the table, the verdict.

Imported by a command once its input is checked, since Prefect costs a second.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

import click
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.sorting import LogSort
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.utilities.urls import url_for

from blocks.answering import answering
from domain.errors import BadInput, OutcomeUnknown, Unavailable
from domain.names import ROTATE
from steps.clock import Clock

_LOOK_EVERY_S = 1.0
# A run hands its last log lines over a moment after its last state.
_LINES_ARRIVE_WITHIN_S = 2.0
_PICKED_UP_WITHIN = timedelta(seconds=60)
_TOLD = "rotation."
_LINES_AT_ONCE = 200
_INTERRUPTED = 130
_WAITS_FOR_ANOTHER = "AwaitingConcurrencySlot"
# Which command to use once a run is not followed any more.
_ROTATIONS = "opsflows rotations shows where each rotation stands."


def start_rotation(parameters: Mapping[str, object], deployment: str = ROTATE) -> FlowRun:
    """Start one run of the deployment and return it; nothing waits for it.

    Raises:
        BadInput: the deployment is not there.
        Unavailable, OutcomeUnknown: the Prefect server did not answer.
    """
    with answering(changes=True):
        try:
            started = run_deployment(deployment, parameters=dict(parameters), timeout=0, as_subflow=False)
        except ObjectNotFound:
            raise _not_deployed(deployment) from None
        except PrefectHTTPStatusError as error:
            if error.response.status_code != HTTPStatus.CONFLICT:
                raise
            raise BadInput(
                f"The form of {deployment} does not take this: {_refusal(error.response.content)}",
                "Its choices are those of opsflows.toml when it was deployed last. Nothing was started.",
                "Deploy with opsflows deploy, then try again.",
            ) from None
    if not isinstance(started, FlowRun):
        raise TypeError("a synchronous caller is given the run itself")
    return started


def require_no_more_than(given: Collection[str], deployment: str) -> None:
    """Return where the deployment's form has a default for every field that is not given.

    Raises:
        BadInput: it asks for more, which a person has to choose in the form; or the deployment is not there.
        Unavailable, OutcomeUnknown: the Prefect server did not answer.
    """
    with answering(changes=False), get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            raise _not_deployed(deployment) from None
    asked: list[str] = (found.parameter_openapi_schema or {}).get("required", [])
    if missing := [name for name in asked if name not in given and name not in found.parameters]:
        raise BadInput(
            f"The form of {found.name} asks for {', '.join(missing)}.",
            "A person has to choose that. Nothing was started.",
            f"Fill the form in: {url_for('deployment', found.id)}/run.",
        )


def _not_deployed(deployment: str) -> BadInput:
    return BadInput(
        f"The Prefect server has no deployment {deployment}.",
        "It was not deployed there yet. Nothing was started.",
        "Deploy with opsflows deploy, then try again.",
    )


def _refusal(body: bytes) -> str:
    """Return the server's sentence on what does not fit; it names the field and, where there are some, the choices."""
    try:
        said = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        return "the server does not say what."
    return f"{str(said).rpartition('Failure reason: ')[2].rstrip('.')}."


def start_all(forms: Iterable[Mapping[str, object]], deployment: str = ROTATE) -> list[FlowRun]:
    """Start a run for each form, and say under which name and address."""
    runs = []
    for parameters in forms:
        run = start_rotation(parameters, deployment)
        click.echo(f"Started run {run.name}: {url_for(run) or run.id}")
        runs.append(run)
    return runs


def follow_all(runs: Iterable[FlowRun], clock: Clock | None = None, *, afterwards: str = _ROTATIONS) -> int:
    """Follow one run after the other to its end; return 0 where all went well, 1 where one is on HOLD, 2 where one was bad input.

    Ctrl-C ends the following, not the run. `afterwards` says which command shows what became of a run that is not followed to its end.

    Raises:
        Unavailable: no worker picks a run up.
    """
    codes = [0]
    for run in runs:
        try:
            codes.append(follow(run, clock or Clock(), afterwards))
        except KeyboardInterrupt:
            click.echo(
                f"\nNot followed any more; run {run.name} goes on. It is at {url_for(run) or run.id}; {afterwards}"
            )
            return _INTERRUPTED
    # A HOLD anywhere is a HOLD; bad input alone is bad input.
    return 1 if 1 in codes else max(codes)


def follow(run: FlowRun, clock: Clock, afterwards: str = _ROTATIONS) -> int:
    """Follow one run: print each new state and line, at the end its table and its verdict; return the exit code."""
    with get_client(sync_client=True) as client:
        followed = _Followed(client, run, clock.now(), afterwards)
        state = followed.look()
        while not state.is_final():
            followed.check_picked_up(state, clock.now())
            clock.sleep(_LOOK_EVERY_S)
            state = followed.look()
        clock.sleep(_LINES_ARRIVE_WITHIN_S)
        followed.look()
        for row in followed.table():
            click.echo(_told(row))
    colour = "green" if state.is_completed() else "red"
    click.echo(click.style(state.message or state.name or "", fg=colour, bold=True))
    return 0 if state.is_completed() else 2 if state.name == "BadInput" else 1


@dataclass(slots=True)
class _Followed:
    """One run, and what was printed of it already."""

    client: SyncPrefectClient
    run: FlowRun
    since: datetime
    afterwards: str
    _state: str = ""
    _lines: set[UUID] = field(default_factory=set)

    def look(self) -> State[Any]:
        """Print what is new, and return the state."""
        with _still_going(self.run, self.afterwards):
            state = self.client.read_flow_run(self.run.id).state
            lines = list(self._new_lines())
        for line in lines:
            click.echo(f"  {line}")
        if state is None:
            raise AssertionError("a run that was started has a state")
        if (name := state.name or state.type.value) != self._state:
            self._state = name
            click.echo(f"{self.run.name}: {_in_words(name)}")
        return state

    def check_picked_up(self, state: State[Any], now: datetime) -> None:
        """Raise Unavailable where the run still waits for a worker after a minute; waiting for another run is no such wait."""
        if not state.is_scheduled() or state.name == _WAITS_FOR_ANOTHER:
            self.since = now
        if now - self.since > _PICKED_UP_WITHIN:
            raise Unavailable(
                f"No worker has picked up run {self.run.name} for a minute.",
                "It stays scheduled and begins as soon as a worker of this server is there; nothing was done yet.",
                f"Start one: prefect worker start --pool {self.run.work_pool_name}, or all of it with opsflows up; {self.afterwards}",
            )

    def table(self) -> list[Mapping[str, object]]:
        """Return the rows of the table that the run published."""
        with _still_going(self.run, self.afterwards):
            found = self.client.read_artifacts(
                artifact_filter=ArtifactFilter(
                    flow_run_id=ArtifactFilterFlowRunId(any_=[self.run.id]), type=ArtifactFilterType(any_=["table"])
                )
            )
        rows: list[Mapping[str, object]] = []
        for artifact in found:
            told = json.loads(artifact.data) if isinstance(artifact.data, str) else artifact.data
            rows.extend(told if isinstance(told, list) else [])
        return rows

    def _new_lines(self) -> Iterator[str]:
        chosen = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[self.run.id]))
        offset = 0
        while True:
            # From the first line on: lines of several tasks arrive in another order than they were written in.
            page = self.client.read_logs(chosen, limit=_LINES_AT_ONCE, offset=offset, sort=LogSort.TIMESTAMP_ASC)
            for line in page:
                if line.id not in self._lines and line.message.startswith(_TOLD):
                    yield line.message
                self._lines.add(line.id)
            if len(page) < _LINES_AT_ONCE:
                return
            offset += _LINES_AT_ONCE


@contextmanager
def _still_going(run: FlowRun, afterwards: str) -> Iterator[None]:
    """Say of a server that does not answer that the run goes on without us."""
    try:
        with answering(changes=False):
            yield
    except (Unavailable, OutcomeUnknown):
        raise Unavailable(
            f"The Prefect server does not answer, so run {run.name} cannot be followed.",
            "The run itself may go on; it is in the Prefect UI.",
            f"{afterwards[0].upper()}{afterwards[1:]}",
        ) from None


def _in_words(state: str) -> str:
    return "waits for the run before it; one at a time" if state == _WAITS_FOR_ANOTHER else state


def _told(row: Mapping[str, object]) -> str:
    """Return one row of the table: what it is about, and below it everything that is said of it."""
    (_, subject), *rest = row.items()
    return "\n".join([f"\n{subject}", *(f"    {name}: {value}" for name, value in rest if value not in {"", None})])
