"""Day 1 walked in order: the table from action to procedure, and the steps that credentials and records need."""

from collections.abc import Callable, Iterable

from domain.checklist import Action, Step, StepResult, StepState, unmet
from domain.errors import BadInput, OpsError
from domain.names import VERIFY_DUE
from domain.probes import Outcome, ProbeResult
from ledger import wiring as progress
from ledger.credentials import blockers, see_fingerprints, unblock
from ledger.questions import open_questions
from steps.cold_start import (
    credential_file_closed,
    mode_fits,
    prerequisites,
    rehearse,
    stand_ins_answer,
    version_known,
)
from steps.people import hand_off, seen_by_person, seen_targets, verdict_of_answers, write_questions
from steps.resilience import chain, cut, recovery, webhook_swap
from steps.verifying import verify_targets
from steps.walk import Walk, done, hold, not_applicable, of_results
from vendors.capabilities import checked_values
from vendors.stand_ins import answers_at

_FIRST_VERIFIED = 13
# Asked anew by every run: what they prove can change, or belongs to the run's own bundle.
_EVERY_RUN = frozenset({Action.FIND_CREDENTIALS, Action.CAPTURE_LOG, Action.DEVIATIONS, Action.CHECK_MODE})


def carry_out_step(walk: Walk, step: Step) -> StepResult:
    """Return what one step comes to, and remember it in the walk and in the ledger.

    What an earlier run proved keeps its record: which run it was, and when.
    """
    stands = _stands(walk, step)
    try:
        result = _result(walk, step)
    except OpsError as error:
        # One step that cannot be carried out does not stop the others.
        result = hold(step, f"{error.happened} {error.means}", error.next_step)
    if walk.states.get(step.number) is StepState.DONE and result.state is StepState.NOT_RUN:
        return result  # a mode that leaves the step out takes nothing back
    walk.states[step.number] = result.state
    if stands and result.state is StepState.DONE:
        return result
    progress.record_step(
        walk.context.ledger,
        walk.context.environment,
        step.number,
        result.state,
        result.detail,
        world=walk.world,
        run_id=walk.context.run_id,
        next_step=result.next_step,
    )
    return result


def broken_step(step: Step, message: str) -> StepResult:
    """Return what a step came to that ended in a fault of ours: never a gap in the list."""
    return hold(step, f"The step ended with a fault of opsflows: {message}", "Report it with the audit bundle.")


def log_lines(results: Iterable[ProbeResult]) -> list[str]:
    """Return one line per probe, as the verify log and the terminal show it."""
    return [
        f"{r.outcome.value:<20} {str(r.target) + ' ' + r.probe:<28} nonce={r.nonce or '-'} sent={_ms(r, 'sent')} "
        f"confirmed={_ms(r, 'confirmed')} cleaned_up={r.clean_up.value} took={_ms(r, 'took')}"
        + (f" | {r.happened} {r.means} {r.next_step}" if r.happened else "")
        for r in results
    ]


def _result(walk: Walk, step: Step) -> StepResult:
    skipped = left_out(walk, step)
    if skipped:
        return skipped
    if _stands(walk, step):
        return done(step, "Done in an earlier run.")
    waiting = unmet(step, walk.states)
    if waiting:
        numbers = ", ".join(str(number) for number in waiting)
        return StepResult(step.number, StepState.WAITS_FOR_STEP, f"Waits for step {numbers}.")
    return _PROCEDURES[step.action](walk, step)


def _stands(walk: Walk, step: Step) -> bool:
    return walk.states.get(step.number) is StepState.DONE and step.action not in _EVERY_RUN


def left_out(walk: Walk, step: Step) -> StepResult | None:
    """Return why the step is not walked here, None when it is."""
    declared = walk.context.declared
    in_scope = {target.integration for target in declared.targets}
    if declared.kind not in step.kinds:
        return not_applicable(step, f"Not in a {declared.kind} environment: {step.why_not}.")
    if step.integration and step.integration not in in_scope:
        return not_applicable(step, f"{step.integration} is not in scope in {walk.context.environment}.")
    if step.integration and not walk.targets_of(step.integration):
        return StepResult(step.number, StepState.NOT_RUN, f"Mode {walk.mode.text} leaves {step.integration} out.")
    if walk.mode.names and step.action in _WHOLE:
        return StepResult(
            step.number, StepState.NOT_RUN, f"Mode {walk.mode.text} verifies a part; this needs real_all."
        )
    return None


