"""Each thing on the wiring board as one cell: how it stands, in words. What is missing has a word of its own, and is never green."""

from collections.abc import Mapping
from datetime import date, datetime

from domain.board import Cell, Look, ago, look_of, worst
from domain.cadence import TICK_SLACK, Cadence, cadence_at, verification_due
from domain.diagnosis import DELIVERED_UNSEEN, FALLBACK, NETWORK, NOT_DELIVERED, SUBSTRATE
from domain.exchanges import Effect
from domain.names import Target
from domain.policies import age_in_words
from domain.probes import Outcome
from domain.reconciliation import Finding
from domain.rotation import IN_WORDS, RotationRecord, Wait, is_forgotten, weight_of
from domain.rotation_calendar import Next
from domain.verdicts import Verdict, World
from ledger.newest import NewestMonth, RunSeen
from ledger.verifications import LastVerified
from ledger.wiring import RehearsalProof
from steps.reconciliation_wording import AGREES, NEEDS_SOMEONE
from steps.rotation_calendar import Standing

_CLEAR = frozenset({World.REAL, World.REHEARSAL})
_LOOK_OF_VERDICT = {
    Verdict.GREEN: Look.GREEN,
    Verdict.WAITING: Look.WAITING,
    Verdict.PLANNED: Look.WAITING,
    Verdict.HOLD: Look.HOLD,
    Verdict.BAD_INPUT: Look.HOLD,
}
_LOOK_OF_NEXT = {
    Next.ROTATING: Look.WAITING,
    Next.OVERDUE: Look.HOLD,
    Next.DUE: Look.WAITING,
    Next.SCHEDULED: Look.GREEN,
    Next.NOT_SEEN: Look.NOT_YET,
    Next.LEFT_OUT: Look.ASIDE,
    Next.BY_DRILL: Look.ASIDE,
}
# What is said of a credential's next rotation; of others the word for it. One that was not seen says so for its age.
_COMES = {
    Next.SCHEDULED: "next {day}",
    Next.DUE: "due since {day}",
    Next.OVERDUE: "OVERDUE since {day}",
    Next.NOT_SEEN: "",
}
# How a finding is accepted; the other way is to look into it and close that.
WAIVED = "waived"
_STUCK = "docs/runbooks/rotation-stuck.md"
_BREACH = "docs/runbooks/reconciliation-breach.md"
# What has a page of its own under docs/runbooks; the rest is on the integration's page.
_WITH_RUNBOOK = frozenset(
    {*NETWORK, SUBSTRATE.id, DELIVERED_UNSEEN.id, NOT_DELIVERED.id, *(row.id for row in FALLBACK[Effect.READS])}
)


def verification_cell(
    target: Target, seen: LastVerified, run: RunSeen | None, live: date | None, now: datetime
) -> Cell:
    """Return how the integration was last verified: GREEN where it passed in one world and the next verification is not overdue."""
    page = f"docs/integrations/{target.integration}.md"
    due = verification_due(live, seen.at, now)
    is_overdue = due.cadence is not Cadence.NOT_LIVE and due.at is not None and now > due.at + TICK_SLACK
    passed = seen.outcome is Outcome.PASS and seen.world in _CLEAR
    more = []
    if not passed:
        since = f" Failing since {moment(seen.failing_since)}." if seen.failing_since else ""
        last = f" It last passed {moment(seen.last_pass_at)}." if seen.last_pass_at else " It never passed."
        more.append(f"{seen.happened}{since}{last}".strip())
    if is_overdue:
        more.append(f"Overdue: {due.cadence.value}, due since {moment(due.at)}.")
    who = f", by {run.actor} ({run.flow})" if run else ""
    return Cell(
        "verified",
        Look.GREEN if passed and not is_overdue else Look.HOLD,
        f"{seen.outcome.value} {ago(now - seen.at)} ago, {seen.world.value}{who}",
        " ".join(more),
        run=run.prefect_run_id if run else "",
        page=f"docs/runbooks/{seen.symptom.replace('.', '-')}.md" if seen.symptom in _WITH_RUNBOOK else page,
        facts={
            "outcome": seen.outcome.value,
            "world": seen.world.value,
            "at": seen.at.isoformat(),
            "by": run.actor if run else None,
            "flow": run.flow if run else None,
            "last_pass_at": iso(seen.last_pass_at),
            "failing_since": iso(seen.failing_since),
            "overdue": is_overdue,
            "next_at": iso(due.at) if due.cadence is not Cadence.NOT_LIVE else None,
        },
    )


