"""A compromise: every value that was in use until a moment counts as exposed, and is replaced without an overlap."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from domain.compromise import emergency_window
from domain.errors import BadInput
from domain.names import Credential
from domain.rotation import Kind, RotationRecord, Wait, rotation_id
from ledger.held_credentials import held_credentials, mark_compromised
from ledger.opening import Ledger
from ledger.rotation_rows import open_rotation_of, times_given_up
from ledger.rotations import note, open_rotation
from steps.turns import AFTER, IsChannel, ahead_of, no_channel


@dataclass(frozen=True, slots=True)
class Order:
    """Who orders an emergency rotation, why, and until when values count as exposed. `second` is the second name that containing first needs."""

    compromised_at: datetime
    operator: str
    reason: str
    ticket: str
    contain_first: bool = False
    second: str = ""
    may_page: bool = False


def order_emergency(
    ledger: Ledger, credentials: Iterable[Credential], order: Order, is_channel: IsChannel = no_channel
) -> list[RotationRecord]:
    """Open an emergency rotation for each credential, or make its open one an emergency; return them.

    A candidate that was minted before the compromise is finished forward, and replaced again afterwards (`renew_exposed`).
    What alerts go out through is never contained first, and of an environment's channels one goes after the other, in this order.

    Raises:
        BadInput: containing first has no second name, or the same one; or the moment is in the future.
    """
    check_second_person(order)
    check_moment(ledger, order.compromised_at)
    return [_of_one(ledger, credential, order, is_channel) for credential in credentials]


def check_moment(ledger: Ledger, compromised_at: datetime) -> None:
    """Raise BadInput for a moment in the future: every new value would be exposed as well, and replaced again and again."""
    now = ledger.now()
    if compromised_at > now:
        raise BadInput(
            f"{compromised_at:%Y-%m-%d %H:%M:%S} UTC is in the future; it is {now:%Y-%m-%d %H:%M:%S} UTC.",
            "Values that are exposed were minted until then; the time is UTC. Nothing was started.",
            "Name the last moment at which the leak was open, or leave it out: then it is now.",
        )


def check_second_person(order: Order) -> None:
    """Raise BadInput where containing first has no second name, or the same one."""
    if order.contain_first and order.second.strip().casefold() in {"", order.operator.strip().casefold()}:
        raise BadInput(
            "Containing first needs a second person's name.",
            "It switches a credential off before there is another: what uses it fails until then. Nothing was done.",
            "Name who agreed: --second NAME, another one than --operator.",
        )


def renew_exposed(
    ledger: Ledger, is_channel: IsChannel = no_channel, among: Container[Credential] | None = None
) -> list[RotationRecord]:
    """Open an emergency rotation for every exposed value that has none: a candidate minted before the compromise, for one."""
    opened: list[RotationRecord] = []
    for one in held_credentials(ledger):
        if among is not None and one.credential not in among:
            continue
        if one.is_exposed and one.compromised_at and open_rotation_of(ledger, one.credential) is None:
            order = Order(one.compromised_at, "opsflows", "the value in use was minted before the compromise", "-")
            window = f"{emergency_window(one.compromised_at)} flip {one.flips}"
            opened.append(_opened(ledger, one.credential, order, window, ahead_of(ledger, one.credential, is_channel)))
    return opened


def _of_one(ledger: Ledger, credential: Credential, order: Order, is_channel: IsChannel) -> RotationRecord:
    mark_compromised(ledger, credential, order.compromised_at)
    after = ahead_of(ledger, credential, is_channel)
    if after is not None:
        order = replace(order, contain_first=False)
    there = open_rotation_of(ledger, credential)
    if there is None:
        return _opened(ledger, credential, order, emergency_window(order.compromised_at), after)
    if _is_ordered(there, order) and (after is None or AFTER in there.facts):
        return there
    said = {
        "verb": "emergency", "operator": order.operator, "reason": order.reason, "ticket": order.ticket, "second": order.second,
        "compromised_at": order.compromised_at.isoformat(), "contain_first": order.contain_first,
    }  # fmt: skip
    # A later order without it does not take back that it is contained: somebody may be switching it off right now.
    contain_first = there.contain_first or order.contain_first
    columns = {
        "emergency": True, "contain_first": contain_first, "compromised_at": order.compromised_at, "failures": 0,
        "wait": Wait.NOTHING.value, "words": "", "next_step": "",
    }  # fmt: skip
    facts: dict[str, object] = {"may_page": True} if order.may_page else {}
    if after is not None and AFTER not in there.facts:
        facts[AFTER] = after
    try:
        return note(ledger, there.id, said, facts, columns=columns)
    except BadInput:  # it ended between the look and the word; what is exposed then has no rotation
        return _opened(ledger, credential, order, emergency_window(order.compromised_at), after)


def _is_ordered(there: RotationRecord, order: Order) -> bool:
    """Say whether the same order stands in it already and nothing has failed since: then there is nothing to say again."""
    same = (there.ticket, there.compromised_at) == (order.ticket, order.compromised_at)
    goes_first = there.contain_first or not order.contain_first
    agreed = there.facts.get("may_page") is True or not order.may_page
    return there.emergency and same and goes_first and agreed and not there.failures


def _opened(
    ledger: Ledger, credential: Credential, order: Order, window: str, after: list[str] | None
) -> RotationRecord:
    reason = f"{order.reason} (second: {order.second})" if order.second else order.reason
    # One that was given up ends its window: the same order again opens another.
    given_up = times_given_up(ledger, credential)
    window = f"{window} again {given_up}" if given_up else window
    facts: dict[str, object] = {"may_page": order.may_page}
    if after is not None:
        facts[AFTER] = after
    return open_rotation(
        ledger, rotation_id(credential, window), credential, Kind.EMERGENCY, operator=order.operator, reason=reason,
        ticket=order.ticket, due_window=window, emergency=True, contain_first=order.contain_first,
        compromised_at=order.compromised_at, facts=facts,
    )  # fmt: skip
