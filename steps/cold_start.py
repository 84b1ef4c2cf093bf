"""Steps 1 to 6: what must be so before a real credential is touched, and the rehearsal."""

import platform
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from domain.checklist import Step, StepResult
from domain.errors import BadInput, OpsError
from domain.names import Target
from domain.probes import Outcome
from domain.wiring import check_environment
from ledger import wiring as progress
from steps.context import Context
from steps.verifying import verify_targets
from steps.version import code_version
from steps.walk import Walk, done, hold, of_results
from vendors.git import is_tracked

_PYTHON = ((3, 11), (3, 14))
_GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def version_known(walk: Walk, step: Step) -> StepResult:
    return done(step, f"opsflows {walk.version}, ledger {walk.context.ledger.id}.")


def credential_file_closed(walk: Walk, step: Step) -> StepResult:
    """Credentials live in blocks; a file that was imported must not lie open or be tracked."""
    del walk
    file = Path(".env.local")
    if not file.exists():
        return done(step, "There is no .env.local; credentials are Prefect blocks.")
    try:
        check_private(file)
    except BadInput as fault:
        return hold(step, f"{fault.happened} {fault.means}", fault.next_step)
    return done(step, ".env.local is 0600 and not tracked by git.")


def prerequisites(walk: Walk, step: Step) -> StepResult:
    lowest, below = _PYTHON
    if not lowest <= sys.version_info[:2] < below:
        return hold(step, f"Python {platform.python_version()} is not supported.", "Use Python 3.11, 3.12 or 3.13.")
    try:
        walk.context.ledger.now()
    except OpsError as error:
        return hold(step, error.happened, error.next_step)
    return done(step, f"Python {platform.python_version()}, ledger reachable, home writable.")


def stand_ins_answer(walk: Walk, step: Step) -> StepResult:
    """In the rehearsal every vendor's stand-in must answer; elsewhere a passed rehearsal says that they did."""
    if walk.stand_ins is None:
        return _proved_by_rehearsal(walk, step)
    wanted = {target.integration for target in walk.targets}
    try:
        absent = wanted - set(walk.stand_ins.credentials())
    except OpsError as error:
        return hold(step, f"The stand-ins do not answer. {error.happened}", "Start them with opsflows mocks.")
    if absent:
        return hold(step, f"No stand-in for {', '.join(sorted(absent))}.", "Start the stand-ins of this version.")
    return done(step, f"{len(wanted)} stand-ins answer.")


def mode_fits(walk: Walk, step: Step) -> StepResult:
    try:
        check_environment(walk.mode, walk.context.environment)
    except BadInput as fault:
        return hold(step, fault.happened, fault.next_step)
    return done(step, f"Mode {walk.mode.text} in environment {walk.context.environment}.")


def rehearse(walk: Walk, step: Step) -> StepResult:
    """Verify everything on the stand-ins and remember the proof for this version."""
    if walk.stand_ins is None:
        return _proved_by_rehearsal(walk, step)
    results = verify_targets(walk.context, walk.targets)
    walk.results.extend(results)
    if all(result.outcome is Outcome.PASS for result in results):
        names = sorted({result.target.integration for result in results})
        progress.record_rehearsal(walk.context.ledger, walk.version, walk.context.run_id, names)
    return of_results(step, results)


def check_rehearsed(context: Context, targets: Iterable[Target], skip_reason: str) -> None:
    """Raise BadInput unless a rehearsal passed for this version and these integrations, or someone says why not."""
    if context.is_rehearsal or skip_reason:
        return
    proof = progress.rehearsal_for(context.ledger, code_version())
    absent = {target.integration for target in targets} - set(proof.integrations if proof else ())
    if absent:
        raise BadInput(
            f"The rehearsal has not passed for {', '.join(sorted(absent))} with version {code_version()} in this ledger.",
            "Mock before real: a failure on the stand-ins is this machine's, not a credential's. Nothing was sent.",
            "Run opsflows verify --mode mock (or make demo) first; or say why not with --skip-rehearsal REASON.",
        )


def check_private(file: Path) -> None:
    """Raise BadInput when others can read the file, or git tracks it; BadInput too when it cannot be read at all."""
    try:
        mode = file.stat().st_mode
        file.open("rb").close()
    except OSError as error:
        raise BadInput(
            f"{file} cannot be read ({error.strerror}).",
            "Nothing was sent.",
            f"Check the path, or copy .env.example to {file}.",
        ) from error
    if mode & _GROUP_AND_OTHERS:
        raise BadInput(
            f"{file} can be read by others (mode {stat.S_IMODE(mode):04o}).",
            "It holds credentials; whoever can read it can use them. Nothing was sent.",
            f"chmod 600 {file}, and consider its credentials seen.",
        )
    if is_tracked(file):
        raise BadInput(
            f"{file} is tracked by git.",
            "Its credentials are in the history that everyone clones. Nothing was sent.",
            f"git rm --cached {file}, add it to .gitignore, and rotate what it holds.",
        )


def _proved_by_rehearsal(walk: Walk, step: Step) -> StepResult:
    if walk.skip_rehearsal:
        return done(step, f"Skipped by {walk.context.actor}: {walk.skip_rehearsal}.")
    try:
        check_rehearsed(walk.context, walk.targets, walk.skip_rehearsal)
    except BadInput as fault:
        return hold(step, fault.happened, fault.next_step)
    proof = progress.rehearsal_for(walk.context.ledger, walk.version)
    run = f"run {proof.run_id} at {proof.at:%Y-%m-%d %H:%M} UTC" if proof else "an earlier run"
    return done(step, f"The rehearsal passed with this version: {run}.")
