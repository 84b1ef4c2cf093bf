"""Looks at the blocks that are there, without their secrets: can the server decrypt them, and do they fit their types."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from pydantic import ValidationError

from blocks.answering import answering
from blocks.store import block_types
from blocks.versions import CredentialVersion
from domain.errors import Rejected
from vendors.registry import EVERY

UNREADABLE = "prefect.encryption_key"
_PAGE = 200
_SECRET = "secret"  # noqa: S105 (the slug of Prefect's own block type)


@dataclass(frozen=True, slots=True)
class SeenBlock:
    """One block document: `is_whole` where it fits its type as this version knows it, `is_current` where that version wrote it."""

    name: str
    slug: str
    is_whole: bool
    is_current: bool


def seen_blocks(client: SyncPrefectClient) -> list[SeenBlock]:
    """Return every block of ours, and Prefect's own Secret blocks, which opsflows.toml may name.

    Raises:
        Rejected: the server cannot decrypt them (symptom `prefect.encryption_key`).
        Unavailable: it does not answer.
    """
    kinds = _kinds()
    checksums = {slug: kind._calculate_schema_checksum() for slug, kind in kinds.items()}  # noqa: SLF001 (Prefect shows it nowhere else)
    found: list[SeenBlock] = []
    while True:
        rows = _page(client, [*kinds, _SECRET], len(found))
        found += [_seen(row, kinds, checksums) for row in rows]
        if len(rows) < _PAGE:
            return found


def _kinds() -> dict[str, type[Block]]:
    """Return our block types by slug."""
    kinds: list[type[Block]] = [CredentialVersion, *(kind for name in EVERY for kind in block_types(name).values())]
    return {kind.get_block_type_slug(): kind for kind in kinds}


def _page(client: SyncPrefectClient, slugs: list[str], offset: int) -> list[Mapping[str, Any]]:
    asked = {"block_types": {"slug": {"any_": slugs}}, "limit": _PAGE, "offset": offset}
    with answering(changes=False):
        try:
            rows: list[Mapping[str, Any]] = client.request("POST", "/block_documents/filter", json=asked).json()
        except httpx.HTTPStatusError as error:
            if error.response.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            raise Rejected(
                "The Prefect server cannot read the blocks that it holds (500).",
                "At least one was encrypted with another key than it has now: PREFECT_SERVER_ENCRYPTION_KEY was lost or changed, and what was encrypted with it is closed to everyone.",
                "Stop the server, put back the key from the backup (opsflows restore, or PREFECT_SERVER_ENCRYPTION_KEY in its env file), and start it. Do not delete blocks: with the key they come back.",
                UNREADABLE,
            ) from None
    return rows


def _seen(row: Mapping[str, Any], kinds: Mapping[str, type[Block]], checksums: Mapping[str, str]) -> SeenBlock:
    slug = str(row["block_type"]["slug"])
    is_current = slug not in kinds or row["block_schema"]["checksum"] == checksums[slug]
    return SeenBlock(str(row["name"]), slug, slug not in kinds or _fits(kinds[slug], row["data"]), is_current)


def _fits(kind: type[Block], data: Mapping[str, Any]) -> bool:
    """Say whether it has what its type asks for; its secrets are shown as stars, which stand for values."""
    try:
        kind(**data)
    except ValidationError:
        return False
    return True
