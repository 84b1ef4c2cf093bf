"""Opsgenie: an alert that is created, read back and closed; each write is only queued, so each is looked up afterwards.

Opsgenie is switched off on 2027-04-05; Jira Service Management Operations takes its place.
Source: https://docs.opsgenie.com/docs/alert-api, https://docs.opsgenie.com/docs/api-rate-limiting
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from domain.diagnosis import Kind, Signature, Symptom, error_of, matching, raised_from
from domain.errors import NotYet, OpsError, Rejected
from domain.exchanges import Effect
from domain.names import Purpose
from domain.probes import CleanUp, Receipt
from vendors import fields
from vendors.capabilities import Integration, Notice, Probe, Urgency, Variable
from vendors.http import Conduct, Wire, is_json_object, json_call, succeeded
from vendors.rate_limits import seconds_header

API_OF_REGION = {"us": "https://api.opsgenie.com", "eu": "https://api.eu.opsgenie.com"}
PUBLISHED_HOSTS = ("api.opsgenie.com", "api.eu.opsgenie.com")
INDEXING_BOUND = timedelta(seconds=60)
SWITCHED_OFF = "2027-04-05"
SUCCESSOR = f"Opsgenie is switched off on {SWITCHED_OFF}: plan the move to Jira Service Management Operations."

_READ_BACKS = frozenset({"read_request", "read_alert"})


def _row(
    name: str, status: int, saw: str, means: str, next_step: str, *,
    marker: str = "", verbs: frozenset[str] = frozenset(), kind: Kind = Kind.REJECTED,
) -> Signature:  # fmt: skip
    return Signature(f"opsgenie.{name}", frozenset({status}), kind, saw, means, next_step, marker, verbs)


_KEY_PAGE = "the API integration under Teams > the team > Integrations"
_TEAM = "Compare OPSGENIE_TEAM with the team's name, letter by letter, and OPSGENIE_REGION with the team's account."

# Source: https://docs.opsgenie.com/docs/response, https://docs.opsgenie.com/docs/api-rate-limiting
SIGNATURES = (
    _row("unauthorized", 401, "Opsgenie answered 401 to {verb}.", "The API key is wrong, its integration is switched off, or the account is in the other region.", f"Compare OPSGENIE_REGION with the account's address (app.eu.opsgenie.com is eu), then OPSGENIE_API_KEY with {_KEY_PAGE}. If the account moved to Jira Service Management, the key did not move with it. {SUCCESSOR}"),
    _row("plan", 402, "Opsgenie answered 402 to {verb}.", "The account's plan does not include this, or the account has ended.", f"Ask the account's owner. {SUCCESSOR}"),
    _row("forbidden", 403, "Opsgenie answered 403 to {verb}.", "The API key lacks an access right: Read, or Create and Update.", f"Tick the right on {_KEY_PAGE}, and verify again."),
    _row("pending", 404, "Opsgenie answered 404 to {verb}.", "The queued request, or the alert, is not there yet.", "Wait a few seconds; if it stays, look at the integration's log (Settings > Logs).", verbs=_READ_BACKS, kind=Kind.NOT_YET),
    _row("name_taken", 409, "Opsgenie answered 409 to {verb}.", "Something of that name is there already; an earlier run may have made it.", "Look for it under Integrations before another is made."),
    _row("gone", 410, "Opsgenie answered 410 to {verb}.", "The API is not served any more.", f"Connect the successor. {SUCCESSOR}"),
    _row("team_not_found", 422, "Opsgenie answered 422 to {verb}: team not found.", "OPSGENIE_TEAM is misspelt, or the team lives in an account of the other region.", _TEAM, marker="team", verbs=frozenset({"send_alert", "notify"})),
    _row("unprocessable", 422, "Opsgenie answered 422 to {verb}.", "Opsgenie could not read our request: a fault of ours, or a responder it does not know.", f"{_TEAM} If both are right, report it with the audit bundle."),
    _row("in_use", 428, "Opsgenie answered 428 to {verb}.", "What was to be removed is still used by something else.", "Find what uses it in Opsgenie, and release it first."),
    _row("rate_limited", 429, "Opsgenie answered 429 to {verb}.", "The account's requests are limited in this minute; nothing was taken.", "Wait for the period Opsgenie names and repeat; look for what else asks so often.", kind=Kind.UNAVAILABLE),
    # Safe to repeat: the alias makes the second alert the first one's echo, and a closed alert stays closed.
    _row("at_capacity", 503, "Opsgenie answered 503 to {verb}.", "Opsgenie is at capacity and did not take the request.", "Look at status.opsgenie.com, then verify again.", kind=Kind.UNAVAILABLE),
)  # fmt: skip

# A request that was taken with 202 and then failed; looked up in the request status, whose own answer is a 200.
REQUEST_REFUSALS = (
    # The wording is not documented; a team is the only thing our request names, so it is what was not found.
    _row("request_team_not_found", 200, "Opsgenie took the alert with 202 and then refused it: team not found.", "OPSGENIE_TEAM is misspelt, or the team lives in an account of the other region.", _TEAM, marker="not found"),
    _row("request_refused", 200, "Opsgenie took the alert with 202 and then refused it.", "The request's status says that it did not succeed; no alert was created.", "Open Settings > Logs in Opsgenie and look for the nonce; an alert policy or the integration's filter may refuse it."),
)  # fmt: skip

SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("opsgenie.unseen", "No alert carries the alias of nonce {nonce} yet.", "Opsgenie took the request; the alert is not there.", "Wait a few seconds; if it stays away, look at the integration's filters and at Settings > Logs."),
        Symptom("opsgenie.still_open", "The alert of nonce {nonce} is not closed yet.", "The close was queued and is not carried out yet.", "Wait a few seconds; if it stays open, close it in Opsgenie by hand and check that the key may update alerts."),
        Symptom("opsgenie.unprocessed", "Opsgenie answered 202 to the alert with nonce {nonce}, and never said what became of it.", "The request is still queued or was dropped: Opsgenie works slowly, or the request is of another integration's key.", f"Look at status.opsgenie.com and at Settings > Logs for the nonce. {SUCCESSOR}"),
        Symptom("opsgenie.created_unseen", "Opsgenie says that it created the alert with nonce {nonce}, and the alert cannot be read.", "An alert policy or another integration removed it, or the key may not see the team's alerts.", "Look for the nonce in Alerts with query 'tag: verify=true', then at the team's alert policies."),
    )
}  # fmt: skip

_MAY_BE_ELSEWHERE = frozenset({"opsgenie.unauthorized", "opsgenie.forbidden"})


# https://docs.opsgenie.com/docs/alert-api: longer messages are cut.
MESSAGE_LIMIT_CHARS = 130


@dataclass(frozen=True, slots=True)
class Opsgenie:
    """Creates, reads and closes alerts with one key."""

    api_key: str = field(repr=False)
    team: str
    api: str
    wire: Wire

    @property
    def probes(self) -> tuple[Probe, ...]:
        return (
            Probe(
                "alert",
                self.send_alert,
                (self.read_request, self.read_alert),
                (self.close_alert, self.see_closed),
                INDEXING_BOUND,
                self.explain,
            ),
        )

    def close(self) -> None:
        self.wire.close()

    def send_alert(self, nonce: str, at: datetime) -> Receipt:
        alert = {
            "message": f"opsflows verification, no action needed (nonce={nonce})",
            "alias": _alias(nonce),
            "description": f"A synthetic alert (verify=true nonce={nonce}); it is closed by itself.",
            "tags": ["verify=true"],
            "details": {"nonce": nonce},
            "source": "opsflows",
            "priority": "P5",
            **({"responders": [{"type": "team", "name": self.team}]} if self.team else {}),
        }
        answer = self._change("send_alert", "/v2/alerts", alert, nonce)
        return Receipt(nonce, at).with_ids(alias=_alias(nonce), request_id=str(answer.get("requestId", "")))

    def read_request(self, receipt: Receipt) -> Receipt:
        """Return the receipt with what the queued request came to; unchanged where a crash left no request id.

        Raises:
            Rejected: Opsgenie took the request with 202 and refused it afterwards.
        """
        request_id = receipt.ids.get("request_id")
        if not request_id:
            return receipt
        request = self._read("read_request", f"/v2/alerts/requests/{quote(request_id, safe='')}", receipt.nonce)
        if request.get("isSuccess") is not True:
            raise _refused(str(request.get("status", "")))
        return receipt.with_ids(
            alert_id=str(request.get("alertId", "")), integration_id=str(request.get("integrationId", ""))
        )

    def read_alert(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the alert's id and the integration that made it, or raise NotYet."""
        alert = self._read("read_alert", _by_alias(receipt.nonce), receipt.nonce)
        if alert.get("alias") != _alias(receipt.nonce):
            raise error_of(SYMPTOMS["opsgenie.unseen"], NotYet, nonce=receipt.nonce)
        integration = alert.get("integration")
        told = integration.get("id") if isinstance(integration, dict) else None
        made_by = told or receipt.ids.get("integration_id", "")
        return receipt.with_ids(alert_id=str(alert.get("id", "")), integration_id=str(made_by))

    def close_alert(self, receipt: Receipt) -> CleanUp:
        path = f"/v2/alerts/{_alias(receipt.nonce)}/close?identifierType=alias"
        self._change("close_alert", path, {"source": "opsflows", "note": "verification ended"}, receipt.nonce)
        return CleanUp.DONE

    def see_closed(self, receipt: Receipt) -> CleanUp:
        """Return DONE once the alert reads closed, NotYet while it is open, TAGGED where none can be read."""
        alert_id = receipt.ids.get("alert_id")
        # By id where it is known: an alias is promised to find an open alert only.
        path = f"/v2/alerts/{quote(alert_id, safe='')}?identifierType=id" if alert_id else _by_alias(receipt.nonce)
        url = f"{self.api}{path}"
        call = json_call("see_closed", Effect.READS, "GET", url, headers=self._key(), nonce=receipt.nonce)
        answer = self.wire.exchange(call, accepted=lambda a: is_json_object(a) or a.status == _NOT_THERE)
        if answer.status == _NOT_THERE:
            return CleanUp.TAGGED
        if _data(answer.fields()).get("status") != "closed":
            raise error_of(SYMPTOMS["opsgenie.still_open"], NotYet, nonce=receipt.nonce)
        return CleanUp.DONE

    def explain(self, receipt: Receipt) -> OpsError | None:
        """Return at which of the two read-backs the alert was lost; None where no request id was kept."""
        if receipt.ids.get("alert_id"):
            return error_of(SYMPTOMS["opsgenie.created_unseen"], Rejected, nonce=receipt.nonce)
        if receipt.ids.get("request_id"):
            return error_of(SYMPTOMS["opsgenie.unprocessed"], Rejected, nonce=receipt.nonce)
        return None

    def other_homes(self, symptom: str) -> tuple[str, ...]:
        """Return the other region, where Opsgenie itself refused the key."""
        if symptom not in _MAY_BE_ELSEWHERE or self.api not in API_OF_REGION.values():
            return ()
        return tuple(region for region, api in API_OF_REGION.items() if api != self.api)

    def is_known_at(self, home: str) -> bool:
        """Ask a region whether it knows the key; a 403 says that it does."""
        url = f"{API_OF_REGION[home]}/v2/alerts?limit=1"
        call = json_call("ask_region", Effect.READS, "GET", url, headers=self._key())
        answer = self.wire.exchange(call, accepted=lambda a: succeeded(a) or a.status in _ANSWERS_ABOUT_KEYS)
        return answer.status != _UNKNOWN_KEY

    def notify(self, notice: Notice, at: datetime) -> None:
        """Open an alert, or add to the open one of the same key: P1 wakes people, P5 is for the morning."""
        del at
        alert = {
            "message": notice.title[:MESSAGE_LIMIT_CHARS],
            "alias": notice.key,
            "description": notice.text,
            "source": "opsflows",
            "priority": "P1" if notice.urgency is Urgency.PAGE else "P5",
            **({"responders": [{"type": "team", "name": self.team}]} if self.team else {}),
        }
        self._change("notify", "/v2/alerts", alert, "")

    def _change(self, verb: str, path: str, payload: Mapping[str, object], nonce: str) -> dict[str, Any]:
        url = f"{self.api}{path}"
        call = json_call(verb, Effect.CHANGES, "POST", url, headers=self._key(), payload=payload, nonce=nonce)
        return self.wire.exchange(call, accepted=lambda a: succeeded(a) and bool(a.fields().get("requestId"))).fields()

    def _read(self, verb: str, path: str, nonce: str) -> dict[str, Any]:
        call = json_call(verb, Effect.READS, "GET", f"{self.api}{path}", headers=self._key(), nonce=nonce)
        return _data(self.wire.exchange(call, accepted=lambda a: succeeded(a) and bool(_data(a.fields()))).fields())

    def _key(self) -> dict[str, str]:
        return {"authorization": f"GenieKey {self.api_key}"}


