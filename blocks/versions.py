"""Values as Prefect blocks: one write-once document per minted value, and the block with the stable name as projection.

Saving over a taken name fails at the server, so that a late worker cannot overwrite. Documents are read and written through
Prefect's client, without registering their types anew at each: a rotation writes few, a fleet of them thousands.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import httpx
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import BlockDocumentCreate, BlockDocumentUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL
from pydantic import Field, SecretStr

from blocks.store import block_types
from domain.errors import OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.names import Credential, block_name
from vendors.capabilities import Integration
from vendors.rotation import Rotation


class CredentialVersion(Block):
    """One value of one credential, as it was minted. Written once, deleted when the vendor refuses the value."""

    _block_type_name: ClassVar[str] = "opsflows credential version"
    _block_type_slug: ClassVar[str] = "opsflows-credential-version"
    _description: ClassVar[str] = "One value of one credential; opsflows writes and deletes these, people never do."

    value: SecretStr = Field(title="Value", description="The value, as the vendor or opsflows made it.")
    vendor_id: str = Field(default="", title="Vendor id", description="What the vendor calls it.")
    marker: str = Field(default="", title="Marker", description="What opsflows wrote beside it at the vendor.")


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """What a document holds; the shape is that of steps' StoredValue."""

    value: str = field(repr=False)
    vendor_id: str
    marker: str


@dataclass(frozen=True, slots=True)
class Documents:
    """Block documents, reached through one connection to the Prefect server."""

    client: SyncPrefectClient

    def keep_version(self, name: str, kept: KeptVersion) -> None:
        """Write a version document.

        Raises:
            Rejected: the name is taken; what stands there stays.
            Unavailable, OutcomeUnknown: the Prefect server did not answer.
        """
        type_id, schema_id = _registered(CredentialVersion, PREFECT_API_URL.value() or "")
        data = {"value": kept.value, "vendor_id": kept.vendor_id, "marker": kept.marker}
        document = BlockDocumentCreate(name=name, data=data, block_type_id=type_id, block_schema_id=schema_id)
        with _answering(changes=True):
            try:
                self.client.create_block_document(document)
            except ObjectAlreadyExists:
                raise _taken(name) from None

    def read_version(self, name: str) -> KeptVersion | None:
        row = self._by_name(name, CredentialVersion)
        if row is None:
            return None
        data = row["data"]
        return KeptVersion(str(data["value"]), str(data.get("vendor_id") or ""), str(data.get("marker") or ""))

    def drop_version(self, name: str) -> None:
        row = self._by_name(name, CredentialVersion)
        if row is not None:
            with _answering(changes=True):
                try:
                    self.client.delete_block_document(row["id"])
                except ObjectNotFound:
                    return

    def version_names(self, credential: Credential) -> list[str]:
        rows = self._filtered({"name": {"like_": f"{credential}--"}}, [CredentialVersion.get_block_type_slug()])
        return sorted(str(row["name"]) for row in rows if str(row["name"]).startswith(f"{credential}--"))

    def project(self, credential: Credential, rotation: Rotation, value: str) -> None:
        """Write the value into the credential's own block, beside the other fields there; create it where it is not."""
        kind = block_types(rotation.integration)[credential.purpose]
        row = self._by_name(str(credential), kind)
        if row is None:
            type_id, schema_id = _registered(kind, PREFECT_API_URL.value() or "")
            document = BlockDocumentCreate(
                name=str(credential), data={rotation.field: value}, block_type_id=type_id, block_schema_id=schema_id
            )
            with _answering(changes=True):
                self.client.create_block_document(document)
            return
        with _answering(changes=True):
            self.client.update_block_document(
                row["id"], BlockDocumentUpdate(data={rotation.field: value}, merge_existing_data=True)
            )

    def projected(self, credential: Credential, rotation: Rotation) -> str:
        """Return the value in the credential's own block, empty where there is none."""
        row = self._by_name(str(credential), block_types(rotation.integration)[credential.purpose])
        return str(row["data"].get(rotation.field) or "") if row else ""

    def target_values(self, integration: Integration, credential: Credential) -> dict[str, str]:
        """Return all values of the credential's target, of every purpose, by variable name, in one request."""
        kinds = {
            block_name(credential.target, credential.environment, purpose): purpose
            for purpose in block_types(integration.name)
        }
        slugs = [kind.get_block_type_slug() for kind in block_types(integration.name).values()]
        found: dict[str, str] = {}
        for row in self._filtered({"name": {"any_": sorted(kinds)}}, slugs):
            purpose = kinds[str(row["name"])]
            data: Mapping[str, Any] = row["data"]
            found |= {
                v.name: str(data[v.field]) for v in integration.variables if v.purpose is purpose and data.get(v.field)
            }
        return found

    def _by_name(self, name: str, kind: type[Block]) -> Mapping[str, Any] | None:
        rows = self._filtered({"name": {"any_": [name]}}, [kind.get_block_type_slug()])
        return rows[0] if rows else None

    def _filtered(self, documents: Mapping[str, object], slugs: list[str]) -> list[Mapping[str, Any]]:
        asked = {"block_documents": documents, "block_types": {"slug": {"any_": slugs}}, "include_secrets": True}
        with _answering(changes=False):
            answer = self.client.request("POST", "/block_documents/filter", json=asked)
            rows: list[Mapping[str, Any]] = answer.json()
        return rows


@contextmanager
def opened_documents() -> Iterator[Documents]:
    """Give the documents of this process's Prefect server, over one connection."""
    with get_client(sync_client=True) as client:
        yield Documents(client)


@cache
def _registered(kind: type[Block], server: str) -> tuple[Any, Any]:
    """Return the ids of a block's type and schema; registered once per process and server."""
    del server
    kind.register_type_and_schema()
    return kind._block_type_id, kind._block_schema_id  # noqa: SLF001 (Prefect keeps them nowhere else)


@contextmanager
def _answering(*, changes: bool) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, OSError) as error:
        raise _away(error, changes=changes) from None


def _away(error: Exception, *, changes: bool) -> OpsError:
    kind = (
        OutcomeUnknown if changes and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) else Unavailable
    )
    return kind(
        f"The Prefect server did not answer as it should ({type(error).__name__}).",
        "Values are kept there; what was to be written may be there or not, and is looked at again.",
        "See that the server runs (make up, or its health page); the sweeper goes on by itself.",
        "prefect.away",
    )


def _taken(name: str) -> Rejected:
    return Rejected(
        f"The value document {name} is there already.",
        "A document is written once: another worker wrote this one. Nothing was overwritten.",
        "Nothing: whoever holds the rotation looks at what is there and carries on.",
        "store.taken",
    )
