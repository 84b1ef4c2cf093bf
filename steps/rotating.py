"""One rotation, stepped as far as it goes now: which procedure belongs to which state, and what becomes of a failure.

A step is safe to repeat at any point: each procedure looks at vendor and store before it acts, and every edge is a commit.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from domain.errors import NotYet, OpsError
from domain.rotation import RotationRecord, State, Wait
from ledger.rotation_rows import find_rotation
from ledger.rotations import Held, claim, stand
from steps.adopting import adopt_at_vendor
from steps.attempts import SETTLE
from steps.containing import contain, contain_late
from steps.keeping import keep_old
from steps.minting import plan_creation, reconcile, verify_new
from steps.publishing import publish
from steps.retiring import finish_disabling, finish_revoking, retire, soak
from steps.rolling_back import roll_back
from steps.rotation_hands import LOOK_AGAIN, Hands, Stop
from steps.rotation_words import next_step_of
from steps.turns import not_its_turn

_CLAIM_LOST = "ledger.claim_lost"
# What has not converged by then is counted as failing, and is told to someone.
_CONVERGES_WITHIN = timedelta(hours=1)
_SETTLING = "settling"
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
    return _with(hands, rotation, _step)


def isolate(hands: Hands, rotation: str) -> RotationRecord:
    """Contain the exposed credential and go no further, so that of many each is off before the first is replaced.

    What cannot be contained now is taken up by whoever steps it next.

    Raises:
        Unavailable, OutcomeUnknown: the ledger itself does not answer.
    """
    return _with(hands, rotation, _isolate)


def _with(hands: Hands, rotation: str, step: Callable[[Hands, Held], None]) -> RotationRecord:
    """Do it with the rotation in this worker's hands, keep what failed, and return where it stands."""
    before = find_rotation(hands.ledger, rotation)
    if before.wait is Wait.HALTED:
        return before
    held = claim(hands.ledger, rotation, hands.worker)
    if held is None:
        return find_rotation(hands.ledger, rotation)
    try:
        step(hands, held)
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
        hands.told(held.record.state)
        stop = not_its_turn(hands, held) or contain_late(hands, held) or _PROCEDURES[held.record.state](hands, held)
        if stop is not None:
            _stand(hands, held, stop)
            return


def _isolate(hands: Hands, held: Held) -> None:
    record = held.record
    ordered = record.emergency and record.contain_first and not {"contained_at", "not_contained"} & set(record.facts)
    stop = _contained(hands, held) if ordered else None
    if stop is not None:
        _stand(hands, held, stop)
    else:
        stand(held, Wait.NOTHING, "", "", hands.ledger.now())


def _contained(hands: Hands, held: Held) -> Stop | None:
    if held.record.state in {State.PLANNED, State.CONTAINING}:
        # What is to be put back where it was switched off by mistake is kept before.
        return (None if held.record.old_version else keep_old(hands, held)) or contain(hands, held)
    return contain_late(hands, held)


def _stand(hands: Hands, held: Held, stop: Stop) -> None:
    until = stop.until or hands.ledger.now() + LOOK_AGAIN
    todo = stop.next_step or next_step_of(stop.wait, held.record)
    # A look that found nothing wrong ends a row of failures; creating anew does not.
    failures = 0 if held.record.state in _STEADY else None
    stand(held, stop.wait, stop.words, todo, until, failures=failures)


def _keep_failure(hands: Hands, held: Held, error: OpsError) -> None:
    """Write the failure down and try again later; after several in a row halt until someone resumes."""
    now = hands.ledger.now()
    if isinstance(error, NotYet) and _settle(held, error, now):
        return
    failures = held.record.failures + 1
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


def _settle(held: Held, error: NotYet, now: datetime) -> bool:
    """Stand until it has converged; False where this state has waited for that too long."""
    known = held.record.facts.get(_SETTLING) if held.record.wait in {Wait.SETTLING, Wait.BACKOFF} else None
    known = known if isinstance(known, Mapping) and known.get("state") == held.record.state.value else None
    if known is not None and now - datetime.fromisoformat(str(known["since"])) >= _CONVERGES_WITHIN:
        return False
    facts = None if known else {_SETTLING: {"state": held.record.state.value, "since": now.isoformat()}}
    stand(held, Wait.SETTLING, f"{error.happened} {error.means}", error.next_step, now + SETTLE, facts=facts)
    return True


def _again_at(now: datetime, failures: int, error: OpsError) -> datetime:
    growing: timedelta = min(_FIRST_BACKOFF * 2 ** (failures - 1), _LONGEST_BACKOFF)
    return now + max(growing, error.retry_after or timedelta(0))
