"""A rotation replaces one credential by another, with an overlap. Its states, its edges, and what it may stand still at."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from domain.attention import Weight
from domain.names import SWEEPER, Credential
from domain.run_bounds import ENDS_WELL_WITHIN
from domain.verdicts import Verdict


class Kind(StrEnum):
    """Why a rotation was opened."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    EMERGENCY = "emergency"
    DRILL = "drill"
    ADOPTION = "adoption"


class State(StrEnum):
    """How far a rotation has come. What stands here was committed; what comes next is found out by looking."""

    PLANNED = "PLANNED"
    CONTAINING = "CONTAINING"
    ADOPTING = "ADOPTING"
    CREATING = "CREATING"
    CREATED = "CREATED"
    VERIFIED = "VERIFIED"
    PUBLISHED = "PUBLISHED"
    DISABLING = "DISABLING"
    DISABLED = "DISABLED"
    REVOKING = "REVOKING"
    ROLLING_BACK = "ROLLING_BACK"
    DONE = "DONE"
    ABORTED = "ABORTED"


class Wait(StrEnum):
    """Why a rotation stands still. Empty while nothing keeps it."""

    NOTHING = ""
    OVERLAP = "OVERLAP"
    VENDOR_LAG = "VENDOR_LAG"
    SOAK = "SOAK"
    SETTLING = "SETTLING"
    CAP = "CAP"
    GROUP = "GROUP"
    FROZEN = "FROZEN"
    BACKOFF = "BACKOFF"
    HALTED = "HALTED"
    BLOCKED_PREFLIGHT = "BLOCKED_PREFLIGHT"
    BLOCKED_NO_SLOT = "BLOCKED_NO_SLOT"
    BLOCKED_STILL_USED = "BLOCKED_STILL_USED"
    BLOCKED_HELD_OPEN = "BLOCKED_HELD_OPEN"
    BLOCKED_NEW_FAILS = "BLOCKED_NEW_FAILS"
    BLOCKED_OLD_FAILS = "BLOCKED_OLD_FAILS"
    BLOCKED_CLOCKS = "BLOCKED_CLOCKS"
    BLOCKED_CONFLICT = "BLOCKED_CONFLICT"
    STILL_ACCEPTED = "STILL_ACCEPTED"
    AWAITING_ADOPTION = "AWAITING_ADOPTION"
    AWAITING_AGREEMENT = "AWAITING_AGREEMENT"
    AWAITING_CONSUMERS = "AWAITING_CONSUMERS"
    AWAITING_HUMAN_CREATE = "AWAITING_HUMAN_CREATE"
    AWAITING_HUMAN_SEEN = "AWAITING_HUMAN_SEEN"
    AWAITING_HUMAN_REVOKE = "AWAITING_HUMAN_REVOKE"
    AWAITING_HUMAN_RECONCILE = "AWAITING_HUMAN_RECONCILE"


# Nothing is wrong at these: a moment comes by itself. At every other one someone must act, or know of it.
_PATIENT = frozenset({Wait.OVERLAP, Wait.VENDOR_LAG, Wait.SOAK, Wait.SETTLING, Wait.CAP, Wait.GROUP})
# How much each wait needs someone, None where nothing is wrong: one table for alerts, `opsflows next` and the wiring board.
# At BACKOFF a step failed, the next try has its moment and nobody can hasten it; after so many failures it stands at HALTED.
_NEEDED: Mapping[Wait, Weight | None] = MappingProxyType(
    dict.fromkeys(Wait, Weight.NOW) | dict.fromkeys(_PATIENT) | {Wait.NOTHING: None, Wait.BACKOFF: Weight.LATER}
)

CLOSED = frozenset({State.DONE, State.ABORTED})
# Once the old credential is being deleted there is no way back.
_BEFORE_REVOKING = frozenset(
    {State.PLANNED, State.CONTAINING, State.CREATING, State.CREATED, State.VERIFIED, State.PUBLISHED, State.DISABLING, State.DISABLED}
)  # fmt: skip

_EDGES: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.PLANNED: frozenset({State.CONTAINING, State.ADOPTING, State.CREATING, State.ROLLING_BACK}),
        State.CONTAINING: frozenset({State.PLANNED, State.ROLLING_BACK}),
        State.ADOPTING: frozenset({State.DONE, State.ABORTED}),
        # Back to PLANNED: the attempt came to nothing and the next one has a marker of its own.
        State.CREATING: frozenset({State.CREATED, State.PLANNED, State.ROLLING_BACK}),
        State.CREATED: frozenset({State.VERIFIED, State.PLANNED, State.ROLLING_BACK}),
        State.VERIFIED: frozenset({State.PUBLISHED, State.ROLLING_BACK}),
        State.PUBLISHED: frozenset({State.DISABLING, State.REVOKING, State.ROLLING_BACK}),
        # Back to PUBLISHED: the gate was looked at again, and did not pass any more.
        State.DISABLING: frozenset({State.DISABLED, State.REVOKING, State.PUBLISHED, State.ROLLING_BACK}),
        State.DISABLED: frozenset({State.REVOKING, State.ROLLING_BACK}),
        State.REVOKING: frozenset({State.DONE, State.ABORTED, State.PUBLISHED}),
        # Forward again, where the old credential turns out to be lost: to where it had come.
        State.ROLLING_BACK: frozenset(
            {
                State.PUBLISHED,
                State.REVOKING,
                State.ABORTED,
                State.PLANNED,
                State.CREATING,
                State.CREATED,
                State.VERIFIED,
            }
        ),
        State.DONE: frozenset(),
        State.ABORTED: frozenset(),
    }
)


