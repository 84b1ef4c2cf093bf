"""Runs of deployments as Prefect's API lists them, and each as we speak of it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from prefect.client.orchestration import SyncPrefectClient

from domain.seen_runs import SeenRun


def list_runs(
    client: SyncPrefectClient, deployments: Collection[str], types: Collection[str], order: str, most: int
) -> list[Any]:
    """Return the rows of these deployments' runs in a state of one of the types, at most so many, in Prefect's order of that name."""
    if not deployments:
        return []
    chosen = {
        "deployments": {"id": {"any_": [*deployments]}},
        "flow_runs": {"state": {"type": {"any_": [*types]}}},
        "sort": order,
        "limit": most,
    }
    found: list[Any] = client.request("POST", "/flow_runs/filter", json=chosen).json()
    return found


def seen_run(deployment: str, row: Mapping[str, Any], moment: str, longest: int) -> SeenRun | None:
    """Return the run at that moment, else at its state's, which Prefect knows of runs it set aside; None where it has neither.

    A message longer than `longest` characters ends with dots; it is whole in Prefect.
    """
    state = row["state"] or {}
    at = row[moment] or state.get("timestamp")
    if at is None:
        return None
    message = " ".join((state.get("message") or "").split())
    return SeenRun(
        deployment=deployment,
        name=row["name"],
        run_id=row["id"],
        state=row["state_type"] or "",
        state_name=row["state_name"] or "",
        message=message if len(message) <= longest else f"{message[:longest].rsplit(maxsplit=1)[0]} ...",
        at=datetime.fromisoformat(at),
        parameters=row["parameters"] or {},
    )
