"""What people and machines read of credentials and of the calendar: what is missing has a word, and null for machines."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from domain.policies import Policy, age_in_words
from domain.rotation import RotationRecord
from domain.rotation_calendar import LOOKS_AHEAD, DueMoment, Next, Week, by_week, fullest_day
from steps.rotation_calendar import Standing

STANDING_HEADS = ("credential", "age", "policy", "next date", "sinks", "last proof")
WEEK_HEADS = ("week of", "due", "credentials")
NEVER_PROVEN = "never proven"
# A Prefect artifact holds 100 kB: fifty weeks of so many names stay below it.
NAMES_IN_A_CELL = 30
_DAY = timedelta(days=1)


def standing_cells(one: Standing) -> tuple[str, ...]:
    """Return the row of one credential, below STANDING_HEADS."""
    return (
        str(one.credential),
        Next.NOT_SEEN.value if one.age is None else f"{one.age.days} days",
        _policy(one.policy),
        _next(one),
        ", ".join(f"{name}: {version.value}" for name, version in one.sinks.items()) or "none",
        f"{_minute(one.proof.at)} ({one.proof.how})" if one.proof is not None else NEVER_PROVEN,
    )


def standing_document(one: Standing) -> dict[str, object]:
    """Return the same for machines; moments are ISO in UTC."""
    return {
        "credential": str(one.credential),
        "environment": one.credential.environment,
        "age": {
            "state": "known" if one.age is not None else Next.NOT_SEEN.value,
            "days": None if one.age is None else one.age.days,
            "since": one.life.since.isoformat() if one.life is not None else None,
            "older_than_policy": one.is_too_old,
        },
        "policy": {
            "words": _policy(one.policy),
            "max_age_days": one.policy.max_age / _DAY,
            "drill": one.policy.is_drill,
        },
        "next": {
            "state": one.next.value,
            "at": one.at.isoformat() if one.at is not None and one.rotation is None else None,
            "rotation": one.rotation.id if one.rotation is not None else None,
            "rotation_state": one.rotation.state.value if one.rotation is not None else None,
            "rotation_wait": one.rotation.wait.value or None if one.rotation is not None else None,
        },
        "sinks": {name: version.value for name, version in one.sinks.items()},
        "last_proof": {
            "state": "proven" if one.proof is not None else NEVER_PROVEN,
            "at": one.proof.at.isoformat() if one.proof is not None else None,
            "how": one.proof.how if one.proof is not None else None,
        },
    }


def week_cells(week: Week) -> tuple[str, ...]:
    """Return the row of one week, below WEEK_HEADS."""
    return (f"{week.monday}", str(len(week.moments)), ", ".join(map(_named, week.moments)))


def calendar_table(moments: Iterable[DueMoment]) -> list[dict[str, object]]:
    """Return the calendar as an artifact's table."""
    return [
        {"week of": f"{week.monday}", "due": len(week.moments), "credentials": _first_names(week.moments)}
        for week in by_week(moments)
    ]


def calendar_document(found: Sequence[Standing], moments: Sequence[DueMoment], now: datetime) -> dict[str, object]:
    """Return the calendar for machines, with how many credentials are in none of its weeks, by reason."""
    fullest = fullest_day(moments)
    return {
        "from": now.isoformat(),
        "until": (now + LOOKS_AHEAD).isoformat(),
        "weeks": [
            {
                "monday": f"{week.monday}",
                "due": [{"credential": str(one.credential), "at": one.at.isoformat()} for one in week.moments],
            }
            for week in by_week(moments)
        ],
        "fullest_day": {"day": f"{fullest[0]}", "due": fullest[1]} if fullest is not None else None,
        "not_in_it": {kind.value: number for kind, number in _left_aside(found).items()},
    }


def calendar_summary(found: Sequence[Standing], moments: Sequence[DueMoment], now: datetime) -> str:
    """Return how many fall due in all and on the fullest day, and how many credentials the calendar cannot tell of."""
    fullest, aside = fullest_day(moments), _left_aside(found)
    most = f", {fullest[1]} at most on one day ({fullest[0]})" if fullest is not None else ""
    others = ", ".join(f"{number} {kind.value}" for kind, number in aside.items())
    told = f"{len(moments)} rotations fall due until {now + LOOKS_AHEAD:%Y-%m-%d}{most}."
    return f"{told} Not in the calendar: {others}." if others else told


def _policy(policy: Policy) -> str:
    return "every day, by the drill" if policy.is_drill else age_in_words(policy.max_age)


def _next(one: Standing) -> str:
    words = _comes(one)
    return f"{words}; older than its policy allows" if one.is_too_old else words


def _comes(one: Standing) -> str:
    if one.rotation is not None:
        return f"{Next.ROTATING.value}: {_stands(one.rotation)}"
    if one.at is None:
        return one.next.value
    return _minute(one.at) if one.next is Next.SCHEDULED else f"{one.next.value} since {_minute(one.at)}"


def _stands(rotation: RotationRecord) -> str:
    return f"{rotation.state.value} ({rotation.wait.value})" if rotation.wait else rotation.state.value


def _left_aside(found: Iterable[Standing]) -> Counter[Next]:
    return Counter(one.next for one in found if one.ahead is None)


def _first_names(moments: Sequence[DueMoment]) -> str:
    shown = ", ".join(map(_named, moments[:NAMES_IN_A_CELL]))
    more = len(moments) - NAMES_IN_A_CELL
    return f"{shown} and {more} more" if more > 0 else shown


def _named(moment: DueMoment) -> str:
    return f"{moment.credential} ({moment.at:%a %H:%M})"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
