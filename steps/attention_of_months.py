"""Months that do not agree, that nobody looked into in time, or that nobody signed off; and waivers that end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from domain.attention import Attention, Weight
from domain.windows import Month
from ledger.open_facts import JudgedMonth, Looking
from ledger.waivers import Waiver
from steps.attention_of_alerts import investigating
from steps.reconciliation_wording import NEEDS_SOMEONE
from steps.unresolved_months import WAIVED_AS, alert_key

_BREACH = "docs/runbooks/reconciliation-breach.md"
_DECIDING = "docs/deciding.md"
# So long before its end a waiver is said, so that whoever accepted it can look again.
ENDS_SOON = timedelta(days=7)
_Where = tuple[str, str, str]


def month_lines(
    months: Sequence[JudgedMonth], looked_into: Mapping[_Where, Looking], waived: Iterable[Waiver], today: date
) -> Iterator[Attention]:
    """Yield every finding that needs someone and is neither closed nor accepted, every late investigation, and what is not signed."""
    accepted = {(one.environment, one.subject) for one in waived if one.holds_on(today)}
    told: set[_Where] = set()
    for month in months:
        for target in sorted(name for name, finding in month.findings.items() if finding in NEEDS_SOMEONE):
            where = (month.environment, month.month, target)
            looking = looked_into.get(where)
            subject = f"{WAIVED_AS} {target} {month.month}"
            if (looking and looking.is_closed) or (month.environment, subject) in accepted:
                continue
            told.add(where)
            yield _finding(month, target, looking, today)
    for where, looking in looked_into.items():
        if where not in told and not looking.is_closed and looking.due < today:
            yield _late(looking)
    yield from _unsigned(months, told)


def waiver_lines(waived: Iterable[Waiver], today: date) -> Iterator[Attention]:
    """Yield each waiver in force that ends within a week."""
    for one in waived:
        if not one.holds_on(today) or one.until > today + ENDS_SOON:
            continue
        kind, target, month = [*one.subject.split(" "), "", ""][:3]
        yield Attention(
            key=f"waiver:{one.environment}:{one.subject}",
            weight=Weight.SOON,
            environment=one.environment,
            what=f"{one.environment}: the waiver of {one.name} ends with {one.until}.",
            means=f"{one.who} accepted it: {one.reason.rstrip('.')}. From the next day on it is HOLD again, unless it agrees by then.",
            by=_end_of(one.until),
            command=f"opsflows waive {kind} {target} --month {month} --environment {one.environment} --until YYYY-MM-DD --reason WHY",
            runbook=_DECIDING,
        )  # fmt: skip


def _finding(month: JudgedMonth, target: str, looking: Looking | None, today: date) -> Attention:
    is_late = looking is not None and looking.due < today
    said = f"{looking.owner} looks into it until {looking.due}" if looking else "Nobody looks into it"
    note = f"opsflows investigate --month {month.month} --environment {month.environment} --integration {target} --close OUTCOME"
    return Attention(
        key=alert_key(month.environment, target, Month.parse(month.month)),
        weight=Weight.SOON if looking and not is_late else Weight.NOW,
        environment=month.environment,
        what=f"{month.environment}: {month.month} of {target} is {month.findings[target].value}{f', and {looking.owner} should have closed it by {looking.due}' if looking and is_late else ''}.",
        means=f"{said}; it stays HOLD until it is closed with an outcome, waived, or reconciled again and agrees.",
        by=_end_of(looking.due) if looking else month.at,
        command=note if looking else investigating(month.environment, target, month.month),
        runbook=_BREACH,
    )  # fmt: skip


def _late(looking: Looking) -> Attention:
    return Attention(
        key=f"investigation:{looking.environment}:{looking.month}:{looking.target}",
        weight=Weight.NOW,
        environment=looking.environment,
        what=f"{looking.environment}: the investigation of {looking.target}, {looking.month}, is open past its day, {looking.due}.",
        means=f"{looking.owner} owns it. The month agrees by now or is accepted, so it may be closed with what came out of it.",
        by=_end_of(looking.due),
        command=f"opsflows investigate --month {looking.month} --environment {looking.environment} --integration {looking.target} --close OUTCOME",
        runbook=_DECIDING,
    )  # fmt: skip


def _unsigned(months: Sequence[JudgedMonth], told: Iterable[_Where]) -> Iterator[Attention]:
    """Yield one line per environment: the newest settled month that could be signed and is not, and how many lie before it."""
    held = {(environment, month) for environment, month, _ in told}
    open_ones: dict[str, list[JudgedMonth]] = {}
    for one in months:
        if one.is_final and not one.signed_by and (one.environment, one.month) not in held:
            open_ones.setdefault(one.environment, []).append(one)
    for environment, found in open_ones.items():
        newest, earlier = found[-1], len(found) - 1
        others = f" and {earlier} earlier month{'s' if earlier > 1 else ''}" if earlier else ""
        yield Attention(
            key=f"sign-off:{environment}:{newest.month}",
            weight=Weight.LATER,
            environment=environment,
            what=f"{environment}: nobody signed off {newest.month}{others}.",
            means=f"Revision {newest.number} is settled and needs nobody's investigation; someone has to stand by it.",
            by=None,
            command=f"opsflows sign-off --month {newest.month} --environment {environment}",
            runbook=_DECIDING,
        )  # fmt: skip


def _end_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
