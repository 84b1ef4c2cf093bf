"""What must hold once a life is over and the sweeper has come by once, whatever happened to its workers. Faults are sentences."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import select

from domain.names import MARKER_PREFIX
from domain.rotation import RotationRecord, State
from ledger.held_credentials import find_credential, held_credentials
from ledger.rotation_journal import journal_faults
from ledger.schema import METADATA
from steps.drift import put_back_drift
from steps.orphans import sweep_orphans
from steps.rotation_hands import Hands
from tests.steps.rotation_lives import MARKED_ELSEWHERE, Course, Stage
from tests.steps.rotation_sinks import faults_of_cloud_sinks
from vendors.sentry_dsn import parse_dsn

_MARKER = re.compile(rf"{MARKER_PREFIX}r[0-9a-f]{{11}}-[0-9]+")
_DRAFTS = ("store/.*", "app/*opsflows-draft*", "app/.*opsflows-draft*")
# The stand-ins' clock and this process's are one, but what is noted here is noted a moment after it was done.
_BLUR = timedelta(seconds=0.5)


def swept(stage: Stage) -> None:
    """Let the sweeper come by once."""
    with stage.hands("sweeper") as hands:
        sweep_orphans(hands)
        put_back_drift(hands)


def faults(stage: Stage, record: RotationRecord) -> list[str]:
    """Return what does not hold; nothing where all does."""
    with stage.hands("judge") as hands:
        found = [
            *_of_state(stage, record),
            *_of_vendor(stage, hands, record),
            *_of_values(stage, hands, record),
            *_of_store(stage, hands, record),
            *_of_ledger(stage, hands),
        ]
    return [*found, *_of_requests(stage), *_of_overlap(stage, record)]


def creates(stage: Stage) -> Counter[str]:
    """Return how many requests at the vendor made something under each marker of ours; those of somebody else's left out."""
    found = [_MARKER.search(row["body"]) for row in stage.arrived() if stage.case.makes(row)]
    return Counter(marked[0] for marked in found if marked and marked[0] != MARKED_ELSEWHERE)


def _of_state(stage: Stage, record: RotationRecord) -> Iterator[str]:
    wanted = State.DONE if stage.course in {Course.ROTATION, Course.CONTAINED} else State.ABORTED
    if record.state is not wanted:
        yield f"it ended as {record.state}, not as {wanted}"


def _of_vendor(stage: Stage, hands: Hands, record: RotationRecord) -> Iterator[str]:
    if hands.manifest.by_hand or hands.manifest.swaps:
        return
    listed = {one.vendor_id: one for one in hands.vendor.listing().credentials}
    others = {one.vendor_id for one in held_credentials(hands.ledger) if one.credential != hands.credential}
    by_value = hands.manifest.found_by_value
    ours = {one.vendor_id for one in listed.values() if by_value or _MARKER.fullmatch(one.name)} - {
        *stage.foreign,
        *others,
    }
    marked = set() if record.back and not by_value else {record.surviving_id}
    if ours != marked:
        yield f"{len(ours)} credentials of ours are at the vendor: {sorted(listed[one].name for one in ours)}"
    survivor = listed.get(record.surviving_id)
    if survivor is None or not survivor.enabled:
        yield "the surviving credential is not there, or switched off"
    if record.retiring_id in listed:
        yield "the retired credential is still there"
    for one in stage.foreign:
        if one not in listed or not listed[one].enabled:
            yield f"{one}, which is somebody else's, was touched"


def _of_values(stage: Stage, hands: Hands, record: RotationRecord) -> Iterator[str]:
    current, old = hands.store.projected(hands.credential), stage.first[stage.variable]
    if hands.vendor.is_refused(current):
        yield "the vendor refuses the value in use"
    if (current == old) is not record.back:
        yield "the projection shows the wrong one of both values"
    if not record.back and not hands.vendor.is_refused(old):
        yield "the vendor still accepts the old value"
    if stage.case.console and hands.vendor.is_refused(stage.noted["foreign"]):
        yield "the vendor refuses what is somebody else's"
    if stage.case.has_sink and not hands.sinks["env"].serves(current):
        yield "sink env does not serve the value in use"
    if stage.case.has_cloud_sinks:
        yield from faults_of_cloud_sinks(stage.stand_ins, hands.sinks, current)


