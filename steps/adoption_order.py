"""An operator orders an adoption: within the open rotation that waits for it, or as a rotation of its own that binds and ends."""

from dataclasses import dataclass

from domain.errors import BadInput
from domain.names import Credential
from domain.rotation import Kind, RotationRecord, Wait, rotation_id
from ledger.opening import Ledger
from ledger.rotation_journal import entries
from ledger.rotation_rows import open_rotation_of
from ledger.rotations import note, open_rotation
from steps.adopting import adopt_retiring
from steps.rotating import advance
from steps.rotation_hands import Hands
from steps.rotation_orders import order_roll_back


@dataclass(frozen=True, slots=True)
class AdoptionOrder:
    """Who orders it, under which ticket, by which run; `named_id` is the vendor's id that the operator names, or empty."""

    operator: str
    ticket: str
    run_id: str
    named_id: str = ""


def adopt(hands: Hands, order: AdoptionOrder) -> RotationRecord:
    """Bind the credential to its entry at the vendor, and return the rotation that did it.

    Raises:
        BadInput: it is made by hand, or an open rotation works on it that waits for no adoption.
        Rejected: which one it is could not be told, or its value does not work.
    """
    credential = hands.credential
    if hands.manifest.by_hand:
        raise BadInput(
            f"{credential} is made by hand, and is not bound to anything.",
            "The vendor has no listing of such credentials. Nothing was done.",
            f"Rotate it: opsflows rotate {credential}. What stands in its block can be put back with opsflows rotation resume.",
        )
    if hands.manifest.swaps:
        raise BadInput(
            f"{credential} is the one value that its vendor holds, and is not bound to anything.",
            "There is no list to find it in. Nothing was done.",
            f"Rotate it: opsflows rotate {credential}. What stands in its block can be put back with opsflows rotation resume.",
        )
    there = _aside(hands, order)
    if there is None:
        opened = open_rotation(
            hands.ledger, rotation_id(credential, f"adopt {order.run_id}"), credential, Kind.ADOPTION, operator=order.operator,
            reason="adoption", ticket=order.ticket, due_window=f"adopt {order.run_id}", facts={"named_id": order.named_id},
        )  # fmt: skip
        return advance(hands, opened.id)
    if there.kind is Kind.ADOPTION:
        said = {"verb": "adopt", "operator": order.operator, "named_id": order.named_id}
        note(hands.ledger, there.id, said, {"named_id": order.named_id})
        return advance(hands, there.id)
    if there.old_version and not there.old_vendor_id:
        return adopt_retiring(hands, there.id, order.named_id, order.operator)
    raise _works_on_it(credential, there)


def bound_by(ledger: Ledger, rotation: str) -> str:
    """Return to what an adoption bound the credential and by what evidence, empty where it bound nothing."""
    told = [entry.said for entry in entries(ledger, rotation) if "told_by" in entry.said]
    return f"{told[-1]['vendor_id']}, because {told[-1]['told_by']}" if told else ""


def _aside(hands: Hands, order: AdoptionOrder) -> RotationRecord | None:
    """Return the open rotation; one that stumbled over the unknown value before it had begun is given up for the adoption."""
    there = open_rotation_of(hands.ledger, hands.credential)
    if there is None or there.wait is not Wait.BLOCKED_CONFLICT or there.old_version:
        return there
    order_roll_back(hands.ledger, there.id, order.operator, "the value in its block is adopted")
    advance(hands, there.id)
    return open_rotation_of(hands.ledger, hands.credential)


def _works_on_it(credential: Credential, there: RotationRecord) -> BadInput:
    return BadInput(
        f"Rotation {there.id} works on {credential} and waits for no adoption: it is {there.state.value}{f', {there.wait.value}' if there.wait else ''}.",
        "What stands at the vendor is bound already, and one rotation at a time works on a credential. Nothing was done.",
        f"opsflows rotation show {there.id} prints where it stands; opsflows rotation resume {there.id} puts the ledger's value back.",
    )
