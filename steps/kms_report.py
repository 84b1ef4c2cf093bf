"""What an on-call reads of one check, first the verdict and what is worst, then every part, and what stands behind it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from domain.kms_budget import daily_bound
from domain.kms_checks import Checked, Part, PartKind, PartOutcome, worst
from domain.kms_goldens import MINTED, Golden
from domain.kms_history import Change, KeptCheck
from domain.kms_names import shown_key, shown_version
from domain.kms_standing import PartStanding, Standing
from domain.kms_version_parts import countdown
from domain.verdicts import Judgement
from ledger.kms_checks import checks_since, standings
from ledger.kms_goldens import goldens
from ledger.opening import Ledger

_DAY = timedelta(days=1)
_DESTROY_AT = "destroy_at/"
# Parts whose operations are made with another key than the section's.
_ELSEWHERE = frozenset({PartKind.REPLICA})


def kms_report(
    ledger: Ledger,
    checked: Checked,
    changes: Sequence[Change],
    judgement: Judgement,
    *,
    log_lines: Sequence[str] = (),
) -> str:
    """Return the report as Markdown; `log_lines` are the service's last ones, fit to be shown."""
    now = ledger.now()
    environment, target = checked.environment, checked.target
    standing = standings(ledger, environment, target) | {change.part.name: change.now for change in changes}
    day = list(checks_since(ledger, environment, target, now - _DAY))
    blocks = [
        _head(checked, judgement, _still_down(checked, standing)),
        _parts(checked, standing),
        _goldens(goldens(ledger, environment, target)),
        _versions(checked, now),
        _budget(checked, day),
        _log(log_lines),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def operations_by_key(checks: Iterable[KeptCheck]) -> dict[str, int]:
    """Return the operations that were made with each key, by its name in the section, repeats and negative checks among them."""
    made: dict[str, int] = {}
    for check in checks:
        for part in check.checked.parts:
            kind, _, key = part.name.partition("/")
            if key and kind not in _ELSEWHERE:
                made[key] = made.get(key, 0) + part.operations
    return made


def _head(checked: Checked, judgement: Judgement, still_down: Sequence[str]) -> str:
    first = worst(checked.parts)
    lines = [f"# {judgement}: KMS of {checked.target} ({checked.environment})"]
    if first is not None and first.row is not None:
        lines.append(f"**{_text(first.name)}**: {_text(first.happened)}")
        lines.append(f"{_text(first.row.means)} **{_text(first.row.next_step)}**")
    elif still_down:
        lines.append(
            f"{', '.join(still_down)}: DOWN still, though nothing failed this time; UP after two passes in a row."
        )
    elif any(part.outcome is PartOutcome.PASS for part in checked.parts):
        lines.append("Nothing that was looked at is wrong.")
    else:
        lines.append("Nothing was looked at, so nothing is known.")
    return "\n\n".join(lines)


def _still_down(checked: Checked, standing: Mapping[str, PartStanding]) -> list[str]:
    return [
        part.name for part in checked.parts if part.name in standing and standing[part.name].standing is Standing.DOWN
    ]


def _parts(checked: Checked, standing: Mapping[str, PartStanding]) -> str:
    rows = [
        (part.name, part.outcome.value, _stands(standing.get(part.name)), part.happened, _milliseconds(part))
        for part in checked.parts
    ]
    return _section("Parts", ("part", "outcome", "stands", "what was seen", "ms"), rows)


def _stands(standing: PartStanding | None) -> str:
    if standing is None:
        return "-"
    flapping = ", flapping" if standing.is_flapping else ""
    again = f", {standing.still_due} more answers a minute apart" if standing.still_due else ""
    return f"{standing.standing} since {_moment(standing.since)}{flapping}{again}"


def _goldens(kept: Sequence[Golden]) -> str:
    rows = [
        (
            one.key_name, shown_key(one.key), shown_version(one.version) or "not known", _source(one),
            _moment(one.opened_at) if one.opened_at else "never", one.fault or ("opens" if one.tried_at else "not tried yet"),
        )
        for one in kept
    ]  # fmt: skip
    heads = ("key", "its name", "version", "source", "last opened", "last trial")
    return _section("Golden ciphertexts", heads, rows) if rows else ""


def _source(golden: Golden) -> str:
    return golden.source if golden.source == MINTED else f"{golden.source} {golden.slot[:12]}..."


def _versions(checked: Checked, now: datetime) -> str:
    rows = list(_version_rows(checked, now))
    heads = ("key", "primary", "age in days", "policy in days", "waits to be destroyed")
    return _section("Versions", heads, rows) if rows else ""


def _version_rows(checked: Checked, now: datetime) -> Iterator[tuple[str, ...]]:
    by_name = {part.name: part.facts for part in checked.parts}
    for name, facts in by_name.items():
        kind, _, key = name.partition("/")
        if kind != PartKind.VERSIONS or not facts:
            continue
        age = by_name.get(f"{PartKind.ROTATION}/{key}", {})
        waiting = [
            f"version {fact.removeprefix(_DESTROY_AT)} {countdown(datetime.fromisoformat(told), now)}"
            for fact, told in facts.items()
            if fact.startswith(_DESTROY_AT)
        ]
        primary = facts.get("primary") or "none"
        yield key, primary, age.get("age_days", "not told"), age.get("policy_days", "-"), "; ".join(waiting) or "none"


def _budget(checked: Checked, day: Sequence[KeptCheck]) -> str:
    made = operations_by_key(day)
    if not made:
        return ""
    lines = [f"- {key}: {count} of {daily_bound()}" for key, count in made.items()]
    note = "The stated bound holds the negative checks; what only a fault brings about comes on top."
    return "\n".join(
        ["## Operations of the last 24 hours", "", *lines, "", f"This check made {checked.operations}. {note}"]
    )


def _log(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    # Indented, a line can end no fence and begin no heading.
    return "\n".join(["## The service's last log lines", "", *(f"    {' '.join(line.splitlines())}" for line in lines)])


def _section(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    table += [f"| {' | '.join(_text(cell) for cell in row)} |" for row in rows]
    return "\n".join([f"## {title}", "", *table])


def _milliseconds(part: Part) -> str:
    return ", ".join(f"{operation} {ms:.0f}" for operation, ms in part.milliseconds.items())


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _text(text: str) -> str:
    """Return the text so that it stays in its cell and is no HTML."""
    return " ".join(text.replace("|", "/").replace("<", "&lt;").split()) or "-"
