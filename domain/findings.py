"""What a difference comes to under the rule: within it, above it, or not to be told apart from it."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.proportions import Interval, chance_of, clopper_pearson, fewest_to_certify
from domain.reconciliation import Bounds, Compared, Finding, TargetMonth
from domain.verdicts import Verdict

# Of the day cells that are called breaches at most this share is expected to be called so by chance.
FALSE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Rule:
    """Above `tolerance` (a share, 0.0-1.0) a difference is investigated; `confidence` is that of the interval."""

    tolerance: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding, the interval that it rests on, and why in words."""

    finding: Finding
    interval: Interval | None
    why: str


def judged(compared: Compared, rule: Rule) -> Judged:
    """Return what the residuals come to: loss and excess are judged apart, and the worse one decides."""
    if not compared.expected:
        return _nothing_expected(compared)
    loss = _side(compared.loss_residual, compared.expected, rule, "missing")
    excess = _side(compared.excess_residual, compared.expected, rule, "too many")
    worse = max(loss, excess, key=lambda one: (_WORSE.index(one.finding), one.interval.high if one.interval else 0))
    raw = compared.difference_share or 0.0
    if worse.finding is Finding.OK and raw > rule.tolerance:
        return Judged(
            Finding.EXPLAINED, worse.interval, f"{raw:.2%} differ, and all but {_share(compared)} of it has a reason"
        )
    return worse


def chance_within_rule(compared: Compared, rule: Rule) -> float:
    """Return how likely so large a residual is where the true share is just within the rule."""
    at_least = max(compared.loss_residual.low, min(compared.excess_residual.low, compared.expected))
    return chance_of(at_least, compared.expected, rule.tolerance)


def decided(targets: Iterable[TargetMonth]) -> Verdict:
    """Return the verdict of a month: one breach, one unknown or one undecided integration is HOLD; what waits is WAITING.

    What is waived is never GREEN: it waits for the day on which the waiver ends.
    """
    findings = {target.finding for target in targets}
    if not findings or findings & _HOLDS:
        return Verdict.HOLD
    return Verdict.WAITING if findings & _WAITS else Verdict.GREEN


_WORSE = (Finding.OK, Finding.INCONCLUSIVE, Finding.BREACH)
_HOLDS = frozenset({Finding.BREACH, Finding.NO_DATA, Finding.INCONCLUSIVE})
_WAITS = frozenset({Finding.PROVISIONAL, Finding.WAIVED})


def _nothing_expected(compared: Compared) -> Judged:
    over = compared.excess_residual
    if over.low:
        return Judged(Finding.BREACH, None, f"nothing was expected, and {over} arrived")
    if over.high:
        return Judged(Finding.INCONCLUSIVE, None, f"nothing was expected, and {over} arrived")
    return Judged(Finding.OK, None, "nothing was expected, and nothing arrived without a reason")


def _side(residual: Bounds, expected: int, rule: Rule, what: str) -> Judged:
    interval = clopper_pearson(
        min(residual.low, expected), min(residual.high, expected), expected, rule.confidence
    )  # fmt: skip
    share = f"{residual} of {expected:,} {what} without a reason ({interval.low:.2%} to {interval.high:.2%})"
    if interval.low > rule.tolerance:
        return Judged(Finding.BREACH, interval, f"{share}: above {rule.tolerance:.2%}")
    # What was counted and is all there needs no statistics, however few events there were.
    if not residual.high or interval.high < rule.tolerance:
        return Judged(Finding.OK, interval, share)
    few = fewest_to_certify(rule.tolerance, rule.confidence)
    hint = f"; with fewer than {few} events no share below {rule.tolerance:.2%} can be shown" if expected < few else ""
    return Judged(Finding.INCONCLUSIVE, interval, f"{share}: {rule.tolerance:.2%} lies between{hint}")


def _share(compared: Compared) -> str:
    return f"{compared.residual_share or 0.0:.2%}"
