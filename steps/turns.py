"""Whose turn it is among the alert channels of one environment: in an emergency too, one of them is whole at any moment."""

from collections.abc import Callable

from domain.names import Credential
from domain.rotation import RotationRecord, Wait
from ledger.opening import Ledger
from ledger.rotation_rows import find_rotation, rotations
from ledger.rotations import Held
from steps.rotation_hands import LOOK_AGAIN, Hands, Stop

AFTER = "after"
IsChannel = Callable[[Credential], bool]


def no_channel(credential: Credential) -> bool:
    del credential
    return False


def ahead_of(ledger: Ledger, credential: Credential, is_channel: IsChannel) -> list[str] | None:
    """Return the emergencies of the environment's alert channels that go before this one's; None where it is no channel.

    Kept when a rotation is ordered and never changed: each waits for those that were ordered before it, so that no two wait for
    each other.
    """
    if not is_channel(credential):
        return None
    there = rotations(ledger, environment=credential.environment, open_only=True, limit=100_000)
    own = {record.id for record in there if record.credential == credential}
    return [
        record.id
        for record in there
        if record.emergency and record.id not in own and is_channel(record.credential) and not own & set(_after(record))
    ]


def not_its_turn(hands: Hands, held: Held) -> Stop | None:
    """Return why an emergency must wait: the new value of the channel before it is not proven and served yet.

    One that rolls back waits for nobody: it takes nothing away that another does not.
    """
    if held.record.back:
        return None
    for rotation in _after(held.record):
        first = find_rotation(hands.ledger, rotation)
        if first.is_open and first.served_at is None:
            return Stop(
                Wait.GROUP,
                f"Alerts go out through {first.credential} as well, and rotation {first.id} is first: one channel is left alone at any moment.",
                hands.ledger.now() + LOOK_AGAIN,
                f"Nothing, once {first.credential} has its new value: it goes on by itself then.",
            )
    return None


def _after(record: RotationRecord) -> list[str]:
    kept = record.facts.get(AFTER)
    return [str(one) for one in kept] if isinstance(kept, list) else []
