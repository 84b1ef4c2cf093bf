"""Statuspage: an incident that nobody is notified of, read back, resolved and deleted, with one key for all of it.

Source: https://developer.statuspage.io, https://support.atlassian.com/statuspage/docs/create-and-manage-api-keys
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from domain.diagnosis import Kind, Signature, Symptom, error_of
from domain.errors import NotYet
from domain.exchanges import Effect
from domain.names import Purpose
from domain.probes import CleanUp, Receipt
from vendors import fields
from vendors.capabilities import Integration, Probe, Variable
from vendors.http import Answer, Call, Conduct, Wire, is_json_object, json_call, succeeded

API = "https://api.statuspage.io"
PUBLISHED_HOSTS = ("api.statuspage.io",)
# The API answers from its database at once; this is for the one that lags.
INDEXING_BOUND = timedelta(seconds=30)

# Left out, it is true: every subscriber of the page is mailed, on each change anew.
_SILENT = {
    "deliver_notifications": False,
    "auto_tweet_at_beginning": False,
    "auto_tweet_on_completion": False,
    "auto_tweet_on_creation": False,
}
_ON_THE_PAGE = frozenset({"send_incident", "find_incident", "read_page"})


def _row(
    name: str, statuses: set[int], means: str, next_step: str, *,
    verbs: frozenset[str] = frozenset(), kind: Kind = Kind.REJECTED,
) -> Signature:  # fmt: skip
    saw = "Statuspage answered {status} to {verb}."
    return Signature(f"statuspage.{name}", frozenset(statuses), kind, saw, means, next_step, "", verbs)


# Source: https://developer.statuspage.io (responses of each operation, and Rate Limiting)
SIGNATURES = (
    _row("unauthorized", {401}, "Statuspage does not know the API key: it is wrong, expired, or was deleted by an account owner.", "Ask an account owner for a key (the avatar > API info) and run opsflows connect statuspage."),
    _row("forbidden", {403}, "The API key is known and may not do this.", "Ask an account owner whether the key is of the page's organisation and whether the plan includes the API."),
    _row("page_not_found", {404}, "STATUSPAGE_PAGE_ID names no page that the key's organisation has.", "Compare STATUSPAGE_PAGE_ID with the page ids under the avatar > API info, and the key with the page's organisation.", verbs=_ON_THE_PAGE),
    _row("pending", {404}, "The incident is not there yet, or not any more.", "Wait a few seconds; if it stays away, look at the page's list of incidents for the nonce.", verbs=frozenset({"read_incident"}), kind=Kind.NOT_YET),
    # Both are in use: 429 was announced for 2021, and 420 was kept for integrations that rely on it.
    _row("rate_limited", {420, 429}, "The key made more than one request a second, counted over 60 seconds; nothing was taken.", "Wait for the time Statuspage names and repeat; look for what else uses the same key.", kind=Kind.UNAVAILABLE),
    _row("unprocessable", {400, 422}, "Statuspage could not take the incident as we wrote it: a fault of ours.", "Report it with the audit bundle."),
)  # fmt: skip

SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("statuspage.unseen", "No incident on the page carries nonce {nonce} yet.", "Statuspage took the incident; the page's list does not show it.", "Wait a few seconds; if it stays away, look at the page that STATUSPAGE_PAGE_ID names: somebody may have deleted it."),
    )
}  # fmt: skip

# Deleting may be refused; the incident is resolved by then, and stays in the page's history with its nonce.
_NOT_DELETED = frozenset({403, 405, 422})
_GONE = 404


@dataclass(frozen=True, slots=True)
class Statuspage:
    """Creates, reads, resolves and deletes incidents of one page."""

    api_key: str = field(repr=False)
    page_id: str
    api: str
    wire: Wire

    @property
    def probes(self) -> tuple[Probe, ...]:
        return (
            Probe(
                "incident",
                self.send_incident,
                (self.read_incident,),
                (self.resolve_incident, self.delete_incident),
                INDEXING_BOUND,
            ),
        )

    def close(self) -> None:
        self.wire.close()

    def send_incident(self, nonce: str, at: datetime) -> Receipt:
        incident = {
            "name": f"opsflows verification, no action needed (verify=true nonce={nonce})",
            "status": "investigating",
            "impact_override": "none",
            "body": f"A synthetic incident (verify=true nonce={nonce}); it is removed by itself.",
            **_SILENT,
        }
        call = json_call(
            "send_incident", Effect.CHANGES, "POST", self._incidents(),
            headers=self._key(), payload={"incident": incident}, nonce=nonce,
        )  # fmt: skip
        answer = self.wire.exchange(call, accepted=lambda a: succeeded(a) and bool(a.fields().get("id")))
        return Receipt(nonce, at).with_ids(incident_id=str(answer.fields()["id"]))

    def read_incident(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the incident's id, or raise NotYet while the page does not have it."""
        incident_id = receipt.ids.get("incident_id")
        if not incident_id:
            return self._found(receipt)
        call = self._read("read_incident", self._incidents(incident_id), receipt.nonce)
        if not _carries(self.wire.exchange(call).fields(), receipt.nonce):
            raise error_of(SYMPTOMS["statuspage.unseen"], NotYet, nonce=receipt.nonce)
        return receipt

    def resolve_incident(self, receipt: Receipt) -> CleanUp:
        """Resolve first: where deleting is refused, no open incident stays on the page."""
        found = self._found(receipt)
        call = json_call(
            "resolve_incident", Effect.CHANGES, "PATCH", self._incidents(found.ids["incident_id"]),
            headers=self._key(), payload={"incident": {"status": "resolved", **_SILENT}}, nonce=receipt.nonce,
        )  # fmt: skip
        self.wire.exchange(call, accepted=lambda a: is_json_object(a) or a.status == _GONE)
        return CleanUp.DONE

    def delete_incident(self, receipt: Receipt) -> CleanUp:
        """Delete the incident; TAGGED where Statuspage refuses that."""
        found = self._found(receipt)
        url = self._incidents(found.ids["incident_id"])
        call = json_call("delete_incident", Effect.CHANGES, "DELETE", url, headers=self._key(), nonce=receipt.nonce)
        answer = self.wire.exchange(call, accepted=lambda a: succeeded(a) or a.status in {_GONE, *_NOT_DELETED})
        return CleanUp.TAGGED if answer.status in _NOT_DELETED else CleanUp.DONE

    def read_page(self) -> None:
        """Read the page's own settings: shows that the key is known, and changes nothing."""
        call = self._read("read_page", f"{self.api}/v1/pages/{quote(self.page_id, safe='')}", "")
        self.wire.exchange(call, accepted=lambda a: succeeded(a) and bool(a.fields().get("id")))

    def _found(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the incident's id, looked for by the nonce where a crash lost it."""
        if receipt.ids.get("incident_id"):
            return receipt
        call = self._read("find_incident", f"{self._incidents()}?{urlencode({'q': receipt.nonce})}", receipt.nonce)
        for incident in _listed(self.wire.exchange(call, accepted=lambda a: _listed(a) is not None)) or []:
            if _carries(incident, receipt.nonce):
                return receipt.with_ids(incident_id=str(incident.get("id", "")))
        raise error_of(SYMPTOMS["statuspage.unseen"], NotYet, nonce=receipt.nonce)

    def _read(self, verb: str, url: str, nonce: str) -> Call:
        return json_call(verb, Effect.READS, "GET", url, headers=self._key(), nonce=nonce)

    def _incidents(self, incident_id: str = "") -> str:
        listing = f"{self.api}/v1/pages/{quote(self.page_id, safe='')}/incidents"
        return f"{listing}/{quote(incident_id, safe='')}" if incident_id else listing

    def _key(self) -> dict[str, str]:
        return {"authorization": f"OAuth {self.api_key}"}


def _carries(incident: Mapping[str, Any], nonce: str) -> bool:
    return nonce in str(incident.get("name", ""))


def _listed(answer: Answer) -> list[dict[str, Any]] | None:
    """Return the rows of a listing, None where the answer is none."""
    try:
        rows = json.loads(answer.body) if succeeded(answer) else None
    except (ValueError, RecursionError):
        return None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> Statuspage:
    """Return a client for the checked values.

    Raises:
        BadInput: the host is not allowed in this environment.
    """
    wire = Wire("statuspage", conduct, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS)
    api = address or API
    wire.check_host(api)
    return Statuspage(values["api_key"], values["page_id"], api, wire)


INTEGRATION = Integration(
    name="statuspage",
    title="Statuspage",
    setup_minutes=10,
    variables=(
        Variable("STATUSPAGE_API_KEY", "api_key", Purpose.SEND, secret=True, required=True,
                 where="the avatar > API info > Create key (account owners only)",
                 scopes="none to choose: a key may do everything in its organisation",
                 rotated="by hand: a second API key beside it, swap, verify, delete the old one",
                 check=fields.matching(r"[0-9A-Za-z_-]{16,128}", "an API key (16 to 128 letters, digits, dashes)", "Copy the key from API info, not the page's or the organisation's id.")),
        Variable("STATUSPAGE_PAGE_ID", "page_id", Purpose.SEND, secret=False, required=True,
                 where="the avatar > API info > Page IDs", scopes="-", rotated="-",
                 check=fields.matching(r"[0-9A-Za-z]{4,64}", "a page's id (letters and digits)", "Copy the id beside the page's name under API info, not the page's address.")),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="the test incident stands on the page, and no subscriber was mailed",
    clicks=(
        "Make a page for verification that is private or has no subscribers; on the public one visitors see each test incident for some seconds.",
        "As an account owner, click the avatar, then API info, then Create key; name the key after opsflows and the environment, and let it live 365 days.",
        "Copy the key before you confirm, since it is shown once, and the page's id from the same page.",
    ),
    after_set_up="Check on the page that customers read which components exist, who is subscribed, and who may post when it matters.",
)  # fmt: skip
