"""Where every part of every declared service stands, the last spells, and the golden ciphertexts: for a terminal and for machines."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.config import Config
from domain.errors import BadInput
from domain.kms_checks import Part
from domain.kms_goldens import SHOWN_SIGNS, WRAPPED, Golden
from domain.kms_history import Spell, SpellJudgement
from domain.kms_names import shown_version
from domain.kms_standing import PartStanding
from ledger.kms_checks import last_check, spells_since, standings
from ledger.kms_goldens import goldens
from ledger.kms_judgements import judgements
from ledger.opening import Ledger
from steps.kms_retiring import is_declared

SPELLS_OF = timedelta(days=92)
_SPELLS_SHOWN = 20
# So few digits of a SHA-256 are enough to tell one file from another.
_FEWEST_DIGITS = 8
NOT_JUDGED = "not judged"
NOT_DECLARED = "not declared"


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part: where it stands, and what its last answer was, if the last check asked it."""

    environment: str
    target: str
    standing: PartStanding
    part: Part


@dataclass(frozen=True, slots=True)
class Status:
    """All of it. `unseen` are the targets that nobody has checked yet, as environment and name."""

    parts: tuple[PartStatus, ...]
    unseen: tuple[tuple[str, str], ...]
    spells: tuple[Spell, ...]
    judged: Mapping[int, SpellJudgement]


def status_of(ledger: Ledger, config: Config, environment: str) -> Status:
    """Return the status of every declared target, of one environment where it is named; the newest spells first."""
    declared = [(row.environment, name) for name, row in config.kms.items() if environment in {"", row.environment}]
    parts: list[PartStatus] = []
    unseen = []
    for where, name in declared:
        last = last_check(ledger, where, name)
        if last is None:
            unseen.append((where, name))
            continue
        standing = standings(ledger, where, name)
        parts += [PartStatus(where, name, standing[p.name], p) for p in last.checked.parts if p.name in standing]
    since = ledger.now() - SPELLS_OF
    found = [
        one for where in dict.fromkeys(where for where, _ in declared) for one in spells_since(ledger, where, since)
    ]
    newest = sorted(found, key=lambda one: one.began_at, reverse=True)[:_SPELLS_SHOWN]
    return Status(tuple(parts), tuple(unseen), tuple(newest), judgements(ledger))


def part_rows(status: Status) -> list[tuple[str, ...]]:
    """Return a row per part: environment, target, part, standing, since, last passed, what its last answer said."""
    return [
        (
            one.environment,
            one.target,
            one.part.name,
            f"{one.standing.standing}{' flapping' if one.standing.is_flapping else ''}",
            _moment(one.standing.since),
            _moment(one.standing.last_passed_at),
            one.part.happened or one.part.outcome.value,
        )
        for one in status.parts
    ]


def spell_rows(status: Status) -> list[tuple[str, ...]]:
    """Return a row per spell: number, where, part, fault, from, to, what somebody said it was."""
    return [
        (
            str(one.id),
            one.environment,
            one.target,
            one.part,
            one.fault,
            _moment(one.began_at),
            _moment(one.ended_at) if one.ended_at else "still DOWN",
            judged_words(status.judged.get(one.id)),
        )
        for one in status.spells
    ]


def golden_rows(ledger: Ledger, config: Config, environment: str) -> list[tuple[str, ...]]:
    """Return a row per golden in force: environment, target, key, version or file, source, kept, last opened, the last trial's fault.

    One of a key that opsflows.toml does not name is tried by nobody, and holds its version all the same.
    """
    return [
        (
            one.environment, one.target, one.key_name, named_by(one), one.source, _moment(one.kept_at), _moment(one.opened_at),
            _last_trial(one, config),
        )
        for one in goldens(ledger, environment)
    ]  # fmt: skip


def as_document(status: Status) -> dict[str, object]:
    """Return the status for machines; moments in ISO 8601, null where there is none."""
    return {
        "parts": [
            {
                "environment": one.environment, "target": one.target, "part": one.part.name,
                "standing": one.standing.standing.value, "since": one.standing.since.isoformat(),
                "last_passed_at": _iso(one.standing.last_passed_at), "flapping": one.standing.is_flapping,
                "last_answer": one.part.outcome.value, "fault": one.part.fault, "happened": one.part.happened,
            }
            for one in status.parts
        ],
        "never_checked": [{"environment": where, "target": name} for where, name in status.unseen],
        "spells": [
            {
                "spell": one.id, "environment": one.environment, "target": one.target, "part": one.part, "fault": one.fault,
                "began_at": one.began_at.isoformat(), "ended_at": _iso(one.ended_at),
                "judged": status.judged[one.id].judged.value if one.id in status.judged else None,
            }
            for one in status.spells
        ],
    }  # fmt: skip


def judged_words(judged: SpellJudgement | None) -> str:
    if judged is None:
        return NOT_JUDGED
    words = f"{judged.judged.value}, by {judged.who}" + (f": {judged.note}" if judged.note else "")
    # A cell of a table is one line, whatever somebody typed.
    return " ".join(words.split())


def _last_trial(golden: Golden, config: Config) -> str:
    told = golden.fault or ("opened" if golden.tried_at else "not tried yet")
    return (
        told if is_declared(config, golden.environment, golden.target, golden.key_name) else f"{told}; {NOT_DECLARED}"
    )


def named_by(golden: Golden) -> str:
    """Return what names the golden to a command: its version, of a wrapped key the first digits of its file's SHA-256."""
    return golden.slot[:SHOWN_SIGNS] if golden.source == WRAPPED else shown_version(golden.version)


def stored_version(found: Iterable[Golden], shown: str) -> str:
    """Return the version as the ledger has it, of what a person typed: the same, or what lists show of it."""
    return next((one.version for one in found if shown_version(one.version) == shown), shown)


def stored_slot(found: Iterable[Golden], digits: str) -> str:
    """Return the wrapped key whose SHA-256 begins with these digits.

    Raises:
        BadInput: it is none of them, or not one alone; it lists them.
    """
    wrapped = sorted({one.slot for one in found if one.source == WRAPPED})
    fitting = [slot for slot in wrapped if slot.startswith(digits.lower())]
    if len(digits) >= _FEWEST_DIGITS and len(fitting) == 1:
        return fitting[0]
    known = ", ".join(slot[:SHOWN_SIGNS] for slot in fitting or wrapped) or "none"
    raise BadInput(
        f"{digits} does not name one wrapped key.",
        f"In force there are: {known}. Nothing was changed.",
        f"Name it by at least {_FEWEST_DIGITS} digits of its SHA-256, as opsflows kms goldens shows them.",
    )


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "never"


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
