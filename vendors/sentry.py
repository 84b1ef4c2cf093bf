"""Sentry: an event sent with a DSN in an envelope, read back and its issue resolved with an auth token.

A 200 of the ingest is no proof: on a cold cache it is given before the key is looked at, inbound filters work later,
and an event whose id was used before is dropped without a word. Our event's id is the nonce.
Source: https://develop.sentry.dev/sdk/data-model/envelopes/, https://docs.sentry.io/api/
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from domain.diagnosis import error_of
from domain.errors import BadInput, NotYet, OpsError, Rejected
from domain.exchanges import Effect
from domain.names import Purpose
from domain.probes import CleanUp, Receipt
from vendors.capabilities import Integration, Probe, Variable
from vendors.fields import NOTHING_SENT, matching
from vendors.http import Answer, Call, Conduct, Wire, json_call, succeeded
from vendors.rate_limits import epoch_header, retry_after_seconds
from vendors.sentry_dsn import Dsn, dsn, parse_dsn
from vendors.sentry_signatures import SIGNATURES, SYMPTOMS

PUBLISHED_HOSTS = (
    "sentry.io", "us.sentry.io", "de.sentry.io", "*.ingest.sentry.io", "*.ingest.us.sentry.io", "*.ingest.de.sentry.io",
)  # fmt: skip
# Both homes of an organisation; sentry.io without a prefix is the first one's older name.
REGIONS = ("us.sentry.io", "de.sentry.io")
INDEXING_BOUND = timedelta(seconds=120)
# The most that one page holds. Source: https://docs.sentry.io/api/pagination/
PAGE_KEYS = 100
# All probes share one issue, so that verifying daily makes one issue and not hundreds.
PROBE_FINGERPRINT = "opsflows-verification"

_LIMITED_WITH_US = frozenset({"", "default", "error"})  # an empty category means every one

_MAY_BE_ELSEWHERE = frozenset(
    f"sentry.{name}" for name in ("rejected", "dsn_refused", "token_unknown", "scope_missing")
)


@dataclass(frozen=True, slots=True)
class Sentry:
    """Sends by DSN; reads and resolves by auth token where there is one."""

    dsn: Dsn
    auth_token: str = field(repr=False)
    organisation: str
    project: str
    api: str
    wire: Wire

    @property
    def probes(self) -> tuple[Probe, ...]:
        if not self.auth_token:
            return (Probe("event", self.send_event, (), (), INDEXING_BOUND),)
        return (
            Probe("event", self.send_event, (self.read_event,), (self.resolve_issue,), INDEXING_BOUND, self.explain),
        )

    def close(self) -> None:
        self.wire.close()

    def send_event(self, nonce: str, at: datetime) -> Receipt:
        # A warning stands in the default issue list, and default alert rules (high priority) leave it alone.
        event = {
            "message": f"opsflows verification, no action needed (verify=true nonce={nonce})",
            "level": "warning",
            "fingerprint": [PROBE_FINGERPRINT],
            "tags": {"verify": "true", "nonce": nonce},
        }
        return self._send("send_event", nonce, at, event)

    def raise_error(self, nonce: str, at: datetime) -> Receipt:
        """Raise an error that is new to Sentry, since alert rules speak of new issues; nothing marks it as a test."""
        event = {
            "message": f"opsflows chain check {nonce}: no action needed, resolve when the incident was seen",
            "level": "error",
            "fingerprint": ["opsflows-chain-check", nonce],
            "tags": {"nonce": nonce},
        }
        return self._send("raise_error", nonce, at, event)

    def read_event(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the issue of the event, or raise NotYet while the project does not show it."""
        return self._read("read_event", receipt)

    def error_indexed(self, receipt: Receipt) -> Receipt:
        return self._read("error_indexed", receipt)

    def resolve_issue(self, receipt: Receipt) -> CleanUp:
        """Resolve the issue of the event; finds it again by the nonce where the receipt does not name it."""
        found = receipt if "issue_id" in receipt.ids else self.read_event(receipt)
        path = f"/api/0/organizations/{self.organisation}/issues/{found.ids['issue_id']}/"
        call = json_call(
            "resolve_issue", Effect.CHANGES, "PUT", f"{self.api}{path}",
            headers=self._bearer(), payload={"status": "resolved"}, nonce=receipt.nonce,
        )  # fmt: skip
        self.wire.exchange(call, accepted=lambda a: succeeded(a) and a.fields().get("status") == "resolved")
        return CleanUp.DONE

    def explain(self, receipt: Receipt) -> OpsError:
        """Return why a 200 was followed by no event, as far as the project's keys tell."""
        path = f"/api/0/projects/{self.organisation}/{self.project}/keys/?per_page={PAGE_KEYS}"
        call = self._get("list_keys", path, receipt.nonce)
        try:
            keys = listed_objects(self.wire.exchange(call, accepted=lists_objects)) or []
        except Rejected as refusal:
            return refusal
        ours = [key for key in keys if key.get("public") == self.dsn.public_key]
        if not ours:
            return _told("sentry.key_of_other_project", receipt)
        return _told("sentry.event_dropped" if ours[0].get("isActive", True) else "sentry.key_disabled", receipt)

    def other_homes(self, symptom: str) -> tuple[str, ...]:
        """Return the other region where Sentry itself refused and an auth token can ask."""
        home = self.api.removeprefix("https://")
        regions = {"sentry.io": REGIONS[0]} | {region: region for region in REGIONS}
        if not self.auth_token or home not in regions or symptom not in _MAY_BE_ELSEWHERE:
            return ()
        return tuple(region for region in REGIONS if region != regions[home])

    def is_known_at(self, home: str) -> bool:
        """Ask a region whether the auth token can see the project there."""
        url = f"https://{home}/api/0/projects/{self.organisation}/{self.project}/"
        call = json_call("ask_region", Effect.READS, "GET", url, headers=self._bearer())
        answer = self.wire.exchange(call, accepted=lambda a: succeeded(a) or a.status in _ANSWERS_ABOUT_TOKENS)
        return succeeded(answer) and bool(answer.fields())

    def _send(self, verb: str, nonce: str, at: datetime, event: Mapping[str, object]) -> Receipt:
        whole = {"event_id": nonce, "timestamp": at.isoformat(), "platform": "other", "logger": "opsflows", **event}
        call = Call(
            verb, Effect.CHANGES, "POST", self.dsn.envelope_url,
            {
                "content-type": "application/x-sentry-envelope",
                "x-sentry-auth": f"Sentry sentry_version=7, sentry_client=opsflows/1.0, sentry_key={self.dsn.public_key}",
            },
            _envelope(nonce, at, whole), nonce,
        )  # fmt: skip
        self.wire.exchange(call, accepted=_stored_as(nonce))
        return Receipt(nonce, at).with_ids(event_id=nonce)

    def _read(self, verb: str, receipt: Receipt) -> Receipt:
        path = f"/api/0/projects/{self.organisation}/{self.project}/events/{receipt.nonce}/"
        event = self.wire.exchange(self._get(verb, path, receipt.nonce)).fields()
        issue = event.get("groupID")
        if not issue:
            raise error_of(SYMPTOMS["sentry.no_issue_yet"], NotYet, nonce=receipt.nonce)
        return receipt.with_ids(event_id=receipt.nonce, issue_id=str(issue))

    def _get(self, verb: str, path: str, nonce: str) -> Call:
        return json_call(verb, Effect.READS, "GET", f"{self.api}{path}", headers=self._bearer(), nonce=nonce)

    def _bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.auth_token}"}


