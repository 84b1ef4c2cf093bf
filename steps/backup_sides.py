"""Looks at ledger, store, vendor and sinks of one credential after a restore; reads alone, whatever is frozen."""

from collections.abc import Iterable
from dataclasses import replace

from domain.attention import Attention
from domain.errors import OpsError
from domain.names import AT_VENDOR
from domain.restored import WAIVED_KIND, Block, Sides, accepted_as, differences, told_once
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
    of_open = {stored.value for name in _documents(own) if (stored := hands.store.read(name))}
    values = of_open | ({current.value} if current else set())
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
        can_adopt=hands.manifest.can_be_adopted,
        known={one.id: one.attempt for one in records},
        current_ids=frozenset(one.vendor_id for one in held_credentials(hands.ledger) if one.vendor_id),
    )
    # A value that cannot be adopted is rotated from: it is the one that has to work until then.
    value = current.value if current is not None and not seen.waits_for_its_rotation else there
    try:
        return _looked_outside(hands, seen, value, {value, *(of_open if seen.waits_for_its_rotation else values)})
    except OpsError as error:
        return replace(seen, unseen=str(error))


def not_looked_at(held: HeldCredential, error: OpsError) -> Sides:
    """Return the sides of a credential whose vendor, store or sinks could not even be asked."""
    return Sides(held.credential, held.vendor_id, has_document=True, block=Block.CURRENT, unseen=str(error))


def still_open(ledger: Ledger, all_sides: list[Sides]) -> tuple[list[Attention], list[Attention]]:
    """Return the differences that nobody has accepted since this restore, and those that somebody has."""
    found = told_once(one for sides in all_sides for one in differences(sides))
    there = frozen(ledger)
    if there is None:
        return found, []
    today = ledger.now().date()
    accepted = {name: set(waivers_on(ledger, name, WAIVED_KIND, today)) for name in {one.environment for one in found}}
    still = [one for one in found if accepted_as(one.key, there.frozen_at) not in accepted[one.environment]]
    return still, [one for one in found if one not in still]


def lift_after_restore(ledger: Ledger, who: str) -> Freeze | None:
    """End the freeze of a restore and return it, None where there is none. To be called once nothing is left open."""
    there = frozen(ledger)
    if there is None or not there.is_after_restore:
        return None
    thaw(ledger, who)
    return there


def _documents(own: Iterable[RotationRecord]) -> list[str]:
    """Return the names of the documents that an open rotation works on."""
    return [name for one in own if one.is_open for name in (one.old_version, one.new_version) if name]


def _looked_outside(hands: Hands, seen: Sides, value: str, values: set[str]) -> Sides:
    candidates = values - {""}
    served = {name: _is_served(place, candidates) for name, place in hands.places.items()} if candidates else {}
    elsewhere = tuple(name for name, is_served in served.items() if is_served is False)
    unread = tuple(name for name, is_served in served.items() if is_served is None)
    seen = replace(seen, elsewhere=elsewhere, unread=unread)
    if hands.manifest.listable and not hands.manifest.by_hand:
        return replace(seen, listed=hands.vendor.listing().credentials)
    if hands.manifest.swaps:
        # What replaces another cannot be asked for by itself; its proof is an event, which nobody sends here.
        is_told = served.get(AT_VENDOR) is not None
        return seen if is_told else replace(seen, unread=tuple(dict.fromkeys((*unread, AT_VENDOR))))
    return replace(seen, refused=hands.vendor.is_refused(value) if value else None)


def _is_served(sink: Sink, candidates: set[str]) -> bool | None:
    """Say whether the sink serves one of them, beside another one where it keeps two; None where it cannot be read."""
    pairs = ((one, other) for one in sorted(candidates) for other in ("", *sorted(candidates - {one})))
    is_unread = False
    for one, other in pairs:
        serves = sink.serves(one, other)
        if serves:
            return True
        is_unread = is_unread or serves is None
    return None if is_unread else False
