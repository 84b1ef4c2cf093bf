"""A month in one sentence, as Markdown for Prefect and the bundle, and as a post for Slack.

Markdown stays below Prefect's limit whatever the input: rows that do not fit are counted, never dropped in silence.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from domain.reconciliation import (
    Bounds,
    Compared,
    Edition,
    Finding,
    Investigation,
    Reconciliation,
    TargetMonth,
    Unresolved,
)
from steps.reconciliation_facts import fact_rows
from steps.reconciliation_wording import (
    AGREES,
    NEEDS_SOMEONE,
    SIGN,
    bounds,
    by_urgency,
    cut,
    day_in_words,
    days_in_words,
    interval,
    listed,
    loss_in_windows,
    moment,
    month_in_words,
    number,
    percent,
    plural,
)

# Prefect takes artifacts below 100 kB.
LONGEST_MARKDOWN_BYTES = 96_000
_LONGEST_POST = 2_900
_LONGEST_NAME = 60
_LONGEST_SENTENCE = 400
_ROWS = 60
_DOES_NOT_FIT = "\nThe rest does not fit here; the page and the tables have all of it.\n"
# Days are named where this share of the difference lies on so few of them.
_MOST = 0.8
_FEW_DAYS = 7
_NAMED = 4
_MARKUP = str.maketrans({char: f"\\{char}" for char in "\\`*_[]<>|#~$"})
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def summary(reconciliation: Reconciliation) -> str:
    """Return the month in one sentence: how many agree, then every other integration, the worst first."""
    ordered = by_urgency(reconciliation.targets)
    agree = sum(one.finding in AGREES for one in ordered)
    unsettled = [one for one in ordered if one.finding is Finding.PROVISIONAL]
    others = [one for one in ordered if one.finding not in AGREES and one not in unsettled]
    told = [cut(_clause(reconciliation, one), _LONGEST_SENTENCE) for one in others[:_NAMED]]
    more = [f"and {len(others) - _NAMED} more are not clear either"] if len(others) > _NAMED else []
    head = (
        f"{agree} of {plural(len(ordered), 'integration')} {'agrees' if agree == 1 else 'agree'} "
        f"within {percent(reconciliation.tolerance)}"
    )
    clauses = [
        *([head] if len(unsettled) < len(ordered) or not ordered else []),
        *told,
        *more,
        *_not_settled(unsettled),
    ]
    return f"{month_in_words(reconciliation.month)}, {reconciliation.environment}: {'; '.join(clauses)}."


def markdown(reconciliation: Reconciliation, edition: Edition) -> str:
    """Return the report as Markdown, below LONGEST_MARKDOWN_BYTES."""
    ordered = by_urgency(reconciliation.targets)
    lines = [
        f"# Event counts, {month_in_words(reconciliation.month)}, {_text(reconciliation.environment)}: {_text(edition.verdict)}", "",
        _text(summary(reconciliation), _LONGEST_SENTENCE * 6), "",
        *_state(reconciliation), *_revision(edition), *_table(ordered), *_attention(ordered), *_listed_differences(ordered), *_windows(ordered),
        *_carried(reconciliation.carried_over, reconciliation.unresolved), *_inputs(reconciliation), *_changed(edition),
    ]  # fmt: skip
    return _shortened(lines)


def slack_text(reconciliation: Reconciliation, edition: Edition) -> str:
    """Return the post: verdict, the sentence, who does what, and links."""
    urgent = [
        one for one in by_urgency(reconciliation.targets) if one.finding in NEEDS_SOMEONE and one.cause is not None
    ]
    lines = [
        f"{edition.verdict}: {summary(reconciliation)}",
        *(f"{SIGN[one.finding]} {cut(one.target, _LONGEST_NAME)}: {cut(one.cause.next_step, _LONGEST_SENTENCE)}{_who(one.investigation)}"
          for one in urgent[:_NAMED] if one.cause is not None),
        f"Revision {edition.revision}, digest {edition.digest[:12]}.",
        *(link for link in (edition.bundle, edition.prefect) if link),
    ]  # fmt: skip
    text = "\n".join(lines)
    shortened = text if len(text) <= _LONGEST_POST else f"{text[: _LONGEST_POST - 1]}…"
    return shortened.translate(_SLACK)


def worst_days(reconciliation: Reconciliation, target: str) -> list[date]:
    """Return the few days that hold most of what is unexplained, in order; empty where it is spread over many."""
    by_day: dict[date, int] = {}
    for cell in reconciliation.cells:
        if cell.target == target and cell.compared is not None:
            left = max(cell.compared.loss_residual.high, cell.compared.excess_residual.high)
            by_day[cell.day] = by_day.get(cell.day, 0) + left
    total, found, so_far = sum(by_day.values()), list[date](), 0
    for day in sorted(by_day, key=lambda day: -by_day[day]):
        if so_far >= total * _MOST or not by_day[day]:
            break
        found.append(day)
        so_far += by_day[day]
    return sorted(found) if len(found) <= _FEW_DAYS else []


def difference_in_words(compared: Compared, low: float | None) -> str:
    """Return `lost 1,240 events (2.1 %, at least 1.9 %)`, of what no reason explains; excess beside it, not netted."""
    told = []
    for verb, left in (("lost", compared.loss_residual), ("received", compared.excess_residual)):
        if left.high:
            tail = " too many" if verb == "received" else ""
            noun = "event" if left.high == left.low == 1 else "events"
            told.append(f"{verb} {bounds(left)} {noun}{tail}{_share_of(left, compared, low)}")
    return listed(told) or "differs by nothing that is unexplained"


def _share_of(left: Bounds, compared: Compared, low: float | None) -> str:
    if not compared.expected:
        return ", where nothing was expected"
    share = left.high / compared.expected
    least = f", at least {percent(low)}" if low and share == compared.residual_share else ""
    return f" ({percent(share)}{least})"


def received_in_words(one: TargetMonth) -> str:
    """Return what the vendor received; where days are missing, the number says that it is not of the whole month."""
    return _of_its_days(one, None if one.received is None else one.received.events)


def emitted_in_words(one: TargetMonth) -> str:
    """Return how many events were recorded, each once, with the same word on missing days."""
    return _of_its_days(one, None if one.emitted is None else one.emitted.unique)


def _of_its_days(one: TargetMonth, events: int | None) -> str:
    if events is None or not one.days_missing:
        return number(events)
    return f"{number(events)} (without {plural(len(one.days_missing), 'day')})"


def _clause(reconciliation: Reconciliation, one: TargetMonth) -> str:
    match one.finding:
        case Finding.NO_DATA:
            where = f" on {days_in_words(one.days_missing)}" if one.days_missing else ""
            others = f"; on the other days it {_lost(one)}" if one.low and one.low > reconciliation.tolerance else ""
            return f"{one.target} has no data{where}{_probably(one)}{others}"
        case Finding.WAIVED:
            until = f" until {day_in_words(one.waiver.until)} {one.waiver.until.year}" if one.waiver else ""
            return f"{one.target} is waived{until}{_difference(one)}"
        case Finding.INCONCLUSIVE:
            known = one.low is not None and one.high is not None
            between = f", between {percent(one.low)} and {percent(one.high)}" if known else f": {one.why}"
            return f"{one.target} is inconclusive{between}"
        case _:
            days = worst_days(reconciliation, one.target)
            when = f" on {days_in_words(days)}" if days else ""
            return f"{one.target} {_lost(one)}{when}{_probably(one)}"


def _not_settled(unsettled: Sequence[TargetMonth]) -> list[str]:
    if not unsettled:
        return []
    last = max(one.settles_at for one in unsettled)
    names = cut(listed([one.target for one in unsettled]), _LONGEST_SENTENCE)
    return [f"nothing is decided before {moment(last)} for {names}, because late events may still arrive"]


def _lost(one: TargetMonth) -> str:
    return one.why if one.compared is None else difference_in_words(one.compared, one.low)


def _difference(one: TargetMonth) -> str:
    return "" if one.compared is None else f": {difference_in_words(one.compared, one.low)}"


def _probably(one: TargetMonth) -> str:
    if one.cause is None:
        return ""
    # Clauses of the sentence are parted by semicolons; a cause has none of its own there.
    return f", likely cause: {_within_a_sentence(one.cause.cause)}"


def _within_a_sentence(text: str) -> str:
    inside = text.strip().rstrip(".").replace("; ", ", ")
    first = inside.partition(" ")[0]
    return inside[:1].lower() + inside[1:] if first[1:].islower() or len(first) == 1 else inside


def _state(reconciliation: Reconciliation) -> Iterator[str]:
    open_ = [one for one in reconciliation.targets if one.finding is Finding.PROVISIONAL]
    if open_:
        last = max(one.settles_at for one in open_)
        yield f"**PROVISIONAL: late events may still arrive, and nothing is decided before {moment(last)}.**"
        yield ""
    missing = [one.target for one in reconciliation.targets if one.days_missing]
    if missing:
        yield f"**NO DATA for parts of {_text(listed(missing), _LONGEST_SENTENCE)}: what could not be counted is in no sum, and is not 0.**"
        yield ""


def _table(ordered: Sequence[TargetMonth]) -> list[str]:
    heads = (
        "integration", "finding", "emitted, unique", "received", "lost", "too much", "arrived twice", "unexplained", "share", "interval",
    )  # fmt: skip
    rows = [_row(one) for one in ordered[:_ROWS]]
    return [
        f"| {' | '.join(heads)} |",
        f"|---|---|{'---:|' * (len(heads) - 2)}",
        *rows,
        *_more(len(ordered)),
        "",
    ]


def _row(one: TargetMonth) -> str:
    compared = one.compared
    share = None if compared is None else compared.residual_share
    left = (
        None
        if compared is None
        else f"{bounds(compared.loss_residual)} lost, {bounds(compared.excess_residual)} too much"
    )
    cells = (
        _text(one.target), f"{SIGN[one.finding]} {one.finding.value}", emitted_in_words(one),
        received_in_words(one), bounds(None if compared is None else compared.loss),
        bounds(None if compared is None else compared.excess), number(None if compared is None else compared.duplicates, "not known"),
        left or "no data", percent(share), interval(one.low, one.high),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _attention(ordered: Sequence[TargetMonth]) -> Iterator[str]:
    urgent = [one for one in ordered if one.finding in NEEDS_SOMEONE]
    if not urgent:
        return
    yield "## What needs someone"
    yield ""
    for one in urgent[:_ROWS]:
        yield f"- {SIGN[one.finding]} **{_text(one.target)}**, {one.finding.value}: {_text(one.why, _LONGEST_SENTENCE)}."
        if one.cause is not None:
            yield f"  Probably: {_text(one.cause.cause.rstrip('.'), _LONGEST_SENTENCE)}. Next: {_text(one.cause.next_step, _LONGEST_SENTENCE)}"
        yield f"  {_text(_who(one.investigation, 'Nobody looks into it yet.').strip(), _LONGEST_SENTENCE)}"
    yield from _more(len(urgent))
    yield ""


def _listed_differences(ordered: Sequence[TargetMonth]) -> Iterator[str]:
    above = [one for one in ordered if one.raw_above and one.compared is not None]
    if not above:
        return
    yield "## Raw differences above the rule, with what explains them"
    yield ""
    for one in above[:_ROWS]:
        assert one.compared is not None  # noqa: S101 (told apart two lines above)
        reasons = [*one.compared.loss_explained, *one.compared.excess_explained]
        known = (
            "; ".join(f"{_text(reason.words, 100)}: {reason.events:,}" for reason in reasons[:8])
            or "nothing explains it"
        )
        waived = (
            f" Waived by {_text(one.waiver.who)} until {one.waiver.until}: {_text(one.waiver.reason, 200)}."
            if one.waiver
            else ""
        )
        yield f"- {_text(one.target)}: {percent(one.compared.difference_share)} before explanations. {known}.{waived}"
    yield from _more(len(above))
    yield ""


def _windows(ordered: Sequence[TargetMonth]) -> Iterator[str]:
    told = [(one, words) for one in ordered if (words := loss_in_windows(one))]
    if told:
        yield "## Losses in known windows: incidents, failing verifications, rotations, KMS checks that were DOWN"
        yield ""
        yield from (f"- {_text(one.target)}: {words}." for one, words in told[:_ROWS])
        yield from _more(len(told))
        yield ""


def _carried(carried: Sequence[Investigation], unresolved: Sequence[Unresolved]) -> Iterator[str]:
    rows = [
        *(f"- {_text(one.month)} {_text(one.target)}: {one.finding.value}, and nobody looks into it." for one in unresolved),
        *(f"- {_text(one.month)} {_text(one.target)}: {_text(_who(one), _LONGEST_SENTENCE)}" for one in carried),
    ]  # fmt: skip
    if rows:
        yield "## Still open from earlier months"
        yield ""
        yield from rows[:_ROWS]
        yield from _more(len(rows))
        yield ""


def _inputs(reconciliation: Reconciliation) -> Iterator[str]:
    yield "## What was read"
    yield ""
    yield f"{plural(reconciliation.files_read, 'file')}."
    rows = fact_rows(reconciliation.facts)
    for row in rows[:_ROWS]:
        where = _text(row.files[0], 120) if len(row.files) == 1 else plural(len(row.files), "file")
        weight = "may cost events; " if row.is_fault else ""
        yield f"- {_text(row.what, 120)}: {row.events:,} ({weight}{_text(row.source)}{f', {where}' if where else ''})"
    yield from _more(len(rows))
    yield ""


def _revision(edition: Edition) -> Iterator[str]:
    yield f"Revision {edition.revision}, made {moment(edition.made_at)} by run {_text(edition.run)}, digest `{edition.digest}`."
    yield ""
    signed = edition.signed
    if signed is not None:
        yield f"Signed off by {_text(signed.who)}, {moment(signed.at)}: {_text(signed.note, 300)}"
        yield ""


def _changed(edition: Edition) -> Iterator[str]:
    if edition.changes:
        yield "## Changed since the last revision"
        yield ""
        yield from (f"- {_text(change, _LONGEST_SENTENCE)}" for change in edition.changes[:_ROWS])
        yield from _more(len(edition.changes))


def _who(one: Investigation | None, otherwise: str = "") -> str:
    if one is None:
        return otherwise
    return f" {one.owner} looks into it until {day_in_words(one.due)} {one.due.year}: {one.note}"


def _more(of: int) -> list[str]:
    return [f"\nand {of - _ROWS:,} more, in the page and the tables."] if of > _ROWS else []


def _text(text: str, longest: int = _LONGEST_NAME) -> str:
    """Return text of others as text: no markup of theirs is taken for ours."""
    return cut(text, longest).translate(_MARKUP)


def _shortened(lines: Iterable[str]) -> str:
    kept: list[str] = []
    left = LONGEST_MARKDOWN_BYTES - len(_DOES_NOT_FIT.encode())
    for line in "\n".join(lines).splitlines():
        left -= len(line.encode()) + 1
        if left < 0:
            return "\n".join([*kept, _DOES_NOT_FIT])
        kept.append(line)
    return "\n".join([*kept, ""])
