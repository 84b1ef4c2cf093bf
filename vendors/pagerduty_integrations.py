"""The integrations of a PagerDuty service, each with a routing key: listed, made and deleted, and what one holds open.

A key cannot be switched off, only deleted; and an alert it opened is resolved by the same key, by a person or through
REST, and by no other key. So nothing may be open when it goes.
Source: https://developer.pagerduty.com/api-reference ("Create a new integration", "Get a service", "List incidents");
the DELETE is not in the public specification, and is what PagerDuty's own Terraform provider calls.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hmac import compare_digest
from typing import Any
from urllib.parse import quote, urlencode

from domain.diagnosis import Kind, Signature
from domain.errors import BadInput
from domain.exchanges import Effect
from domain.manifests import Fit, ListedCredential, Minted, Page
from vendors.answers import iso_moment
from vendors.http import Answer, Wire, json_call, succeeded
from vendors.pagerduty import rest_headers
from vendors.rotation import HeldOpen

KIND = "events_api_v2_inbound_integration"
# PagerDuty names no bound within which a listing shows what was made; an assumption on the safe side.
LISTING_LAG = timedelta(seconds=30)
# https://developer.pagerduty.com/docs/pagination: the most that one page holds.
PAGE_ROWS = 100
SHOWN_CHARACTERS = 4

_CHANGES = frozenset({"create", "revoke"})
MANAGE_VERBS = _CHANGES | {"list_credentials", "held_open", "check_manage_key"}
_FAILED = frozenset(range(500, 600)) | {408}


def _row(
    name: str, statuses: frozenset[int], means: str, next_step: str, *,
    verbs: frozenset[str] = MANAGE_VERBS, kind: Kind = Kind.REJECTED,
) -> Signature:  # fmt: skip
    return Signature(
        f"pagerduty.{name}", statuses, kind, "PagerDuty answered {status} to {verb}.", means, next_step, "", verbs
    )


# Source: https://developer.pagerduty.com/docs/errors, .../rest-api-rate-limits
SIGNATURES = (
    _row("manage_key_unknown", frozenset({401}), "PAGERDUTY_MANAGE_KEY is wrong, was deleted, or belongs to an account of the other region.", "Compare PAGERDUTY_REGION with the account's web address, then the key with Integrations > API Access Keys."),
    _row("manage_denied", frozenset({403}), "PAGERDUTY_MANAGE_KEY may not do this: it is a read-only key, or the key of a user without rights over the service.", "Create a general access key without the tick at Read-only (Integrations > API Access Keys), and run opsflows connect pagerduty."),
    _row("manage_limited", frozenset({429}), "More than 960 requests in a minute came with this key; nothing was done.", "Wait for the time PagerDuty names and repeat.", kind=Kind.UNAVAILABLE),
    _row("integration_exists", frozenset({409}), "Something of that name may be there already; an earlier run may have made it.", "Look at the service's tab Integrations; the next step lists them before anything is made.", verbs=frozenset({"create"}), kind=Kind.OUTCOME_UNKNOWN),
    _row("integration_refused", frozenset({400}), "PagerDuty does not take the new integration as we describe it.", "Look at the service's tab Integrations for a limit that is reached; else report it with the audit bundle.", verbs=frozenset({"create"})),
    _row("manage_failed", _FAILED, "PagerDuty failed while answering; the integration may have been made or deleted all the same.", "Look at status.pagerduty.com; the next step lists the integrations before anything is repeated.", verbs=_CHANGES, kind=Kind.OUTCOME_UNKNOWN),
    _row("incident_moved", frozenset({404}), "An incident went away while its alerts were being looked at: it was merged into another one.", "Nothing needs to be done; the look begins again.", verbs=frozenset({"held_open"}), kind=Kind.NOT_YET),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class IntegrationKeys:
    """The integrations of one service, each with a routing key; the marker is the integration's name."""

    manage_key: str = field(repr=False)
    service_id: str
    api: str
    wire: Wire

    def list_credentials(self, cursor: str) -> Page:
        """Return all Events API v2 integrations of the service; PagerDuty gives them in one answer."""
        del cursor
        query = urlencode({"include[]": "integrations"})
        path = f"/services/{self.service_id}?{query}"
        service = self._ask("list_credentials", path, _lists_integrations)["service"]
        rows = _rows(service, "integrations")
        return Page(tuple(_listed(row) for row in rows if str(row.get("type", "")).startswith(KIND)))

    def create(self, marker: str, value: str) -> Minted:
        del value  # PagerDuty chooses it
        wanted = {"integration": {"type": KIND, "name": marker}}
        url = f"{self.api}/services/{self.service_id}/integrations"
        call = json_call("create", Effect.CHANGES, "POST", url, headers=rest_headers(self.manage_key), payload=wanted)
        made = self.wire.exchange(call, accepted=_names_a_key).fields()["integration"]
        return Minted(str(made["id"]), str(made["integration_key"]))

    def disable(self, vendor_id: str) -> None:
        raise _cannot_be_switched(vendor_id)

    def enable(self, vendor_id: str) -> None:
        raise _cannot_be_switched(vendor_id)

    def revoke(self, vendor_id: str) -> None:
        """Delete the integration; one that is gone already is done."""
        url = f"{self.api}/services/{self.service_id}/integrations/{quote(vendor_id, safe='')}"
        call = json_call("revoke", Effect.CHANGES, "DELETE", url, headers=rest_headers(self.manage_key))
        self.wire.exchange(call, accepted=_deleted)

    def held_open(self, vendor_id: str, cursor: str) -> HeldOpen:
        """Return open alerts that this integration opened.

        The walk goes over a page of the service's open incidents, then over the alerts of each, then to the next page.
        An incident that closes meanwhile shifts what lies beyond the first 100: whoever deletes has to look again just
        before.
        """
        at = _Cursor.parse(cursor)
        return self._open_alerts(vendor_id, at) if at.incidents else self._open_incidents(at)

    def close(self) -> None:
        self.wire.close()

    def _open_incidents(self, at: "_Cursor") -> HeldOpen:
        query = [("statuses[]", "triggered"), ("statuses[]", "acknowledged"), ("service_ids[]", self.service_id),
                 ("date_range", "all"), ("sort_by", "created_at:asc"),
                 ("limit", str(PAGE_ROWS)), ("offset", str(at.offset))]  # fmt: skip
        answer = self._ask("held_open", f"/incidents?{urlencode(query)}", _pages("incidents"))
        found = tuple(str(row.get("id", "")) for row in _rows(answer, "incidents"))
        next_page = at.offset + PAGE_ROWS if answer.get("more") is True else _LAST
        return HeldOpen((), str(_Cursor(next_page, 0, found)))

    def _open_alerts(self, vendor_id: str, at: "_Cursor") -> HeldOpen:
        incident, *others = at.incidents
        query = urlencode({"statuses[]": "triggered", "limit": PAGE_ROWS, "offset": at.alerts})
        answer = self._ask("held_open", f"/incidents/{quote(incident, safe='')}/alerts?{query}", _pages("alerts"))
        items = tuple(
            f"alert {row.get('id', '')} of incident {incident}"
            for row in _rows(answer, "alerts")
            if row.get("status") != "resolved" and _reference(row, "integration") == vendor_id
        )
        more = answer.get("more") is True
        following = (
            _Cursor(at.offset, at.alerts + PAGE_ROWS, at.incidents) if more else _Cursor(at.offset, 0, (*others,))
        )
        return HeldOpen(items, str(following))

    def _ask(self, verb: str, path: str, accepted: Callable[[Answer], bool]) -> dict[str, Any]:
        call = json_call(verb, Effect.READS, "GET", f"{self.api}{path}", headers=rest_headers(self.manage_key))
        return self.wire.exchange(call, accepted).fields()


