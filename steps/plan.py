"""What day 1 would do: nothing is sent and nothing is changed."""

from collections.abc import Iterable

from domain.checklist import Action, Step, StepState, unmet
from steps.agreement import not_agreed, who_is_woken
from steps.walk import Walk
from steps.wiring import left_out

_SENDS = frozenset(
    {Action.REHEARSE, Action.VERIFY_ONE, Action.VERIFY_ALL, Action.SEEN_BY_PERSON, Action.RECOVERY, Action.WEBHOOK_SWAP, Action.CHAIN}
)  # fmt: skip


def planned(walk: Walk, steps: Iterable[Step]) -> list[tuple[Step, str]]:
    """Return, per step, what a run would do with it and who would be woken."""
    return [(step, _words(walk, step)) for step in steps]


def _words(walk: Walk, step: Step) -> str:
    skipped = left_out(walk, step)
    if skipped:
        return f"{skipped.state.value}: {skipped.detail}"
    if walk.states.get(step.number) is StepState.DONE:
        return "done in an earlier run"
    waiting = [number for number in unmet(step, walk.states) if number > step.number]
    if waiting:
        return f"would wait for step {waiting[0]}"
    return f"would prove: {step.proof}{_woken(walk, step)}"


def _woken(walk: Walk, step: Step) -> str:
    if step.action not in _SENDS:
        return ""
    targets = walk.targets_of(step.integration) if step.integration else walk.targets
    refused = {result.target for result in not_agreed(walk.context, targets)}
    notes = [
        f"{target} would wake {words}"
        + ("; nobody agreed yet (may_page), so it would not be sent" if target in refused else ", as agreed")
        for target, words in who_is_woken(walk.context, targets).items()
    ]
    return f". {'. '.join(notes)}" if notes else ""
