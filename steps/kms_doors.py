"""How a key of a section is reached: its name, its credentials, its address, and within what time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from domain.errors import BadInput
from domain.kms_goldens import MINTED
from domain.kms_names import is_full_key
from domain.kms_past import Remembered
from domain.kms_sections import AT_STAND_INS, KmsKeySection, resolved_at
from domain.names import Target
from steps.conduct import stand_ins_url
from steps.context import Context
from steps.kms_operations import FaultSeen
from vendors.capabilities import checked_values
from vendors.http import Conduct
from vendors.kms import KmsKey, KmsProvider
from vendors.object_stores import conduct_towards


@dataclass(frozen=True, slots=True)
class Door:
    """A key's name, and how a key is connected to with the same identity."""

    key: str
    connect: Callable[[str], KmsKey]


def door_of(context: Context, provider: KmsProvider, section: KmsKeySection, conduct: Conduct) -> Door:
    """Return how a section's key is connected to.

    Raises:
        OpsError, FaultSeen: its credentials are not there, or name no key.
    """
    values = dict(_values(context, section))
    if section.region:
        values["region"] = section.region
    address = resolved(context, section.address) or context.addresses.get(provider.integration)
    key = section.key or provider.default_key(values)
    if not key:
        raise FaultSeen("kms.config", "neither the section nor its credentials name a key")
    towards = conduct_towards(address or "", conduct)
    return Door(key, lambda name: provider.connect(name, values, address, towards))


def full_name(name: str, door: Door, remembered: Remembered) -> str:
    """Return the whole name of the section's key where it is known, else the one that it is connected to by."""
    if is_full_key(door.key):
        return door.key
    minted = [one.key for one in remembered.goldens if one.key_name == name and one.source == MINTED]
    return minted[-1] if minted else door.key


def hurried(conduct: Conduct, limit_seconds: float) -> Conduct:
    """Return the conduct in which an operation is given up after so many seconds."""
    limit = timedelta(seconds=limit_seconds)
    return replace(conduct, exchange_limit=limit, connect_limit=min(limit, conduct.connect_limit))


def resolved(context: Context, address: str) -> str:
    """Return an address with the running stand-ins' own in place of `$STAND_INS/`.

    Raises:
        BadInput: nobody said where the stand-ins are, or it is not the rehearsal.
    """
    if not address.startswith(AT_STAND_INS):
        return address
    if not context.is_rehearsal:
        raise BadInput(
            f"{AT_STAND_INS} stands in an address outside the rehearsal.",
            "Nothing was sent.",
            "Write the address itself.",
        )
    return resolved_at(stand_ins_url(), address)


def _values(context: Context, section: KmsKeySection) -> Mapping[str, str]:
    if not section.credentials:
        return {}
    target = Target.parse(section.credentials)
    given = context.credentials(target)
    if given is None:
        raise FaultSeen("kms.identity", f"there are no credentials of {target} in {context.environment}")
    return checked_values(context.integrations[target.integration], given)
