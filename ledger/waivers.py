"""A HOLD that someone accepts until a day, of any flow: it stays printed, and it is never GREEN."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from domain.errors import BadInput
from ledger import chain
from ledger.facts import WAIVED, WITHDRAWN, record_fact
from ledger.opening import Ledger
from ledger.reconciliation_schema import WAIVERS

# Whoever accepts something for longer has to say so again, having looked.
LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Waiver:
    """Who accepts what, why, and until which UTC day, that day included.

    The subject is a kind and what of it is waived: `reconciliation slack 2026-10`.
    """

    environment: str
    subject: str
    who: str
    reason: str
    until: date
    ticket: str
    at: datetime

    @property
    def name(self) -> str:
        """Return what of its kind is waived: `slack 2026-10`."""
        return self.subject.partition(" ")[2]

    def holds_on(self, day: date) -> bool:
        """Say whether it is in force on the UTC day: not before it was given, and not after its end."""
        return self.at.astimezone(UTC).date() <= day <= self.until


def waive(  # noqa: PLR0917 (the parts of one row, in its order)
    ledger: Ledger,
    environment: str,
    subject: str,
    who: str,
    reason: str,
    until: date,
    ticket: str = "",
    *,
    run_id: str = "",
) -> Waiver:
    """Record the waiver, in place of an earlier one of the same subject, and return it.

    Raises:
        BadInput: the end is not ahead, or more than 366 days ahead; nobody or no reason is named; the subject has not two words.
    """
    values = {
        "environment": environment,
        "subject": subject,
        "who": who.strip(),
        "reason": reason.strip(),
        "until": until.isoformat(),
        "ticket": ticket,
        "run_id": run_id,
    }
    with ledger.writing() as connection:
        chain.hold(connection)
        _check(subject, values, until, ledger.now_in(connection).date())
        earlier = _numbers(connection, environment, subject)
        recorded = record_fact(ledger, connection, WAIVED, values, ends=earlier)
    return Waiver(environment, subject, values["who"], values["reason"], until, ticket, recorded.at)


def withdraw_waiver(
    ledger: Ledger, environment: str, subject: str, who: str, reason: str = "", *, run_id: str = ""
) -> None:
    """End the waiver before its day.

    Raises:
        BadInput: none is in force for that subject.
    """
    values = {"environment": environment, "subject": subject, "who": who, "reason": reason, "run_id": run_id}
    with ledger.writing() as connection:
        chain.hold(connection)
        found = _numbers(connection, environment, subject)
        if not found:
            raise BadInput(
                f"Nothing is waived for {subject} in {environment}.",
                "Nothing was changed.",
                "List what is with opsflows waivers.",
            )
        record_fact(ledger, connection, WITHDRAWN, values, ends=found)


def waivers_on(ledger: Ledger, environment: str, kind: str, day: date) -> Mapping[str, Waiver]:
    """Return the waivers of the kind that are in force on the UTC day, by what they waive: `slack 2026-10`."""
    there = (one for one in waivers(ledger, environment) if one.subject.partition(" ")[0] == kind)
    return {one.name: one for one in there if one.holds_on(day)}


def waivers(ledger: Ledger, environment: str = "") -> tuple[Waiver, ...]:
    """Return every waiver that nobody withdrew or replaced, the nearest end first; of all environments where none is named.

    Those whose day has passed are among them: they waive nothing any more, and what they waived is to be looked at.
    """
    query = _standing()
    if environment:
        query = query.where(WAIVERS.c.environment == environment)
    with ledger.reading() as connection:
        return tuple(_waiver(row) for row in connection.execute(query.order_by(WAIVERS.c.until, WAIVERS.c.seq)))


def _standing() -> Select[Any]:
    return select(*(WAIVERS.c[field.name] for field in fields(Waiver))).where(WAIVERS.c.ended_seq.is_(None))


def _waiver(row: Row[Any]) -> Waiver:
    told = row._asdict()
    return Waiver(**told | {"until": date.fromisoformat(told["until"])})


def _numbers(connection: Connection, environment: str, subject: str) -> list[int]:
    kept = WAIVERS.c
    these = (kept.environment == environment, kept.subject == subject, kept.ended_seq.is_(None))
    return list(connection.execute(select(kept.seq).where(*these)).scalars())


def _check(subject: str, values: Mapping[str, str], until: date, today: date) -> None:
    nothing = "Nothing is waived."
    kind, _, name = subject.partition(" ")
    if not kind or not name.strip():
        raise BadInput(
            f"{subject!r} is not what can be waived.", nothing, "Write it like reconciliation slack 2026-10."
        )
    for column, wanted in (("who", "name who accepts it"), ("reason", "say why it is accepted")):
        if not values[column]:
            raise BadInput(f"A waiver without {column!r} was asked for.", nothing, f"Try again and {wanted}.")
    if until <= today:
        raise BadInput(
            f"A waiver until {until} would be over already: today is {today} (UTC).",
            nothing,
            f"Name a day from {today + timedelta(days=1)} on.",
        )
    if until > today + LONGEST:
        raise BadInput(
            f"A waiver until {until} would last longer than {LONGEST.days} days.",
            f"What is accepted for so long is looked at by nobody. {nothing}",
            f"Name a day until {today + LONGEST}, and waive it again then if it still holds.",
        )
