"""`opsflows kms`: a check now, where everything stands, the golden ciphertexts, and what people decide about them."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from domain.errors import BadInput
from domain.kms_goldens import SHOWN_SIGNS
from domain.kms_history import Judged
from domain.names import REHEARSAL
from domain.verdicts import Judgement, Verdict, World
from entrypoints import configuration, show
from entrypoints.columns import aligned
from entrypoints.day_one import heard_by, quiet_prefect
from entrypoints.person import logged_in_user
from entrypoints.prefect_api import require_server
from entrypoints.project import running_stand_ins
from entrypoints.reconcile import Progress
from ledger.kms_checks import find_spell
from ledger.kms_goldens import goldens as golden_ciphertexts
from ledger.kms_goldens import retire_goldens
from ledger.kms_judgements import judge_spell
from ledger.opening import Ledger
from steps.audited_run import AuditedRun, audited_run, open_own_ledger
from steps.conduct import STAND_INS_URL
from steps.kms_choosing import EVERY, chosen_targets
from steps.kms_retiring import refuse_in_use
from steps.kms_status import as_document, golden_rows, part_rows, spell_rows, status_of, stored_slot, stored_version

_PARTS = ("environment", "target", "part", "standing", "since", "last passed", "last answer")
_SPELLS = ("spell", "environment", "target", "part", "fault", "from", "to", "judged")
_GOLDENS = ("environment", "target", "key", "version or file", "source", "kept", "last opened", "last trial")
_JUDGED = {"real": Judged.REAL, "false-alarm": Judged.FALSE_ALARM}
_by = click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who does this (claimed).")
_where = click.option("--environment", default="", help="Only those of this environment.")


@click.group()
def kms() -> None:
    """Services that encrypt with a KMS: check them now, see where they stand, decide about golden ciphertexts and alarms."""


@kms.command()
@click.argument("target", default=EVERY)
@click.option("--environment", default=EVERY, show_default=True, help="An environment of opsflows.toml, or all but the rehearsal.")  # fmt: skip
@click.option("--reason", default="check by hand", show_default=True, help="Why it is run now.")
@_by
def check(target: str, environment: str, reason: str, by: str) -> None:
    """Check TARGET now (default: all), as the schedule does: the answers count, and alerts go out.

    Exit codes: 0 where everything passed or one failure waits to be confirmed; 1 where something is DOWN; 2 where the input is
    wrong.
    """
    if not chosen_targets(configuration.read(), environment, target):
        raise BadInput(
            "No [kms.<target>] outside the rehearsal is declared in opsflows.toml.",
            "Nothing says which services encrypt with a KMS; nothing was checked.",
            f"Add one (docs/configuration.md), or try it out: --environment {REHEARSAL}.",
        )
    require_server()
    os.environ.setdefault(STAND_INS_URL, running_stand_ins())
    names = [one.strip() for one in target.split(",") if one.strip() not in {"", EVERY}]
    sys.exit(_checked({"targets": names, "environment": environment, "operator": by, "reason": reason}))


@kms.command()
@_where
@click.option("--json", "as_json", is_flag=True, help="Print the status for machines.")
def status(environment: str, as_json: bool) -> None:  # noqa: FBT001 (click passes a flag)
    """Show where every part stands, since when, and the last spells with their numbers. Needs the ledger alone."""
    config = configuration.read()
    if environment:
        config.environment(environment)
    with _ledger() as ledger:
        found = status_of(ledger, config, environment)
    if as_json:
        click.echo(json.dumps(as_document(found), indent=1, ensure_ascii=False))
        return
    if found.parts:
        click.echo(aligned(_PARTS, part_rows(found)))
    for where, name in found.unseen:
        click.echo(f"{where} {name}: never checked.")
    if not (found.parts or found.unseen):
        click.echo("No [kms.<target>] is declared in opsflows.toml.")
    if found.spells:
        click.echo("\nTimes that a part was DOWN; judge each with opsflows kms judge SPELL:\n")
        click.echo(aligned(_SPELLS, spell_rows(found)))


@kms.command()
@_where
def goldens(environment: str) -> None:
    """List the golden ciphertexts in force: each keeps its version of the key from being destroyed.

    Those of a key that opsflows.toml does not name any more are marked "not declared": no check decrypts them, and they hold their
    version until they are retired.
    """
    config = configuration.read()
    with _ledger() as ledger:
        found = golden_rows(ledger, config, environment)
    click.echo(aligned(_GOLDENS, found) if found else "There is no golden ciphertext.")


@kms.command(name="retire-golden")
@click.argument("target")
@click.argument("key")
@click.argument("version", default="")
@click.option("--file", "digits", default="", metavar="SHA", help="Of a wrapped key, in place of VERSION: the first digits of its SHA-256.")  # fmt: skip
@click.option("--environment", required=True, help="The target's environment.")
@click.option("--reason", required=True, help="Why nothing needs it any more; kept in the ledger.")
@_by
def retire_golden(target: str, key: str, version: str, digits: str, environment: str, reason: str, by: str) -> None:  # noqa: PLR0917 (click passes each of them by name)
    """Say that nothing needs VERSION of KEY any more, or the wrapped key --file: it is decrypted no more, and holds no version.

    From then on a rotation may let the version be destroyed, and nothing that it encrypted can be read again. KEY is the name in
    opsflows.toml, VERSION or SHA what `opsflows kms goldens` shows. The version in use is refused, since the next check would keep
    a golden of it again. A wrapped key is retired for good: it is not taken in again.
    """
    _require_reason(reason)
    words = {"target": target, "key": key, "version": version, "file": digits}
    with _decision("retire-golden", environment, by, reason, words) as run:
        found = [one for one in golden_ciphertexts(run.ledger, environment, target) if one.key_name == key]
        stored, slot = stored_version(found, version), stored_slot(found, digits) if digits else ""
        if stored and not slot:
            refuse_in_use(run.ledger, configuration.read(), environment, target, key, stored)
        ended = retire_goldens(
            run.ledger, run.run_id, environment, target, key, stored, slot=slot, who=by, reason=reason
        )
        said = _retired(ended, version, slot, f"{key} in {target} ({environment})", f"{by}: {reason}")
        _conclude(run, environment, "retire-golden", said)


@kms.command()
@click.argument("spell", type=click.IntRange(min=1))
@click.argument("verdict", type=click.Choice([*_JUDGED]))
@click.option("--note", default="", help="What it was; for the quarterly review.")
@_by
def judge(spell: int, verdict: str, note: str, by: str) -> None:
    """Say what a time of DOWN was: real trouble, or a false alarm. SPELL is its number in `opsflows kms status`."""
    with _ledger() as ledger:
        found = find_spell(ledger, spell)
    # A spell that is not there is refused by the ledger, in a run of its own.
    environment = found.environment if found else "-"
    with _decision("judge-spell", environment, by, note or verdict, {"spell": spell, "judged": verdict}) as run:
        judge_spell(run.ledger, run.run_id, spell, _JUDGED[verdict], who=by, note=note)
        what = f"{found.target} {found.part}, {found.began_at:%Y-%m-%d %H:%M} UTC" if found else ""
        _conclude(
            run, environment, "judge-spell",
            f"Spell {spell} ({what}) was {_JUDGED[verdict].value}, says {by}{f': {note}' if note else ''}.",
        )  # fmt: skip


def _checked(parameters: Mapping[str, object]) -> int:
    quiet_prefect()
    from flows.smoke_kms import smoke_kms  # noqa: PLC0415 (Prefect costs a second, which a wrong option should not)

    listener = Progress(prints=False)
    with heard_by(listener):
        state = smoke_kms(**parameters, return_state=True)
    for bundle in listener.bundles:
        show.report((bundle / "report.md").read_text())
        click.echo(f"Audit bundle  {bundle}\n")
    # The reports say what each run came to; a run that made none says why in its state.
    last = ", ".join(listener.verdicts) if listener.verdicts else state.message or state.name or ""
    click.echo(click.style(last, fg="green" if state.is_completed() else "red", bold=True))
    return 0 if state.is_completed() else 2 if state.name == "BadInput" else 1


@contextmanager
def _ledger() -> Iterator[Ledger]:
    ledger = open_own_ledger()
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def _decision(command: str, environment: str, by: str, reason: str, parameters: Mapping[str, object]) -> Iterator[AuditedRun]:  # fmt: skip
    """Give the run that a person's decision is; one that is refused is a run too."""
    with _ledger() as ledger, audited_run(
        ledger, flow=command, environment=environment, mode="apply", actor=by, reason=reason, parameters=parameters
    ) as run:  # fmt: skip
        yield run
    click.echo(f"Audit bundle: {run.bundle.folder}")


def _conclude(run: AuditedRun, environment: str, command: str, words: str) -> None:
    judgement = Judgement(Verdict.GREEN, World.REHEARSAL if environment == REHEARSAL else World.REAL)
    run.conclude(judgement, f"# {judgement}: {command}\n\n{words}\n")
    click.echo(words)


def _retired(ended: int, version: str, slot: str, whose: str, by: str) -> str:
    if slot:
        return f"The wrapped key {slot[:SHOWN_SIGNS]} of {whose} retired by {by}.\nIt holds no version any longer."
    what = f"{ended} golden ciphertext{'s' if ended > 1 else ''} of version {version}"
    return f"{what} of {whose} retired by {by}.\nA rotation may let the version be destroyed from now on, unless a wrapped key needs it."


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise BadInput(
            "No reason was given.", "Nothing was changed.", "Say why nothing needs it any more: --reason WHY."
        )