def unverified_cell(target: Target, proof: RehearsalProof | None, live: date | None, now: datetime) -> Cell:
    """Return what is known of an integration that was never verified in its environment: at most that it was rehearsed."""
    is_live = cadence_at(live, now) is not Cadence.NOT_LIVE
    look, words = (Look.HOLD, "live, and never verified") if is_live else (Look.NOT_YET, "not verified yet")
    is_proven = proof is not None and target.integration in proof.integrations
    rehearsed = f"rehearsed {ago(now - proof.at)} ago" if proof and is_proven else "not rehearsed with this version"
    return Cell(
        "verified", look, f"{words}; {rehearsed}", "Verify it with opsflows verify.",
        page=f"docs/integrations/{target.integration}.md", facts={"outcome": None, "rehearsed": is_proven},
    )  # fmt: skip


def rehearsed_cell(target: Target, proof: RehearsalProof | None, run: RunSeen | None, now: datetime) -> Cell:
    """Return whether day 1 was rehearsed with the integration and this version of the code: what passed with another says nothing."""
    page = f"docs/integrations/{target.integration}.md"
    if proof is None or target.integration not in proof.integrations:
        more = "Rehearse day 1 with opsflows demo."
        return Cell("verified", Look.NOT_YET, "not rehearsed with this version", more, page=page, facts={"outcome": None, "rehearsed": False})  # fmt: skip
    who = f", by {run.actor} ({run.flow})" if run else ""
    return Cell(
        "verified", Look.GREEN, f"PASS {ago(now - proof.at)} ago, rehearsal{who}", run=run.prefect_run_id if run else "", page=page,
        facts={"outcome": Outcome.PASS.value, "world": World.REHEARSAL.value, "at": iso(proof.at), "by": run.actor if run else None, "rehearsed": True},
    )  # fmt: skip


def platform_cell(target: Target) -> Cell:
    return Cell(
        "verified", Look.ASIDE, "a platform: takes no events", page=f"docs/integrations/{target.integration}.md", facts={"outcome": None}
    )  # fmt: skip


def credential_cell(one: Standing, now: datetime) -> Cell:
    """Return how old the credential is and what comes next for it; exposed, or older than its policy allows, is HOLD, whoever rotates it."""
    look = Look.HOLD if one.is_too_old or one.exposed_until else _LOOK_OF_NEXT[one.next]
    if one.rotation is not None:
        look = worst((look, look_of(weight_of(one.rotation, now))))
    age = Next.NOT_SEEN.value if one.age is None else f"{one.age.days} days old"
    comes = _COMES[one.next].format(day=day(one.at)) if one.next in _COMES else one.next.value
    unproven = "" if one.age is None else "Never proven."
    proven = f"Last seen to work {ago(now - one.proof.at)} ago ({one.proof.how})." if one.proof else unproven
    exposed = f"exposed until {moment(one.exposed_until)}" if one.exposed_until else ""
    foreign = "Every value until then counts as in foreign hands: replace it." if one.exposed_until else ""
    too_old = f"Older than its policy allows ({age_in_words(one.policy.max_age)})." if one.is_too_old else ""
    return Cell(
        one.credential.purpose.value,
        look,
        ", ".join(part for part in (exposed, age, comes) if part),
        " ".join(part for part in (foreign, too_old, proven) if part),
        page=_page_of(one, look),
        facts={
            "credential": str(one.credential),
            "age_days": None if one.age is None else one.age.days,
            "next": one.next.value,
            "next_at": iso(one.at) if one.rotation is None else None,
            "rotation": one.rotation.id if one.rotation else None,
            "older_than_policy": one.is_too_old,
            "exposed_until": iso(one.exposed_until),
            "proven_at": iso(one.proof.at) if one.proof else None,
        },
    )


