"""What people decide about a month: a sign-off, a waiver, an investigation; checked, recorded, and said back in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from domain.config import Config
from domain.errors import BadInput
from domain.names import Target
from domain.reconciliation import Investigation
from domain.windows import Month
from ledger.investigations import (
    close_investigation,
    investigations_of,
    note_investigation,
    open_investigation,
    open_investigations,
)
from ledger.opening import Ledger
from ledger.reconciliations import Revision, newest_revision
from ledger.sign_offs import require_signable, sign_off
from ledger.waivers import Waiver, waive, withdraw_waiver
from steps.unresolved_months import WAIVED_AS, clear_answered, unresolved, waivable

# The first word of what can be waived; a target and its month follow.
WAIVABLE = (WAIVED_AS,)
_DIGEST_SHOWN = 12


class Decision(StrEnum):
    """What is decided; the value is what operators choose in the form."""

    SIGN_OFF = "sign off"
    WAIVE = "waive"
    WITHDRAW = "withdraw waiver"
    INVESTIGATE = "investigate"
    CLOSE = "close investigation"


@dataclass(frozen=True, slots=True)
class Word:
    """One decision as it was given. `said` is its reason, note or outcome; `revision` is 0 for the newest one.

    `day` is a waiver's last day or the day an investigation is due, None where none was named.
    """

    environment: str
    who: str
    said: str = ""
    month: Month | None = None
    target: str = ""
    kind: str = WAIVABLE[0]
    day: date | None = None
    owner: str = ""
    ticket: str = ""
    revision: int = 0
    run_id: str = ""


def decide(ledger: Ledger, decision: Decision, word: Word) -> str:
    """Record the decision and return what was recorded, in words.

    Raises:
        BadInput: something that this decision needs was not given or cannot be; nothing was recorded.
    """
    return _DECIDE[decision](ledger, word)


def target_in_scope(config: Config, environment: str, name: str) -> str:
    """Return the name of a target that the environment has in scope, spelled as everywhere.

    Raises:
        BadInput: there is no such environment, or it has no such target.
    """
    there = [str(target) for target in config.environment(environment).targets]
    target = str(Target.parse(name)) if name else ""
    if target not in there:
        raise BadInput(
            f"{name!r} is not in scope of {environment}." if name else "No integration was named.",
            "Nothing was recorded.",
            f"In scope there: {', '.join(there) or 'nothing'}.",
        )
    return target


def day_of(text: str) -> date | None:
    """Return the day that `2026-12-31` names, None for an empty text.

    Raises:
        BadInput: it names none.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise BadInput(f"{text!r} is not a day.", "Nothing was recorded.", "Write it like 2026-12-31.") from error


def waiver_words(waiver: Waiver, today: date) -> str:
    """Return one waiver in a line, with whether it still holds."""
    ticket = f" ({waiver.ticket})" if waiver.ticket else ""
    until = f"until {waiver.until}" if waiver.holds_on(today) else f"ENDED {waiver.until}"
    return f"{waiver.environment} {waiver.subject}, {until}, by {waiver.who}: {waiver.reason}{ticket}"


def _waive(ledger: Ledger, word: Word) -> str:
    subject = _subject(ledger, word)
    until = _day(word, "a waiver", "its last day")
    made = waive(
        ledger, word.environment, subject, word.who, word.said, until, word.ticket, run_id=word.run_id
    )  # fmt: skip
    clear_answered(ledger, word.environment)
    return f"Waived: {waiver_words(made, made.at.date())}.\nIt stays printed in every report, and is not GREEN."


def _withdraw(ledger: Ledger, word: Word) -> str:
    subject = _subject(ledger, word)
    withdraw_waiver(ledger, word.environment, subject, word.who, word.said, run_id=word.run_id)
    return f"{subject} in {word.environment} is waived no more, by {word.who}."


def _sign_off(ledger: Ledger, word: Word) -> str:
    month = _month(ledger, word)
    newest = newest_revision(ledger, word.environment, month)
    number = word.revision or (newest.number if newest else 0)
    left = _left_alone(ledger, require_signable(ledger, word.environment, month, number))
    if left and not word.said.strip():
        raise BadInput(
            f"Nobody has looked into {', '.join(left)} in {word.environment}.", "Nothing was signed: whoever reads it later would not know why.",
            "Say why it is signed all the same, with --note (in the form: reason); or look into it: opsflows investigate.",
        )  # fmt: skip
    signed = sign_off(ledger, word.environment, month, number, word.who, word.said, run_id=word.run_id)
    words = (
        f"Revision {signed.revision} of {month} in {word.environment} (digest {signed.digest[:_DIGEST_SHOWN]}) "
        f"is signed off by {word.who}."
    )
    return f"{words}\nNobody has looked into {', '.join(left)}: opsflows investigate." if left else words


def _left_alone(ledger: Ledger, revision: Revision) -> list[str]:
    """Return the findings that nobody accepts, and of which nobody investigates or investigated the reason."""
    known = investigations_of(ledger, revision.environment, revision.month)
    return [
        f"{one.target} ({one.finding.value})"
        for one in unresolved(ledger, revision.environment, ledger.now().date())
        if one.month == str(revision.month) and one.target not in known
    ]


def _investigate(ledger: Ledger, word: Word) -> str:
    """Open the investigation, or add to the one that is open."""
    month = _month(ledger, word)
    if any(
        (one.month, one.target) == (str(month), word.target) for one in open_investigations(ledger, word.environment)
    ):
        noted = note_investigation(
            ledger, word.environment, month, word.target, who=word.who, note=word.said, owner=word.owner, due=word.day,
            run_id=word.run_id,
        )  # fmt: skip
        return f"Noted. {_stands(word.environment, noted)}"
    due = _day(word, "a new investigation", "the day it is due")
    opened = open_investigation(
        ledger, word.environment, month, word.target, word.owner or word.who, due, word.said, who=word.who,
        run_id=word.run_id,
    )  # fmt: skip
    return f"Opened. {_stands(word.environment, opened)}"


def _close(ledger: Ledger, word: Word) -> str:
    month = _month(ledger, word)
    closed = close_investigation(
        ledger, word.environment, month, word.target, who=word.who, outcome=word.said, run_id=word.run_id
    )
    clear_answered(ledger, word.environment)
    return f"Closed by {word.who}: {closed.target} in {word.environment}, {month}. {word.said}"


_DECIDE: Mapping[Decision, Callable[[Ledger, Word], str]] = {
    Decision.SIGN_OFF: _sign_off,
    Decision.WAIVE: _waive,
    Decision.WITHDRAW: _withdraw,
    Decision.INVESTIGATE: _investigate,
    Decision.CLOSE: _close,
}


def _stands(environment: str, one: Investigation) -> str:
    return f"{one.owner} looks into {one.target} in {environment}, {one.month}, until {one.due}."


def _subject(ledger: Ledger, word: Word) -> str:
    """Return what is waived: one month of one integration, since what is known of it says nothing of the next month."""
    return f"{word.kind} {waivable(word.target, _month(ledger, word))}"


def _day(word: Word, what: str, which: str) -> date:
    if word.day is None:
        raise BadInput(f"{what.capitalize()} without a day was asked for.", "Nothing was recorded.", f"Name {which}.")
    return word.day


def _month(ledger: Ledger, word: Word) -> Month:
    if word.month is None:
        raise BadInput("No month was named.", "Nothing was recorded.", "Write it like 2026-10.")
    if word.month > Month.of(ledger.now()):
        raise BadInput(
            f"{word.month} has not begun.", "There is nothing to decide about it yet.", "Name a month that has."
        )
    return word.month
