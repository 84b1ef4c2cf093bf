"""The readable report of a run: verdict first, then what to do, then every step and probe."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from domain.checklist import UNCOUNTED, Step, StepResult, StepState, counts
from domain.errors import OpsError
from domain.probes import CleanUp, Outcome, ProbeResult
from domain.verdicts import Judgement
from steps.verification import by_target, outcomes_by_target
from steps.walk import Walk

_PASSED = frozenset({StepState.DONE, *UNCOUNTED})


def first_line(results: Sequence[StepResult]) -> str:
    """Return what an on-call reads first: the first step that needs someone, and what to do about it."""
    open_steps = [
        result for result in results if result.state not in _PASSED and result.state is not StepState.WAITS_FOR_STEP
    ]
    if not open_steps:
        return counts(results)
    first = open_steps[0]
    return f"step {first.number} {first.state.value}: {first.detail} {first.next_step} ({counts(results)})"


def day1_report(walk: Walk, steps: Iterable[Step], results: Sequence[StepResult], judgement: Judgement) -> str:
    """Return the markdown report of a walk through day 1."""
    rows = [
        f"| {step.number} | {step.title} | {result.state.value} | {_cell(result.detail)} | {_cell(result.next_step)} |"
        for step, result in zip(steps, results, strict=True)
    ]
    return "\n".join(
        [
            f"# Day 1 of {walk.context.environment}: {judgement}",
            "",
            f"{first_line(results)}",
            "",
            f"Mode {walk.mode.text}, by {walk.context.actor} (claimed), opsflows {walk.version}, run {walk.context.run_id}.",
            "",
            "| step | what | state | detail | what to do |",
            "|---|---|---|---|---|",
            *rows,
            "",
            *probe_section(walk.results),
        ]
    )


def plan_report(walk: Walk, rows: Iterable[tuple[Step, str]]) -> str:
    """Return the markdown report of a plan."""
    lines = [f"| {step.number} | {step.title} | {_cell(words)} | {step.proved_by.value} |" for step, words in rows]
    head = f"# Plan for day 1 of {walk.context.environment}, mode {walk.mode.text}"
    return "\n".join(
        [
            head,
            "",
            "Nothing was sent and nothing was changed.",
            "",
            "| step | what | plan | proved by |",
            "|---|---|---|---|",
            *lines,
            "",
        ]
    )


def verification_report(
    environment: str, results: Sequence[ProbeResult], judgement: Judgement, cause: OpsError | None
) -> str:
    """Return the markdown report of a verification."""
    common = [f"{cause.happened} {cause.means} {cause.next_step}", ""] if cause else []
    return "\n".join([f"# Verification of {environment}: {judgement}", "", *common, *probe_section(results)])


def probe_section(results: Iterable[ProbeResult]) -> list[str]:
    """Return the markdown of every probe, and what to do about those that did not pass."""
    results = list(results)
    rows = [
        f"| {r.target} | {r.probe} | {r.outcome.value} | {_ms(r, 'sent')} | {_ms(r, 'confirmed')} | {r.clean_up.value} | {_ms(r, 'took')} | {r.nonce or '-'} |"
        for probes in by_target(results).values()
        for r in probes
    ]
    advice = [
        f"- **{r.target} {r.probe}**: {r.happened} {r.means} {r.next_step}"
        for r in results
        if r.outcome is not Outcome.PASS and r.happened
    ]
    head = [
        "## Probes",
        "",
        "| target | probe | outcome | sent | confirmed | cleaned up | took | nonce |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return [*head, *rows, "", *(["## What to do", "", *advice, ""] if advice else [])]


def probe_documents(results: Iterable[ProbeResult]) -> list[dict[str, object]]:
    """Return every probe for machines. Durations are milliseconds, null where a phase was not reached, never 0."""
    return [
        {
            "target": str(r.target),
            "probe": r.probe,
            "nonce": r.nonce,
            "outcome": r.outcome.value,
            "clean_up": r.clean_up.value,
            "sent_ms": _milliseconds(r.sent),
            "confirmed_ms": _milliseconds(r.confirmed),
            "cleaned_up_ms": _milliseconds(r.cleaned),
            "took_ms": _milliseconds(r.took),
            "attempts": r.attempts,
            "symptom": r.symptom,
            "happened": r.happened,
            "means": r.means,
            "next_step": r.next_step,
        }
        for r in results
    ]


def last_of_each(results: Iterable[ProbeResult]) -> list[ProbeResult]:
    """Return the last whole result of each probe: what was only kept for a person to see is not one."""
    last = {(r.target, r.probe): r for r in results if r.clean_up is not CleanUp.KEPT}
    return list(last.values())


def summary(results: Iterable[ProbeResult]) -> str:
    """Return one sentence: how many of which outcome, by name."""
    outcomes = outcomes_by_target(results)
    failed = [f"{target} {outcome.value}" for target, outcome in outcomes.items() if outcome is not Outcome.PASS]
    passed = sum(outcome is Outcome.PASS for outcome in outcomes.values())
    return f"{passed} of {len(outcomes)} pass" + (f"; {', '.join(failed)}" if failed else "")


def _ms(result: ProbeResult, phase: str) -> str:
    took = getattr(result, phase)
    return "-" if took is None else f"{took.total_seconds() * 1000:.0f} ms"


def _milliseconds(took: timedelta | None) -> int | None:
    return None if took is None else round(took.total_seconds() * 1000)


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ") or "-"
