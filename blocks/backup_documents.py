"""All blocks of ours with their values, out of one Prefect server and into another; in memory alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import BlockDocumentCreate
from prefect.exceptions import ObjectAlreadyExists

from blocks.answering import answering
from blocks.connection import documents, prefect_client, registered
from blocks.store import block_types
from blocks.versions import CredentialVersion
from domain.errors import BadInput
from vendors.registry import EVERY

_PER_PAGE = 200
_NAMED = 5  # of many, so many are enough to find them


@dataclass(frozen=True, slots=True)
class BlockCopy:
    """One document: its name, its type's slug, its data with values in the clear."""

    name: str
    slug: str
    data: Mapping[str, Any] = field(repr=False)


def read_blocks() -> list[BlockCopy]:
    """Return every block of ours, and Prefect's Secret blocks, which opsflows.toml names.

    Raises:
        Unavailable: the Prefect server does not answer.
    """
    with prefect_client() as client:
        return _read(client)


def put_blocks_back(copies: Iterable[BlockCopy]) -> int:
    """Write the blocks that are not there yet, and return how many there were. Repeated, it comes to the same.

    Raises:
        BadInput: a block is of a type that this code does not have, or the server has another value under its name.
        Unavailable, OutcomeUnknown: the Prefect server does not answer.
    """
    wanted = list(copies)
    with prefect_client() as client:
        check_free(_read(client), wanted)
        for copy in wanted:
            _create(client, copy)
    return len(wanted)


def check_free(there: Iterable[BlockCopy], wanted: Iterable[BlockCopy]) -> None:
    """See that the server holds nothing but what would be put there. Raises BadInput else."""
    copies = {(copy.slug, copy.name): copy for copy in wanted}
    unknown = sorted({copy.slug for copy in copies.values()} - set(_kinds()))
    if unknown:
        raise BadInput(
            f"The backup has blocks of types that this opsflows does not have: {', '.join(unknown)}.",
            "Their values would be lost. Nothing was put back.",
            "Restore it with the version that made it.",
        )
    others = sorted(copy.name for copy in there if copies.get((copy.slug, copy.name)) != copy)
    if others:
        raise BadInput(
            f"The Prefect server has blocks that the backup has not, or holds otherwise: {', '.join(others[:_NAMED])}{', ...' if len(others) > _NAMED else ''}.",
            "One of the two would be lost. Nothing was put back.",
            "Restore with a new Prefect server (an empty database), or delete those blocks if they are not needed.",
        )


def _create(client: SyncPrefectClient, copy: BlockCopy) -> None:
    type_id, schema_id = registered(_kinds()[copy.slug])
    document = BlockDocumentCreate(
        name=copy.name, data=dict(copy.data), block_type_id=type_id, block_schema_id=schema_id
    )
    with answering(changes=True):
        try:
            client.create_block_document(document)
        except ObjectAlreadyExists:
            return  # the same: it was compared before


def _read(client: SyncPrefectClient) -> list[BlockCopy]:
    """Read all pages until a whole turn finds nothing new: what is deleted meanwhile moves the pages, and would hide others."""
    found: dict[str, BlockCopy] = {}
    slugs = sorted(_kinds())
    while True:
        known, offset = len(found), 0
        while page := documents(client, {"is_anonymous": {"eq_": False}}, slugs, limit=_PER_PAGE, offset=offset):
            for row in page:
                found[str(row["id"])] = BlockCopy(str(row["name"]), str(row["block_type"]["slug"]), row["data"])
            offset += len(page)
        if len(found) == known:
            return sorted(found.values(), key=lambda copy: (copy.slug, copy.name))


@cache
def _kinds() -> Mapping[str, type[Block]]:
    ours: list[type[Block]] = [kind for name in EVERY for kind in block_types(name).values()]
    ours.extend((CredentialVersion, Secret))
    return {kind.get_block_type_slug(): kind for kind in ours}
