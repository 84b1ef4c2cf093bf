"""Words and signs for what a month says, the same on the page, in Markdown and in Slack. What is not known has a word.

Every finding has a sign of its own shape beside its word, so that nobody needs colour to tell them apart.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from types import MappingProxyType

from domain.event_counts import Clock, Trust
from domain.reconciliation import Bounds, Finding, TargetMonth
from domain.windows import DAY, Month

NOT_KNOWN = "not known"
NO_DATA = "no data"
ONLY_COUNTED = "cannot be told"
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
SIGN = MappingProxyType(
    {
        Finding.OK: "✓",
        Finding.EXPLAINED: "≈",
        Finding.WAIVED: "◇",
        Finding.PROVISIONAL: "◐",
        Finding.INCONCLUSIVE: "?",
        Finding.NO_DATA: "▨",
        Finding.BREACH: "▲",
    }
)
MEANING = MappingProxyType(
    {
        Finding.OK: "both sides agree within the rule",
        Finding.EXPLAINED: "they differ by more than the rule, and known reasons cover it",
        Finding.WAIVED: "they differ, and someone accepts that until a date",
        Finding.PROVISIONAL: "late events may still arrive; nothing is decided",
        Finding.INCONCLUSIVE: "too few events, or bounds too wide, to say whether the rule is kept",
        Finding.NO_DATA: "a side could not be counted; it is not 0",
        Finding.BREACH: "more is missing or too much than the rule allows, and nothing explains it",
    }
)
# The worst first: the order in which people need to see them.
URGENCY = (
    Finding.BREACH, Finding.NO_DATA, Finding.INCONCLUSIVE, Finding.PROVISIONAL, Finding.WAIVED, Finding.EXPLAINED, Finding.OK,
)  # fmt: skip
NEEDS_SOMEONE = frozenset({Finding.BREACH, Finding.NO_DATA, Finding.INCONCLUSIVE})
AGREES = frozenset({Finding.OK, Finding.EXPLAINED})
TRUST_SHORT = MappingProxyType(
    {Trust.EXACT: "event records", Trust.COUNTERS: "counters", Trust.ESTIMATE: "Prometheus (estimate)"}
)
CLOCK_SHORT = MappingProxyType({Clock.EVENT: "event time", Clock.RECEIVED: "receipt"})
_TWO_DIGITS_BELOW = 10


def by_urgency(targets: Iterable[TargetMonth]) -> list[TargetMonth]:
    """Return the worst first, and by name among equals."""
    return sorted(targets, key=lambda one: (URGENCY.index(one.finding), one.target))


def month_in_words(month: Month) -> str:
    return f"{MONTHS[month.month - 1]} {month.year}"


def number(events: int | None, otherwise: str = NO_DATA) -> str:
    return otherwise if events is None else f"{events:,}"


def sentence(text: str) -> str:
    """Return the text with a capital letter first, whatever follows left as it is."""
    return text[:1].upper() + text[1:]


def bounds(one: Bounds | None) -> str:
    return NO_DATA if one is None else str(one)


def loss_in_windows(one: TargetMonth) -> str:
    """Return how many of what was lost lie in known windows, in words; empty where nothing was lost or no window is known."""
    found, loss = one.loss_in_windows, None if one.compared is None else one.compared.loss
    if found is None or loss is None or not loss.high:
        return ""
    share = f" ({percent(found.low / loss.high)})" if found.is_exact and loss.is_exact else ""
    return f"{found}{share} of {loss} lost events lie in known windows"


def percent(share: float | None, otherwise: str = NOT_KNOWN) -> str:
    """Return a share as people read it; what is there but tiny does not become 0."""
    if share is None:
        return otherwise
    if 0 < share < 0.0001:  # noqa: PLR2004 (the smallest share that two digits show)
        return "under 0.01 %"
    hundredths = share * 100
    text = f"{hundredths:.2f}" if hundredths < _TWO_DIGITS_BELOW else f"{hundredths:.1f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def interval(low: float | None, high: float | None) -> str:
    """Return between which shares the true one lies."""
    return NOT_KNOWN if low is None or high is None else f"{percent(low)} to {percent(high)}"


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def day_in_words(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]}"


def days_in_words(days: Collection[date]) -> str:
    """Return `3, 5 and 12-13 October`, one such group per month."""
    by_month: dict[tuple[int, int], list[str]] = {}
    for first, last in _runs(sorted(days)):
        text = f"{first.day}" if first == last else f"{first.day}-{last.day}"
        by_month.setdefault((first.year, first.month), []).append(text)
    return listed([f"{listed(runs)} {MONTHS[month - 1]}" for (_, month), runs in by_month.items()])


def moment(at: datetime) -> str:
    return f"{day_in_words(at.date())} {at.year}, {at:%H:%M} UTC"


def cut(text: str, longest: int) -> str:
    """Return the text in one line of at most `longest` characters, so that no name of an outside system breaks a layout."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _runs(days: Sequence[date]) -> list[tuple[date, date]]:
    runs: list[tuple[date, date]] = []
    for day in days:
        if runs and day - runs[-1][1] == DAY and day.month == runs[-1][1].month:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs
