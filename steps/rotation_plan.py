"""Plan before apply: what a rotation would do, whether rights, places and values are there, and when the old one may go."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from domain.errors import OpsError
from domain.manifests import Manifest
from domain.names import Credential
from domain.policies import earliest_retirement, in_words
from ledger.freezing import frozen
from ledger.held_credentials import HeldCredential, find_credential
from ledger.rotation_rows import group_holder, open_rotation_of
from steps.adopting import recognised
from steps.rotation_hands import Hands, Listing


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One credential's plan. `problems` would stop it or make it wait for someone; `earliest` is None where it cannot start."""

    credential: Credential
    would: tuple[str, ...]
    seen: tuple[str, ...]
    problems: tuple[str, ...]
    earliest: datetime | None


class Occasion(Enum):
    """Why it is planned: with its overlap, or because what is in use is exposed."""

    ORDERLY = "orderly"
    EMERGENCY = "emergency"
    CONTAIN_FIRST = "emergency, contain first"


def plan_rotation(hands: Hands, occasion: Occasion = Occasion.ORDERLY) -> PlanRow:
    """Return the plan of one credential. Reads only: nothing is created, written or sent that anybody would notice."""
    seen: list[str] = []
    problems: list[str] = []
    value = hands.store.projected(hands.credential)
    held = find_credential(hands.ledger, hands.credential)
    if not value:
        where = f"{hands.credential.target} --environment {hands.credential.environment}"
        problems.append(f"Its block holds no value; opsflows connect {where} stores one.")
    else:
        _ask(lambda: _current(hands, value, seen, problems), problems)
        _ask(lambda: _at_vendor(hands, value, held, seen, problems), problems)
        _ask(lambda: _sinks(hands, value, seen), problems)
    there = open_rotation_of(hands.ledger, hands.credential)
    if occasion is not Occasion.ORDERLY:
        seen.extend([f"rotation {there.id} is open and becomes the emergency"] if there else [])
        now = hands.ledger.now()
        return PlanRow(hands.credential, _would_at_once(hands, occasion), tuple(seen), tuple(problems), now)
    if there is not None:
        problems.append(f"Rotation {there.id} is open: {there.state.value}, {there.wait.value or 'going on'}.")
    if (freeze := frozen(hands.ledger)) is not None:
        problems.append(f"Frozen by {freeze.who}: {freeze.reason}.")
    if (other := group_holder(hands.ledger, hands.policy.groups)) and (there is None or other != there.id):
        problems.append(f"Rotation {other} of the same group is first; this one begins when it is over.")
    earliest = earliest_retirement(hands.ledger.now(), hands.policy, hands.manifest)
    return PlanRow(hands.credential, _would(hands, earliest), tuple(seen), tuple(problems), earliest)


def _ask(look: Callable[[], None], problems: list[str]) -> None:
    """Take a failed look as a problem of the plan, in its own words."""
    try:
        look()
    except OpsError as error:
        problems.append(f"{error.happened} {error.next_step}")


def _current(hands: Hands, value: str, seen: list[str], problems: list[str]) -> None:
    if hands.vendor.is_refused(value):
        problems.append("The vendor refuses the value in use: what applications have does not work now.")
    else:
        seen.append("the vendor accepts the value in use")


def _at_vendor(hands: Hands, value: str, held: HeldCredential | None, seen: list[str], problems: list[str]) -> None:
    if hands.manifest.by_hand:
        seen.append("made by hand: a person creates the new one and revokes the old one in the vendor's console")
        return
    if hands.manifest.swaps:
        seen.append("the vendor holds one value: the new one replaces it once every sink has both")
        if not hands.policy.consumers and not any(sink.keeps_previous for sink in hands.sinks.values()):
            problems.append(
                "No sink has room for both values and no consumer is named: it would stop before the vendor uses the new one."
            )
        return
    listing = hands.vendor.listing()
    seen.append(f"{len(listing.credentials)} listed{_slots(listing, hands.manifest)}; the manage credential may list")
    slots = listing.slots if listing.slots is not None else hands.manifest.slots
    if slots is not None and len(listing.credentials) >= slots:
        problems.append(f"All {slots} places are taken; nothing is deleted to make room.")
    if held is not None and held.vendor_id:
        seen.append(f"bound to {held.vendor_id} at the vendor")
        return
    found = recognised(listing, value, "")
    if len(found) == 1:
        one, how = found[0]
        problems.append(
            f"Not adopted yet; it seems to be {one.name or '-'} ({one.vendor_id}), because {how}: opsflows adopt {hands.credential}."
        )
    else:
        problems.append(
            f"Not adopted yet, and {len(found)} listed ones fit: opsflows adopt {hands.credential} --vendor-id ID. It would wait before the old one goes."
        )


def _sinks(hands: Hands, value: str, seen: list[str]) -> None:
    words = {True: "serves the value in use", False: "serves another value", None: "cannot be read back"}
    seen.extend(f"sink {name} {words[place.serves(value)]}" for name, place in hands.places.items())


def _would(hands: Hands, earliest: datetime) -> tuple[str, ...]:
    manifest = hands.manifest
    gate = [f"the overlap of {in_words(hands.policy.overlap)}"]
    if manifest.last_used_lag is not None:
        gate.append(
            f"no use of the old one for {in_words(hands.policy.quiet)} (the vendor tells uses up to {in_words(manifest.last_used_lag)} late)"
        )
    if hands.policy.consumers:
        gate.append(f"evidence that {', '.join(hands.policy.consumers)} uses the new one")
    off = [f"switch the old one off, soak {in_words(hands.policy.soak)}"] if manifest.can_disable else []
    return (
        "wait for a person's new value" if manifest.by_hand else f"create a new one, made by {manifest.mint.value}",
        "prove it by a probe",
        *([f"publish it to {', '.join(hands.places)}"] if hands.places else []),
        "make it current",
        f"wait for {', '.join(gate)}: not before {earliest:%Y-%m-%d %H:%M} UTC",
        *off,
        "delete the old one by hand" if manifest.by_hand else "delete the old one",
        "see that the vendor refuses it",
    )


def _would_at_once(hands: Hands, occasion: Occasion) -> tuple[str, ...]:
    by_hand = hands.manifest.by_hand
    contain = (
        ["switch the exposed one off: what uses it fails from then on"] if occasion is Occasion.CONTAIN_FIRST else []
    )
    return (
        *contain,
        "wait for a person's new value" if by_hand else f"create a new one, made by {hands.manifest.mint.value}",
        "prove it by a probe",
        *([f"publish it to {', '.join(hands.places)}"] if hands.places else []),
        "make it current",
        "delete the exposed one by hand, at once" if by_hand else "delete the exposed one at once: no overlap, no soak",
        "see that the vendor refuses it",
    )


def _slots(listing: Listing, manifest: Manifest) -> str:
    slots = listing.slots if listing.slots is not None else manifest.slots
    return f" of {slots} places" if slots is not None else ""
