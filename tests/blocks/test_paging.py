"""A list that is longer than a page is read to its end."""

import json

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient

from blocks.paging import PAGE, every


@pytest.mark.parametrize("count", [0, 1, PAGE, 2 * PAGE + 1])
def test_every_row_is_read_once(count: int) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(422, json={"detail": "CSRF protection is disabled."})
        asked = json.loads(request.content)
        assert asked["flows"] == {"name": {"any_": ["ours"]}}
        return httpx.Response(200, json=[*range(count)][asked["offset"] : asked["offset"] + asked["limit"]])

    with SyncPrefectClient(
        "http://prefect.example/api", httpx_settings={"transport": httpx.MockTransport(page)}
    ) as client:
        found = every(client, "/flows/filter", {"flows": {"name": {"any_": ["ours"]}}})

    assert found == [*range(count)]
