"""What an on-call reads first of one target: the diagnosis, before any table."""

from collections.abc import Collection, Mapping

from domain.kms_checks import Checked, PartOutcome, worst
from domain.kms_history import Change
from domain.kms_standing import PartStanding, Standing


def headline(checked: Checked, changes: Collection[Change], standing: Mapping[str, PartStanding]) -> str:
    """Return what is worst in one paragraph: what is DOWN, then what failed once, then what waits for a second pass.

    `standing` is where every part of the target stands, those among them that were not asked this time.
    """
    down = [one for one in changes if one.now.standing is Standing.DOWN]
    return (
        _of_worst(checked, [one for one in down if one.part.outcome is PartOutcome.FAIL], "is DOWN")
        or _of_not_asked(checked, changes, standing)
        or _of_passing_again(checked, down)
        or _of_worst(
            checked,
            [one for one in changes if one.part.outcome is PartOutcome.FAIL],
            "failed once, which is not DOWN yet",
        )
        or _of_worst(checked, [one for one in changes if one.part.outcome is PartOutcome.WARN], "works, with a warning")
        or f"{checked.target}: {len(changes)} parts passed."
    )


def _of_worst(checked: Checked, changes: Collection[Change], state: str) -> str:
    first = worst(one.part for one in changes)
    if first is None:
        return ""
    others = len(changes) - 1
    more = f" {others} more part{'s' if others > 1 else ''}: see the report." if others else ""
    return f"{checked.target} {first.name} {state}. {first.words}{more}"


def _of_passing_again(checked: Checked, down: Collection[Change]) -> str:
    names = ", ".join(one.part.name for one in down)
    return f"{checked.target}: {names} passed again; UP after two passes in a row." if down else ""


def _of_not_asked(checked: Checked, changes: Collection[Change], standing: Mapping[str, PartStanding]) -> str:
    asked = {one.part.name for one in changes}
    left = [part.name for part in checked.parts if part.name not in asked and part.name in standing]
    names = ", ".join(name for name in left if standing[name].standing is Standing.DOWN)
    return f"{checked.target}: {names} is DOWN still, and was not due this time." if names else ""