_ANSWERS_ABOUT_TOKENS = frozenset({401, 403, 404})


def rate_limit(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Read all three of Sentry's dialects: the ingest's two, and the API's epoch second."""
    return _limit_of_errors(headers) or retry_after_seconds(headers, now) or _api_reset(headers, now)


_api_reset = epoch_header("x-sentry-rate-limit-reset")


def _limit_of_errors(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long events like ours are dropped, from `60:transaction:key, 2700:default;error:organization`."""
    rows = [limit.strip().split(":") for limit in headers.get("x-sentry-rate-limits", "").split(",")]
    seconds = [
        int(row[0]) for row in rows if len(row) > 1 and row[0].isdecimal() and _LIMITED_WITH_US & set(row[1].split(";"))
    ]
    return timedelta(seconds=max(seconds)) if seconds else None


def _stored_as(nonce: str) -> Callable[[Answer], bool]:
    """Accept a 200 that repeats our event's id and does not say that events like it are dropped."""

    def accepted(answer: Answer) -> bool:
        named = str(answer.fields().get("id", "")).replace("-", "")
        return succeeded(answer) and named == nonce and _limit_of_errors(answer.headers) is None

    return accepted


def _envelope(nonce: str, at: datetime, event: Mapping[str, object]) -> bytes:
    payload = json.dumps(event, separators=(",", ":")).encode()
    header = json.dumps({"event_id": nonce, "sent_at": at.isoformat()}).encode()
    item = json.dumps({"type": "event", "length": len(payload), "content_type": "application/json"}).encode()
    return b"\n".join((header, item, payload, b""))


def listed_objects(answer: Answer) -> list[dict[str, Any]] | None:
    """Return the objects of a JSON list, None where the body is no list."""
    try:
        rows = json.loads(answer.body)
    except ValueError:
        return None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None


def lists_objects(answer: Answer) -> bool:
    return succeeded(answer) and listed_objects(answer) is not None


def _told(symptom: str, receipt: Receipt) -> OpsError:
    return error_of(SYMPTOMS[symptom], Rejected, nonce=receipt.nonce)


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> Sentry:
    """Return a client for the checked values.

    Raises:
        BadInput: a host is not allowed in this environment, or reading back has some of its three values only.
    """
    wire = Wire("sentry", conduct, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS, retry_after=rate_limit)
    reading = {name: values.get(name, "") for name in ("auth_token", "organisation", "project")}
    absent = [f"SENTRY_{_VARIABLE[name]}" for name, value in reading.items() if not value]
    if 0 < len(absent) < len(reading):
        raise BadInput(
            f"{', '.join(absent)}: missing, and the other values for reading back are there.",
            f"Sentry reads events by token, organisation and project, all three or none. {NOTHING_SENT}",
            "Add what is missing, or leave all three out: events are then sent, not confirmed.",
        )
    parsed = parse_dsn(values["dsn"])
    api = address or parsed.api
    for url in (parsed.envelope_url, api):
        wire.check_host(url)
    return Sentry(parsed, reading["auth_token"], reading["organisation"], reading["project"], api, wire)


_VARIABLE = {"auth_token": "AUTH_TOKEN", "organisation": "ORG", "project": "PROJECT"}

_token = matching(
    r"sntry[a-z]_[0-9A-Za-z_=+/.-]{20,}|[0-9a-f]{64}",
    "an auth token (sntry..._ or 64 hex characters)",
    "Copy the internal integration's token when it is created; a client key is not one.",
)

INTEGRATION = Integration(
    name="sentry",
    title="Sentry",
    setup_minutes=15,
    variables=(
        Variable("SENTRY_DSN", "dsn", Purpose.SEND, secret=True, required=True,
                 where="the project > Settings > Client Keys (DSN)", scopes="none: a DSN may only send to its project",
                 rotated="a second client key in the project, swap, verify, disable and delete the old one; Sentry's API can do all of it", check=dsn),
        Variable("SENTRY_AUTH_TOKEN", "auth_token", Purpose.READ, secret=True, required=False,
                 where="Settings > Custom Integrations > the internal integration > Tokens",
                 scopes="project:read (events), event:write (resolves test issues), org:read (counts, where events are reconciled)",
                 rotated="by hand: a second token of the integration, swap, delete the old one",
                 check=_token),
        Variable("SENTRY_ORG", "organisation", Purpose.READ, secret=False, required=False,
                 where="the address of your Sentry: <organisation>.sentry.io", scopes="-", rotated="-",
                 check=matching(r"[a-z0-9][a-z0-9_-]*", "an organisation's slug (a-z, 0-9, dashes)", "Copy it from the address <organisation>.sentry.io, not the display name.")),
        Variable("SENTRY_PROJECT", "project", Purpose.READ, secret=False, required=False,
                 where="the project's address: /projects/<project>/", scopes="-", rotated="-",
                 check=matching(r"[a-z0-9][a-z0-9_-]*", "a project's slug (a-z, 0-9, dashes)", "Copy it from the project's address /projects/<project>/, not the display name.")),
        Variable("SENTRY_MANAGE_TOKEN", "manage_token", Purpose.MANAGE, secret=True, required=False,
                 where="Settings > Custom Integrations > a second internal integration, for rotation alone > Tokens",
                 scopes="project:admin (makes, disables and deletes client keys)",
                 rotated="by hand: a second token of that integration, swap, delete the old one", check=_token),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="the test event is in the project's issue list, under verify:true",
    clicks=(
        "Open the project, Settings > Client Keys (DSN), and copy the DSN.",
        "Open Settings > Custom Integrations > Create New Integration > Internal Integration.",
        "Set its permissions to Project: Read and Issue & Event: Read & Write, and Organization: Read where events are reconciled; nothing else. Save.",
        "Copy the token under Tokens: it is shown once. Copy organisation and project from the address.",
        "For rotation, create a second internal integration with Project: Admin, and copy its token.",
    ),
    after_set_up="Create an alert rule for new issues that notifies PagerDuty or Slack; where a rule should not speak of "
    "verifications, exclude the tag verify:true. Verification shows that Sentry stored the event, not that a rule tells anyone.",
)  # fmt: skip
