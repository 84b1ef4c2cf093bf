"""What a run that reads from vendors works with; in the rehearsal the running stand-ins stand where the vendors do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from domain.config import Config
from domain.names import Target
from ledger.rotation_rows import rotations
from steps.audited_run import AuditedRun
from steps.conduct import stand_ins_url
from steps.context import Context
from tasks.preparing import context_of
from vendors.stand_ins import connect as connect_stand_ins


@contextmanager
def reading_context(run: AuditedRun, config: Config, environment: str) -> Iterator[Context]:
    """Give the context; in the rehearsal with the addresses and credentials of the running stand-ins.

    A block's value counts there only where a rotation has changed it: others may be those of stand-ins that are gone, as a demo
    leaves them.
    """
    context = context_of(run, config, environment, frozenset())
    if not context.is_rehearsal:
        yield context
        return
    stand_ins = connect_stand_ins(stand_ins_url(), context.conduct)
    try:
        generated, addresses = stand_ins.credentials(), stand_ins.addresses()
    finally:
        stand_ins.close()

    rotated = {
        (one.credential.target, one.credential.purpose) for one in rotations(run.ledger, environment=environment)
    }

    def credentials(target: Target) -> Mapping[str, str] | None:
        # A stand-in without an integration, such as the service that encrypts, has no block.
        kept = context.credentials(target) if target.integration in context.integrations else None
        if target.integration not in generated or kept is None:
            return generated.get(target.integration, kept)
        rows = context.integrations[target.integration].variables
        changed = {row.name for row in rows if row.secret and (target, row.purpose) in rotated}
        return {**generated[target.integration], **{name: value for name, value in kept.items() if name in changed}}

    yield replace(context, addresses=addresses, credentials=credentials)
