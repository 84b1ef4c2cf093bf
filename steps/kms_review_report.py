"""The quarterly review in words and as a document for machines: the verdict and what to do first, the numbers below."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta

from domain.kms_faults import FAULTS
from domain.kms_history import Spell
from domain.kms_reviewing import JUDGED_WITHIN, NEAR_POLICY, KeyAge, Review, TargetReview
from domain.verdicts import Judgement
from domain.windows import Window
from steps.kms_status import NOT_JUDGED, judged_words

_SPANS_SHOWN = 20
_NOT_HERE = (
    "Error rates of the applications themselves and the windows of their rules are in Prometheus, not in the ledger: "
    "compare them in the dashboard (deployments/grafana)."
)


def review_report(review: Review, judgement: Judgement) -> str:
    """Return the report: what somebody has to do, what false alarms there were, then each target."""
    lines = [
        f"# {judgement}: KMS review of {review.quarter}, {review.environment}",
        "",
        *(f"- {line}" for line in to_do(review) or ["Nobody has to do anything."]),
        "",
        f"False alarms: {false_alarm_words(review)}",
        "",
        *(line for target in review.targets for line in _of_target(review, target)),
        _NOT_HERE,
    ]
    return "\n".join([*lines, ""])


def to_do(review: Review) -> list[str]:
    """Return what somebody has to do, the most urgent first, with its day."""
    by = f"{review.at + JUDGED_WITHIN:%Y-%m-%d}"
    return [
        *([] if review.targets else [f"{review.environment}: no [kms.<target>] is declared, so nothing was checked."]),
        *(f"{one.target}: no check was made. See that the deployment kms-smoke runs." for one in review.targets if one.is_unseen),
        *(f"{one.target}: {_unknown(one)}" for one in review.targets if one.is_unknown),
        *(f"Spell {one.id} ({_whose(one)}) of an earlier quarter was never judged: opsflows kms judge {one.id} real, or false-alarm." for one in review.late),
        *(f"{name}: {words}" for name, words in _ages(review)),
        *(f"Spell {one.id} ({_whose(one)}): say by {by} what it was: opsflows kms judge {one.id} real, or false-alarm." for one in review.not_judged),
        *(f"{one.target}: {len(one.missing)} spans without a check, {_hours(one.missing)} in all: find out by {by} why." for one in review.targets if one.missing and not one.is_unseen),
    ]  # fmt: skip


def false_alarm_words(review: Review) -> str:
    """Return the rate among the judged spells; where none was judged that is said, and is no rate."""
    false, judged = review.false_alarms
    left = len(review.not_judged)
    if not review.spells:
        return "no part was DOWN, so there was nothing to judge."
    if not judged:
        return f"{NOT_JUDGED} ({left} spells, none of them judged yet)."
    rest = f"; {left} not judged, and not counted" if left else ""
    return f"{false} of {judged} judged spells ({100 * false / judged:.0f} %){rest}."


def review_document(review: Review, judgement: Judgement) -> dict[str, object]:
    """Return the review for machines. The rate of false alarms is null where nothing was judged."""
    false, judged = review.false_alarms
    shown = {one.id for one in review.spells}
    return {
        "verdict": str(judgement),
        "quarter": str(review.quarter),
        "environment": review.environment,
        "at": review.at.isoformat(),
        "to_do": to_do(review),
        "false_alarm_ratio": false / judged if judged else None,
        "judged": {str(number): said.judged.value for number, said in review.judged.items() if number in shown},
        "not_judged": [one.id for one in review.not_judged],
        "not_judged_of_earlier_quarters": [one.id for one in review.late],
        "targets": [_plain(asdict(one)) for one in review.targets],
    }


def _of_target(review: Review, target: TargetReview) -> Iterator[str]:
    yield from (f"## {target.target}", "")
    if target.is_unknown:
        yield from (f"N{_unknown(target)[1:]}", "")
    yield f"{target.made} of {target.due} due checks were made{_missing(target.missing)}."
    yield f"Single failures that made nobody DOWN: {target.kept_from_paging}."
    classes = ", ".join(f"{name} {times}" for name, times in sorted(target.failures.items()))
    yield f"Failing answers by class: {classes or 'none'}."
    yield ""
    yield from _table(
        ("spell", "part", "fault", "from (UTC)", "lasted", "judged"),
        (
            (str(one.id), one.part, _class_of(one), f"{one.began_at:%Y-%m-%d %H:%M}", _lasted(one), judged_words(review.judged.get(one.id)))
            for one in target.spells
        ),
        "No part was DOWN.",
    )  # fmt: skip
    yield from _table(
        ("threshold", "value", "fired at half", "as it is", "at twice"),
        ((one.what, one.at, *(str(times) for times in one.fired)) for one in target.thresholds),
        "",
    )
    yield from _table(
        ("part", "operation", "measured", "p50", "p95", "longest (ms)"),
        (
            (one.part, one.operation, str(one.measured), f"{one.p50:.0f}", f"{one.p95:.0f}", f"{one.longest:.0f}")
            for one in target.latencies
        ),
        "Nothing was measured.",
    )
    yield from _table(
        ("key", "age of the version in use", "policy", "most operations a day", "stated bound", "days above"),
        (
            (age.key, _days(age), f"{age.policy_days:g} days", str(used.most), str(used.bound), str(len(used.days_above)))
            for age, used in zip(target.ages, target.operations, strict=True)
        ),
        "No key is declared.",
    )  # fmt: skip
    for what, at in target.destroyed_at.items():
        yield from (f"{what} is destroyed on {at:%Y-%m-%d %H:%M} UTC; what it encrypted is lost from then on.", "")


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]], none: str) -> list[str]:
    found = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    if not found:
        return [none, ""] if none else []
    return [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *found, ""]


def _unknown(target: TargetReview) -> str:
    if target.known_since is None:
        return "nothing is known of this quarter: no check was ever made. See that the deployment kms-smoke runs."
    return f"nothing is known of this quarter: the first check that is kept was made on {target.known_since:%Y-%m-%d %H:%M} UTC."


def _missing(spans: tuple[Window, ...]) -> str:
    if not spans:
        return ""
    shown = ", ".join(f"{one.start:%Y-%m-%d %H:%M} to {one.end:%Y-%m-%d %H:%M}" for one in spans[:_SPANS_SHOWN])
    rest = len(spans) - _SPANS_SHOWN
    return f"; missing (UTC): {shown}" + (f", and {rest} more spans" if rest > 0 else "")


def _ages(review: Review) -> Iterator[tuple[str, str]]:
    for target in review.targets:
        for age in target.ages:
            name = f"{target.target} key {age.key}"
            if age.is_overdue:
                yield name, f"its version in use is {_days(age)} old, allowed are {age.policy_days:g}. Rotate it now."
            elif age.is_near and age.age_days is not None:
                by = review.at + timedelta(days=age.policy_days - age.age_days)
                yield (
                    name,
                    f"its version in use reaches its policy within {NEAR_POLICY.days} days. Rotate it by {by:%Y-%m-%d}.",
                )


def _days(age: KeyAge) -> str:
    return "not known" if age.age_days is None else f"{age.age_days:.0f} days"


def _hours(spans: Iterable[Window]) -> str:
    return f"{sum(one.span.total_seconds() for one in spans) / 3600:g} h"


def _lasted(spell: Spell) -> str:
    if spell.ended_at is None:
        return "still DOWN"
    return f"{(spell.ended_at - spell.began_at).total_seconds() / 60:.0f} min"


def _class_of(spell: Spell) -> str:
    return f"{spell.fault} ({FAULTS[spell.fault].fault_class})" if spell.fault in FAULTS else spell.fault


def _whose(spell: Spell) -> str:
    return f"{spell.target} {spell.part}, {spell.began_at:%Y-%m-%d %H:%M} UTC"


def _plain(value: object) -> object:
    """Return the value as JSON knows it: moments and days as text."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) or hasattr(value, "isoformat") else value
