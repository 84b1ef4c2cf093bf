"""What a run shows in the Prefect UI and in logs: artifacts for people, events with fields for machines."""

import logging
import re
from collections.abc import Iterable

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from domain.checklist import Step, StepResult
from domain.probes import ProbeResult

# The command line listens here for progress; every line also goes to the run's own log.
PROGRESS = logging.getLogger("opsflows.progress")
_NOT_IN_KEYS = re.compile(r"[^a-z0-9-]+")


def event(name: str, **fields: object) -> None:
    """Log an event name and fields, e.g. `step.done number=3`."""
    line = " ".join([name, *(f"{key}={value}" for key, value in fields.items())])
    PROGRESS.info(line, extra={"event": name, "fields": fields})
    try:
        get_run_logger().info(line)
    except MissingContextError:
        return


def show_probes(key: str, results: Iterable[ProbeResult], description: str) -> None:
    """Publish the table of probes: what was sent, confirmed, cleaned up, and how long it took."""
    rows = [
        {
            "integration": str(r.target),
            "probe": r.probe,
            "outcome": r.outcome.value,
            "sent": _ms(r.sent),
            "confirmed": _ms(r.confirmed),
            "cleaned up": r.clean_up.value,
            "took": _ms(r.took),
            "what to do": " ".join(part for part in (r.happened, r.means, r.next_step) if part),
        }
        for r in results
    ]
    create_table_artifact(table=rows, key=key_of(key), description=description)


def show_steps(key: str, rows: Iterable[tuple[Step, StepResult]], description: str) -> None:
    """Publish the checklist: where each step stands and what to do."""
    table = [
        {
            "step": step.number,
            "what": step.title,
            "state": result.state.value,
            "detail": result.detail,
            "what to do": result.next_step,
            "proved by": step.proved_by.value,
        }
        for step, result in rows
    ]
    create_table_artifact(table=table, key=key_of(key), description=description)


def show_plan(key: str, rows: Iterable[tuple[Step, str]]) -> None:
    """Publish what would be done."""
    table = [{"step": s.number, "what": s.title, "plan": words, "proved by": s.proved_by.value} for s, words in rows]
    create_table_artifact(table=table, key=key_of(key), description="Nothing was sent and nothing was changed.")


def show_report(key: str, markdown: str, description: str) -> None:
    create_markdown_artifact(markdown=markdown, key=key_of(key), description=description)


def key_of(text: str) -> str:
    """Return an artifact's key as Prefect takes it."""
    return _NOT_IN_KEYS.sub("-", text.lower()).strip("-")


def _ms(took: object) -> str:
    seconds = getattr(took, "total_seconds", None)
    return f"{seconds() * 1000:.0f} ms" if seconds else "-"
