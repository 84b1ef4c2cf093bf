"""After a restore the ledger is behind what happened since. Where it, the blocks and the vendors differ, and what helps.

The ledger is never corrected by itself: a person enters, adopts or accepts, each with one command. What the next steps of an
open rotation find out by looking (its retiring credential is gone already) is no difference.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from domain.attention import Attention, Weight
from domain.manifests import ListedCredential
from domain.names import AT_VENDOR, DEFAULT_INSTANCE, MARKER_PREFIX, Credential
from domain.rotation import RotationRecord, State

RUNBOOK = "docs/backup.md"
# What a waiver of one difference is of: `restore gone:datadog-default-prod-send of 2026-11-26T12:00:00+00:00`.
WAIVED_KIND = "restore"
_MARKED = re.compile(rf"{re.escape(MARKER_PREFIX)}(r[0-9a-f]{{11}})-([0-9]+)")


class Block(Enum):
    """What the credential's own block holds."""

    CURRENT = "the value that the ledger calls current"
    OPEN = "a value that an open rotation works on"
    OTHER = "a value that the ledger does not know"
    EMPTY = "nothing"


@dataclass(frozen=True, slots=True)
class Sides:
    """What ledger, store, vendor and sinks say of one credential.

    `has_document` is False where the ledger names a value whose document is not there. `listed` is None where the vendor lists
    nothing; then `refused` says whether it takes the value, None where that was not asked. `elsewhere` are the sinks that serve
    another value, `unread` the places that do not show what they serve. `unseen` says why a side could not be looked at, empty where all were. `can_adopt` where a value found in the
    block can be bound to its entry at the vendor; where not, such a value is the one that vendor and sinks were asked about. `known` are the attempts of every
    rotation in the ledger, by id; `current_ids` what is current of any credential.
    """

    credential: Credential
    vendor_id: str
    has_document: bool
    block: Block
    rotations: tuple[RotationRecord, ...] = ()
    listed: tuple[ListedCredential, ...] | None = None
    refused: bool | None = None
    elsewhere: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    unseen: str = ""
    can_adopt: bool = True
    known: Mapping[str, int] = field(default_factory=dict)
    current_ids: frozenset[str] = frozenset()

    @property
    def waits_for_its_rotation(self) -> bool:
        """Whether somebody's value stands in the block, and only a rotation after the freeze brings the ledger past it."""
        return self.block is Block.OTHER and not self.can_adopt

    @property
    def open_rotation(self) -> RotationRecord | None:
        return next((one for one in self.rotations if one.is_open), None)


def differences(sides: Sides) -> list[Attention]:
    """Return where the sides contradict each other, the gravest first; nothing where a rotation may go on and nothing is lost."""
    found = [
        *_of_store(sides),
        *(_of_listing(sides, sides.listed) if sides.listed is not None else _of_refusal(sides)),
        *(_elsewhere(sides, name) for name in sides.elsewhere),
        *(_unread(sides, name) for name in sides.unread),
    ]
    if sides.unseen:
        found.append(_unseen(sides))
    return found


def _of_store(sides: Sides) -> Iterator[Attention]:
    name = sides.credential
    if not sides.has_document:
        yield _entered(sides, "lost", f"The value document that the ledger calls current for {name} is not there.",
                       "Nobody but the places that serve it has the value.")  # fmt: skip
    elif sides.waits_for_its_rotation:
        yield _accepted(
            sides, "block", f"The block of {name} holds a value that the ledger does not know.",
            f"It was put there after the backup's moment, or by hand; such a value cannot be adopted. {_rotated(sides)}",
        )  # fmt: skip
    elif sides.block is Block.OTHER:
        yield _attention(
            sides, "block", f"The block of {name} holds a value that the ledger does not know.",
            "It was put there after the backup's moment, or by hand. If it works, it is the one in use.",
            f"opsflows adopt {name}",
        )  # fmt: skip
    elif sides.block is Block.EMPTY:
        yield _entered(sides, "block", f"The block of {name} is empty.", "Flows and sinks have no value of it.")


def _of_listing(sides: Sides, listed: tuple[ListedCredential, ...]) -> Iterator[Attention]:
    by_id = {one.vendor_id: one for one in listed}
    yield from _of_survivor(sides, by_id)
    for one in listed:
        if _is_minted_since(sides, one):
            yield _accepted(
                sides, f"minted:{one.vendor_id}", f"{_told(one)} at {sides.credential.target.integration} carries our marker, and this ledger never made it.",
                "It was minted after the backup's moment; its value is not in the backup. If a sink serves it, it is the one in use: enter it with opsflows connect and adopt it.",
            )  # fmt: skip
        elif one.enabled and one.vendor_id in _retired(sides):
            yield _accepted(
                sides, f"retired:{one.vendor_id}", f"{_told(one)} works at {sides.credential.target.integration}, and the ledger has it as retired.",
                "Somebody switched it on again or made it anew. Delete it in the vendor's console, unless somebody needs it.",
            )  # fmt: skip


