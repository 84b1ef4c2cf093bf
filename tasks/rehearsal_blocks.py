"""The rehearsal's blocks, so that a form can be tried against the stand-ins that run; no account is touched."""

from blocks.store import save_values, values_with_manage
from domain.config import Config
from domain.names import REHEARSAL, Target
from ledger.held_credentials import held_credentials
from ledger.opening import Ledger
from steps.conduct import conduct_for, stand_ins_url
from vendors.capabilities import checked_values
from vendors.registry import EVERY
from vendors.stand_ins import connect


def store_stand_ins_credentials(config: Config, ledger: Ledger) -> list[str]:
    """Store what the running stand-ins generated as the rehearsal's blocks, and return the targets whose blocks were written.

    Left alone: what is stored already, and every target of which the ledger holds a credential that was adopted or rotated,
    since the current value is then another one.
    """
    declared = config.environment(REHEARSAL)
    ours = targets_in_use(ledger)
    stand_ins = connect(stand_ins_url(), conduct_for(config, REHEARSAL, lambda _: None))
    try:
        generated = stand_ins.credentials()
    finally:
        stand_ins.close()
    targets = [one for one in (*declared.targets, *declared.platform_targets) if one not in ours]
    return [str(one) for one in targets if _store(one, generated[one.integration])]


def targets_in_use(ledger: Ledger) -> set[Target]:
    """Return the rehearsal's targets of which a credential was adopted or rotated: their blocks hold what is used now."""
    return {held.credential.target for held in held_credentials(ledger, REHEARSAL) if held.vendor_id or held.version}


def _store(target: Target, generated: dict[str, str]) -> bool:
    integration = EVERY[target.integration]
    stored = values_with_manage(integration, target, REHEARSAL)
    # What is stored went through the same check, which may have brought it into another form.
    if stored and checked_values(integration, stored) == checked_values(integration, generated):
        return False
    save_values(integration, target, REHEARSAL, generated)
    return True
