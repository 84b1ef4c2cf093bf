"""What a check comes to: its verdict, and whether it is asked again before its schedule."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from domain.kms_checks import Checked, PartOutcome
from domain.kms_history import Change
from domain.kms_standing import ASKED_AGAIN_AFTER, PartStanding, Standing
from domain.verdicts import Judgement, Verdict, World


def next_check_after(changes: Iterable[Change]) -> timedelta | None:
    """Return after what time the target is asked again, None where its schedule is soon enough."""
    return ASKED_AGAIN_AFTER if any(change.now.still_due > 0 for change in changes) else None


def judge_check(
    checked: Checked, changes: Sequence[Change], world: World, known: Mapping[str, PartStanding]
) -> Judgement:
    """Return HOLD where a part is DOWN or cannot wait, WAITING where one failed and is asked again, else GREEN.

    A part that is DOWN and was not run this time is DOWN still: `known` says where each stands. A warning is shown and holds nothing
    up. Where nothing was run, nothing is known, and that is HOLD.
    """
    ran = [part for part in checked.parts if part.outcome is not PartOutcome.NOT_RUN]
    named = {part.name for part in checked.parts}
    down = any(change.now.standing is Standing.DOWN for change in changes)
    still = any(one.standing is Standing.DOWN for name, one in known.items() if name in named)
    at_once = any(part.row is not None and part.row.at_once for part in checked.failed)
    if not ran or down or still or at_once:
        return Judgement(Verdict.HOLD, world)
    return Judgement(Verdict.WAITING if checked.failed else Verdict.GREEN, world)