def _of_survivor(sides: Sides, by_id: Mapping[str, ListedCredential]) -> Iterator[Attention]:
    """Look at what must be alive: the current credential, and of an open rotation the one that stays."""
    record = sides.open_rotation
    alive = dict.fromkeys([sides.vendor_id, *([record.surviving_id] if record else [])])
    for vendor_id in alive:
        if not vendor_id or (record and _goes_anyway(record, vendor_id)):
            continue
        one = by_id.get(vendor_id)
        if one is None:
            yield _entered(
                sides, f"gone:{vendor_id}", f"{vendor_id} is current in the ledger for {sides.credential}, and the vendor has it no more.",
                "It was retired after the backup's moment; another value is in use by now.",
            )  # fmt: skip
        elif not one.enabled:
            yield _entered(
                sides, f"disabled:{vendor_id}", f"{_told(one)} is current in the ledger for {sides.credential}, and switched off at the vendor.",
                "It was retired after the backup's moment, or by hand; another value is in use by now.",
            )  # fmt: skip


def _goes_anyway(record: RotationRecord, vendor_id: str) -> bool:
    """Say whether the open rotation has let it go, or is about to: then it finds by itself what became of it."""
    contained = record.contain_first and vendor_id == record.old_vendor_id
    return contained or (
        vendor_id == record.retiring_id and vendor_id != record.surviving_id and record.flipped_at is not None
    )


def _is_minted_since(sides: Sides, one: ListedCredential) -> bool:
    marked = _MARKED.fullmatch(one.name)
    if marked is None or one.vendor_id in sides.current_ids:
        return False
    attempts = sides.known.get(marked[1])
    return attempts is None or int(marked[2]) > attempts


def _retired(sides: Sides) -> set[str]:
    ended = [one for one in sides.rotations if one.state in {State.DONE, State.ABORTED} and one.retiring_id]
    return {one.retiring_id for one in ended} - sides.current_ids


def _of_refusal(sides: Sides) -> Iterator[Attention]:
    if sides.refused:
        yield _entered(
            sides, "refused", f"The vendor refuses the value {'in the block of' if sides.waits_for_its_rotation else 'of'} {sides.credential}.",
            "It was replaced after the backup's moment; another value is in use by now.",
        )  # fmt: skip


def _elsewhere(sides: Sides, place: str) -> Attention:
    where, whose = _place(place), "the block's" if sides.waits_for_its_rotation else "the ledger's"
    return _entered(
        sides, f"sink:{place}", f"{where} serves another value of {sides.credential} than {whose}.",
        "Applications use that one. After the freeze the sweeper would put the ledger's older value in its place."
        if not sides.waits_for_its_rotation and place != AT_VENDOR else "It may be the one in use.",
    )  # fmt: skip


def _unread(sides: Sides, place: str) -> Attention:
    return _accepted(
        sides, f"unread:{place}", f"{_place(place)} could not be read for {sides.credential}: it does not show what it serves.",
        "Whether it serves the value in use is not known. See there, or send an event through it, before you answer for it.",
    )  # fmt: skip


def _unseen(sides: Sides) -> Attention:
    return _attention(
        sides, "unseen", f"{sides.credential} could not be looked at: {sides.unseen}",
        "Whether it still works is not known.", "opsflows restore --agree",
    )  # fmt: skip


def _entered(sides: Sides, what: str, happened: str, means: str) -> Attention:
    """What a valid value helps against: entered at the hidden prompt, it waits in the block to be adopted, or for its rotation.

    One that waits for its rotation was entered already; nothing before the end of the freeze settles more.
    """
    if sides.waits_for_its_rotation:
        return _accepted(sides, what, happened, f"{means} {_rotated(sides)}")
    target = sides.credential.target
    instance = "" if target.instance == DEFAULT_INSTANCE else f" --instance {target.instance}"
    command = f"opsflows connect {target.integration}{instance} --environment {sides.credential.environment}"
    return _attention(sides, what, happened, means, command)


def _accepted(sides: Sides, what: str, happened: str, means: str) -> Attention:
    key = f"{what}:{sides.credential}"
    return _attention(sides, what, happened, means, f"opsflows restore --agree --accept {key} --reason WHY")


def _attention(sides: Sides, what: str, happened: str, means: str, command: str) -> Attention:
    environment = sides.credential.environment
    return Attention(f"{what}:{sides.credential}", Weight.NOW, environment, happened, means, None, command, RUNBOOK)


def _place(name: str) -> str:
    return "The vendor itself" if name == AT_VENDOR else f"Sink {name}"


def _rotated(sides: Sides) -> str:
    return f"If the one in the block works, accept this, and rotate as soon as the freeze is over: opsflows rotate {sides.credential}. If not, enter one that works with opsflows connect."


def _told(one: ListedCredential) -> str:
    return f"{one.vendor_id}{f' ({one.name})' if one.name else ''}"


def accepted_as(key: str, frozen_at: datetime) -> str:
    """Return what a waiver of the difference is named: it counts for the freeze of one restore, and for no later one."""
    return f"{key} of {frozen_at.isoformat()}"


def told_once(found: Iterable[Attention]) -> list[Attention]:
    """Return each difference once: credentials of one account see the same listing."""
    seen: dict[tuple[str, str], Attention] = {}
    for one in found:
        seen.setdefault((one.environment, one.what), one)
    return list(seen.values())
