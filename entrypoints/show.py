"""What people see in the terminal: a line per probe, a table at the end, the verdict, what to do next."""

import json
from collections.abc import Iterable
from datetime import timedelta

import click

from domain.errors import OpsError
from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult
from domain.verdicts import Judgement
from steps.verification import by_target, outcomes_by_target

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


def table(results: Iterable[ProbeResult]) -> str:
    """Return the table per integration: sent, confirmed, cleaned up, milliseconds."""
    rows = [_row(target, probes) for target, probes in by_target(results).items()]
    widths = [max(len(head), *(len(row[at]) for row in rows)) if rows else len(head) for at, head in enumerate(_HEADS)]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_HEADS, *rows)
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


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
        "probes": [
            {
                "target": str(r.target),
                "probe": r.probe,
                "nonce": r.nonce,
                "outcome": r.outcome.value,
                "clean_up": r.clean_up.value,
                "sent_ms": milliseconds(r.sent),
                "confirmed_ms": milliseconds(r.confirmed),
                "cleaned_up_ms": milliseconds(r.cleaned),
                "took_ms": milliseconds(r.took),
                "attempts": r.attempts,
                "symptom": r.symptom,
                "happened": r.happened,
                "means": r.means,
                "next_step": r.next_step,
            }
            for r in results
        ],
    }
    return json.dumps(document, indent=2)


def milliseconds(took: timedelta | None) -> int | None:
    return None if took is None else round(took.total_seconds() * 1000)


def _phases(result: ProbeResult) -> str:
    if result.sent is None:
        return "" if result.took is None else f"not sent, {milliseconds(result.took)} ms"
    confirmed = "not confirmed" if result.confirmed is None else f"confirmed {milliseconds(result.confirmed)} ms"
    return f"sent {milliseconds(result.sent)} ms, {confirmed}, {result.clean_up.value}, nonce {result.nonce}"


def _row(target: Target, probes: list[ProbeResult]) -> tuple[str, ...]:
    outcome = outcomes_by_target(probes)[target]
    sent = sum(r.sent is not None for r in probes)
    confirmed = sum(r.confirmed is not None for r in probes)
    took = [r.took for r in probes if r.took is not None]
    cleaned = (
        " and ".join(dict.fromkeys(r.clean_up.value for r in probes if r.clean_up is not CleanUp.NOTHING_SENT)) or "-"
    )
    counted = len(probes) if any(r.probe != "-" for r in probes) else 0
    if not counted:
        return (str(target), outcome.value, "-", "-", "-", "-")
    return (
        str(target), outcome.value, f"{sent}/{counted}", f"{confirmed}/{counted}", cleaned,
        str(milliseconds(max(took))) if took else "-",
    )  # fmt: skip


def _advice(happened: str, means: str, next_step: str) -> str:
    return "\n".join(f"              {part}" for part in (happened, means, next_step) if part)
