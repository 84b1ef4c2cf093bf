"""Google's own clients, pointed at the stand-ins over either transport."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import grpc  # type: ignore[import-untyped]  # grpc ships no types
import httpx
import requests
from google.auth.transport.grpc import AuthMetadataPlugin
from google.auth.transport.requests import Request
from google.cloud.iam_admin_v1 import IAMClient
from google.cloud.kms_v1 import KeyManagementServiceClient
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.oauth2 import service_account

from tests.conftest import StandIns

TRANSPORTS = ("grpc", "rest")
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
CLIENTS: dict[str, Any] = {
    "gcpkey": IAMClient,
    "gcpsecret": SecretManagerServiceClient,
    "gcpkms": KeyManagementServiceClient,
}


# For what is asked as by curl. One for all tests: each new one would load the certificate authorities again.
CURL = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass(frozen=True, slots=True)
class Google:
    """One of the three stand-ins with its credentials, and the official client that its manager's key opens."""

    stand_ins: StandIns
    vendor: str
    held: dict[str, str]
    client: Any

    def act(self, action: str, **fields: object) -> Any:
        return self.stand_ins.control("POST", f"/{self.vendor}/actions/{action}", fields)

    def fault(self, **fields: object) -> None:
        self.stand_ins.control("POST", f"/{self.vendor}/faults", fields)

    def requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.stand_ins.control("GET", f"/{self.vendor}/requests")
        return found

    def pass_time(self, seconds: float) -> None:
        self.stand_ins.control("POST", "/clock", {"offset_s": seconds})


@cache
def signed_in(key: str) -> Any:
    """Return the credentials of a service account by its key file's text, which takes long to read."""
    return service_account.Credentials.from_service_account_info(json.loads(key), scopes=SCOPES)  # type: ignore[no-untyped-call]


def new_token(key: str) -> str:
    """Ask the token endpoint that the key names, as every Google client does."""
    credentials = signed_in(key)
    with requests.Session() as session:
        credentials.refresh(Request(session))
    return str(credentials.token)


@contextmanager
def connected(stand_ins: StandIns, vendor: str, transport: str) -> Iterator[Google]:
    """Give the stand-in with its official client, as its manager; no test waits for its default retries."""
    held = stand_ins.control("GET", f"/{vendor}/credentials")
    manage_key, kind = next(text for name, text in held.items() if name.endswith("_MANAGE_KEY")), CLIENTS[vendor]
    if transport == "grpc":
        # As the client does on a channel of its own: the account signs each call itself.
        signing = signed_in(manage_key).with_always_use_jwt_access(True)  # noqa: FBT003 - Google's own signature
        plugin = AuthMetadataPlugin(signing, Request())  # type: ignore[no-untyped-call]
        caller = grpc.metadata_call_credentials(plugin)
        with channel(stand_ins, caller) as opened:
            yield Google(stand_ins, vendor, held, kind(transport=kind.get_transport_class("grpc")(channel=opened)))
    else:
        endpoint = {"api_endpoint": f"{stand_ins.url}/{vendor}"}
        with kind(transport="rest", credentials=signed_in(manage_key), client_options=endpoint) as client:
            yield Google(stand_ins, vendor, held, client)


@contextmanager
def channel(stand_ins: StandIns, caller: Any = None) -> Iterator[Any]:
    """Give a channel over loopback; call credentials travel on it as they would under TLS."""
    local = grpc.local_channel_credentials()
    secured = grpc.composite_channel_credentials(local, caller) if caller is not None else local
    with grpc.secure_channel(stand_ins.grpc, secured) as opened:
        yield opened
