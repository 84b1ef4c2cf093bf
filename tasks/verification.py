"""Verifying one environment as a row of the run."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from domain.probes import ProbeResult
from domain.verdicts import Verdict
from steps.audited_run import AuditedRun
from steps.context import Context
from steps.reports import summary, verification_report
from steps.routine import Verified, conclude_verification, incident_note, questions_about
from steps.verifying import unusable, verify_in_batches
from tasks.parts import count_done, expect
from tasks.reporting import event, show_probes, show_report


# Never cached or persisted: the context can reach credentials.
@task(
    task_run_name="verify {context.environment}",
    persist_result=False,
    cache_policy=NO_CACHE,
    tags=["opsflows", "verify"],
)
def verify_environment(run: AuditedRun, context: Context, done: list[Verified]) -> State[None]:
    """Verify everything in scope of the context's environment, and add what it came to to `done`."""
    results: list[ProbeResult] = unusable(context, context.declared.targets)
    refused = {result.target for result in results}
    asked = [t for t in context.declared.targets if t not in refused]
    expect(len(asked))
    for batch in verify_in_batches(context, asked):
        results.extend(batch)
        for result in batch:
            event(
                "probe.done",
                target=result.target,
                probe=result.probe,
                outcome=result.outcome.value,
                result=result.nonce,
            )
        count_done(len({result.target for result in batch}))
    evidence = str(run.bundle.folder)
    verified = conclude_verification(context, results, evidence)
    done.append(verified)
    for question in questions_about(context, verified.results):
        event("question.asked", id=question.id, target=question.integration)
    report = verification_report(context.environment, results, verified.judgement, verified.cause)
    if verified.told:
        run.bundle.write("incident.md", incident_note(context, verified, evidence))
    show_probes(f"verify-{context.environment}", results, str(verified.judgement))
    show_report(f"verify-report-{context.environment}", report, str(verified.judgement))
    run.conclude(verified.judgement, report)
    message = f"{verified.judgement}: {summary(results)} {' '.join(verified.told)}".strip()
    green = verified.judgement.verdict is Verdict.GREEN
    return Completed(message=message) if green else Failed(message=message, name="Hold")
