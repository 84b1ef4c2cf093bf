"""Datadog: a metric and an event sent with the API key, read back with the application key; neither can be deleted.

A 202 says "queued": a wrong metric name, a quota and a retention filter are answered 202 too. A wrong key and a wrong
site look the same, so the other sites are asked.
Source: https://docs.datadoghq.com/getting_started/site/, https://docs.datadoghq.com/api/latest/
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from domain.diagnosis import Kind, Signature, Symptom, error_of
from domain.errors import NotYet, OpsError
from domain.exchanges import Effect
from domain.names import Purpose
from domain.probes import Receipt
from vendors.capabilities import Integration, Probe, Variable
from vendors.fields import matching, one_of
from vendors.http import Answer, Conduct, Wire, json_call, succeeded
from vendors.rate_limits import seconds_header

# Source: https://docs.datadoghq.com/getting_started/site/
DEFAULT_SITE = "datadoghq.com"
SITES = (
    DEFAULT_SITE, "us3.datadoghq.com", "us5.datadoghq.com", "ap1.datadoghq.com", "ap2.datadoghq.com",
    "uk1.datadoghq.com", "datadoghq.eu", "ddog-gov.com", "us2.ddog-gov.com",
)  # fmt: skip
# A key of one world is never shown to the other: government sites neither ask nor are asked.
GOVERNMENT_SITES = frozenset({"ddog-gov.com", "us2.ddog-gov.com"})
PUBLISHED_HOSTS = tuple(f"api.{site}" for site in SITES)
METRIC = "operator_wiring.verify"
INDEXING_BOUND = timedelta(seconds=120)
# The event carries our time; what Datadog indexes around it is found within this span of either side.
SEARCH_MARGIN = timedelta(minutes=5)
_GAUGE = 3
_PAGE_EVENTS = 10

_WRITES = frozenset({"send_metric", "send_event"})
_READS = frozenset({"find_metric", "find_event"})
_SITE = "Open your Datadog dashboard, read its address and set DD_SITE to match: bare datadoghq.com is US1, every other site has its own prefix or ending."
_KEYS = "Create a key under Organization Settings > API Keys (or Application Keys) and run opsflows connect datadog."


def row_of(
    name: str, status: int | frozenset[int], means: str, next_step: str, *, marker: str = "",
    kind: Kind = Kind.REJECTED, verbs: frozenset[str] = frozenset(), saw: str = "Datadog answered {status} to {verb}.",
) -> Signature:  # fmt: skip
    statuses = status if isinstance(status, frozenset) else frozenset({status})
    return Signature(f"datadog.{name}", statuses, kind, saw, means, next_step, marker, verbs)


# Source: the pages of each endpoint under https://docs.datadoghq.com/api/latest/, .../rate-limits/
SIGNATURES = (
    row_of("permission", 403, "The application key's owner or scopes lack what was asked: timeseries_query for metrics, events_read for events.", "Edit the application key's scopes under Organization Settings > Application Keys, or make one with both, and run opsflows connect datadog.", marker="permission"),
    row_of("key_missing", 403, "The API key did not reach Datadog: something on the way removes the DD-API-KEY header.", "Look at the proxy between this machine and Datadog.", marker="API key required"),
    row_of("application_key", 403, "DD_APP_KEY is wrong or was revoked, its owner was disabled, or it belongs to another organisation than DD_API_KEY; that key was just accepted for sending.", _KEYS, marker="Invalid API key or Application key", verbs=_READS),
    row_of("key_unknown", 403, "The API key is wrong or was revoked, an application key stands in its place, or DD_SITE is not the key's site: Datadog says the same to all of them.", f"{_SITE} If the site is right: {_KEYS}", marker="Forbidden"),
    row_of("silent_403", 403, "DD_SITE is not your organisation's site, or the key is wrong; Datadog does not say which.", _SITE),
    row_of("unauthorized", 401, "Datadog takes the credential for missing or malformed.", _KEYS),
    row_of("key_id_unknown", 404, "The key's id does not exist in this organisation, or the key was deleted.", "List the organisation's keys under Organization Settings > API Keys.", marker="API key not found"),
    row_of("event_too_old", 400, "The event's time lies too far in the past: this machine's clock is wrong.", "Set the clock (timedatectl), then verify again.", marker="too far in the past"),
    row_of("past_retention", 400, "The time asked for lies before what Datadog still keeps.", "Ask for a later window.", marker="outside the retention"),
    row_of("too_large", 413, "The request is larger than Datadog takes: a fault of ours.", "Report it with the audit bundle."),
    row_of("slow_request", 408, "Datadog did not receive the request in time; nothing was taken.", "Verify again; if it stays, look at the line between this machine and Datadog.", kind=Kind.UNAVAILABLE),
    row_of("rate_limited", 429, "The organisation has used up this endpoint's limit, or a cold account's first burst was throttled. Nothing was taken.", "Wait for the seconds in X-RateLimit-Reset and repeat; if it lasts, open a ticket with Datadog.", kind=Kind.UNAVAILABLE),
    row_of("series_refused", 202, "Datadog took the request and refused the metric in it: a fault of ours.", "Report it with the audit bundle.", marker='"errors"', verbs=frozenset({"send_metric"}), saw="Datadog answered 202 to {verb}, with errors."),
    row_of("query_refused", frozenset({200, 400}), "Datadog could not run the metric query.", "Report it with the audit bundle.", marker='"error"', verbs=frozenset({"find_metric"}), saw="Datadog answered {status} to {verb}, with an error."),
)  # fmt: skip

# What only a read-back shows.
SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("datadog.metric_unseen", f"The metric {METRIC} with nonce {{nonce}} cannot be read yet.", "Datadog took the point; a query does not show it.", "Wait: metrics take up to two minutes."),
        Symptom("datadog.event_unseen", "No event carries the nonce {nonce} yet.", "Datadog took the event; the search does not show it.", "Wait: events take up to two minutes."),
        Symptom("datadog.metric_dropped", f"Datadog answered 202 to the metric with nonce {{nonce}}, and {METRIC} never showed it.", "A 202 is given before anything is checked: the organisation's custom metrics are over quota, or a tag configuration drops the tag nonce.", "Look at Metrics > Summary for operator_wiring.verify: at its tag configuration, and at Plan & Usage for the quota."),
        Symptom("datadog.event_dropped", "Datadog answered 202 to the event with nonce {nonce}, and Events Explorer never showed it.", "A 202 is given before anything is checked: a retention filter or an event pipeline drops it, or the application key's role sees a part of the events only.", "Look at Events > Settings (pipelines, retention) and at the role's data access."),
    )
}  # fmt: skip

_MAY_BE_ELSEWHERE = frozenset({"datadog.key_unknown", "datadog.silent_403", "datadog.unauthorized"})


@dataclass(frozen=True, slots=True)
class Datadog:
    """Sends with the API key; reads with both keys."""

    api_key: str = field(repr=False)
    app_key: str = field(repr=False)
    site: str
    api: str
    wire: Wire

    @property
    def probes(self) -> tuple[Probe, ...]:
        return (
            Probe("metric", self.send_metric, (self.find_metric,), (), INDEXING_BOUND, self.explain_metric),
            Probe("event", self.send_event, (self.find_event,), (), INDEXING_BOUND, self.explain_event),
        )

    def close(self) -> None:
        self.wire.close()

    def send_metric(self, nonce: str, at: datetime) -> Receipt:
        point = {"timestamp": int(at.timestamp()), "value": 1.0}
        series = [{"metric": METRIC, "type": _GAUGE, "points": [point], "tags": _tags(nonce)}]
        self._send("send_metric", "/api/v2/series", {"series": series}, nonce, _no_errors)
        return Receipt(nonce, at)

    def find_metric(self, receipt: Receipt) -> Receipt:
        """Return the receipt once a query shows a value under the nonce, NotYet while the series is empty."""
        start, end = _window(receipt)
        query = urlencode(
            {"from": int(start.timestamp()), "to": int(end.timestamp()),
             "query": f"max:{METRIC}{{verify:true,nonce:{receipt.nonce}}}"}
        )  # fmt: skip
        call = json_call(
            "find_metric", Effect.READS, "GET", f"{self.api}/api/v1/query?{query}",
            headers=self._both_keys(), nonce=receipt.nonce,
        )  # fmt: skip
        series = _rows(self.wire.exchange(call, accepted=_status_ok).fields(), "series")
        if not any(one.get("pointlist") for one in series):
            raise _told("datadog.metric_unseen", NotYet, receipt)
        return receipt

    def send_event(self, nonce: str, at: datetime) -> Receipt:
        payload = {
            "title": "opsflows verification, no action needed",
            "text": f"verify=true nonce={nonce}",
            "tags": _tags(nonce),
            "alert_type": "info",
            "priority": "low",
            "aggregation_key": "opsflows-verification",
            "date_happened": int(at.timestamp()),
        }
        answer = self._send("send_event", "/api/v1/events", payload, nonce, _status_ok)
        # The numeric id loses digits in JSON; only its text can be used.
        return Receipt(nonce, at).with_ids(event_id=str(answer.get("event", {}).get("id_str", "")))

    def find_event(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the event's id once a search by the nonce alone finds it, NotYet until then."""
        start, end = _window(receipt)
        payload = {
            "filter": {"query": f"tags:nonce:{receipt.nonce}", "from": start.isoformat(), "to": end.isoformat()},
            "page": {"limit": _PAGE_EVENTS},
        }
        call = json_call(
            "find_event", Effect.READS, "POST", f"{self.api}/api/v2/events/search",
            headers=self._both_keys(), payload=payload, nonce=receipt.nonce,
        )  # fmt: skip
        found = _rows(self.wire.exchange(call, accepted=_lists_data).fields(), "data")
        if not found:
            raise _told("datadog.event_unseen", NotYet, receipt)
        return receipt.with_ids(event_id=_event_id(found[0]) or receipt.ids.get("event_id", ""))

    def explain_metric(self, receipt: Receipt) -> OpsError:
        return _told("datadog.metric_dropped", OpsError, receipt)

    def explain_event(self, receipt: Receipt) -> OpsError:
        return _told("datadog.event_dropped", OpsError, receipt)

    def other_homes(self, symptom: str) -> tuple[str, ...]:
        """Return the other commercial sites where Datadog itself refused the API key."""
        own = self.api == api_of(self.site) and self.site not in GOVERNMENT_SITES
        if not own or symptom not in _MAY_BE_ELSEWHERE:
            return ()
        return tuple(site for site in SITES if site != self.site and site not in GOVERNMENT_SITES)

    def is_known_at(self, home: str) -> bool:
        """Ask a site whether it knows the API key."""
        call = json_call(
            "ask_site", Effect.READS, "GET", f"{api_of(home)}/api/v1/validate", headers={"dd-api-key": self.api_key}
        )
        answer = self.wire.exchange(call, accepted=lambda a: succeeded(a) or a.status in _ANSWERS_ABOUT_KEYS)
        return answer.fields().get("valid") is True

    def _send(
        self, verb: str, path: str, payload: object, nonce: str, accepted: Callable[[Answer], bool]
    ) -> dict[str, Any]:
        call = json_call(
            verb, Effect.CHANGES, "POST", f"{self.api}{path}",
            headers={"dd-api-key": self.api_key}, payload=payload, nonce=nonce,
        )  # fmt: skip
        return self.wire.exchange(call, accepted=accepted).fields()

    def _both_keys(self) -> dict[str, str]:
        return {"dd-api-key": self.api_key, "dd-application-key": self.app_key}


