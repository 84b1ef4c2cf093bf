"""The server's automations, held against those that are wanted: read by name, created or updated, never deleted.

Ours carry our mark in their description; others are left alone, and one that a person switched off stays off.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.schemas.automations import Automation, AutomationCore

from blocks.paging import every
from deployments.automations import OUR_MARK, PREFIX, Server
from deployments.catalog import CATALOG, Tier
from domain.errors import BadInput


def read_server(client: SyncPrefectClient, blocks: Mapping[Tier, str]) -> Server:
    """Return what the server holds of what automations name; a deployment or block that is not there is left out."""
    names = {"name": {"any_": [entry.name for entry in CATALOG]}}
    found = every(client, "/deployments/filter", {"deployments": names})
    of_ours = {"flows": {"name": {"any_": [entry.flow.name for entry in CATALOG]}}}
    flows = {row["id"]: row["name"] for row in every(client, "/flows/filter", of_ours)}
    named = {f"{flows.get(row['flow_id'], '')}/{row['name']}": UUID(row["id"]) for row in found}
    ours = {entry.full_name: named[entry.full_name] for entry in CATALOG if entry.full_name in named}
    there = {tier: _block(client, path) for tier, path in blocks.items() if path}
    return Server(ours, {tier: block for tier, block in there.items() if block is not None})


def read_ours(client: SyncPrefectClient) -> dict[str, Automation]:
    """Return every automation whose name begins as ours do, by name.

    Raises:
        BadInput: one of our names is somebody else's, or is there twice.
    """
    # The server finds automations by whole names only, and one that is not wanted any more is found by its beginning.
    rows = every(client, "/automations/filter", {})
    found = [Automation.model_validate(row) for row in rows if row["name"].startswith(PREFIX)]
    for one in found:
        if OUR_MARK not in one.description:
            raise BadInput(
                f"Automation '{one.name}' is there, but not ours (its description lacks '{OUR_MARK}').",
                "It was made by hand or by another project; it was left alone, and no automation was changed.",
                "Rename or delete it in Prefect (Automations), then deploy again.",
            )
    by_name = {one.name: one for one in found}
    if len(by_name) < len(found):
        twice = sorted({one.name for one in found if sum(other.name == one.name for other in found) > 1})
        raise BadInput(
            f"Two automations are called '{twice[0]}'.",
            "Each would tell people of the same run. No automation was changed.",
            "Delete one of them in Prefect (Automations), then deploy again.",
        )
    return by_name


def compared(held: Mapping[str, Automation], those: Sequence[AutomationCore]) -> Iterator[tuple[str, str]]:
    """Yield name and words of what differs. One that a person switched off does not differ."""
    for one in those:
        there = held.get(one.name)
        if there is None:
            yield one.name, "the automation is not there"
            continue
        differs = [key for key, value in shape(one).items() if value != shape(there)[key]]
        if differs:
            yield one.name, f"the automation differs in {', '.join(differs)}"
    names = {one.name for one in those}
    for name, there in held.items():
        if name not in names and there.enabled:
            yield name, "the automation is not wanted any more"


def put(
    client: SyncPrefectClient, held: Mapping[str, Automation], those: Sequence[AutomationCore], names: Iterable[str]
) -> None:
    """Create or update the automations of these names; what is not wanted any more is switched off, and deleted by nobody."""
    by_name = {one.name: one for one in those}
    for name in names:
        there, one = held.get(name), by_name.get(name)
        if there is None and one is not None:
            client.create_automation(one)
        elif there is not None:
            whole = (one or there).model_copy(update={"enabled": there.enabled and one is not None})
            # Its own method leaves out what is not set, and the server takes a missing `enabled` for true.
            sent = AutomationCore.model_validate(whole.model_dump()).model_dump(mode="json", exclude={"owner_resource"})
            client.request("PUT", "/automations/{id}", path_params={"id": there.id}, json=sent)


def shape(one: AutomationCore) -> dict[str, object]:
    """Return what is compared, without what the server adds."""
    return {
        "description": one.description,
        "trigger": _sorted(one.trigger.model_dump(mode="json")),
        "actions": [_sorted(action.model_dump(mode="json")) for action in one.actions],
    }


def _block(client: SyncPrefectClient, path: str) -> UUID | None:
    kind, _, name = path.partition("/")
    asked = {"block_documents": {"name": {"any_": [name]}}, "block_types": {"slug": {"any_": [kind]}}}
    rows = client.request("POST", "/block_documents/filter", json=asked).json()
    return UUID(rows[0]["id"]) if rows else None


def _sorted(value: Any) -> Any:
    """Sets come back in any order."""
    if isinstance(value, dict):
        return {key: _sorted(one) for key, one in value.items() if one not in (None, [], {})}
    return sorted((_sorted(one) for one in value), key=str) if isinstance(value, list) else value
