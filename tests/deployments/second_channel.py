"""The second channel of a running opsflows: two blocks that lead outside, automations with short windows, and what arrives."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.client.orchestration import SyncPrefectClient

from deployments.apply import converge_automations
from deployments.automations import PREFIX, Windows
from domain.operations_sections import Automations
from tests.program import Standing
from tests.receiver import receiver

PAGE, TICKET = "second-page", "second-ticket"
TWO_CHANNELS = Automations(page_block=f"custom-webhook/{PAGE}", ticket_block=f"custom-webhook/{TICKET}")
_PLAIN = Automations()


@contextmanager
def second_channel(standing: Standing, client: SyncPrefectClient, windows: Windows) -> Iterator[list[str]]:
    """Give what arrives through it while the automations have these windows; afterwards they are as deployed."""
    with receiver() as (address, arrived):
        blocks = [_webhook(standing, name, f"{address}/{name}") for name in (PAGE, TICKET)]
        converge_automations(client, TWO_CHANNELS, windows)
        yield arrived
        for name in [
            one["name"] for one in held(standing) if "tell, " in one["name"] or "did not start" in one["name"]
        ]:
            _delete(standing, name)
        converge_automations(client, _PLAIN)
        for block in blocks:
            standing.ask("DELETE", f"/block_documents/{block}")


def held(standing: Standing) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = standing.ask("POST", "/automations/filter", {})
    return [one for one in found if one["name"].startswith(PREFIX)]


def named(standing: Standing, name: str) -> dict[str, Any]:
    return next(one for one in held(standing) if one["name"] == f"{PREFIX}{name}")


def _webhook(standing: Standing, name: str, url: str) -> str:
    kind = standing.ask("GET", "/block_types/slug/custom-webhook")["id"]
    [schema, *_] = standing.ask("POST", "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}})
    data = {"name": name, "url": url, "json_data": {"text": "{{subject}} {{body}}"}}
    made = {"name": name, "data": data, "block_type_id": kind, "block_schema_id": schema["id"]}
    return str(standing.ask("POST", "/block_documents/", made)["id"])


def _delete(standing: Standing, name: str) -> None:
    for one in held(standing):
        if one["name"] == name:
            standing.ask("DELETE", f"/automations/{one['id']}")
