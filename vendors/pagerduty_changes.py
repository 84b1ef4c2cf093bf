"""PagerDuty's change events: they come with a routing key as alerts do, are told to nobody, and are read back.

They open no incident, so a rotation proves a key by one of them without waking anyone. None can be deleted.
Source: https://developer.pagerduty.com/docs/send-change-event, https://developer.pagerduty.com/api-reference
("List change events")
"""

from datetime import datetime, timedelta
from functools import partial
from hmac import compare_digest
from typing import Any
from urllib.parse import urlencode

from domain.diagnosis import error_of
from domain.errors import NotYet
from domain.exchanges import Effect
from domain.probes import Receipt
from vendors.capabilities import Probe
from vendors.http import Answer, json_call, succeeded
from vendors.pagerduty import CLOCK_MARGIN, INDEXING_BOUND, PagerDuty
from vendors.pagerduty_signatures import SYMPTOMS

# A change event carries our time; it is looked for until this long after.
SEARCH_SPAN = timedelta(hours=1)
PAGE_CHANGES = 100


def change_probe(client: PagerDuty) -> Probe:
    """Return the probe that wakes nobody; without a REST key it is sent and not confirmed, as the incident is."""
    look = () if not client.service_id else (partial(read_integration, client),)
    confirm = (*look, partial(find_change, client)) if client.api_key else ()
    return Probe("change event", partial(send_change, client), confirm, (), INDEXING_BOUND)


def send_change(client: PagerDuty, nonce: str, at: datetime) -> Receipt:
    payload = {
        "summary": f"opsflows verification, no action needed (verify=true nonce={nonce})",
        "source": "opsflows",
        "timestamp": at.isoformat(),
        "custom_details": {"verify": True, "nonce": nonce},
    }
    url = f"{client.events}/v2/change/enqueue"
    event = {"routing_key": client.routing_key, "payload": payload}
    call = json_call("send_change", Effect.CHANGES, "POST", url, headers={}, payload=event, nonce=nonce)
    client.wire.exchange(call, accepted=_taken)
    return Receipt(nonce, at)


def read_integration(client: PagerDuty, receipt: Receipt) -> Receipt:
    """Return the receipt with the integration that has our key, which narrows the search; unchanged where none shows it."""
    query = urlencode({"include[]": "integrations"})
    url = f"{client.api}/services/{client.service_id}?{query}"
    call = json_call("read_integration", Effect.READS, "GET", url, headers=client.rest_headers(), nonce=receipt.nonce)
    service = client.wire.exchange(call).fields().get("service")
    for row in _rows(service, "integrations"):
        if compare_digest(str(row.get("integration_key", "")).encode(), client.routing_key.encode()):
            return receipt.with_ids(searched_integration_id=str(row.get("id", "")))
    return receipt


def find_change(client: PagerDuty, receipt: Receipt) -> Receipt:
    """Return the receipt with the integration that PagerDuty says the change came with, or raise NotYet."""
    start = receipt.sent_at - CLOCK_MARGIN
    query = [("since", start.isoformat()), ("until", (receipt.sent_at + SEARCH_SPAN).isoformat()),
             ("time_zone", "UTC"), ("limit", str(PAGE_CHANGES))]  # fmt: skip
    searched = receipt.ids.get("searched_integration_id")
    query += [("integration_ids[]", searched)] if searched else []
    url = f"{client.api}/change_events?{urlencode(query)}"
    call = json_call("find_change", Effect.READS, "GET", url, headers=client.rest_headers(), nonce=receipt.nonce)
    for change in _rows(client.wire.exchange(call).fields(), "change_events"):
        if receipt.nonce in str(change.get("summary", "")):
            integration = change.get("integration")
            told = str(integration.get("id", "")) if isinstance(integration, dict) else ""
            return receipt.with_ids(change_id=str(change.get("id", "")), integration_id=told)
    raise error_of(SYMPTOMS["pagerduty.change_unseen"], NotYet, nonce=receipt.nonce)


def _taken(answer: Answer) -> bool:
    return succeeded(answer) and answer.fields().get("status") == "success"


def _rows(holder: object, name: str) -> list[dict[str, Any]]:
    rows = holder.get(name) if isinstance(holder, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
