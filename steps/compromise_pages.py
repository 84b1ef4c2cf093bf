"""The pages of a case: a timeline, and one each for security, development and management. Measured times are the journals' alone."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from domain.compromise import Isolation, lasted
from domain.names import Credential
from domain.policies import Policy
from domain.rotation import State
from domain.verdicts import Verdict
from steps.compromise_findings import NOT_REFUSED, Findings, cell, exposure_table, name_of, utc, where
from steps.traces import Trace, Written

_HIDDEN = frozenset({"state", "operator", "by"})
_NOTHING: tuple[object, ...] = ("", None, False, [])
_BEFORE_FLIP = frozenset({State.PLANNED, State.CONTAINING, State.CREATING, State.CREATED, State.VERIFIED})
_BLOCK = "its block"


def timeline_page(findings: Findings) -> str:
    """Return timeline.md: what was exposed from when until when, then every entry of every journal, and every run, in order."""
    case = findings.case
    moments = sorted(_moments(findings), key=lambda row: row[0])
    rows = [f"| {utc(at)} | {' | '.join(cell(text) for text in rest)} |" for at, *rest in moments]
    return "\n".join([
        f"# Timeline of {case.ticket} (case {case.id})", "", f"As of {utc(findings.now)}. Everything is UTC.", "",
        *exposure_table(findings), "", "## What happened", "",
        "| when | who | which | what | evidence |", "|---|---|---|---|---|", *rows, "",
    ])  # fmt: skip


def security_page(findings: Findings) -> str:
    """Return security.md: each exposed value's times with their evidence, and what is still accepted now."""
    accepted = [f"- {name_of(one)}: {_accepted(one)}" for one in findings.open]
    traced = {one.credential for one in findings.traces}
    rest = [
        f"- {one.credential}: {one.exposure.value}, {one.why}" for one in findings.found if one.credential not in traced
    ]
    return "\n".join([
        f"# Security: {findings.case.ticket}, {findings.judgement}", "", f"As of {utc(findings.now)}.", "",
        *exposure_table(findings), "", "## Accepted now", "",
        *(accepted or ["Nothing that was exposed: every value was seen to be refused, or stands on somebody's word above."]), "",
        *([f"- {row.credential}: could not be looked at. {row.words}" for row in findings.failed]),
        "## Not replaced", "", *(rest or ["Nothing of the scope."]), "",
        "Evidence is a rotation and the number of its journal's entry; `opsflows rotation show ID` prints it, `opsflows audit verify` recomputes it.", "",
    ])  # fmt: skip


def development_page(findings: Findings, policy_of: Callable[[Credential], Policy]) -> str:
    """Return development.md: who must load which value, what each place serves, and what fails meanwhile."""
    lines = [f"# Development: {findings.case.ticket}", "", f"As of {utc(findings.now)}.", ""]
    for credential in dict.fromkeys(one.credential for one in findings.traces):
        last = next(one for one in reversed(findings.traces) if one.credential == credential)
        policy = policy_of(credential)
        places = _places(findings.journal, credential)
        lines += [
            f"## {credential}", "",
            f"- must load the new value: {', '.join(policy.consumers) or 'whoever reads it; opsflows.toml names no consumer'}",
            *(f"- {name}: {places.get(name, 'nothing was published there yet')}" for name in dict.fromkeys((*policy.sinks, *places))),
            f"- {_fails(last)}", "",
        ]  # fmt: skip
    return "\n".join(lines)


def management_page(findings: Findings) -> str:
    """Return management.md, half a page: what happened, how much, how long, what is open, what to decide."""
    case, rest = findings.case, findings.open
    reason = next((run.reason for run in findings.runs if run.reason), "no reason was given")
    over = [one.refused.at - case.compromised_at for one in findings.traces if one.refused]
    longest = (
        f"The longest was {lasted(max(over))}, from the compromise until its vendor was seen to refuse it."
        if over
        else "None was seen to be refused yet."
    )
    going_on = f" {len(rest)} still: {lasted(findings.now - case.compromised_at)} and going on." if rest else ""
    return "\n".join([
        f"# {case.ticket}: {findings.judgement}", "", f"As of {utc(findings.now)}.", "",
        f"- What happened: {reason}. Values in use at {utc(case.compromised_at)} count as exposed.",
        f"- How many: {len(findings.traces)} values of {len({one.credential for one in findings.traces})} credentials; {len(findings.traces) - len(rest)} are over.",
        f"- How long: {longest}{going_on}",
        f"- Open: {'; '.join(f'{name_of(one)} ({where(one.rotation)})' for one in rest) or 'nothing'}",
        f"- Next decision: {_decision(findings)}", "",
    ])  # fmt: skip


