"""What an operator does about a rotation that stands still: one sentence per wait, with the exact command."""

from collections.abc import Mapping
from types import MappingProxyType

from domain.rotation import RotationRecord, Wait

_NEXT_STEP: Mapping[Wait, str] = MappingProxyType(
    {
        Wait.NOTHING: "Nothing: it goes on by itself.",
        Wait.OVERLAP: "Nothing: it goes on by itself; a run is scheduled for that moment.",
        Wait.VENDOR_LAG: "Nothing: it goes on by itself once the vendor's word covers the overlap.",
        Wait.SOAK: "Nothing: it goes on by itself; opsflows rotation rollback {id} --reason WHY switches the old credential on again.",
        Wait.SETTLING: "Nothing: it goes on by itself.",
        Wait.CAP: "Nothing: it goes on by itself; the cap is per_vendor_per_hour in opsflows.toml.",
        Wait.GROUP: "Nothing: it goes on when the other rotation is over.",
        Wait.FROZEN: "opsflows freeze says who froze it, why, and how it ends; it goes on by itself then.",
        Wait.BACKOFF: "Nothing yet: it is tried again by itself.",
        Wait.HALTED: "Remove the cause, then opsflows rotation resume {id} --reason WHY; or opsflows rotation rollback {id} --reason WHY.",
        Wait.BLOCKED_PREFLIGHT: "Put the missing value in place (opsflows connect {target} --environment {environment}); it is looked at again by itself.",
        Wait.BLOCKED_NO_SLOT: "Delete one that nobody needs in the vendor's console; it is looked at again by itself.",
        Wait.BLOCKED_STILL_USED: "Find who still uses it and let them load the new value; if that use may break: opsflows rotation waive {id} --reason WHY.",
        Wait.BLOCKED_HELD_OPEN: "Resolve them in the vendor's console; it is looked at again by itself.",
        Wait.BLOCKED_NEW_FAILS: "The other one still works: go back with opsflows rotation rollback {id} --reason WHY; one that rolls back already needs the failing one mended at the vendor.",
        Wait.BLOCKED_OLD_FAILS: "If the old credential is lost, go forward again: opsflows rotation resume {id} --reason WHY; otherwise it is looked at again by itself.",
        Wait.BLOCKED_CLOCKS: "Set the clock that is wrong (timedatectl); it is looked at again by itself.",
        Wait.BLOCKED_CONFLICT: "To put the ledger's value back: opsflows rotation resume {id} --reason WHY. To keep what stands there, note it down, let this rotation end first, then enter it again and opsflows adopt {credential}.",
        Wait.STILL_ACCEPTED: "See in the vendor's console whether it is gone; it is looked at again by itself.",
        Wait.AWAITING_ADOPTION: "Bind the old credential: opsflows adopt {credential}, with --vendor-id where it cannot be told.",
        Wait.AWAITING_AGREEMENT: "Declare a low-urgency target in opsflows.toml, or start with --may-page.",
        Wait.AWAITING_CONSUMERS: "When they have loaded it: opsflows rotation ack {id} --consumer NAME.",
        Wait.AWAITING_HUMAN_CREATE: "opsflows questions shows the question; answer it with opsflows confirm when the value is in place.",
        Wait.AWAITING_HUMAN_SEEN: "opsflows questions shows the question; answer it with opsflows confirm.",
        Wait.AWAITING_HUMAN_REVOKE: "Revoke it in the vendor's console; that it is refused is seen by itself.",
        Wait.AWAITING_HUMAN_RECONCILE: "Delete it in the vendor's console if it is there, then opsflows rotation resume {id} --reason WHY.",
    }
)  # fmt: skip


def next_step_of(wait: Wait, record: RotationRecord) -> str:
    credential = record.credential
    return _NEXT_STEP[wait].format(
        id=record.id,
        credential=credential,
        target=credential.target,
        environment=credential.environment,
    )
