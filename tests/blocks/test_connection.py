"""A connection to the Prefect server can be made to every address that Prefect itself takes."""

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.connection import prefect_client


@pytest.mark.parametrize(
    "address", ["http://[::1]:4200/api", "http://127.0.0.1:4200/api", "https://prefect.example.org/api"]
)
def test_a_server_may_be_named_by_any_kind_of_address(address: str) -> None:
    with temporary_settings({PREFECT_API_URL: address}), prefect_client() as client:
        assert str(client.api_url).startswith(address)
