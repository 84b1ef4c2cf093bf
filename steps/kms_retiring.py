"""A golden ciphertext is retired of a version that nothing uses any more, since what encrypts today gets one again tomorrow."""

from datetime import datetime, timedelta

from domain.config import Config
from domain.errors import BadInput
from domain.kms_checks import PartKind, part_name
from domain.kms_names import shown_version
from ledger.kms_checks import checks_since
from ledger.opening import Ledger

# Longer ago, a check says nothing of what is in use today.
_LOOKED_BACK = timedelta(days=1)


def refuse_in_use(ledger: Ledger, config: Config, environment: str, target: str, key: str, version: str) -> None:  # noqa: PLR0917 (the parts of one golden's name)
    """Do nothing where the version may be retired; a key that opsflows.toml does not name is not checked, so all of its may be.

    Raises:
        BadInput: the newest check that could tell saw the version in use, and so the next one would keep it again.
    """
    if not is_declared(config, environment, target, key):
        return
    at, in_use = _in_use(ledger, environment, target, key)
    shown = shown_version(version)
    if shown not in in_use:
        return
    raise BadInput(
        f"Version {shown} of {key} in {target} ({environment}) is in use, as the check of {at:%Y-%m-%d %H:%M} UTC saw it.",
        "What encrypts gets a golden ciphertext again with the next check, and holds the version again. Nothing was changed.",
        f"Let another version become primary, check (opsflows kms check {target} --environment {environment}), and say it then; "
        "of a key that nothing uses any more, take it out of opsflows.toml first.",
    )


def is_declared(config: Config, environment: str, target: str, key: str) -> bool:
    """Say whether opsflows.toml names the key, so that it is checked."""
    section = config.kms.get(target)
    return section is not None and section.environment == environment and key in section.keys


def _in_use(ledger: Ledger, environment: str, target: str, key: str) -> tuple[datetime, set[str]]:
    """Return what the newest check that could tell saw: the primary version as described, and the one that encrypted."""
    described, encrypted = part_name(PartKind.VERSIONS, key), part_name(PartKind.CANARY, key)
    now = ledger.now()
    for check in reversed([*checks_since(ledger, environment, target, now - _LOOKED_BACK)]):
        facts = {part.name: part.facts for part in check.checked.parts}
        told = {facts.get(described, {}).get("primary", ""), facts.get(encrypted, {}).get("version", "")} - {""}
        if told:
            return check.at, told
    return now, set()
