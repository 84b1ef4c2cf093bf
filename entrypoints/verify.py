"""`opsflows verify`: one line per probe, a table, and exit 0 only if everything in scope passes. Starts no server."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import click

from domain.errors import BadInput
from domain.names import REHEARSAL, Target
from domain.probes import ProbeResult
from domain.verdicts import EXIT_CODE, Verdict
from domain.wiring import MOCK, MODE_VARIABLE, Mode, check_environment, parse_mode
from entrypoints import configuration, show
from entrypoints.credentials import Source, from_blocks, from_file, from_stand_ins
from entrypoints.person import logged_in_user
from steps.agreement import who_is_woken
from steps.audited_run import AuditedRun, audited_run, open_own_ledger
from steps.clock import Clock
from steps.cold_start import check_rehearsed
from steps.conduct import conduct_for
from steps.context import Context, pace_of
from steps.reports import probe_documents, verification_report
from steps.routine import Verified, conclude_verification, incident_note, not_run, questions_about
from steps.verifying import new_nonce, verify_in_batches
from vendors.registry import INTEGRATIONS, integration_named

LOCAL = "local"


@click.command()
@click.argument("integrations", nargs=-1, metavar="[INTEGRATION]...")
@click.option(
    "--mode",
    envvar=MODE_VARIABLE,
    default="real_all",
    show_default=True,
    help="mock, real_all, or real_<name>[,<name>].",
)
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    default=None,
    help="Credentials from this file (default: .env.local).",
)
@click.option(
    "--environment", default=None, help="Credentials from the blocks of this environment, at PREFECT_API_URL."
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option(
    "--may-page", multiple=True, metavar="INTEGRATION", help="Agree that this probe may wake whoever is on call."
)
@click.option(
    "--deadline",
    type=click.FloatRange(min=1, max=900),
    default=None,
    help="Seconds that each phase of a probe may take.",
)
@click.option(
    "--skip-rehearsal",
    default="",
    metavar="REASON",
    help="Start a real mode without a passed rehearsal; kept in the bundle.",
)
@click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who runs this (claimed).")
def verify(  # noqa: PLR0917 (one parameter per option)
    integrations: tuple[str, ...],
    mode: str,
    env_file: Path | None,
    environment: str | None,
    as_json: bool,  # noqa: FBT001 (click passes a flag)
    may_page: tuple[str, ...],
    deadline: float | None,
    skip_rehearsal: str,
    by: str,
) -> None:
    """Verify integrations: all in scope, or the named ones."""
    config = configuration.read()
    place = _place(mode, env_file, environment)
    chosen = parse_mode(mode, config.environment(place).targets)
    check_environment(chosen, place)
    asked = _asked(integrations, chosen, config.environment(place).targets)
    say = _quiet if as_json else click.echo
    with _source(chosen, env_file, environment) as source:
        ledger = open_own_ledger()
        try:
            with audited_run(
                ledger, flow="verify", environment=place, mode=mode, actor=by, reason="verify by hand",
                parameters={"integrations": [str(target) for target in asked], "credentials": source.name, "skip_rehearsal": skip_rehearsal},
            ) as run:  # fmt: skip
                pace = pace_of(config) if deadline is None else pace_of(config).within(deadline)
                context = Context(
                    ledger, run.run_id, by, place, config, INTEGRATIONS, source.credentials,
                    source.addresses or config.environment(place).addresses, conduct_for(config, place, run.record),
                    Clock(now=ledger.now), pace, new_nonce, frozenset(may_page),
                )  # fmt: skip
                check_rehearsed(context, asked, skip_rehearsal)
                say(f"Credentials: {source.name}. Environment: {place}. Mode: {mode}.")
                context = _agreed(context, asked, interactive=sys.stdin.isatty() and not as_json)
                verified = _verify(run, context, asked, say)
        finally:
            ledger.close()
    _tell(verified, run, place, source.name, as_json=as_json)
    sys.exit(EXIT_CODE[verified.judgement.verdict])


def _verify(run: AuditedRun, context: Context, asked: list[Target], say: Callable[[str], object]) -> Verified:
    results: list[ProbeResult] = not_run(context, asked)
    for result in results:
        say(show.probe_line(result))
    for batch in verify_in_batches(context, asked):
        results.extend(batch)
        for result in batch:
            say(show.probe_line(result))
    evidence = str(run.bundle.folder)
    verified = conclude_verification(context, results, evidence)
    for question in questions_about(context, verified.results):
        say(
            f"A person must say whether {question.integration} was seen: opsflows confirm {question.id} --seen --by NAME"
        )
    report = verification_report(context.environment, results, verified.judgement, verified.cause)
    if verified.told:
        run.bundle.write("incident.md", incident_note(context, verified, evidence))
    run.conclude(verified.judgement, report)
    return verified


def _tell(verified: Verified, run: AuditedRun, place: str, source: str, *, as_json: bool) -> None:
    results, bundle = list(verified.results), str(run.bundle.folder)
    if as_json:
        click.echo(
            show.as_json(
                results, verified.judgement, source=source, environment=place, run_id=run.run_id, bundle=bundle
            )
        )
        return
    click.echo(f"\n{show.table(probe_documents(results))}\n")
    if verified.cause:
        click.echo(f"{show.error_lines(verified.cause)}\n")
    for line in verified.told:
        click.echo(line)
    click.echo(f"{show.verdict_line(verified.judgement)}\nAudit bundle: {bundle}")
    if verified.judgement.verdict is Verdict.HOLD:
        click.echo("Next: do what stands under each line above, then verify again.")


def _place(mode: str, env_file: Path | None, environment: str | None) -> str:
    if env_file is not None and environment is not None:
        raise BadInput(
            "--env-file and --environment were both given.",
            "Credentials come from a file or from blocks, never from both. Nothing was sent.",
            "Leave one of them out.",
        )
    if mode == MOCK:
        return environment or REHEARSAL
    return environment or LOCAL


def _source(mode: Mode, env_file: Path | None, environment: str | None) -> AbstractContextManager[Source]:
    if not mode.is_real:
        return from_stand_ins()
    return from_blocks(environment) if environment else from_file(env_file or Path(".env.local"))


def _asked(names: tuple[str, ...], mode: Mode, in_scope: tuple[Target, ...]) -> list[Target]:
    for name in names:
        integration_named(Target.parse(name).integration)
    chosen = [t for t in in_scope if mode.selects(t) and (not names or str(t) in names or t.integration in names)]
    if not chosen:
        raise BadInput(
            f"Nothing to verify: {', '.join(names) or 'no integration'} is not in scope here.",
            "Nothing was sent.",
            f"In scope: {', '.join(str(t) for t in in_scope) or 'nothing'}; see in_scope in opsflows.toml.",
        )
    return chosen


def _agreed(context: Context, asked: list[Target], *, interactive: bool) -> Context:
    """Ask before anyone is woken; without a terminal nobody can agree, and the probe is not sent."""
    open_ones = {
        t: words for t, words in who_is_woken(context, asked).items() if not {str(t), t.integration} & context.may_wake
    }
    agreed = {
        str(target)
        for target, words in open_ones.items()
        if interactive and click.confirm(f"The probe of {target} wakes {words}. Send it?", default=False)
    }
    return replace(context, may_wake=context.may_wake | agreed)


def _quiet(_: str) -> None:
    """Say nothing, because a machine reads."""