_ANSWERS_ABOUT_KEYS = frozenset({401, 403})


def api_of(site: str) -> str:
    return f"https://api.{site}"


def _tags(nonce: str) -> list[str]:
    return ["verify:true", f"nonce:{nonce}"]


def _window(receipt: Receipt) -> tuple[datetime, datetime]:
    return receipt.sent_at - SEARCH_MARGIN, receipt.sent_at + SEARCH_MARGIN


def _told(symptom: str, kind: type[OpsError], receipt: Receipt) -> OpsError:
    return error_of(SYMPTOMS[symptom], kind, nonce=receipt.nonce)


def _no_errors(answer: Answer) -> bool:
    return succeeded(answer) and answer.fields().get("errors") == []


def _status_ok(answer: Answer) -> bool:
    return succeeded(answer) and answer.fields().get("status") == "ok"


def _lists_data(answer: Answer) -> bool:
    return succeeded(answer) and isinstance(answer.fields().get("data"), list)


def _rows(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = answer.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _event_id(row: Mapping[str, Any]) -> str:
    """Two attributes deep stands the id that the sending call gave as id_str."""
    inner: Any = row
    for name in ("attributes", "attributes", "evt"):
        inner = inner.get(name) if isinstance(inner, dict) else None
    return str(inner.get("id", "")) if isinstance(inner, dict) else ""


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> Datadog:
    """Return a client for the checked values.

    Raises:
        BadInput: a host is not allowed in this environment.
    """
    wire = Wire(
        "datadog", conduct, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS,
        retry_after=seconds_header("x-ratelimit-reset"),
    )  # fmt: skip
    site = values.get("site", DEFAULT_SITE)
    api = address or api_of(site)
    wire.check_host(api)
    return Datadog(values["api_key"], values["app_key"], site, api, wire)


_application_key = matching(
    r"[0-9a-f]{40}|ddapp_[0-9A-Za-z]{34,}",
    "an application key (40 hex characters, or ddapp_...)",
    "Copy the key when it is created, it is shown once; an API key is shorter and is not one.",
)

INTEGRATION = Integration(
    name="datadog",
    title="Datadog",
    setup_minutes=30,
    variables=(
        Variable("DD_API_KEY", "api_key", Purpose.SEND, secret=True, required=True,
                 where="Organization Settings > API Keys > New Key", scopes="none: an API key may only submit",
                 rotated="a second key beside it, swap, verify, delete the old one; Datadog's API can do all of it",
                 check=matching(r"[0-9a-f]{32}", "an API key (32 hex characters)", "Copy the key itself from Organization Settings > API Keys: not its id, and not an application key.")),
        Variable("DD_APP_KEY", "app_key", Purpose.READ, secret=True, required=True,
                 where="Organization Settings > Application Keys > New Key, or a service account's page",
                 scopes="timeseries_query, events_read",
                 rotated="a second key beside it, swap, verify, delete the old one; Datadog's API can do all of it",
                 check=_application_key),
        Variable("DD_SITE", "site", Purpose.SEND, secret=False, required=False,
                 where="the address of your Datadog dashboard, without app.", scopes="-", rotated="-",
                 check=one_of(SITES, "Open your dashboard and copy the site from its address: app.datadoghq.com is datadoghq.com, us5.datadoghq.com is itself."), default=DEFAULT_SITE),
        Variable("DD_MANAGE_APP_KEY", "manage_app_key", Purpose.MANAGE, secret=True, required=False,
                 where="the page of the service account that DD_SERVICE_ACCOUNT_ID names; a key of its own, never DD_APP_KEY",
                 scopes="api_keys_read, api_keys_write, api_keys_delete, service_account_write (user_app_keys instead where DD_SERVICE_ACCOUNT_ID is empty)",
                 rotated="a second key beside it, swap, verify, delete the old one, after every other key; Datadog's API can do all of it",
                 check=_application_key),
        Variable("DD_SERVICE_ACCOUNT_ID", "service_account_id", Purpose.MANAGE, secret=False, required=False,
                 where="Organization Settings > Service Accounts > the account: the id in the page's address; empty for keys of the manage key's own user",
                 scopes="-", rotated="-",
                 check=matching(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "a service account's id (a UUID)", "Copy the id from the address of the service account's page, not its name or e-mail address.")),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="the test event is in Events Explorer under verify:true, and operator_wiring.verify in Metrics Explorer",
    clicks=(
        "Open your Datadog dashboard and note its address: it tells DD_SITE.",
        "Open Organization Settings > API Keys > New Key, name it after the environment, and copy the key.",
        "Open Organization Settings > Service Accounts, create or choose one, and add an application key to it.",
        "Restrict the key's scopes to timeseries_query and events_read, and copy it: it is shown once.",
        "For rotation, add a second application key there with the scopes of DD_MANAGE_APP_KEY, and copy the account's id.",
    ),
    after_set_up="Create the monitors and their notification rules (@pagerduty-..., @slack-...), and leave verify:true out "
    "of every count and monitor; verification shows that Datadog took the event, not that a monitor tells anyone.",
)  # fmt: skip