def _page_of(one: Standing, look: Look) -> str:
    if one.exposed_until:
        return "docs/runbooks/rotation-compromise.md"
    return "docs/runbooks/rotation-planned.md" if look in {Look.HOLD, Look.WAITING} else ""


def rotation_cell(record: RotationRecord, now: datetime) -> Cell:
    """Return where an open rotation stands; of an overlap, when it ends. It is on HOLD where `opsflows next` says NOW of it."""
    look, ends = look_of(weight_of(record, now)), record.not_before if record.wait else None
    stands = f"{record.state.value}{f' ({record.wait.value})' if record.wait else ''}"
    if record.wait is Wait.OVERLAP and ends is not None:
        stands = f"overlap open, ends {moment(ends)}{' (past)' if ends < now else ''}"
    elif ends is not None and ends > now:
        stands = f"{stands}, looked at again {moment(ends)}"
    nobody = f"Nobody steps it, due since {moment(record.not_before)}." if is_forgotten(record, now) else ""
    return Cell(
        str(record.credential),
        look,
        stands,
        " ".join(part for part in (nobody, record.words or f"{IN_WORDS[record.state]}.", record.next_step) if part),
        page=_STUCK if look is Look.HOLD else "docs/runbooks/rotation-planned.md",
        facts={
            "rotation": record.id,
            "state": record.state.value,
            "wait": record.wait.value or None,
            "until": iso(ends),
            "overlap_ends_at": iso(ends) if record.wait is Wait.OVERLAP else None,
            "kind": record.kind.value,
            "opened_at": record.opened_at.isoformat(),
            "opened_by": record.operator,
        },
    )


def month_cell(
    newest: NewestMonth | None, run: RunSeen | None, *, is_recorded: bool, accepted: Mapping[str, str]
) -> Cell:
    """Return what the environment's newest month came to; a HOLD whose every finding somebody accepted is quieter, and not green.

    `accepted` says by integration in words how: waived, or looked into and closed.
    """
    page = "docs/reconciliation.md"
    if newest is None:
        look, words = (
            (Look.NOT_YET, "not reconciled yet") if is_recorded else (Look.ASIDE, "nothing records what is emitted")
        )
        return Cell("reconciliation", look, words, page=page, facts={"month": None})
    wrong = sorted(name for name, found in newest.findings.items() if found in NEEDS_SOMEONE)
    is_accepted = bool(wrong) and accepted.keys() >= set(wrong)
    look = Look.WAITING if is_accepted else _LOOK_OF_VERDICT[newest.verdict]
    if look is Look.GREEN and not newest.is_final:
        look = Look.WAITING
    standing = "final" if newest.is_final else "provisional"
    more = "; ".join(
        f"{name}: {newest.findings[name].value}{f' ({accepted[name]})' if name in accepted else ''}" for name in wrong
    )
    return Cell(
        "reconciliation",
        look,
        f"{newest.month} {newest.verdict.value}, {standing}, revision {newest.number} of {moment(newest.at)}",
        f"{more}." if more else "",
        run=run.prefect_run_id if run else "",
        page=_BREACH if look is Look.HOLD else page,
        facts={
            "month": str(newest.month),
            "verdict": newest.verdict.value,
            "final": newest.is_final,
            "revision": newest.number,
            "at": newest.at.isoformat(),
            "waived": sorted(name for name, how in accepted.items() if how == WAIVED),
            "closed": sorted(name for name, how in accepted.items() if how != WAIVED),
        },
    )


def finding_cell(target: str, newest: NewestMonth | None, accepted: str) -> Cell:
    """Return what the newest month says of one integration; `accepted` says how somebody accepted that, empty where nobody did."""
    found = newest.findings.get(target) if newest else None
    if found is None:
        return Cell("month", Look.ASIDE, "no count of it", facts={"finding": None})
    look, page = (Look.GREEN if found in AGREES else Look.WAITING), ""
    if found in NEEDS_SOMEONE and not accepted:
        look, page = Look.HOLD, _BREACH
    words = f"{found.value}{f', {accepted}' if accepted and found is not Finding.WAIVED else ''}"
    return Cell("month", look, words, page=page, facts={"finding": found.value, "waived": accepted == WAIVED})


def moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "never"


def day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at else "not known"


def iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
