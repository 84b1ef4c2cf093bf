"""Which key versions may encrypt without anybody having pinned them: those that our own rotation of the same key made."""

from collections.abc import Collection, Mapping

from domain.errors import BadInput
from domain.kms_names import is_same_key
from domain.kms_sections import KmsKeySection, KmsTarget
from domain.names import Credential, Purpose, Target
from domain.rotation import RotationRecord
from ledger.rotation_rows import rotations
from steps.context import Context
from vendors.capabilities import checked_values
from vendors.kms import KmsProvider
from vendors.kms_providers import KEY_PROVIDERS


def planned_versions(context: Context, section: KmsTarget) -> dict[str, frozenset[str]]:
    """Return the planned version ids of each key of a target, by the key's name in opsflows.toml.

    A rotation's credential is of a key where the environment's credentials name that key, whichever target they belong to. No
    rotation of ours makes versions of an AWS key, so there it is none.
    """
    return {name: _planned(context, key) for name, key in section.keys.items()}


def versions_made(records: Collection[RotationRecord]) -> frozenset[str]:
    """Return the versions that these rotations made, and those that they went back to."""
    made = {one.new_vendor_id for one in records}
    back_to = {one.old_vendor_id for one in records if one.back}
    return frozenset((made | back_to) - {""})


def _planned(context: Context, section: KmsKeySection) -> frozenset[str]:
    provider = KEY_PROVIDERS.get(section.provider)
    if provider is None:
        return frozenset()
    key = section.key or key_of(context, provider, Target.parse(section.credentials))
    whose = [
        Credential(target, context.environment, Purpose.SEND)
        for target in context.declared.rotated
        if key and target.integration == provider.integration and is_same_key(key_of(context, provider, target), key)
    ]
    return versions_made([one for credential in whose for one in rotations(context.ledger, credential=credential)])


def key_of(context: Context, provider: KmsProvider, target: Target) -> str:
    """Return the key that the target's credentials speak of, empty where there are none or they are not whole."""
    values: Mapping[str, str] | None = context.credentials(target)
    if values is None:
        return ""
    try:
        return provider.default_key(checked_values(context.integrations[target.integration], values))
    except BadInput:
        return ""
