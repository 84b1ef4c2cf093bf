"""A probe that would wake someone is sent only to a declared low-urgency target, or when somebody agreed."""

from collections.abc import Iterable

from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult
from steps.context import Context


def who_is_woken(context: Context, targets: Iterable[Target]) -> dict[Target, str]:
    """Return, per target whose probe would wake someone, who that is; the rehearsal wakes nobody."""
    if context.is_rehearsal:
        return {}
    declared = context.declared.low_urgency_targets
    return {
        target: words
        for target in targets
        if (words := context.integrations[target.integration].wakes_people) and str(target) not in declared
    }


def not_agreed(context: Context, targets: Iterable[Target]) -> list[ProbeResult]:
    """Return a NOT AGREED result for every target that would wake someone without anyone's agreement."""
    return [
        ProbeResult(
            target, "-", "", Outcome.NOT_AGREED, CleanUp.NOTHING_SENT, symptom="probe.not_agreed",
            happened=f"The probe of {target} would wake {words}, and nobody agreed to that.",
            means="Nothing was sent.",
            next_step=f"Agree with --may-page {target.integration}; or declare a low-urgency target: "
            f'[environments.{context.environment}.low_urgency_targets] {target} = "..." in opsflows.toml.',
        )
        for target, words in who_is_woken(context, targets).items()
        if str(target) not in context.may_wake and target.integration not in context.may_wake
    ]  # fmt: skip