def _moments(findings: Findings) -> Iterator[tuple[datetime, str, str, str, str]]:
    """Yield when, who, which, what and by which evidence."""
    yield findings.case.compromised_at, "named by the order", "-", "the compromise", "-"
    for run in findings.runs:
        yield run.opened_at, run.actor, "-", f"run opened ({run.mode}): {run.reason}", run.run_id
        if run.sealed_at is not None:
            yield run.sealed_at, "opsflows", "-", f"run sealed: {run.verdict}", run.run_id
    for one in findings.journal:
        yield one.entry.at, _who(one), str(one.record.credential), _what(one), one.seen.entry


def _accepted(trace: Trace) -> str:
    last = (
        f"its vendor was seen to accept it at {utc(trace.accepted.at)} ({trace.accepted.entry})"
        if trace.accepted
        else f"{NOT_REFUSED}, so it counts as accepted"
    )
    gone = trace.revoked or trace.isolated
    off = f"; the vendor took its deletion or switching off at {utc(gone.at)}" if gone else ""
    return f"{last}{off}. {where(trace.rotation)}. {trace.rotation.next_step}".strip()


def _fails(trace: Trace) -> str:
    if trace.refused or trace.revoked or (trace.isolated and trace.replaced):
        return "who has not loaded the new value fails now"
    if trace.isolated is not None:
        return "everything that uses it fails now, until the new value is in use"
    if trace.replaced is not None:
        return "nothing fails yet; who has not loaded the new value fails from the moment at which the exposed one is revoked"
    return "nothing fails yet; there is no new value to load"


def _places(journal: Iterable[Written], credential: Credential) -> dict[str, str]:
    """Return which version each place was last seen or told to serve."""
    places: dict[str, str] = {}
    for one in journal:
        said = one.entry.said
        if one.record.credential != credential or one.entry.kind != "outcome":
            continue
        if "sink" in said and "version" in said:
            seen = "read back" if said.get("confirmed") else "sent, cannot be read back"
            places[str(said["sink"])] = f"{said['version']} ({seen} at {utc(one.entry.at)})"
        if "serves" in said:
            places[_BLOCK] = f"{said['serves']} (read back at {utc(one.entry.at)})"
    return places


def _decision(findings: Findings) -> str:
    if findings.judgement.verdict is Verdict.GREEN:
        return "none about credentials. What was done with the exposed ones until they were refused is in the vendors' own audit logs."
    if findings.judgement.verdict is Verdict.WAITING:
        return "none: what is open ends by itself. The same command then concludes the case."
    off = [str(one.credential) for one in findings.open if _could_go_first(findings, one)]
    first = (
        f" Whether {', '.join(off)} is switched off before there is another (what uses it fails until then; it takes a second person)."
        if off
        else ""
    )
    return f"who does what stands under Open, and by when.{first}"


def _could_go_first(findings: Findings, trace: Trace) -> bool:
    may = next((one.isolation for one in findings.found if one.credential == trace.credential), Isolation.NO)
    return may is not Isolation.NO and trace.isolated is None and trace.rotation.state in _BEFORE_FLIP


def _who(written: Written) -> str:
    said = written.entry.said
    return str(said.get("operator") or said.get("by") or "opsflows")


def _what(written: Written) -> str:
    entry = written.entry
    told = ", ".join(
        f"{name}={value}" for name, value in entry.said.items() if name not in _HIDDEN and value not in _NOTHING
    )
    return f"{entry.said.get('state', '')} {entry.kind}: {told}".strip()
