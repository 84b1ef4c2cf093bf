"""What people read of rotations: a row each, a report by kind and counts, a plan, a journal."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.errors import OpsError
from domain.names import Credential
from domain.rotation import IN_WORDS, Kind, RotationRecord, State, verdict_of
from domain.verdicts import Judgement, Verdict, World
from ledger.rotation_journal import Entry
from steps.rotation_plan import PlanRow

_FAILED = "FAILED"
# What the run waits for that finds the rotation in another's hands; the rotation itself waits for nothing.
IN_OTHER_HANDS = "IN_OTHER_HANDS"
_HIDDEN = frozenset({"state"})


@dataclass(frozen=True, slots=True)
class Row:
    """One rotation as people read it. `rotation` is empty where none could be opened; `until` where no moment is known."""

    credential: str
    rotation: str
    state: str
    wait: str
    until: str
    words: str
    next_step: str
    verdict: Verdict


def row_of(record: RotationRecord) -> Row:
    until = f"{record.not_before:%Y-%m-%d %H:%M} UTC" if record.is_open and record.wait else ""
    words = record.words or _in_words(record)
    return Row(
        str(record.credential), record.id, record.state.value, record.wait.value, until, words, record.next_step, verdict_of(record)
    )  # fmt: skip


def row_of_stepped(record: RotationRecord) -> Row:
    """Return the row of a rotation that was just stepped. Whoever steps it gives it back; what is in hands now is in another run's."""
    if not record.is_open or record.lease_until is None:
        return row_of(record)
    until = f"{record.lease_until:%Y-%m-%d %H:%M} UTC"
    return Row(
        str(record.credential), record.id, record.state.value, IN_OTHER_HANDS, until,
        f"Run {record.worker} has it in its hands, and this one left it alone.",
        f"Nothing: that run says what comes of it. Where it has died, the sweeper takes it up after {until}.",
        Verdict.WAITING,
    )  # fmt: skip


def _in_words(record: RotationRecord) -> str:
    """Return what its state means; an adoption rotates nothing, and what was waived was not seen."""
    waived = record.facts.get("waived")
    if record.kind is Kind.ADOPTION and record.state is State.DONE:
        return f"adopted: it is {record.old_vendor_id} at the vendor"
    if record.state is State.DONE and isinstance(waived, dict) and waived.get("state") == State.REVOKING.value:
        return f"done; that the old one is refused was not seen, on the word of {waived.get('operator')}"
    return IN_WORDS[record.state]


def row_of_failure(credential: Credential, error: OpsError) -> Row:
    words = f"{error.happened} {error.means}"
    return Row(str(credential), "", _FAILED, "", "", words, error.next_step, Verdict.HOLD)


def judge_rotations(rows: Sequence[Row], world: World) -> Judgement:
    """Return GREEN when all are done, WAITING when only time is waited for, else HOLD."""
    verdicts = {row.verdict for row in rows}
    if not rows or Verdict.HOLD in verdicts:
        return Judgement(Verdict.HOLD, world)
    return Judgement(Verdict.WAITING if Verdict.WAITING in verdicts else Verdict.GREEN, world)


def counted(rows: Iterable[Row]) -> str:
    """Return how many stand where, e.g. `2 DONE, 1 PUBLISHED (OVERLAP)`."""
    found = Counter(f"{row.state} ({row.wait})" if row.wait else row.state for row in rows)
    return ", ".join(f"{number} {name}" for name, number in sorted(found.items()))


def headline(rows: Sequence[Row]) -> str:
    """Return what an on-call reads first: what holds one credential and what to do, or who has it; then how many stand where."""
    held = [row for row in rows if row.verdict is Verdict.HOLD]
    told = held or [row for row in rows if row.wait == IN_OTHER_HANDS]
    if not told:
        return f"{counted(rows)}."
    first = told[0]
    more = f" {len(held) - 1} more hold:" if len(held) > 1 else ""
    said = " ".join(f"{part.rstrip('. ')}." for part in (first.words, first.next_step) if part)
    return f"{first.credential}: {said}{more} {counted(rows)}."


def rotation_report(rows: Sequence[Row], judgement: Judgement) -> str:
    """Return report.md: what needs someone first, then what only waits, then what is done."""
    order = {Verdict.HOLD: 0, Verdict.WAITING: 1, Verdict.GREEN: 2}
    lines = [f"# Rotation: {judgement}", "", counted(rows) or "Nothing was rotated.", ""]
    for row in sorted(rows, key=lambda row: order[row.verdict]):
        lines += [
            f"## {row.credential}",
            "",
            f"- rotation: {row.rotation or 'none was opened'}",
            f"- state: {row.state}{f', {row.wait}' if row.wait else ''}{f', until {row.until}' if row.until else ''}",
            f"- {row.words}",
            *([f"- what to do: {row.next_step}"] if row.next_step else []),
            "",
        ]
    return "\n".join(lines)


def plan_document(rows: Iterable[PlanRow]) -> str:
    """Return plan.md: what would happen to each credential, what was seen, what stands in the way."""
    lines = ["# Plan", "", "Nothing was sent that anybody would notice, and nothing was changed.", ""]
    for row in rows:
        lines += [f"## {row.credential}", "", "What would happen:", ""]
        lines += [f"{number}. {what}" for number, what in enumerate(row.would, start=1)]
        lines += ["", "Seen:", "", *(f"- {what}" for what in row.seen or ("nothing",)), "", "Stands in the way:", ""]
        lines += [*(f"- {what}" for what in row.problems or ("nothing",)), ""]
    return "\n".join(lines)


def journal_lines(entries: Iterable[Entry]) -> list[str]:
    """Return a journal, one line per entry: when, what kind, in which state, and what was said."""
    return [
        f"{entry.seq:>4}  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.kind:<8}  {entry.said.get('state', ''):<12}  "
        + "  ".join(f"{name}={value}" for name, value in entry.said.items() if name not in _HIDDEN)
        for entry in entries
    ]


def rotation_lines(records: Iterable[RotationRecord]) -> list[str]:
    """Return rotations as a list for people: id, credential, state in words, due moment, next action."""
    lines: list[str] = []
    for record in records:
        row = row_of(record)
        lines.append(f"{record.id}  {row.credential}  {row.state}{f' ({row.wait})' if row.wait else ''}")
        lines.append(f"    {row.words}")
        if record.is_open:
            lines.append(f"    due: {record.not_before:%Y-%m-%d %H:%M} UTC" if row.until else "    due: now")
            lines.append(f"    next: {row.next_step or 'nothing: it goes on by itself'}")
        elif record.closed_at is not None:
            lines.append(f"    over since {record.closed_at:%Y-%m-%d %H:%M} UTC")
    return lines
