"""The stand-ins' control plane, spoken in the rehearsal alone: credentials, inbox, and acts of a vendor's console."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import BadInput
from domain.exchanges import Effect
from vendors.http import Call, Conduct, Wire, is_json_object, json_call, succeeded


@dataclass(frozen=True, slots=True)
class StandIns:
    """A running set of stand-ins at `url`, e.g. http://127.0.0.1:40123."""

    url: str
    wire: Wire

    def credentials(self) -> dict[str, dict[str, str]]:
        """Return generated credentials by vendor and variable name."""
        answer = self.wire.exchange(_read("read_credentials", f"{self.url}/_control/credentials"))
        return {vendor: {k: str(v) for k, v in rows.items()} for vendor, rows in answer.fields().items()}

    def addresses(self) -> dict[str, str]:
        """Return the API address of each vendor's stand-in: grpc://host:port where its clients speak gRPC, else http."""
        answer = self.wire.exchange(_read("read_addresses", f"{self.url}/_control/addresses"))
        return {vendor: str(address) for vendor, address in answer.fields().items()}

    def inbox(self, vendor: str) -> list[Mapping[str, Any]]:
        """Return what a person would see at the vendor, newest last."""
        call = _read("read_inbox", f"{self.url}/_control/{vendor}/inbox")
        answer = self.wire.exchange(call, accepted=succeeded)
        rows: list[Mapping[str, Any]] = json.loads(answer.body)
        return rows

    def act(self, vendor: str, action: str, **fields: Any) -> dict[str, Any]:
        """Do what an operator would do in the vendor's console, and return what it shows."""
        url = f"{self.url}/_control/{vendor}/actions/{action}"
        call = json_call(f"act_{action}", Effect.CHANGES, "POST", url, headers={}, payload=fields)
        return self.wire.exchange(call, accepted=is_json_object).fields()

    def close(self) -> None:
        self.wire.close()


def connect(url: str, conduct: Conduct) -> StandIns:
    """Return the control plane at `url`.

    Raises:
        BadInput: the conduct is not the rehearsal's; a stand-in has no place in another environment.
    """
    if not conduct.hosts.rehearsal:
        raise BadInput(
            "Stand-ins were asked for outside the rehearsal.",
            "Elsewhere a stand-in's answer could be taken for the vendor's.",
            "Choose environment rehearsal.",
        )
    return StandIns(url.rstrip("/"), Wire("stand-ins", conduct, signatures=(), published_hosts=()))


def answers_at(port: int) -> bool:
    """Say whether anything listens at a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _read(verb: str, url: str) -> Call:
    return Call(verb, Effect.READS, "GET", url, {"accept": "application/json"})
