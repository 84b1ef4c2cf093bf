"""Credentials as Prefect blocks: one per target, environment and purpose, read and written in complete sets."""

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import BlockDocumentCreate, BlockDocumentUpdate
from prefect.exceptions import ObjectAlreadyExists
from pydantic import SecretStr

from blocks.answering import answering
from blocks.connection import documents, prefect_client, registered
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
    blocks = {
        block_name(target, environment, purpose): block_type(**own)
        for purpose, block_type in block_types(integration.name).items()
        if (own := {row.field: fields[row.field] for row in _rows(integration, purpose) if row.field in fields})
    }
    with prefect_client() as client:
        for name, block in blocks.items():
            _save(client, name, block)
    return tuple(blocks)


def _load_values(
    integration: Integration, target: Target, environment: str, purposes: Iterable[Purpose]
) -> dict[str, str]:
    kinds = block_types(integration.name)
    named = {block_name(target, environment, purpose): purpose for purpose in purposes}
    with prefect_client() as client:
        rows = documents(
            client,
            {"name": {"any_": sorted(named)}},
            [kinds[purpose].get_block_type_slug() for purpose in named.values()],
        )
    data = {named[str(row["name"])]: _fitting(kinds[named[str(row["name"])]], row) for row in rows}
    return {
        row.name: text
        for purpose in named.values()
        for row in _rows(integration, purpose)
        if purpose in data and (text := _text(getattr(data[purpose], row.field)))
    }


def _rows(integration: Integration, purpose: Purpose) -> list[Variable]:
    return [row for row in integration.variables if row.purpose is purpose]


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")


def _fitting(kind: type[Block], row: Mapping[str, Any]) -> Block:
    try:
        return kind(**row["data"])
    except ValueError:
        raise BadInput(
            f"Block {row['name']} is there, but does not fit its type any more.",
            "It was written by another version, or edited by hand.",
            "Enter its values again with opsflows connect.",
        ) from None


def _save(client: SyncPrefectClient, name: str, block: Block) -> None:
    """Write the block's values in place of those that are there under its name."""
    type_id, schema_id = registered(type(block))
    data = {field: _text(value) if isinstance(value, SecretStr) else value for field, value in block}
    made = BlockDocumentCreate(name=name, data=data, block_type_id=type_id, block_schema_id=schema_id)
    with answering(changes=True):
        try:
            client.create_block_document(made)
        except ObjectAlreadyExists:
            there = client.read_block_document_by_name(name, type(block).get_block_type_slug())
            client.update_block_document(
                there.id, BlockDocumentUpdate(block_schema_id=schema_id, data=data, merge_existing_data=False)
            )
