"""Every block type of ours, made known to the server, so that its form is there before the first credential is entered."""

import importlib
import pkgutil

from prefect.blocks.core import Block

import blocks
from blocks.answering import answering
from blocks.connection import prefect_client, registered


def register_block_types() -> list[str]:
    """Register the types whose present shape the server does not know, and return their slugs; a second call returns nothing."""
    missing = _unregistered()
    for kind in missing:
        registered(kind)
    return [kind.get_block_type_slug() for kind in missing]


def unregistered_block_types() -> list[str]:
    """Return the slugs of the types whose present shape the server does not know; changes nothing."""
    return [kind.get_block_type_slug() for kind in _unregistered()]


def _unregistered() -> list[type[Block]]:
    kinds = _kinds()
    with prefect_client() as client, answering(changes=False):
        checksums = {kind._calculate_schema_checksum(): kind for kind in kinds}  # noqa: SLF001 (Prefect tells a shape by it, and gives it no other way)
        known: set[str] = set()
        slugs = [kind.get_block_type_slug() for kind in kinds]
        types = client.request(
            "POST", "/block_types/filter", json={"block_types": {"slug": {"any_": slugs}}, "limit": 200}
        )
        ids = [row["id"] for row in types.json()]
        if ids:
            asked = {"block_schemas": {"block_type_id": {"any_": ids}}, "limit": 200}
            known = {row["checksum"] for row in client.request("POST", "/block_schemas/filter", json=asked).json()}
    return [kind for checksum, kind in checksums.items() if checksum not in known]


def _kinds() -> list[type[Block]]:
    """Return every block type that a module of this package defines."""
    modules = {f"blocks.{found.name}" for found in pkgutil.iter_modules(blocks.__path__)}
    for name in modules:
        importlib.import_module(name)
    # What others are derived from has no slug of its own, and is no type.
    ours = (kind for kind in _descendants(Block) if kind.__module__ in modules and "_block_type_slug" in vars(kind))
    return sorted(ours, key=lambda kind: kind.__name__)


def _descendants(kind: type[Block]) -> list[type[Block]]:
    return [one for child in kind.__subclasses__() for one in (child, *_descendants(child))]
