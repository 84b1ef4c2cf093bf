"""Runs the day-1 flow in this process and shows it: a line per step, the table, the verdict, what to do next."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from domain.checklist import UNCOUNTED, StepState
from domain.verdicts import Verdict
from entrypoints import show

_COLOURS = {StepState.DONE.value: "green", **{state.value: "yellow" for state in UNCOUNTED}}
_HAND_OVER_SECONDS = 10
_WIDTH = max(len(state.value) for state in StepState)


def quiet_prefect() -> None:
    """Keep Prefect's own log lines off the terminal; the run's log in the server keeps all of them."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL", "INFO")


class Progress(logging.Handler):
    """Prints what the run reports, as it happens; keeps where the run's bundle is."""

    def __init__(self) -> None:
        super().__init__()
        self.bundle: Path | None = None

    def emit(self, record: logging.LogRecord) -> None:
        fields: Mapping[str, object] = getattr(record, "fields", {})
        match getattr(record, "event", ""):
            case "step.done":
                click.echo(_step_line(fields))
            case "run.concluded":
                self.bundle = Path(str(fields["bundle"]))
            case "run.started":
                click.echo(f"Started {fields['deployment']}: run {fields['run']}.")


@contextmanager
def heard_by(listener: logging.Handler) -> Iterator[None]:
    """Let the listener hear what a flow run in this process reports; at the end the server has all of it."""
    log = logging.getLogger("opsflows.progress")
    log.addHandler(listener)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(listener)
        _hand_over()


def run_day_one(parameters: Mapping[str, object]) -> int:
    """Run the flow with these parameters and return the exit code.

    PREFECT_API_URL and, for the rehearsal, the stand-ins must be there.
    """
    quiet_prefect()
    from flows.wire_day_one import wire_day_one  # noqa: PLC0415 (Prefect costs a second, which a wrong option should not)

    listener = Progress()
    with heard_by(listener):
        state = wire_day_one(**parameters, return_state=True)
    if listener.bundle:
        _tell(listener.bundle)
    click.echo(click.style(state.message or state.name, fg="green" if state.is_completed() else "red", bold=True))
    if listener.bundle:
        click.echo(f"Audit bundle: {listener.bundle}")
    return 0 if state.is_completed() else 2 if state.name == "BadInput" else 1


def _hand_over() -> None:
    """Send the server what Prefect still holds back: its last log lines and task states.

    Whoever called us may stop the server at once.
    """
    from prefect.events.worker import EventsWorker  # noqa: PLC0415 (Prefect costs a second, which a wrong option should not)
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415 (as above)

    for messenger in (EventsWorker, APILogWorker):
        messenger.drain_all(timeout=_HAND_OVER_SECONDS)


def _step_line(fields: Mapping[str, object]) -> str:
    state = str(fields["state"])
    line = (
        f"{fields['number']:>2}  {click.style(f'{state:<{_WIDTH}}', fg=_COLOURS.get(state, 'red'))}  {fields['title']}"
    )
    if state == StepState.DONE.value:
        return line
    advice = [f"      {text}" for text in (fields["detail"], fields["next_step"]) if text]
    return "\n".join([line, *advice])


def _tell(bundle: Path) -> None:
    """Print the table of the last probe of each integration, as the bundle holds it; of a plan, the plan."""
    probes = bundle / "probes.json"
    if probes.exists():
        click.echo(f"\n{show.table(json.loads(probes.read_text()))}\n")
    elif json.loads((bundle / "manifest.json").read_text())["verdict"].startswith(Verdict.PLANNED.value):
        show.report((bundle / "report.md").read_text())
