"""Healthchecks.io: a log entry on a check, read back with its text; nobody is notified and the check's state stays.

Source: https://healthchecks.io/docs/http_api/, https://healthchecks.io/docs/api/
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.diagnosis import Kind, Signature, Symptom, error_of
from domain.errors import NotYet
from domain.exchanges import Effect
from domain.names import Purpose
from domain.probes import Receipt
from vendors import fields
from vendors.capabilities import Integration, Probe, Variable
from vendors.http import Answer, Call, Conduct, Wire, json_call, succeeded

PINGS = "https://hc-ping.com"
API = "https://healthchecks.io"
PUBLISHED_HOSTS = ("hc-ping.com", "healthchecks.io")
INDEXING_BOUND = timedelta(seconds=30)

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def _row(
    name: str, statuses: set[int], means: str, next_step: str, *,
    verbs: frozenset[str] = frozenset(), kind: Kind = Kind.REJECTED,
) -> Signature:  # fmt: skip
    saw = "Healthchecks.io answered {status} to {verb}."
    return Signature(f"healthchecks.{name}", frozenset(statuses), kind, saw, means, next_step, "", verbs)


SIGNATURES = (
    _row("unauthorized", {401, 403}, "The API key is missing, wrong, or of another project than the check.", "Copy the key from the settings of the check's own project, API Access."),
    _row("no_check", {404}, "There is no check of that id: it was deleted, or its address was mistyped.", "Copy the ping address from the check's page.", verbs=frozenset({"send_log"})),
    _row("pending", {404}, "The entry or its text is not there yet.", "Wait a few seconds; if it stays away, open the check's page and look for the nonce.", verbs=frozenset({"list_pings", "read_text"}), kind=Kind.NOT_YET),
    _row("rate_limited", {429}, "The check was pinged too often within a minute; nothing was taken.", "Wait a minute; look for what else pings this check.", kind=Kind.UNAVAILABLE),
)  # fmt: skip

SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("healthchecks.unseen", "No entry of the check carries nonce {nonce} yet.", "The ping was taken; the list of pings does not show it.", "Wait a few seconds; if it stays away, open the check's page: somebody may have cleared its log."),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Healthchecks:
    """Writes log entries to one check and reads them back. The check's id is a secret: whoever has it may ping."""

    check_id: str = field(repr=False)
    api_key: str = field(repr=False)
    pings: str
    api: str
    wire: Wire

    @property
    def probes(self) -> tuple[Probe, ...]:
        reads = (self.find_ping, self.read_text) if self.api_key else ()
        # What was logged cannot be deleted: it stays, marked, until the vendor forgets it.
        return (Probe("log", self.send_log, reads, (), INDEXING_BOUND),)

    def close(self) -> None:
        self.wire.close()

    def send_log(self, nonce: str, at: datetime) -> Receipt:
        """Log a text. A run id is a UUID to the vendor, and so is a nonce: it stands in the list of pings."""
        body = f"opsflows verification, no action needed (verify=true nonce={nonce})".encode()
        url = f"{self.pings}/{self.check_id}/log?rid={UUID(nonce)}"
        self.wire.exchange(Call("send_log", Effect.CHANGES, "POST", url, body=body, nonce=nonce), accepted=_is_ok)
        return Receipt(nonce, at)

    def find_ping(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the ping's number, or raise NotYet while the check's list does not have it."""
        call = json_call("list_pings", Effect.READS, "GET", self._logged(), headers=self._key(), nonce=receipt.nonce)
        for ping in _pings(self.wire.exchange(call, accepted=lambda a: _pings(a) is not None)) or []:
            if ping.get("rid") == str(UUID(receipt.nonce)):
                return receipt.with_ids(ping=str(ping.get("n", "")))
        raise error_of(SYMPTOMS["healthchecks.unseen"], NotYet, nonce=receipt.nonce)

    def read_text(self, receipt: Receipt) -> Receipt:
        """Read the text itself: the list says that something came, not what."""
        url = f"{self._logged()}{receipt.ids['ping']}/body"
        call = json_call("read_text", Effect.READS, "GET", url, headers=self._key(), nonce=receipt.nonce)
        if receipt.nonce not in self.wire.exchange(call, accepted=succeeded).text:
            raise error_of(SYMPTOMS["healthchecks.unseen"], NotYet, nonce=receipt.nonce)
        return receipt

    def _logged(self) -> str:
        return f"{self.api}/api/v3/checks/{self.check_id}/pings/"

    def _key(self) -> dict[str, str]:
        return {"x-api-key": self.api_key}


def _is_ok(answer: Answer) -> bool:
    """Accept `OK` alone. A proxy's friendly page is a 2xx too."""
    return succeeded(answer) and answer.text.strip() == "OK"


def _pings(answer: Answer) -> list[dict[str, Any]] | None:
    """Return the rows of the list, None where the answer is none."""
    try:
        rows = json.loads(answer.body).get("pings") if succeeded(answer) else None
    except (ValueError, AttributeError, RecursionError):
        return None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> Healthchecks:
    """Return a client for the checked values.

    Raises:
        BadInput: the host is not allowed in this environment.
    """
    wire = Wire("healthchecks", conduct, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS)
    pings, api = (address, address) if address else (PINGS, API)
    for host in (pings, api):
        wire.check_host(host)
    return Healthchecks(values["check_id"], values.get("api_key", ""), pings, api, wire)


INTEGRATION = Integration(
    name="healthchecks",
    title="Healthchecks.io",
    setup_minutes=10,
    variables=(
        Variable("HEALTHCHECKS_CHECK_ID", "check_id", Purpose.SEND, secret=True, required=True,
                 where="the check's page > How to Ping: the last part of its address",
                 scopes="none: whoever has it may ping this check",
                 rotated="by hand: a new check beside it, swap, verify, delete the old one",
                 check=fields.matching(_UUID, "a check's id (a UUID)", "Copy the last part of the ping address.")),
        Variable("HEALTHCHECKS_API_KEY", "api_key", Purpose.READ, secret=True, required=False,
                 where="the project's settings > API Access",
                 scopes="a key of the check's project; there are none for one check",
                 rotated="by hand: a key is revoked and made anew, so that for a moment there is none",
                 check=fields.matching(r"[0-9A-Za-z_-]{16,64}", "an API key (letters, digits, dashes)", "Copy the key from API Access, not the ping key.")),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="the entry stands in the check's log, and the check's state is as it was",
    clicks=(
        "Make a check for verification in the project that you mean, and copy its ping address.",
        "Open the project's settings, API Access, make an API key and copy it.",
        "Enter both with opsflows connect, which checks them at once.",
    ),
    after_set_up="Check which channels the project's other checks notify.",
)  # fmt: skip
