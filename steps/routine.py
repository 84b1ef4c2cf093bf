"""The routine after go-live: verify what the ledger says is due, keep the outcome, tell people, never touch a credential."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.cadence import Cadence, Due, cadence_at, verification_due
from domain.config import Config
from domain.errors import OpsError
from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult
from domain.verdicts import Judgement, Verdict, World, judge
from ledger.opening import Ledger
from ledger.questions import Question
from ledger.verifications import last_verified, record_verifications
from ledger.wiring import go_live_of, record_rehearsal
from steps.alerting import clear_passing, escalate, escalations, in_words, urgency_at
from steps.context import Context
from steps.people import ask_person
from steps.verification import by_target, common_cause, outcomes_by_target
from steps.version import code_version

_NOT_FAILING = frozenset({Outcome.PASS, Outcome.NOT_RUN, Outcome.NOT_IN_SCOPE})
VERIFICATION = 0  # the step number of questions that no step of day 1 asked


@dataclass(frozen=True, slots=True)
class Verified:
    """What one verification came to, and whom it told."""

    results: tuple[ProbeResult, ...]
    judgement: Judgement
    cause: OpsError | None
    told: tuple[str, ...] = ()


def due_in(ledger: Ledger, config: Config, environment: str) -> Due:
    """Return whether the environment is due for verification now."""
    live = go_live_of(ledger, environment)
    targets = config.environment(environment).targets
    seen = last_verified(ledger, environment)
    whole = bool(targets) and all(target in seen for target in targets)
    last = min(seen[target].at for target in targets) if whole else None
    return verification_due(live.date if live else None, last, ledger.now())


def not_run(context: Context, asked: Iterable[Target]) -> list[ProbeResult]:
    """Return a NOT RUN line for every target in scope that is not asked: shown, not counted."""
    chosen = set(asked)
    return [
        ProbeResult(target, "-", "", Outcome.NOT_RUN, CleanUp.NOTHING_SENT)
        for target in context.declared.targets
        if target not in chosen
    ]


def conclude_verification(context: Context, results: list[ProbeResult], evidence: str) -> Verified:
    """Judge, keep the outcome, and after go-live escalate what failed and clear what passes again."""
    world = World.REHEARSAL if context.is_rehearsal else World.REAL
    cause = common_cause(results)
    judgement = judge(outcomes_by_target(results).values(), world)
    counted = [r for r in results if r.outcome not in {Outcome.NOT_RUN, Outcome.NOT_IN_SCOPE}]
    if context.is_rehearsal and judgement.verdict is Verdict.GREEN:
        names = sorted({result.target.integration for result in counted})
        record_rehearsal(context.ledger, code_version(), context.run_id, names)
    record_verifications(context.ledger, context.run_id, context.environment, counted, world)
    told: list[str] = []
    live = go_live_of(context.ledger, context.environment)
    if live and not context.is_rehearsal:
        clear_passing(context, counted)
        cadence = cadence_at(live.date, context.clock.now())
        if judgement.verdict is Verdict.HOLD and cadence is not Cadence.NOT_LIVE:
            told = in_words(escalate(context, escalations(context, counted, evidence), urgency_at(cadence)))
    return Verified(tuple(results), judgement, cause, tuple(told))


def questions_about(context: Context, results: Iterable[ProbeResult]) -> list[Question]:
    """Ask a person about every event that no credential could read back; yes makes it a PASS."""
    unseen = [result for result in results if result.outcome is Outcome.SENT_NOT_CONFIRMED]
    return [
        ask_person(
            context, VERIFICATION, str(target),
            f"{context.integrations[target.integration].person_sees} (nonce {', '.join(r.nonce for r in rows)})",
        )
        for target, rows in by_target(unseen).items()
    ]  # fmt: skip


def incident_note(context: Context, verified: Verified, evidence: str) -> str:
    """Return incident.md: what was seen, what to do first, whom it was escalated to, one line for the channel."""
    failing = ", ".join(str(t) for t, o in outcomes_by_target(verified.results).items() if o not in _NOT_FAILING)
    seen = [
        f"- {r.target} {r.probe}: {r.outcome.value}. {r.happened} {r.means} {r.next_step}"
        for r in verified.results
        if r.happened
    ]
    return "\n".join(
        [
            f"# {context.environment}: {failing or 'verification'} failed after go-live",
            "",
            "1. Delete no credential. Even a broken one is evidence.",
            f"2. Evidence is kept: {evidence}",
            f"3. Roll back now, investigate afterwards: OPERATOR_WIRING_PROD_ENABLED=0, by `{context.declared.rollback_command}`",
            "4. Escalated: " + (" ".join(verified.told) or "nobody, the environment is not live"),
            f"5. One line for the channel: `{failing}: verification failed; rolling back by flag; ETA to follow`",
            "6. After recovery write the post-mortem beside this bundle, and note a new failure mode: opsflows wire note",
            "",
            "## Seen",
            "",
            *seen,
            "",
        ]
    )
