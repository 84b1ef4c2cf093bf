"""PagerDuty: an incident triggered through Events API v2, read back and seen resolved with a read-only REST key.

A 202 of the Events API says "queued", no more: a paused service, a suppressed event and a key that was deleted from an
orchestration are answered 202 too. Only the read-back tells.
Source: https://developer.pagerduty.com/docs/events-api-v2-overview, https://developer.pagerduty.com/api-reference
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from domain.diagnosis import error_of
from domain.errors import BadInput, NotYet, OpsError, Rejected
from domain.exchanges import Effect
from domain.names import Purpose
from domain.probes import CleanUp, Receipt
from vendors.capabilities import Integration, Notice, Probe, Urgency, Variable
from vendors.fields import NOTHING_SENT, matching, one_of
from vendors.http import Answer, Conduct, Wire, json_call, succeeded
from vendors.pagerduty_signatures import SIGNATURES, SYMPTOMS
from vendors.rate_limits import seconds_header

# https://support.pagerduty.com/main/docs/service-regions
EVENTS_OF_REGION = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
API_OF_REGION = {"us": "https://api.pagerduty.com", "eu": "https://api.eu.pagerduty.com"}
PUBLISHED_HOSTS = ("events.pagerduty.com", "events.eu.pagerduty.com", "api.pagerduty.com", "api.eu.pagerduty.com")
INDEXING_BOUND = timedelta(seconds=60)
# Another system's clock and ours may differ; a search starts this much before the moment it was given.
CLOCK_MARGIN = timedelta(minutes=5)
# A search by title covers a day from there; PagerDuty takes six months at most.
SEARCH_SPAN = timedelta(days=1)
# https://developer.pagerduty.com/docs/pagination: 100 is the most that one page holds.
PAGE_INCIDENTS = 100
# https://developer.pagerduty.com/docs/events-api-v2-overview
SUMMARY_LIMIT_CHARS = 1024

_MAY_BE_ELSEWHERE = frozenset({"pagerduty.api_key_unknown", "pagerduty.routing_key_unknown"})
_PAUSED = frozenset({"disabled", "maintenance"})


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """Triggers and resolves by routing key; reads by REST key where there is one."""

    routing_key: str = field(repr=False)
    api_key: str = field(repr=False)
    service_id: str
    events: str
    api: str
    wire: Wire

    @property
    def probes(self) -> tuple[Probe, ...]:
        if not self.api_key:
            return (Probe("incident", self.send_event, (), (self.resolve_unseen,), INDEXING_BOUND),)
        return (
            Probe(
                "incident",
                self.send_event,
                (self.find_incident, self.read_alert),
                (self.resolve_event, self.see_resolved),
                INDEXING_BOUND,
                self.explain,
            ),
        )

    def close(self) -> None:
        self.wire.close()

    def send_event(self, nonce: str, at: datetime) -> Receipt:
        payload = {
            "summary": f"opsflows verification, no action needed (verify=true nonce={nonce})",
            "source": "opsflows",
            "severity": "info",
            "timestamp": at.isoformat(),
            "custom_details": {"verify": True, "nonce": nonce},
        }
        self._enqueue("send_event", "trigger", nonce, {"payload": payload})
        return Receipt(nonce, at).with_ids(dedup_key=_dedup_key(nonce))

    def find_incident(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the incident's id, or raise NotYet while none carries the dedup key.

        Raises:
            Rejected: the incident was opened in another service than PAGERDUTY_SERVICE_ID.
        """
        incidents = self._incidents_of("find_incident", receipt.nonce)
        if not incidents:
            raise _told("pagerduty.unseen", NotYet, nonce=receipt.nonce)
        service = _reference(incidents[0], "service")
        if self.service_id and service != self.service_id:
            raise _told("pagerduty.other_service", Rejected, nonce=receipt.nonce, service=service)
        return receipt.with_ids(incident_id=str(incidents[0].get("id", "")), service_id=service)

    def read_alert(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the integration that opened the alert: it shows which key did it."""
        query = urlencode({"alert_key": _dedup_key(receipt.nonce)})
        path = f"/incidents/{receipt.ids['incident_id']}/alerts?{query}"
        alerts = _rows(self._read("read_alert", path, receipt.nonce), "alerts")
        mine = [alert for alert in alerts if alert.get("alert_key") == _dedup_key(receipt.nonce)]
        if not mine:
            raise _told("pagerduty.alert_unseen", NotYet, nonce=receipt.nonce)
        return receipt.with_ids(alert_id=str(mine[0].get("id", "")), integration_id=_reference(mine[0], "integration"))

    def resolve_event(self, receipt: Receipt) -> CleanUp:
        self._enqueue("resolve_event", "resolve", receipt.nonce, {})
        return CleanUp.DONE

    def resolve_unseen(self, receipt: Receipt) -> CleanUp:
        """Resolve where nothing can be read: TAGGED, because a dropped resolve is answered 202 too."""
        self.resolve_event(receipt)
        return CleanUp.TAGGED

    def see_resolved(self, receipt: Receipt) -> CleanUp:
        """Return DONE once every incident of the nonce is resolved, NotYet until then, TAGGED where none was ever seen."""
        incidents = self._incidents_of("see_resolved", receipt.nonce)
        if any(incident.get("status") != "resolved" for incident in incidents):
            raise _told("pagerduty.still_open", NotYet, nonce=receipt.nonce)
        return CleanUp.DONE if incidents else CleanUp.TAGGED

    def find(self, nonce: str, since: datetime) -> Receipt:
        """Find an incident that another system opened, by the nonce in its title."""
        start = since - CLOCK_MARGIN
        # Without time_zone PagerDuty reads the window in the account's own.
        query = [("since", start.isoformat()), ("until", (start + SEARCH_SPAN).isoformat()), ("time_zone", "UTC"),
                 ("limit", str(PAGE_INCIDENTS)), ("sort_by", "created_at:desc")]  # fmt: skip
        query += [("service_ids[]", self.service_id)] if self.service_id else []
        incidents = _rows(self._read("find_by_title", f"/incidents?{urlencode(query)}", nonce), "incidents")
        for incident in incidents:
            if nonce in str(incident.get("title", "")):
                return Receipt(nonce, since).with_ids(
                    incident_id=str(incident.get("id", "")), service_id=_reference(incident, "service")
                )
        raise _told("pagerduty.not_found_by_title", NotYet, nonce=nonce)

    def explain(self, receipt: Receipt) -> OpsError | None:
        """Return why a 202 was followed by no incident, as far as the service tells."""
        unasked = _told("pagerduty.accepted_unseen", Rejected, nonce=receipt.nonce)
        if not self.service_id:
            return unasked
        path = f"/services/{self.service_id}?{urlencode({'include[]': 'integrations'})}"
        try:
            answer = self._read("read_service", path, receipt.nonce)
        except Rejected as refusal:
            return refusal if refusal.symptom == "pagerduty.service_unknown" else unasked
        service = answer.get("service")
        return self._explained(service if isinstance(service, dict) else {}, receipt.nonce)

    def other_homes(self, symptom: str) -> tuple[str, ...]:
        """Return the other region where PagerDuty itself was asked and only the REST key can tell."""
        if symptom not in _MAY_BE_ELSEWHERE or not self.api_key or self.api not in API_OF_REGION.values():
            return ()
        return tuple(region for region, api in API_OF_REGION.items() if api != self.api)

    def is_known_at(self, home: str) -> bool:
        """Ask a region whether it knows the REST key. Every account has users, and a read-only key may list them."""
        url = f"{API_OF_REGION[home]}/users?limit=1"
        call = json_call("ask_region", Effect.READS, "GET", url, headers=self.rest_headers())
        answer = self.wire.exchange(call, accepted=lambda a: succeeded(a) or a.status in _ANSWERS_ABOUT_KEYS)
        return answer.status != _UNKNOWN_KEY

    def _explained(self, service: Mapping[str, Any], nonce: str) -> OpsError:
        status = str(service.get("status", ""))
        if status in _PAUSED:
            return _told("pagerduty.service_paused", Rejected, nonce=nonce, status=status)
        keys = {row.get("integration_key") for row in _rows(service, "integrations")} - {None}
        if keys and self.routing_key not in keys:
            return _told("pagerduty.key_of_other_service", Rejected, nonce=nonce)
        return _told("pagerduty.suppressed", Rejected, nonce=nonce)

    def notify(self, notice: Notice, at: datetime) -> None:
        """Open an alert, or add to the open one of the same key: critical wakes people, info is for the morning."""
        payload = {
            "summary": notice.title[:SUMMARY_LIMIT_CHARS],
            "source": "opsflows",
            "severity": "critical" if notice.urgency is Urgency.PAGE else "info",
            "timestamp": at.isoformat(),
            "custom_details": {"text": notice.text},
        }
        event = {
            "routing_key": self.routing_key,
            "event_action": "trigger",
            "dedup_key": notice.key,
            "payload": payload,
        }
        call = json_call("notify", Effect.CHANGES, "POST", f"{self.events}/v2/enqueue", headers={}, payload=event)
        self.wire.exchange(call, accepted=_taken)

    def _enqueue(self, verb: str, action: str, nonce: str, more: Mapping[str, object]) -> None:
        event = {"routing_key": self.routing_key, "event_action": action, "dedup_key": _dedup_key(nonce), **more}
        url = f"{self.events}/v2/enqueue"
        call = json_call(verb, Effect.CHANGES, "POST", url, headers={}, payload=event, nonce=nonce)
        self.wire.exchange(call, accepted=_taken)

    def _incidents_of(self, verb: str, nonce: str) -> list[dict[str, Any]]:
        query = urlencode({"incident_key": _dedup_key(nonce), "date_range": "all", "limit": PAGE_INCIDENTS})
        return _rows(self._read(verb, f"/incidents?{query}", nonce), "incidents")

    def _read(self, verb: str, path: str, nonce: str) -> dict[str, Any]:
        call = json_call(verb, Effect.READS, "GET", f"{self.api}{path}", headers=self.rest_headers(), nonce=nonce)
        return self.wire.exchange(call).fields()

    def rest_headers(self) -> dict[str, str]:
        """Return what opens the REST API, or raise BadInput where no REST key was given."""
        if not self.api_key:
            raise BadInput(
                "PAGERDUTY_API_KEY is not there.",
                "Without it PagerDuty can be sent to, but not asked. Nothing was sent.",
                "Create a read-only key (Integrations > API Access Keys) and run opsflows connect pagerduty.",
            )
        return rest_headers(self.api_key)


def rest_headers(key: str) -> dict[str, str]:
    return {"authorization": f"Token token={key}", "accept": "application/vnd.pagerduty+json;version=2"}


_UNKNOWN_KEY = 401
_ANSWERS_ABOUT_KEYS = frozenset({_UNKNOWN_KEY, 403})  # 403: the key is known there, and may not read this


def _told(symptom: str, kind: type[OpsError], **words: str) -> OpsError:
    return error_of(SYMPTOMS[symptom], kind, **words)


def _dedup_key(nonce: str) -> str:
    """At most 255 characters; derived from the nonce alone, so that a crash loses nothing."""
    return f"opsflows-verify-{nonce}"


def _taken(answer: Answer) -> bool:
    return succeeded(answer) and answer.fields().get("status") == "success"


def _rows(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = answer.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _reference(row: Mapping[str, Any], name: str) -> str:
    named = row.get(name)
    return str(named.get("id", "")) if isinstance(named, dict) else ""


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> PagerDuty:
    """Return a client for the checked values.

    Raises:
        BadInput: a host is not allowed in this environment.
    """
    wire = Wire(
        "pagerduty", conduct, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS,
        retry_after=seconds_header("ratelimit-reset"),
    )  # fmt: skip
    region = values.get("region", "us")
    events, api = (address, address) if address else (EVENTS_OF_REGION[region], API_OF_REGION[region])
    for url in (events, api):
        wire.check_host(url)
    return PagerDuty(
        values["routing_key"], values.get("api_key", ""), values.get("service_id", ""), events, api, wire
    )  # fmt: skip


_API_TOKEN_CHARACTERS = 20


def routing_key(value: str) -> str:
    """Check that the value has an integration key's shape, and tell an API token from one."""
    if re.fullmatch(r"[A-Za-z0-9]{32}", value):
        return value
    hint = "Copy the Integration Key (32 letters and digits) of the Events API v2 integration: service > Integrations."
    if len(value) == _API_TOKEN_CHARACTERS or re.search(r"[+_-]", value):
        raise BadInput(
            f"the value ({len(value)} characters) looks like a REST API token, not like an integration key.",
            NOTHING_SENT,
            hint,
        )
    raise BadInput(f"the value ({len(value)} characters) is not 32 letters and digits.", NOTHING_SENT, hint)


def api_key(value: str) -> str:
    """Check that the value has a REST API key's shape, and tell an integration key from one."""
    hint = "Copy it from Integrations > API Access Keys when it is created; it is shown once."
    if re.fullmatch(r"[A-Za-z0-9]{32}", value):
        raise BadInput("the value looks like an integration key, not like a REST API key.", NOTHING_SENT, hint)
    return matching(r"[A-Za-z0-9_+-]{20,64}", "a REST API key (20 letters, digits, +, - and _)", hint)(value)


INTEGRATION = Integration(
    name="pagerduty",
    title="PagerDuty",
    setup_minutes=20,
    variables=(
        Variable("PAGERDUTY_ROUTING_KEY", "routing_key", Purpose.SEND, secret=True, required=True,
                 where="Services > Service Directory > the service > Integrations > Events API v2 > Integration Key",
                 scopes="none: the key may only send events to its service",
                 rotated="a second Events API v2 integration on the same service, swap, delete the old one; what the old key opened, only the old key or a person resolves",
                 check=routing_key),
        Variable("PAGERDUTY_API_KEY", "api_key", Purpose.READ, secret=True, required=False,
                 where="Integrations > API Access Keys > Create New API Key, read-only",
                 scopes="read-only (incidents.read, services.read, change_events.read)",
                 rotated="by hand: create a second key, swap, delete the old one", check=api_key),
        Variable("PAGERDUTY_SERVICE_ID", "service_id", Purpose.READ, secret=False, required=False,
                 where="the end of the service's address: /service-directory/P...", scopes="-", rotated="-",
                 check=matching(r"[A-Z0-9]{6,20}", "a service id (P...)", "Copy it from the end of the service's address, not its name.")),
        Variable("PAGERDUTY_REGION", "region", Purpose.SEND, secret=False, required=False,
                 where="the account's address: eu where it reads <name>.eu.pagerduty.com, else us", scopes="-", rotated="-",
                 check=one_of(tuple(API_OF_REGION), "Write eu where the account's address is <name>.eu.pagerduty.com, else us."), default="us"),
        Variable("PAGERDUTY_MANAGE_KEY", "manage_key", Purpose.MANAGE, secret=True, required=False,
                 where="Integrations > API Access Keys > Create New API Key, without the tick at Read-only; for rotation alone",
                 scopes="full access (services.write, services.read, incidents.read): PagerDuty's keys are read-only or everything",
                 rotated="by hand, after all others: create a second key, swap, delete the old one", check=api_key),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="whoever is on call for the service that the routing key belongs to, as the service's urgency says (until the incident is resolved, seconds later)",
    person_sees="the test incident is in the service's incident list, and its timeline shows who was notified",
    clicks=(
        "Open Services > Service Directory and choose a service of low urgency for tests, or the one to be wired.",
        "On its tab Integrations: Add an integration > Events API v2 > Add, unfold it and copy the Integration Key.",
        "Copy the service's id from the end of the page's address (/service-directory/P...).",
        "Open Integrations > API Access Keys > Create New API Key, tick Read-only API Key, and copy it: it is shown once.",
        "If the account's address is <name>.eu.pagerduty.com, the region is eu.",
    ),
    after_set_up="Give the service an escalation policy with a person on every level, an on-call schedule without gaps, "
    "and a notification rule per person; verification shows that the incident opened, not that a phone rang.",
)  # fmt: skip
