"""What an on-call reads first of one target: the diagnosis, before any table."""

from collections.abc import Collection

from domain.kms_checks import Checked, PartOutcome, worst
from domain.kms_standing import Standing
from ledger.kms_checks import Change


def headline(checked: Checked, changes: Collection[Change]) -> str:
    """Return what is worst in one paragraph: what is DOWN, then what failed once, then what waits for a second pass."""
    down = [one for one in changes if one.now.standing is Standing.DOWN]
    return (
        _of_worst(checked, [one for one in down if one.part.outcome is PartOutcome.FAIL], "is DOWN")
        or _of_worst(checked, [one for one in changes if one.part.outcome is PartOutcome.FAIL], "failed once; asked again")
        or _of_passing_again(checked, down)
        or _of_worst(checked, [one for one in changes if one.part.outcome is PartOutcome.WARN], "works, with a warning")
        or f"{checked.target}: {len(changes)} parts passed."
    )  # fmt: skip


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
