"""Lists that Prefect's server gives a page at a time, read to their end."""

from collections.abc import Mapping
from typing import Any, Literal

from prefect.client.orchestration import SyncPrefectClient

# The most that the server gives at once.
PAGE = 200
Listed = Literal["/deployments/filter", "/flows/filter", "/automations/filter", "/block_documents/filter"]


def every(client: SyncPrefectClient, path: Listed, wanted: Mapping[str, object]) -> list[Any]:
    """Return all rows that fit. These lists come sorted by name, so that a row stands on one page only."""
    found: list[Any] = []
    while True:
        rows = client.request("POST", path, json={**wanted, "limit": PAGE, "offset": len(found)}).json()
        found += rows
        if len(rows) < PAGE:
            return found
