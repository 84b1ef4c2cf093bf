"""Looks at ledger, store, vendor and sinks of one credential after a restore; reads alone, whatever is frozen."""

from collections.abc import Iterable
from dataclasses import replace

from domain.attention import Attention
from domain.errors import OpsError
from domain.restored import WAIVED_KIND, Block, Sides, differences, told_once
from domain.rotation import RotationRecord
from ledger.freezing import Freeze, frozen, thaw
from ledger.held_credentials import HeldCredential, held_credentials
from ledger.opening import Ledger
from ledger.rotation_rows import rotations
from ledger.waivers import waivers_on
from steps.rotation_hands import Hands
from vendors.sinks import Sink

_ALL = 1_000_000


def look_at(hands: Hands, held: HeldCredential) -> Sides:
    """Return what every side says of the credential; a side that does not answer is named in `unseen`."""
    records = rotations(hands.ledger, limit=_ALL)
    own = tuple(one for one in records if one.credential == held.credential)
    current = hands.store.read(held.version) if held.version else None
    values = {stored.value for name in _documents(own, held) if (stored := hands.store.read(name))}
    there = hands.store.projected(hands.credential)
    is_current = hands.fingerprint(there) == held.fingerprint if there else False
    seen = Sides(
        held.credential,
        held.vendor_id,
        has_document=not held.version or current is not None,
        block=Block.EMPTY
        if not there
        else Block.CURRENT
        if is_current
        else Block.OPEN
        if there in values
        else Block.OTHER,
        rotations=own,
        can_adopt=not (hands.manifest.by_hand or hands.manifest.swaps),
        known={one.id: one.attempt for one in records},
        current_ids=frozenset(one.vendor_id for one in held_credentials(hands.ledger) if one.vendor_id),
    )
    try:
        return _looked_outside(hands, seen, current.value if current else there, values)
    except OpsError as error:
        return replace(seen, unseen=str(error))


def not_looked_at(held: HeldCredential, error: OpsError) -> Sides:
    """Return the sides of a credential whose vendor, store or sinks could not even be asked."""
    return Sides(held.credential, held.vendor_id, has_document=True, block=Block.CURRENT, unseen=str(error))


def still_open(ledger: Ledger, all_sides: list[Sides]) -> tuple[list[Attention], list[Attention]]:
    """Return the differences that nobody has accepted, and those that somebody has."""
    found = told_once(one for sides in all_sides for one in differences(sides))
    today = ledger.now().date()
    accepted = {name: set(waivers_on(ledger, name, WAIVED_KIND, today)) for name in {one.environment for one in found}}
    still = [one for one in found if one.key not in accepted[one.environment]]
    return still, [one for one in found if one not in still]


def lift_after_restore(ledger: Ledger, who: str) -> Freeze | None:
    """End the freeze of a restore and return it, None where there is none. To be called once nothing is left open."""
    there = frozen(ledger)
    if there is None or not there.is_after_restore:
        return None
    thaw(ledger, who)
    return there


def _documents(own: Iterable[RotationRecord], held: HeldCredential) -> list[str]:
    """Return the names of the documents that are in use: the current one, and those that an open rotation works on."""
    of_open = (name for one in own if one.is_open for name in (one.old_version, one.new_version))
    return [name for name in (held.version, *of_open) if name]


def _looked_outside(hands: Hands, seen: Sides, value: str, values: set[str]) -> Sides:
    candidates = {value, *values} - {""}
    elsewhere = tuple(name for name in hands.policy.sinks if not _is_served(hands.sinks[name], candidates))
    if hands.manifest.listable and not hands.manifest.by_hand:
        return replace(seen, elsewhere=elsewhere, listed=hands.vendor.listing().credentials)
    # What replaces another cannot be asked for by itself; its proof is an event, which nobody sends here.
    asked = value and not hands.manifest.swaps
    return replace(seen, elsewhere=elsewhere, refused=hands.vendor.is_refused(value) if asked else None)


def _is_served(sink: Sink, candidates: set[str]) -> bool:
    """Say whether the sink serves one of them, beside another one where it keeps two; True where it cannot be read."""
    pairs = ((one, other) for one in sorted(candidates) for other in ("", *sorted(candidates - {one})))
    return not candidates or any(sink.serves(one, other) is not False for one, other in pairs)