def _find_credentials(walk: Walk, step: Step) -> StepResult:
    context = walk.context
    waited_for = blockers(context.ledger, context.environment)
    for target in walk.targets_of(step.integration):
        integration = context.integrations[target.integration]
        values = context.credentials(target)
        if values is None and target in waited_for:
            detail = f"{target}: credentials are waited for under {waited_for[target].ticket}."
            connect = f"opsflows connect {target} --environment {context.environment}"
            return StepResult(step.number, StepState.BLOCKED, detail, f"When they arrive: {connect}.")
        try:
            checked_values(integration, values or {})
        except BadInput as fault:
            ticket = f"; or opsflows wire block {target} --ticket ID"
            return hold(
                step,
                f"{target}: {fault.happened}",
                f"opsflows connect {target} --environment {context.environment}{ticket}.",
            )
        secrets = {
            row.name: (values or {})[row.name]
            for row in integration.variables
            if row.secret and row.name in (values or {})
        }
        marks = {name: walk.fingerprint(secret) for name, secret in secrets.items()}
        unblock(context.ledger, context.environment, target)
        see_fingerprints(context.ledger, context.environment, target, marks, context.run_id)
    return done(step, f"{', '.join(str(t) for t in walk.targets_of(step.integration))}: complete.")


def _verify_one(walk: Walk, step: Step) -> StepResult:
    targets = walk.targets_of(step.integration)
    asked = {
        q.integration for q in open_questions(walk.context.ledger, walk.context.environment) if q.step == step.number
    }
    seen = seen_targets(walk, [step.number])
    results = verify_targets(walk.context, [t for t in targets if str(t) not in asked and t not in seen])
    walk.results.extend(results)
    # The credential cannot read back, so a person is asked about the very event that was sent.
    write_questions(walk, step.number, [r for r in results if r.outcome is Outcome.SENT_NOT_CONFIRMED])
    failed = [r for r in results if r.outcome not in {Outcome.PASS, Outcome.SENT_NOT_CONFIRMED}]
    by_people = [t for t in targets if t not in {r.target for r in results if r.outcome is Outcome.PASS}]
    if failed or not by_people:
        return of_results(step, failed or results)
    return verdict_of_answers(walk, step, by_people)


def _verify_all(walk: Walk, step: Step) -> StepResult:
    results = verify_targets(walk.context, walk.targets)
    walk.results.extend(results)
    seen = seen_targets(walk, range(_FIRST_VERIFIED, step.number))
    by_people = {r.target for r in results if r.outcome is Outcome.SENT_NOT_CONFIRMED and r.target in seen}
    rest = [r for r in results if r.target not in by_people]
    if not rest and by_people:
        return done(step, f"{', '.join(sorted(str(t) for t in by_people))}: sent, and seen by people in this day 1.")
    return of_results(step, rest)


def recapture_log(walk: Walk) -> None:
    """Write the log again when everything was probed, so that it holds the later steps' probes too."""
    _write_log(walk)


def _capture_log(walk: Walk, step: Step) -> StepResult:
    return done(step, f"{_write_log(walk)}: {len(walk.results)} probes so far; written again at the end.")


def _write_log(walk: Walk) -> str:
    now = walk.context.clock.now()
    name = f"verify-day1-{now:%Y%m%d}.log"
    rows = progress.step_states(walk.context.ledger, walk.context.environment).values()
    earlier = [
        f"step {row.number:>2} {row.state.value} at {row.at:%Y-%m-%dT%H:%M:%SZ} in run {row.run_id}: {row.detail}"
        for row in rows
        if row.run_id != walk.context.run_id
    ]
    head = f"opsflows {walk.version} run {walk.context.run_id} environment {walk.context.environment} mode {walk.mode.text} at {now:%Y-%m-%dT%H:%M:%SZ}"
    walk.keep(name, "\n".join([head, *earlier, *log_lines(walk.results)]) + "\n")
    return name


def _completion_record(walk: Walk, step: Step) -> StepResult:
    context = walk.context
    targets = "\n".join(f"- {target}" for target in walk.targets)
    walk.keep(
        "completion-record.md",
        f"# Day 1 of {context.environment} is complete ({walk.world.value})\n\n{context.clock.now():%Y-%m-%d %H:%M} UTC, by {context.actor} (claimed), "
        f"run {context.run_id}, opsflows {walk.version}.\n\nVerified, read back and seen:\n\n{targets}\n",
    )
    return done(step, "completion-record.md is in the bundle.")


