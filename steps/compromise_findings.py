"""A case as its journals tell it: what everybody reads of it first, and the words that its pages share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.compromise import Case, lasted
from domain.rotation import RotationRecord
from domain.verdicts import Judgement, Verdict
from ledger.runs import Run
from steps.compromise import Suspect
from steps.rotation_reports import Row, counted, row_of
from steps.traces import Seen, Trace, Written

NOT_REFUSED = "not seen refused yet"


@dataclass(frozen=True, slots=True)
class Findings:
    """A case as its journals tell it at `now`. `failed` are credentials that could not even be looked at."""

    case: Case
    now: datetime
    found: Sequence[Suspect]
    traces: Sequence[Trace]
    journal: Sequence[Written]
    runs: Sequence[Run]
    failed: Sequence[Row]
    told: Sequence[str]
    judgement: Judgement

    @property
    def open(self) -> list[Trace]:
        return [one for one in self.traces if not one.is_over]


def case_report(findings: Findings) -> str:
    """Return report.md: the verdict, what needs someone first, what was told to whom, and where the rest is."""
    lines = [
        f"# Response to {findings.case.ticket}: {findings.judgement}", "",
        f"Case {findings.case.id}. {headline(findings)}", "",
        *exposure_table(findings), "",
    ]  # fmt: skip
    rows = [*findings.failed, *(row_of(one.rotation) for one in findings.open)]
    for row in sorted(rows, key=lambda row: row.verdict is not Verdict.HOLD):
        lines += [
            f"## {row.credential}",
            "",
            f"- {row.rotation or 'no rotation'}: {row.state}{f', {row.wait}' if row.wait else ''}",
            f"- {row.words}",
        ]
        lines += [*([f"- what to do: {row.next_step}"] if row.next_step else []), ""]
    lines += ["## Told", "", *(f"- {one}" for one in findings.told or ("nobody: nothing had to be replaced",)), ""]
    lines += [
        "timeline.md, security.md, development.md and management.md are beside this file; so is each rotation's journal.",
        "",
    ]
    return "\n".join(lines)


def headline(findings: Findings) -> str:
    """Return one sentence: how many are over, and what the others wait for, by name."""
    rows = [*findings.failed, *(row_of(one.rotation) for one in findings.open)]
    refused, words = (
        sum(one.refused is not None for one in findings.traces),
        sum(bool(one.word) for one in findings.traces),
    )
    on_words = f", {words} stand on somebody's word" if words else ""
    told = f"{refused} of {len(findings.traces)} exposed values were seen to be refused{on_words}"
    return f"{told}; {counted(rows)}: {', '.join(row.credential for row in rows)}." if rows else f"{told}."


def exposure_table(findings: Findings) -> list[str]:
    since = f"{utc(findings.case.compromised_at)} or before"
    rows = [
        f"| {name_of(one)} | {since} | {_at(one.isolated, 'not isolated')} | {_at(one.replaced, 'not replaced yet')} | {_refused(one)} | {_exposed_for(one, findings)} | {' '.join(one.evidence) or '-'} |"
        for one in findings.traces
    ]
    return [
        "| exposed value | exposed since | isolated at | replaced at | seen refused at | exposed for | evidence |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]


def where(record: RotationRecord) -> str:
    row = row_of(record)
    return f"rotation {record.id}: {row.state}{f', {row.wait}' if row.wait else ''}"


def name_of(trace: Trace) -> str:
    return trace.version or f"{trace.credential} (the value in use)"


def utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ") or "-"


def _exposed_for(trace: Trace, findings: Findings) -> str:
    if trace.refused is not None:
        return f"at least {lasted(trace.refused.at - findings.case.compromised_at)}"
    return "not known" if trace.word else f"{lasted(findings.now - findings.case.compromised_at)} and going on"


def _refused(trace: Trace) -> str:
    if trace.refused is None and trace.word:
        return f"not seen refused; {trace.word} says that it is gone"
    return _at(trace.refused, NOT_REFUSED)


def _at(seen: Seen | None, otherwise: str) -> str:
    return utc(seen.at) if seen else otherwise