def may_follow(before: State, after: State) -> bool:
    """Say whether the table has that edge; staying is always allowed while the rotation is open."""
    return after in _EDGES[before] or (before is after and before not in CLOSED)


def may_roll_back(state: State) -> bool:
    return state in _BEFORE_REVOKING


def is_patient(wait: Wait) -> bool:
    """Say whether a moment will end the wait by itself, with nothing wrong."""
    return wait in _PATIENT


def needs_someone(wait: Wait) -> bool:
    """Say whether the wait is to be raised as an alert."""
    return _NEEDED[wait] is Weight.NOW


@dataclass(frozen=True, slots=True)
class RotationRecord:
    """One rotation as the ledger has it.

    `attempt` counts creations; its marker and version document are named after it. `back` is set once it rolls back: then
    the new credential is retired and the old one stays. `flipped_at` is when the pointer moved, `served_at` when the
    projection and every sink were seen to serve the surviving value: the overlap counts from there. `facts` holds what is
    remembered in small: confirmed sinks, acknowledgements, waivers, the moment of a revocation. Vendor ids are empty while
    unknown. Moments are None until they happened.
    """

    id: str
    credential: Credential
    kind: Kind
    state: State
    wait: Wait
    words: str
    next_step: str
    attempt: int
    back: bool
    emergency: bool
    contain_first: bool
    old_version: str
    old_vendor_id: str
    new_version: str
    new_vendor_id: str
    opened_at: datetime
    not_before: datetime
    creating_at: datetime | None
    minted_at: datetime | None
    verified_at: datetime | None
    flipped_at: datetime | None
    served_at: datetime | None
    disabled_at: datetime | None
    closed_at: datetime | None
    compromised_at: datetime | None
    failures: int
    head_seq: int
    head_hash: str
    fence: int
    worker: str
    lease_until: datetime | None
    operator: str
    reason: str
    ticket: str
    due_window: str
    facts: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def retiring_id(self) -> str:
        """The vendor's id of the credential that is to go."""
        return self.new_vendor_id if self.back else self.old_vendor_id

    @property
    def surviving_id(self) -> str:
        return self.old_vendor_id if self.back else self.new_vendor_id

    @property
    def retiring_version(self) -> str:
        return self.new_version if self.back else self.old_version

    @property
    def surviving_version(self) -> str:
        return self.old_version if self.back else self.new_version

    @property
    def ends_as(self) -> State:
        return State.ABORTED if self.back else State.DONE


def rotation_id(credential: Credential, due_window: str) -> str:
    """Return the id: the same for every trigger of one window, so that a late or repeated one opens nothing new."""
    digest = hashlib.sha256(f"{credential}\n{due_window}".encode()).hexdigest()
    return f"r{digest[:11]}"


def verdict_of(record: RotationRecord) -> Verdict:
    """Return GREEN for what is over and went well, WAITING for what only time ends, HOLD for everything else.

    It judges the run that stepped the rotation. How an open one stands now, whoever stepped it, `weight_of` says.
    """
    if record.state is State.DONE:
        return Verdict.GREEN
    if record.state is State.ABORTED:
        return Verdict.GREEN if record.back else Verdict.HOLD
    return Verdict.WAITING if is_patient(record.wait) else Verdict.HOLD


def is_forgotten(record: RotationRecord, now: datetime) -> bool:
    """Say whether its moment has come for longer than the sweeper may be away, and nobody works on it."""
    in_hands = record.lease_until is not None and record.lease_until > now
    return not in_hands and now - record.not_before > ENDS_WELL_WITHIN[SWEEPER]


def weight_of(record: RotationRecord, now: datetime) -> Weight | None:
    """Return how much an open rotation needs someone, None where nothing is wrong; what nobody steps any more is needed now."""
    return Weight.NOW if is_forgotten(record, now) else _NEEDED[record.wait]


IN_WORDS: Mapping[State, str] = MappingProxyType(
    {
        State.PLANNED: "planned; nothing was created yet",
        State.CONTAINING: "switching the old credential off before a new one exists",
        State.ADOPTING: "binding the credential to its entry at the vendor",
        State.CREATING: "creating the new credential; whether it exists is looked up",
        State.CREATED: "the new credential exists and is not proven yet",
        State.VERIFIED: "the new credential is proven; applications still use the old one",
        State.PUBLISHED: "published; old and new both work",
        State.DISABLING: "switching the retiring credential off",
        State.DISABLED: "the retiring credential is switched off and can still be switched on",
        State.REVOKING: "deleting the retiring credential at the vendor",
        State.ROLLING_BACK: "going back to the old credential",
        State.DONE: "done: the new credential works, the old one was seen to be refused",
        State.ABORTED: "rolled back or given up; the old credential is in use",
    }
)
