"""Credentials as Prefect blocks: one per target, environment and purpose, read and written in complete sets."""

import importlib
from collections.abc import Iterable, Mapping

from prefect.blocks.core import Block
from pydantic import SecretStr

from domain.errors import BadInput
from domain.names import Purpose, Target, block_name
from vendors.capabilities import Integration, Variable, checked_values


def block_types(integration: str) -> Mapping[Purpose, type[Block]]:
    """Return the block type of each purpose, as blocks/<integration>.py declares them."""
    types: Mapping[Purpose, type[Block]] = importlib.import_module(f"blocks.{integration}").BLOCKS
    return types


def load_values(integration: Integration, target: Target, environment: str) -> dict[str, str] | None:
    """Return the stored values by variable name; None where the environment has no block for the target.

    Manage credentials are left where they are: they create and revoke, and nothing but rotations and their sinks need them.
    """
    purposes = [purpose for purpose in block_types(integration.name) if purpose is not Purpose.MANAGE]
    return _load_values(integration, target, environment, purposes) or None


def values_with_manage(integration: Integration, target: Target, environment: str) -> dict[str, str] | None:
    """Return all stored values by variable name, also those that create and revoke: for what publishes through the target."""
    return _load_values(integration, target, environment, block_types(integration.name)) or None


def save_values(
    integration: Integration, target: Target, environment: str, given: Mapping[str, str]
) -> tuple[str, ...]:
    """Store a complete, checked set of values by variable name; return the blocks' names.

    A value that is not given keeps the one stored before, so that a single webhook can be swapped.

    Raises:
        BadInput: the set is incomplete or a value malformed; nothing is stored.
    """
    stored = _load_values(integration, target, environment, block_types(integration.name))
    merged = {**stored, **{k: v for k, v in given.items() if v}}
    fields = checked_values(integration, merged)
    saved = []
    for purpose, block_type in block_types(integration.name).items():
        own = {row.field: fields[row.field] for row in _rows(integration, purpose) if row.field in fields}
        if not own:
            continue
        name = block_name(target, environment, purpose)
        block_type(**own).save(name, overwrite=True)
        saved.append(name)
    return tuple(saved)


def _load_values(
    integration: Integration, target: Target, environment: str, purposes: Iterable[Purpose]
) -> dict[str, str]:
    values: dict[str, str] = {}
    for purpose in purposes:
        block = _load(block_types(integration.name)[purpose], block_name(target, environment, purpose))
        if block is None:
            continue
        for row in _rows(integration, purpose):
            value = getattr(block, row.field)
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
            if text:
                values[row.name] = text
    return values


def _rows(integration: Integration, purpose: Purpose) -> list[Variable]:
    return [row for row in integration.variables if row.purpose is purpose]


def _load(block_type: type[Block], name: str) -> Block | None:
    try:
        loaded = block_type.load(name)
        return loaded if isinstance(loaded, Block) else None
    except ValueError as error:
        if "Unable to find block document" in str(error):
            return None
        raise BadInput(
            f"Block {name} is there, but does not fit its type any more.",
            "It was written by another version, or edited by hand.",
            "Enter its values again with opsflows connect.",
        ) from None
