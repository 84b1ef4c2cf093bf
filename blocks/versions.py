"""Values as Prefect blocks: one write-once document per minted value, and the block with the stable name as projection.

Saving over a taken name fails at the server, so that a late worker cannot overwrite. Documents are read and written through
Prefect's client, without registering their types anew at each: a rotation writes few, a fleet of them thousands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import BlockDocumentCreate, BlockDocumentUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from pydantic import Field, SecretStr

from blocks.answering import answering
from blocks.connection import documents, registered
from blocks.store import block_types
from domain.errors import BadInput, Rejected
from domain.names import Credential, block_name
from domain.values import TAKEN, StoredValue
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


@dataclass(slots=True)
class BlockStore:
    """The values of one credential, reached through one connection to the Prefect server.

    `target_values` are those of the whole target, as they are in use: read once, and changed along with a projection.
    """

    client: SyncPrefectClient
    integration: Integration
    rotation: Rotation
    credential: Credential
    _target: dict[str, str] = field(default_factory=dict, repr=False)

    def keep(self, name: str, stored: StoredValue) -> None:
        """Write a version document.

        Raises:
            Rejected: the name is taken; what stands there stays.
            Unavailable, OutcomeUnknown: the Prefect server did not answer.
        """
        type_id, schema_id = registered(CredentialVersion)
        data = {"value": stored.value, "vendor_id": stored.vendor_id, "marker": stored.marker}
        document = BlockDocumentCreate(name=name, data=data, block_type_id=type_id, block_schema_id=schema_id)
        with answering(changes=True):
            try:
                self.client.create_block_document(document)
            except ObjectAlreadyExists:
                raise _taken(name) from None

    def read(self, name: str) -> StoredValue | None:
        row = self._by_name(name, CredentialVersion)
        if row is None:
            return None
        data = row["data"]
        return StoredValue(str(data["value"]), str(data.get("vendor_id") or ""), str(data.get("marker") or ""))

    def drop(self, name: str) -> None:
        row = self._by_name(name, CredentialVersion)
        if row is not None:
            with answering(changes=True):
                try:
                    self.client.delete_block_document(row["id"])
                except ObjectNotFound:
                    return

    def names(self, credential: Credential) -> list[str]:
        rows = self._filtered({"name": {"like_": f"{credential}--"}}, [CredentialVersion.get_block_type_slug()])
        return sorted(str(row["name"]) for row in rows if str(row["name"]).startswith(f"{credential}--"))

    def project(self, credential: Credential, value: str) -> None:
        """Write the value into the credential's own block, beside the other fields there; create it where it is not."""
        kind, data = self._kind, {self.rotation.field: value}
        row = self._by_name(str(credential), kind)
        if row is None:
            type_id, schema_id = registered(kind)
            document = BlockDocumentCreate(
                name=str(credential), data=data, block_type_id=type_id, block_schema_id=schema_id
            )
            with answering(changes=True):
                self.client.create_block_document(document)
        else:
            with answering(changes=True):
                self.client.update_block_document(row["id"], BlockDocumentUpdate(data=data, merge_existing_data=True))
        self._target.clear()

    def projected(self, credential: Credential) -> str:
        """Return the value in the credential's own block, empty where there is none.

        As its variable's check writes it: a person may have put a key there in one line that applications want in many.
        """
        row = self._by_name(str(credential), self._kind)
        text = str(row["data"].get(self.rotation.field) or "") if row else ""
        check = next(one.check for one in self.integration.variables if one.field == self.rotation.field)
        try:
            return check(text) if text else ""
        except BadInput:
            return text  # told by whoever uses it

    def target_values(self) -> dict[str, str]:
        """Return all values of the credential's target, of every purpose, by variable name, in one request."""
        if not self._target:
            self._target.update(self._read_target())
        return self._target

    def _read_target(self) -> dict[str, str]:
        target, environment = self.credential.target, self.credential.environment
        kinds = block_types(self.integration.name)
        purposes = {block_name(target, environment, purpose): purpose for purpose in kinds}
        found: dict[str, str] = {}
        rows = self._filtered(
            {"name": {"any_": sorted(purposes)}}, [kind.get_block_type_slug() for kind in kinds.values()]
        )
        for row in rows:
            purpose, data = purposes[str(row["name"])], row["data"]
            own = (v for v in self.integration.variables if v.purpose is purpose)
            found |= {v.name: str(data[v.field]) for v in own if data.get(v.field)}
        return found

    @property
    def _kind(self) -> type[Block]:
        return block_types(self.rotation.integration)[self.credential.purpose]

    def _by_name(self, name: str, kind: type[Block]) -> Mapping[str, Any] | None:
        rows = self._filtered({"name": {"any_": [name]}}, [kind.get_block_type_slug()])
        return rows[0] if rows else None

    def _filtered(self, wanted: Mapping[str, object], slugs: list[str]) -> list[Mapping[str, Any]]:
        return documents(self.client, wanted, slugs)


def _taken(name: str) -> Rejected:
    return Rejected(
        f"The value document {name} is there already.",
        "A document is written once: another worker wrote this one. Nothing was overwritten.",
        "Nothing: whoever holds the rotation looks at what is there and carries on.",
        TAKEN,
    )
