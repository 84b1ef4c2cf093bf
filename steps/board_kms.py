"""KMS on the wiring board: a cell per target, and one per part that opsflows.toml names and nobody has seen yet."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from domain.board import Cell, Look, ago
from domain.kms_checks import PartKind
from domain.kms_faults import FAULTS
from domain.kms_past import NEGATIVE_CHECKS_EVERY
from domain.kms_standing import COUNTS_FOR, Standing
from ledger.newest import PartSeen, RunSeen
from steps.board_cells import moment
from steps.kms_alerting import runbook_of

_PAGE = "docs/kms-smoke.md"
_NOT_SEEN = "NOT SEEN"


def kms_cells(
    target: str, named: Collection[str], parts: Sequence[PartSeen], runs: Mapping[str, RunSeen], now: datetime
) -> tuple[Cell, ...]:
    """Return the target's cell, then one for each part of `named` that never answered; where none did, the target's alone says so."""
    answered = {part.part for part in parts if part.at is not None}
    unseen = [name for name in named if name not in answered]
    if not answered:
        facts = {"checked_at": None, "parts": dict.fromkeys(named, _NOT_SEEN)}
        return (Cell(target, Look.NOT_YET, "not checked yet", page=_PAGE, facts=facts),)
    return (_target_cell(target, parts, unseen, runs, now), *(_unseen_cell(target, name) for name in unseen))


def _unseen_cell(target: str, part: str) -> Cell:
    return Cell(
        f"{target} {part}",
        Look.NOT_YET,
        "never seen",
        f"opsflows.toml names it, and no check had an answer of it. opsflows kms check {target} says why.",
        page=_PAGE,
        facts={"standing": _NOT_SEEN},
    )


def _target_cell(
    target: str, parts: Sequence[PartSeen], unseen: Sequence[str], runs: Mapping[str, RunSeen], now: datetime
) -> Cell:
    """Return where a target stands: DOWN is HOLD, one answer against it is waited on, an old answer says nothing of now.

    It is checked since the oldest answer of its parts; what is asked once a day counts for that long.
    """
    answered = {part.part: part.at for part in parts if part.at is not None}
    down = [part for part in parts if part.standing is Standing.DOWN]
    doubted = [part for part in parts if part.standing is Standing.UP and part.at is not None and not part.passed]
    old = [name for name, at in answered.items() if now - at > _counts_for(name)]
    last = min((at for name, at in answered.items() if not _is_daily(name)), default=min(answered.values()))
    facts = {
        "checked_at": last.isoformat(),
        "parts": {part.part: part.standing.value for part in parts} | dict.fromkeys(unseen, _NOT_SEEN),
        "faults": {part.part: part.fault for part in down},
    }
    checked = f"checked {ago(now - last)} ago"
    if down:
        first = down[0]
        run = runs.get(first.run_id)
        row = FAULTS.get(first.fault)
        words = f"DOWN since {moment(first.since)}: {', '.join(part.part for part in down)}; {checked}"
        more = f"{row.means} {row.next_step}" if row else f"Fault {first.fault or 'not recorded'}."
        page = runbook_of(row.id, row.fault_class) if row else "docs/runbooks/kms-canary-down.md"
        return Cell(target, Look.HOLD, words, more, run.prefect_run_id if run else "", page=page, facts=facts)
    if old:
        is_all = len(old) == len(answered)
        words = f"{checked}; it was UP then" if is_all else f"no answer of late, UP before: {', '.join(old)}; {checked}"
        more = (
            "Nothing is known of now: checks do not run."
            if is_all
            else "Nothing is known of them now: checks leave them out."
        )
        return Cell(target, Look.NOT_KNOWN, words, more, page="docs/runbooks/kms-canary-dead-man.md", facts=facts)  # fmt: skip
    if doubted:
        words = f"UP, but its last answer failed: {', '.join(part.part for part in doubted)}; {checked}"
        return Cell(target, Look.WAITING, words, "One answer is not a state; two more are asked for.", page=_PAGE, facts=facts)  # fmt: skip
    if unseen:
        words = f"UP, {len(answered)} of {len(answered) + len(unseen)} parts, {checked}"
        return Cell(target, Look.NOT_YET, words, page=_PAGE, facts=facts)
    return Cell(target, Look.GREEN, f"UP, {len(answered)} parts, {checked}", page=_PAGE, facts=facts)


def _is_daily(part: str) -> bool:
    """Say whether a check asks the part once a day, and else leaves it out (steps/kms_canary.py)."""
    return part.partition("/")[0] == PartKind.NEGATIVE


def _counts_for(part: str) -> timedelta:
    return COUNTS_FOR + NEGATIVE_CHECKS_EVERY if _is_daily(part) else COUNTS_FOR