def _stand_ins_stopped(walk: Walk, step: Step) -> StepResult:
    if not walk.stand_in_ports:
        return not_applicable(step, "Nobody recorded where stand-ins would be (no ports.json in the project's home).")
    open_ports = [port for port in walk.stand_in_ports if answers_at(port)]
    if open_ports:
        return hold(
            step,
            f"Stand-ins still answer at port {open_ports[0]}.",
            "Stop them: Ctrl-C in the terminal of opsflows mocks; instead of make up, opsflows up --no-stand-ins.",
        )
    return done(step, "Nothing answers at the stand-ins' ports.")


def _schedule_active(walk: Walk, step: Step) -> StepResult:
    if walk.schedule_is_active():
        return done(step, f"{VERIFY_DUE} is deployed and its schedule is active.")
    return hold(
        step,
        f"{VERIFY_DUE} is not deployed, or its schedule is off.",
        "opsflows deploy; then switch the schedule on in the Prefect UI.",
    )


def _deviations(walk: Walk, step: Step) -> StepResult:
    context = walk.context
    notes = progress.notes(context.ledger, context.environment)
    lines = "\n".join(f"- {row.at:%Y-%m-%d %H:%M} UTC, {row.who}: {row.text}" for row in notes)
    walk.keep("operator-deviations.md", f"# Deviations noted in {context.environment}\n\n{lines or 'None.'}\n")
    timeouts = progress.timeouts(context.ledger, context.environment)
    rows = "\n".join(
        f"- {row.target}, {row.circumstance}: {row.took.total_seconds():.1f} s of {row.bound.total_seconds():.0f} s at {row.at:%Y-%m-%d %H:%M} UTC"
        for row in timeouts
    )
    walk.keep("timeouts-observed.md", f"# Timeouts observed in {context.environment}\n\n{rows or 'None.'}\n")
    blocked = blockers(context.ledger, context.environment).values()
    tickets = "\n".join(
        f"- {row.target}: {row.ticket}, by {row.who} at {row.blocked_at:%Y-%m-%d %H:%M} UTC" for row in blocked
    )
    walk.keep("credential-blockers.md", f"# Credentials waited for in {context.environment}\n\n{tickets or 'None.'}\n")
    return done(
        step, f"{len(notes)} deviations, {len(timeouts)} timeouts and {len(blocked)} blockers are in the bundle."
    )


def _ms(result: ProbeResult, name: str) -> str:
    took = getattr(result, name)
    return "-" if took is None else f"{took.total_seconds() * 1000:.0f}ms"


_WHOLE = frozenset(
    {Action.VERIFY_ALL, Action.SEEN_BY_PERSON, Action.COMPLETION_RECORD, Action.STAND_INS_STOPPED, Action.HAND_OFF,
     Action.CUT, Action.RECOVERY, Action.WEBHOOK_SWAP, Action.CHAIN}
)  # fmt: skip

_PROCEDURES: dict[Action, Callable[[Walk, Step], StepResult]] = {
    Action.CHECK_VERSION: version_known,
    Action.CHECK_CREDENTIAL_FILE: credential_file_closed,
    Action.CHECK_PREREQUISITES: prerequisites,
    Action.REACH_STAND_INS: stand_ins_answer,
    Action.CHECK_MODE: mode_fits,
    Action.REHEARSE: rehearse,
    Action.FIND_CREDENTIALS: _find_credentials,
    Action.VERIFY_ONE: _verify_one,
    Action.VERIFY_ALL: _verify_all,
    Action.CAPTURE_LOG: _capture_log,
    Action.SEEN_BY_PERSON: seen_by_person,
    Action.COMPLETION_RECORD: _completion_record,
    Action.STAND_INS_STOPPED: _stand_ins_stopped,
    Action.HAND_OFF: hand_off,
    Action.CUT: cut,
    Action.RECOVERY: recovery,
    Action.WEBHOOK_SWAP: webhook_swap,
    Action.CHAIN: chain,
    Action.SCHEDULE_ACTIVE: _schedule_active,
    Action.DEVIATIONS: _deviations,
}