_NOT_THERE = 404
_UNKNOWN_KEY = 401
_ANSWERS_ABOUT_KEYS = frozenset({_UNKNOWN_KEY, 403})


def throttled(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Read how long the limit lasts; the period stands in every answer, and counts only while throttled."""
    if headers.get("x-ratelimit-state", "").upper() != "THROTTLED":
        return None
    return seconds_header("x-ratelimit-period-in-sec")(headers, now)


def _alias(nonce: str) -> str:
    """At most 512 characters; derived from the nonce alone, so that a crash loses nothing."""
    return f"opsflows-verify-{nonce}"


def _by_alias(nonce: str) -> str:
    return f"/v2/alerts/{_alias(nonce)}?identifierType=alias"


def _data(answer: Mapping[str, Any]) -> dict[str, Any]:
    data = answer.get("data")
    return data if isinstance(data, dict) else {}


def _refused(status: str) -> OpsError:
    row = matching(REQUEST_REFUSALS, "read_request", 200, status) or REQUEST_REFUSALS[-1]
    return raised_from(row, "opsgenie", "read_request", 200)


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> Opsgenie:
    """Return a client for the checked values.

    Raises:
        BadInput: the host is not allowed in this environment.
    """
    wire = Wire("opsgenie", conduct, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS, retry_after=throttled)
    api = address or API_OF_REGION[values.get("region", "us")]
    wire.check_host(api)
    return Opsgenie(values["api_key"], values.get("team", ""), api, wire)


_KEY_SHAPE = fields.matching(
    r"[0-9A-Za-z]{8}(-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}",
    "an API key (8-4-4-4-12 characters)",
    "Copy the API Key of an API integration, not the key of a user or of another integration type.",
)

INTEGRATION = Integration(
    name="opsgenie",
    title="Opsgenie",
    setup_minutes=20,
    variables=(
        Variable("OPSGENIE_API_KEY", "api_key", Purpose.SEND, secret=True, required=True,
                 where="Teams > the team > Integrations > Add integration > API > API Key",
                 scopes="Read, and Create and Update; no Delete, no Configuration access",
                 rotated="a second API integration of the same team, swap, switch the old one off, then delete it",
                 check=_KEY_SHAPE),
        Variable("OPSGENIE_REGION", "region", Purpose.SEND, secret=False, required=False,
                 where="the account's address: eu where it reads app.eu.opsgenie.com, else us", scopes="-", rotated="-",
                 check=fields.one_of(tuple(API_OF_REGION), "Write eu where the account's address is app.eu.opsgenie.com, else us."), default="us"),
        Variable("OPSGENIE_TEAM", "team", Purpose.SEND, secret=False, required=False,
                 where="Teams > the team's name, letter by letter", scopes="-", rotated="-",
                 check=fields.matching(r"[^\r\n]{1,100}", "a team's name (one line of at most 100 characters)", "Copy the name from the team's page.")),
        Variable("OPSGENIE_MANAGE_KEY", "manage_key", Purpose.MANAGE, secret=True, required=False,
                 where="Settings > Integrations (or the team's) > Add integration > API, with Configuration access; for rotation alone",
                 scopes="Configuration access, with Read, Create and Update, and Delete; best as an integration of the team, which reaches the team's integrations only",
                 rotated="by hand, after all others: a second API integration with the same access, swap, delete the old one",
                 check=_KEY_SHAPE),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="whoever the team's routing rules notify of a P5 alert (until it is closed, seconds later)",
    person_sees="the test alert is in the team's alert list, and its activity log shows who was notified",
    clicks=(
        "Open Teams and choose the team; copy its name.",
        "On its tab Integrations: Add integration > API, with access Read and Create and Update only.",
        "Copy the API Key and switch the integration on.",
        "If the account's address is app.eu.opsgenie.com, the region is eu.",
        "If your account lives in Jira Service Management already, there is no Opsgenie to connect: see docs/integrations/opsgenie.md, section Successor.",
    ),
    after_set_up="Give the team a routing rule, an escalation and an on-call schedule without gaps, and a rule that leaves P5 alerts "
    f"tagged verify=true quiet. {SUCCESSOR}",
)  # fmt: skip
