"""What an integration can do, in one shape for all vendors: how it is connected, probed, and asked about failures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol, runtime_checkable

from domain.errors import BadInput, OpsError
from domain.names import Purpose
from domain.probes import CleanUp, Receipt
from vendors.http import Conduct


@dataclass(frozen=True, slots=True)
class Probe:
    """How one synthetic event is sent, read back and cleaned up; each callable makes one request.

    `confirm` is a chain: every read-back must succeed in turn, each adding what it learned to the receipt; it is empty
    where the credential cannot read back. `clean_up` is empty where the vendor cannot delete. Both find the event by
    nonce and time alone, so that a crash before the receipt was kept loses nothing.
    `explain` is asked once when the event stayed unseen: why? It returns None where the vendor does not say.
    `can_confirm` is asked with what the send returned, where only that tells whether there is anything to read back.
    """

    name: str
    send: Callable[[str, datetime], Receipt]
    confirm: tuple[Callable[[Receipt], Receipt], ...]
    clean_up: tuple[Callable[[Receipt], CleanUp], ...]
    indexing_bound: timedelta
    explain: Callable[[Receipt], OpsError | None] = lambda _: None
    can_confirm: Callable[[Receipt], bool] = lambda _: True


class Client(Protocol):
    """A connected integration."""

    @property
    def probes(self) -> tuple[Probe, ...]: ...

    def close(self) -> None: ...


@runtime_checkable
class Relocatable(Protocol):
    """A client of a vendor with several sites or regions, whose refusal may mean 'not here'.

    `other_homes` names the vendor's other published homes that may be asked with this credential (never a government
    site), and is empty when the configured host is not the vendor's own. `is_known_at` makes one request.
    """

    def other_homes(self, symptom: str) -> tuple[str, ...]: ...

    def is_known_at(self, home: str) -> bool: ...


class ErrorSource(Protocol):
    """Starts the chain Sentry error -> PagerDuty incident -> Slack message."""

    def raise_error(self, nonce: str, at: datetime) -> Receipt: ...

    def error_indexed(self, receipt: Receipt) -> Receipt: ...


class NonceFinder(Protocol):
    """Finds what another system put here, by the nonce in its text. Raises NotYet until it is there."""

    def find(self, nonce: str, since: datetime) -> Receipt: ...


@dataclass(frozen=True, slots=True)
class Variable:
    """One value an operator provides, as `.env.local` names it and as its block's field is called.

    `check` returns the value as it is to be stored, or raises BadInput naming what is wrong with it (never the value).
    A `dev_only` variable is refused outside dev environments and the rehearsal.
    """

    name: str
    field: str
    purpose: Purpose
    secret: bool
    required: bool
    where: str
    scopes: str
    rotated: str
    check: Callable[[str], str]
    default: str = ""
    dev_only: bool = False


@dataclass(frozen=True, slots=True)
class Integration:
    """One entry of the registry.

    `connect(values, address, conduct)` takes the values by variable field; `address` overrides the vendor's own API
    address (a stand-in, a gateway) and is None for the vendor's. It raises BadInput for values that do not fit.
    `wakes_people` says who is woken by a probe, empty where nobody is. `person_sees` is what a person confirms.
    """

    name: str
    title: str
    setup_minutes: int
    variables: tuple[Variable, ...]
    published_hosts: tuple[str, ...]
    connect: Callable[[Mapping[str, str], str | None, Conduct], Client]
    wakes_people: str
    person_sees: str
    clicks: tuple[str, ...]
    after_set_up: str


def checked_values(integration: Integration, given: Mapping[str, str]) -> dict[str, str]:
    """Return the integration's values by field, checked, with defaults filled in, from values by variable name.

    Raises:
        BadInput: a required variable is missing or a value is malformed; names each variable, shows no value.
    """
    missing = [row.name for row in integration.variables if row.required and not given.get(row.name, "").strip()]
    problems: list[BadInput] = []
    values: dict[str, str] = {}
    for row in integration.variables:
        text = given.get(row.name, "").strip() or row.default
        if not text:
            continue
        try:
            values[row.field] = row.check(text)
        except BadInput as problem:
            problems.append(BadInput(f"{row.name}: {problem.happened}", problem.means, problem.next_step))
    if missing:
        raise BadInput(
            " ".join([f"{integration.title} needs {', '.join(missing)}.", *(p.happened for p in problems)]),
            "A set of credentials is taken whole or not at all; nothing was sent and nothing was stored.",
            f"Fill in what is missing; opsflows connect {integration.name} shows where each value is found.",
        )
    if problems:
        raise BadInput(
            " ".join(p.happened for p in problems), problems[0].means, " ".join(p.next_step for p in problems)
        )
    return values


class Urgency(Enum):
    """Whether someone is to be woken, or to find it in the morning."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said to people. `key` makes repeats of one state one alert at vendors that de-duplicate."""

    key: str
    title: str
    text: str
    urgency: Urgency


@runtime_checkable
class Notifier(Protocol):
    """A client that can tell people something; one request, no read-back."""

    def notify(self, notice: Notice, at: datetime) -> None: ...