_GONE = 404
_LAST = -1


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where a walk over open alerts stands, as text `<next page of incidents>:<alerts' offset>:<incident>,<incident>`.

    `incidents` are still to be looked into; the next page is -1 where there is none. The text is empty at the end.
    """

    offset: int = 0
    alerts: int = 0
    incidents: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "_Cursor":
        if not text:
            return cls()
        offset, alerts, incidents = text.split(":")
        return cls(int(offset), int(alerts), tuple(incidents.split(",")) if incidents else ())

    def __str__(self) -> str:
        if self.offset == _LAST and not self.incidents:
            return ""
        return f"{self.offset}:{self.alerts}:{','.join(self.incidents)}"


def _listed(row: Mapping[str, Any]) -> ListedCredential:
    key = str(row.get("integration_key") or "")
    return ListedCredential(
        str(row.get("id", "")),
        str(row.get("name") or row.get("summary") or ""),
        hint=key[-SHOWN_CHARACTERS:],
        created_at=iso_moment(row.get("created_at")),
        fits=_fitting(key),
    )


def _fitting(key: str) -> Callable[[str], Fit]:
    """Return a comparison with the key, which nothing else holds."""

    def fits(value: str) -> Fit:
        return Fit.EXACT if key and compare_digest(key.encode(), value.encode()) else Fit.NO

    return fits


def _lists_integrations(answer: Answer) -> bool:
    """Accept a service with its list, which may be empty: a list that could not be read is not an empty one."""
    service = answer.fields().get("service")
    return succeeded(answer) and isinstance(service, dict) and isinstance(service.get("integrations"), list)


def _pages(name: str) -> Callable[[Answer], bool]:
    """Return a check that an answer is a page of that name and says whether another one follows."""

    def accepted(answer: Answer) -> bool:
        fields = answer.fields()
        return succeeded(answer) and isinstance(fields.get(name), list) and isinstance(fields.get("more"), bool)

    return accepted


def _names_a_key(answer: Answer) -> bool:
    made = answer.fields().get("integration")
    return succeeded(answer) and isinstance(made, dict) and bool(made.get("id") and made.get("integration_key"))


def _deleted(answer: Answer) -> bool:
    """Accept that it is gone. Which 2xx a DELETE is answered with is not documented; a page in HTML is not PagerDuty's."""
    if succeeded(answer):
        return not answer.body.strip() or bool(answer.fields())
    return answer.status == _GONE


def _cannot_be_switched(vendor_id: str) -> BadInput:
    return BadInput(
        f"PagerDuty cannot switch integration {vendor_id} off or on.",
        "An integration's key works until the integration is deleted. Nothing was sent.",
        "Delete it once nothing that it opened is open any more.",
    )


def _rows(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = holder.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _reference(row: Mapping[str, Any], name: str) -> str:
    named = row.get(name)
    return str(named.get("id", "")) if isinstance(named, dict) else ""