def _of_store(stage: Stage, hands: Hands, record: RotationRecord) -> Iterator[str]:
    held = find_credential(hands.ledger, hands.credential)
    if held is None or held.version != record.surviving_version or held.vendor_id != record.surviving_id:
        yield "the pointer is elsewhere"
        return
    stored = hands.store.read(held.version)
    if stored is None or stored.value != hands.store.projected(hands.credential):
        yield "the projection is not the current document's value"
    stray = [name for name in hands.store.names(hands.credential) if name != held.version]
    if stray:
        yield f"documents were left: {stray}"
    if drafts := [file.name for pattern in _DRAFTS for file in stage.home.glob(pattern)]:
        yield f"drafts were left: {drafts}"


def _of_ledger(stage: Stage, hands: Hands) -> Iterator[str]:
    with hands.ledger.reading() as connection:
        yield from (f"the journal of {name}: {fault}" for name, fault in journal_faults(connection, hands.ledger.id))
    kept = _all_bytes(hands)
    for value in {note.value for note in stage.notes() if note.value}:
        if value.encode() in kept or quote(value, safe="").encode() in kept:
            yield "a value is in the ledger"


def _all_bytes(hands: Hands) -> bytes:
    """Return all that the ledger holds; of an SQLite file every byte, because what was deleted may still stand there."""
    file = Path(str(hands.ledger.engine.url.database))
    if file.is_absolute():
        return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))
    with hands.ledger.reading() as connection:
        rows = [row for table in METADATA.sorted_tables for row in connection.execute(select(table))]
    return str(rows).encode()


def _of_requests(stage: Stage) -> Iterator[str]:
    yield from (f"{count} requests made {marker}" for marker, count in creates(stage).items() if count > 1)


def _of_overlap(stage: Stage, record: RotationRecord) -> Iterator[str]:
    """The retiring credential goes only an overlap after every place was seen to serve the surviving value."""
    if stage.course is Course.CONTAINED:
        return
    gone = _retired_at(stage, record)
    if not gone:
        yield "nothing at the vendor ever retired it"
        return
    first, surviving = min(gone), stage.store.projected(stage.credential)
    for place in ("projection", "env") if stage.case.has_sink else ("projection",):
        since = _serves_since(stage, place, surviving, first)
        if since is None:
            yield f"{place} did not serve the surviving value when the other one was retired"
        elif first - since < (stage.policy.overlap - _BLUR).total_seconds():
            yield f"it was retired {timedelta(seconds=first - since)} after {place} first served the surviving value"


def _retired_at(stage: Stage, record: RotationRecord) -> list[float]:
    if stage.case.console:
        return [note.at for note in stage.notes() if note.where == "revoked"]
    began = 0.0 if not record.back else (record.flipped_at.timestamp() if record.flipped_at else 0.0)
    if stage.case.row.manifest.swaps:  # it is not at the vendor any more: receivers forget it
        return [
            note.at for note in stage.notes() if note.where == "env previous" and not note.value and note.at > began
        ]
    token = record.retiring_id
    if stage.case.integration == "sentry":  # its id is the public part of the value
        token = parse_dsn(_retired_value(stage, record)).public_key
    return [row["at"] for row in stage.arrived() if row["at"] > began and stage.case.retired_by(row, token)]


def _retired_value(stage: Stage, record: RotationRecord) -> str:
    old = stage.first[stage.variable]
    return (
        [note.value for note in stage.notes() if note.where == "document" and note.value != old][-1]
        if record.back
        else old
    )


def _serves_since(stage: Stage, place: str, value: str, until: float) -> float | None:
    """Return since when the place served the value without a break, at `until`; None where it did not."""
    since: float | None = None
    for note in stage.notes():
        if note.where == place and note.at <= until:
            since = None if note.value != value else note.at if since is None else since
    return since
