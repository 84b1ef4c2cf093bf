"""One rotation, stepped as far as it goes now: which procedure belongs to which state, and what becomes of a failure.

A step is safe to repeat at any point: each procedure looks at vendor and store before it acts, and every edge is a commit.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from domain.errors import OpsError
from domain.rotation import RotationRecord, State, Wait
from ledger.rotation_rows import find_rotation
from ledger.rotations import Held, claim, stand
from steps.adopting import adopt_at_vendor
from steps.minting import contain, contain_late, plan_creation, reconcile, verify_new
from steps.publishing import publish
from steps.retiring import finish_disabling, finish_revoking, retire, soak
from steps.rolling_back import roll_back
from steps.rotation_hands import LOOK_AGAIN, Hands, Stop
from steps.rotation_words import next_step_of

_CLAIM_LOST = "ledger.claim_lost"
_FIRST_BACKOFF, _LONGEST_BACKOFF = timedelta(minutes=1), timedelta(hours=1)
# A halted rotation is not looked at until someone resumes it.
_NEVER = timedelta(days=36500)

_STEADY = frozenset({State.PUBLISHED, State.DISABLED})

_PROCEDURES: Mapping[State, Callable[[Hands, Held], Stop | None]] = {
    State.PLANNED: plan_creation,
    State.CONTAINING: contain,
    State.ADOPTING: adopt_at_vendor,
    State.CREATING: reconcile,
    State.CREATED: verify_new,
    State.VERIFIED: publish,
    State.PUBLISHED: retire,
    State.DISABLING: finish_disabling,
    State.DISABLED: soak,
    State.REVOKING: finish_revoking,
    State.ROLLING_BACK: roll_back,
}


def advance(hands: Hands, rotation: str) -> RotationRecord:
    """Step the rotation until it is over or must wait, and return it; at once where another worker has it.

    Raises:
        Unavailable, OutcomeUnknown: the ledger itself does not answer.
        Rejected: an adoption came to nothing, and is over.
    """
    before = find_rotation(hands.ledger, rotation)
    if before.wait is Wait.HALTED:
        return before
    held = claim(hands.ledger, rotation, hands.worker)
    if held is None:
        return find_rotation(hands.ledger, rotation)
    try:
        _step(hands, held)
    except OpsError as error:
        # Whoever took it over writes what happens next; a ledger that is away cannot be written to.
        if error.symptom.startswith("ledger."):
            if error.symptom != _CLAIM_LOST:
                raise
            return find_rotation(hands.ledger, rotation)
        # An adoption that came to nothing is over; there is nothing left to stand still.
        if not held.record.is_open:
            raise
        _keep_failure(hands, held, error)
    if held.record.is_open:
        hands.schedule(held.record)
    return held.record


def _step(hands: Hands, held: Held) -> None:
    while held.record.is_open:
        stop = contain_late(hands, held) or _PROCEDURES[held.record.state](hands, held)
        if stop is not None:
            _stand(hands, held, stop)
            return


def _stand(hands: Hands, held: Held, stop: Stop) -> None:
    until = stop.until or hands.ledger.now() + LOOK_AGAIN
    todo = stop.next_step or next_step_of(stop.wait, held.record)
    # A look that found nothing wrong ends a row of failures; creating anew does not.
    failures = 0 if held.record.state in _STEADY else None
    stand(held, stop.wait, stop.words, todo, until, failures=failures)


def _keep_failure(hands: Hands, held: Held, error: OpsError) -> None:
    """Write the failure down and try again later; after several in a row halt until someone resumes."""
    failures = held.record.failures + 1
    now = hands.ledger.now()
    words = f"{error.happened} {error.means}"
    if failures >= hands.policy.halt_after:
        halted = next_step_of(Wait.HALTED, held.record)
        stand(
            held,
            Wait.HALTED,
            f"{failures} failures in a row. {words}",
            f"{error.next_step} {halted}",
            now + _NEVER,
            failures=failures,
        )
        return
    stand(held, Wait.BACKOFF, words, error.next_step, _again_at(now, failures, error), failures=failures)


def _again_at(now: datetime, failures: int, error: OpsError) -> datetime:
    growing: timedelta = min(_FIRST_BACKOFF * 2 ** (failures - 1), _LONGEST_BACKOFF)
    return now + max(growing, error.retry_after or timedelta(0))
