"""What people see in the terminal: a line per probe, a table at the end, the verdict, what to do next."""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import click

from domain.errors import OpsError
from domain.probes import CleanUp, Outcome, ProbeResult
from domain.verdicts import Judgement
from entrypoints.columns import aligned
from steps.reports import probe_documents
from steps.verification import outcomes_by_target

_MARKS = {
    Outcome.PASS: ("PASS", "green"),
    Outcome.NOT_RUN: ("NOT RUN", "yellow"),
    Outcome.NOT_IN_SCOPE: ("NOT IN SCOPE", "yellow"),
}
_HEADS = ("integration", "outcome", "sent", "confirmed", "cleaned up", "ms")


def probe_line(result: ProbeResult) -> str:
    """Return one line for one probe, with what to do below it where it did not pass."""
    word, colour = _MARKS.get(result.outcome, (result.outcome.value, "red"))
    name = str(result.target) if result.probe == "-" else f"{result.target} {result.probe}"
    line = f"{click.style(f'{word:<13}', fg=colour)} {name:<22} {_phases(result)}"
    return line if not result.happened else f"{line}\n{_advice(result.happened, result.means, result.next_step)}"


def table(probes: Iterable[Mapping[str, Any]]) -> str:
    """Return the table per integration (sent, confirmed, cleaned up, milliseconds) of probe documents."""
    by_target: dict[str, list[Mapping[str, Any]]] = {}
    for probe in probes:
        by_target.setdefault(probe["target"], []).append(probe)
    rows = [_row(target, found) for target, found in sorted(by_target.items())]
    return aligned(_HEADS, rows)


def report(markdown: str, *, plain: str = "") -> None:
    """Print a run's report: laid out on a terminal, elsewhere `plain`, or as it is."""
    if not sys.stdout.isatty():
        click.echo(plain or markdown)
        return
    # Imported here, because they cost a tenth of a second, and most commands print no report.
    from markdown_it import MarkdownIt  # noqa: PLC0415 (as above)
    from rich.console import Console  # noqa: PLC0415 (as above)
    from rich.markdown import Markdown  # noqa: PLC0415 (as above)

    laid_out = Markdown("", hyperlinks=False)
    # Its own parser takes <date> for markup, of which it shows nothing.
    laid_out.parsed = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").parse(markdown)
    Console().print(laid_out)


def verdict_line(judgement: Judgement) -> str:
    return click.style(str(judgement), fg="green" if judgement.verdict.value == "GREEN" else "red", bold=True)


def error_lines(error: OpsError) -> str:
    return _advice(error.happened, error.means, error.next_step)


def as_json(
    results: list[ProbeResult], judgement: Judgement, *, source: str, environment: str, run_id: str, bundle: str
) -> str:
    """Return the run for machines. Durations are milliseconds, null where a phase was not reached."""
    document = {
        "verdict": judgement.verdict.value,
        "world": judgement.world.value,
        "environment": environment,
        "credentials": source,
        "run_id": run_id,
        "bundle": bundle,
        "integrations": {str(t): o.value for t, o in outcomes_by_target(results).items()},
        "probes": probe_documents(results),
    }
    return json.dumps(document, indent=2)


def milliseconds(took: timedelta | None) -> int | None:
    return None if took is None else round(took.total_seconds() * 1000)


def _phases(result: ProbeResult) -> str:
    if result.sent is None:
        return "" if result.took is None else f"not sent, {milliseconds(result.took)} ms"
    confirmed = "not confirmed" if result.confirmed is None else f"confirmed {milliseconds(result.confirmed)} ms"
    return f"sent {milliseconds(result.sent)} ms, {confirmed}, {result.clean_up.value}, nonce {result.nonce}"


def _row(target: str, probes: list[Mapping[str, Any]]) -> tuple[str, ...]:
    worst = next((p["outcome"] for p in probes if p["outcome"] != Outcome.PASS.value), Outcome.PASS.value)
    tried = [p for p in probes if p["nonce"]]
    if not tried:
        return (target, worst, "-", "-", "-", "-")
    cleaned = [p["clean_up"] for p in tried if p["clean_up"] != CleanUp.NOTHING_SENT.value]
    took = [p["took_ms"] for p in tried if p["took_ms"] is not None]
    return (
        target, worst, _share(tried, "sent_ms"), _share(tried, "confirmed_ms"),
        " and ".join(dict.fromkeys(cleaned)) or "-", str(max(took)) if took else "-",
    )  # fmt: skip


def _share(probes: list[Mapping[str, Any]], phase: str) -> str:
    reached = sum(p[phase] is not None for p in probes)
    return "yes" if reached == len(probes) else "no" if reached == 0 else f"{reached} of {len(probes)}"


def _advice(happened: str, means: str, next_step: str) -> str:
    return "\n".join(f"              {part}" for part in (happened, means, next_step) if part)
