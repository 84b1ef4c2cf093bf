"""What the journals of a case say of each exposed value: when it was switched off, replaced, seen to be refused. Nothing else is said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.names import Credential
from domain.rotation import RotationRecord, State, Wait, is_patient
from domain.verdicts import Judgement, Verdict, World
from ledger.opening import Ledger
from ledger.rotation_journal import Entry, entries
from ledger.rotation_rows import rotations
from steps.rotation_reports import Row

# Whoever stands at one of these has just been answered that the value is accepted.
_SEEN_ACCEPTED = frozenset({Wait.STILL_ACCEPTED.value, Wait.AWAITING_HUMAN_REVOKE.value})


@dataclass(frozen=True, slots=True)
class Seen:
    """When something was written down as seen, and in which entry: rotation and number."""

    at: datetime
    entry: str


@dataclass(frozen=True, slots=True)
class Written:
    """One entry of one rotation's journal."""

    record: RotationRecord
    entry: Entry

    @property
    def seen(self) -> Seen:
        return Seen(self.entry.at, f"{self.record.id}#{self.entry.seq}")


@dataclass(frozen=True, slots=True)
class Trace:
    """One exposed value. `version` is its document's name, empty until a worker has looked; what was not seen is None.

    `isolated` is before there was another, `revoked` (or switched off) after it. `rotation` is the last one that is to replace it. `word` is whose word stands in for a refusal that nobody saw.
    """

    credential: Credential
    version: str
    rotation: RotationRecord
    isolated: Seen | None = None
    replaced: Seen | None = None
    revoked: Seen | None = None
    refused: Seen | None = None
    accepted: Seen | None = None
    word: str = ""

    @property
    def is_over(self) -> bool:
        return self.refused is not None or bool(self.word)

    @property
    def evidence(self) -> tuple[str, ...]:
        return tuple(
            one.entry for one in (self.isolated, self.replaced, self.revoked, self.refused or self.accepted) if one
        )


def journal_of(ledger: Ledger, records: Iterable[RotationRecord]) -> list[Written]:
    """Return every entry of these rotations, in the order in which they were written."""
    found = [Written(record, entry) for record in records for entry in entries(ledger, record.id)]
    return sorted(found, key=lambda one: (one.entry.at, one.record.opened_at, one.record.id, one.entry.seq))


def traces_of(ledger: Ledger, records: Sequence[RotationRecord]) -> list[Trace]:
    """Return the trace of each value that the case's rotations are to replace, in the order of the rotations.

    That a value is refused may be seen by any rotation of its credential: by one that was opened after this one was given up.
    """
    last = {one.credential: one.id for one in records}
    in_use: dict[Credential, str] = {}
    found: dict[tuple[Credential, str], Trace] = {}
    for one in records:
        # What no worker has looked at yet is to replace what the one before it left in use; given up so, it replaced nothing.
        if not one.old_version and one.id != last[one.credential]:
            continue
        version = one.old_version or in_use.get(one.credential, "")
        found[one.credential, version] = Trace(one.credential, version, one)
        in_use[one.credential] = one.surviving_version or version
    for credential in dict.fromkeys(one.credential for one in records):
        for written in journal_of(ledger, rotations(ledger, credential=credential, limit=10_000)):
            for key, trace in found.items():
                if key[0] == credential:
                    found[key] = _told(trace, written)
    return list(found.values())


def judge_case(traces: Sequence[Trace], failed: Sequence[Row], world: World) -> Judgement:
    """Return GREEN when every exposed value is over, WAITING when only time is waited for, else HOLD.

    A rotation that was given up leaves an exposed value in use, however well it went back.
    """
    rest = [one.rotation for one in traces if not one.is_over]
    if failed or not all(one.is_open and is_patient(one.wait) for one in rest):
        return Judgement(Verdict.HOLD, world)
    return Judgement(Verdict.WAITING if rest else Verdict.GREEN, world)


def _told(trace: Trace, written: Written) -> Trace:
    """Return the trace with what this entry adds to it."""
    said, seen = written.entry.said, written.seen
    if trace.version and said.get("refused") == trace.version:
        return replace(trace, refused=seen)
    if trace.version and said.get("not_seen_refused") == trace.version:
        return replace(trace, word=_whose(written.record))
    if written.record.old_version != trace.version:
        return trace
    return _replacing(trace, written)


def _replacing(trace: Trace, written: Written) -> Trace:
    """Return the trace with what an entry of a rotation that is to replace it adds."""
    entry = written.entry
    if entry.kind == "outcome":
        return _done(trace, written)
    if entry.kind == "decision" and "contained" in entry.said:
        return replace(trace, isolated=written.seen, refused=written.seen)
    if entry.kind == "wait" and entry.said.get("wait") in _SEEN_ACCEPTED:
        return replace(trace, accepted=written.seen)
    return trace


def _done(trace: Trace, written: Written) -> Trace:
    said, seen = written.entry.said, written.seen
    if "serves" in said:
        # Rolled back, the exposed one is served again.
        return replace(trace, replaced=None if said["serves"] == trace.version else trace.replaced or seen)
    if said.get("verb") == "enable":
        return replace(trace, isolated=None, revoked=None)
    if said.get("verb") not in _OFF or said.get("vendor_id") != written.record.old_vendor_id:
        return trace
    if said.get("state") in _BEFORE_FLIP:
        return replace(trace, isolated=trace.isolated or seen)
    return replace(trace, revoked=trace.revoked or seen)


_OFF = frozenset({"disable", "revoke"})
# Switched off or deleted in one of these, it was so before there was another.
_BEFORE_FLIP = frozenset({State.PLANNED, State.CONTAINING, State.CREATING, State.CREATED, State.VERIFIED})


def _whose(record: RotationRecord) -> str:
    waived = record.facts.get("waived")
    return str(waived.get("operator")) if isinstance(waived, dict) else "somebody"
