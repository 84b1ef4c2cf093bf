"""Splunk: an event sent to the HTTP Event Collector, read back by search, or by the collector's own acknowledgement.

A 200 of the collector is given before the event enters the pipeline, where it can still be lost. Nothing is deleted:
probes belong in an index with a short retention.
Source: https://help.splunk.com/en/splunk-enterprise/get-started/get-data-in (HTTP Event Collector), .../rest-api-reference
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from domain.diagnosis import error_of
from domain.errors import BadInput, NotYet, OpsError, Rejected
from domain.exchanges import Effect
from domain.names import Purpose
from domain.probes import Receipt
from vendors.capabilities import Integration, Probe, Variable
from vendors.fields import NOTHING_SENT, matching, one_of, web_address
from vendors.http import Answer, Call, Conduct, Wire, json_call, succeeded
from vendors.splunk_signatures import SIGNATURES, SYMPTOMS

PUBLISHED_HOSTS = ("*.splunkcloud.com",)
INDEXING_BOUND = timedelta(seconds=60)
# The event carries our time, which a search finds exactly; when it was indexed is told by Splunk's clock.
EVENT_MARGIN = timedelta(minutes=1)
CLOCK_MARGIN = timedelta(minutes=5)
INDEXED_WITHIN = timedelta(hours=1)
INSECURE = "1"
SOURCETYPE = "opsflows:verify"
_COLLECTOR = "/services/collector"
# Success, and success with a warning that the collector's queue or acknowledgements run full.
_TAKEN = frozenset({0, 24, 25})


@dataclass(frozen=True, slots=True)
class Splunk:
    """Sends by HEC token; reads by search where there is a token for that, else by acknowledgement where HEC gives one.

    `collector` and `api` have wires of their own: they are two ports, often of two schemes.
    """

    hec_token: str = field(repr=False)
    hec: str
    token: str = field(repr=False)
    api: str
    index: str
    collector_wire: Wire
    api_wire: Wire

    @property
    def probes(self) -> tuple[Probe, ...]:
        if self.token:
            return (Probe("event", self.send_event, (self.search_event,), (), INDEXING_BOUND, self.explain),)
        return (
            Probe("event", self.send_event, (self.poll_ack,), (), INDEXING_BOUND, self.explain, _has_ack),
        )  # fmt: skip

    def close(self) -> None:
        self.collector_wire.close()
        self.api_wire.close()

    def send_event(self, nonce: str, at: datetime) -> Receipt:
        event = {
            # Plain decimals: scientific notation is refused with code 15.
            "time": round(at.timestamp(), 3),
            "host": "opsflows",
            "source": "opsflows",
            "sourcetype": SOURCETYPE,
            **({"index": self.index} if self.index else {}),
            "event": {"message": "opsflows verification, no action needed", "verify": "true", "nonce": nonce},
            "fields": {"verify": "true", "nonce": nonce},
        }
        call = json_call(
            "send_event", Effect.CHANGES, "POST", f"{self.hec}{_COLLECTOR}/event",
            headers=self._collector_headers(nonce), payload=event, nonce=nonce,
        )  # fmt: skip
        answer = self.collector_wire.exchange(call, accepted=_taken).fields()
        receipt = Receipt(nonce, at)
        return receipt.with_ids(ack_id=str(answer["ackId"])) if "ackId" in answer else receipt

    def poll_ack(self, receipt: Receipt) -> Receipt:
        """Return the receipt with `acked` once the event is indexed, or raise NotYet.

        Splunk says so once and then forgets it, so an acknowledged receipt is not asked about again.
        """
        if "acked" in receipt.ids:
            return receipt
        ack_id = receipt.ids["ack_id"]
        # Reading takes the answer away: a lost one must not be asked for again as if nothing had happened.
        call = json_call(
            "poll_ack", Effect.CHANGES, "POST", f"{self.hec}{_COLLECTOR}/ack",
            headers=self._collector_headers(receipt.nonce), payload={"acks": [int(ack_id)]}, nonce=receipt.nonce,
        )  # fmt: skip
        acks = self.collector_wire.exchange(call, accepted=_lists_acks).fields()["acks"]
        if acks.get(ack_id) is not True:
            raise _told("splunk.not_acknowledged", NotYet, receipt)
        return receipt.with_ids(acked="true")

    def search_event(self, receipt: Receipt) -> Receipt:
        """Return the receipt once a search by the nonce counts the event, or raise NotYet while it counts none."""
        at = receipt.sent_at
        search = (
            f'search index={self.index or "*"} "{receipt.nonce}"'
            f" _index_earliest={_epoch(at - CLOCK_MARGIN)} _index_latest={_epoch(at + INDEXED_WITHIN)} | stats count"
        )
        form = {
            "search": search,
            "earliest_time": str(_epoch(at - EVENT_MARGIN)),
            "latest_time": str(_epoch(at + EVENT_MARGIN)),
            "output_mode": "json",
            "preview": "false",
        }
        call = Call(
            "search_event", Effect.READS, "POST", f"{self.api}/services/search/v2/jobs/export",
            {"authorization": f"Bearer {self.token}", "content-type": "application/x-www-form-urlencoded"},
            urlencode(form).encode(), receipt.nonce,
        )  # fmt: skip
        answer = self.api_wire.exchange(call, accepted=lambda a: succeeded(a) and _counted(a) is not None)
        if not _counted(answer):
            raise _told("splunk.unseen", NotYet, receipt)
        return receipt

    def explain(self, receipt: Receipt) -> OpsError:
        """Return what a 200 without an event means; the collector itself cannot be asked."""
        return _told("splunk.lost_after_200" if self.index else "splunk.index_not_named", Rejected, receipt)

    def _collector_headers(self, nonce: str) -> dict[str, str]:
        """The channel is always sent: a token with acknowledgements refuses without, the others do not mind."""
        return {
            "authorization": f"Splunk {self.hec_token}",
            "x-splunk-request-channel": str(uuid.UUID(hex=nonce)),
        }


def _has_ack(receipt: Receipt) -> bool:
    return "ack_id" in receipt.ids


def _taken(answer: Answer) -> bool:
    return succeeded(answer) and answer.fields().get("code") in _TAKEN


def _lists_acks(answer: Answer) -> bool:
    return succeeded(answer) and isinstance(answer.fields().get("acks"), dict)


def _counted(answer: Answer) -> int | None:
    """Return the count in the export's last row, or None where no final row has one: a cut answer is not 0 events."""
    counts = [row["result"].get("count", "") for row in _final_rows(answer)]
    return int(counts[-1]) if counts and str(counts[-1]).isdecimal() else None


def _final_rows(answer: Answer) -> Iterator[dict[str, Any]]:
    for line in answer.text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and not row.get("preview") and isinstance(row.get("result"), dict):
            yield row


def _epoch(at: datetime) -> int:
    return int(at.timestamp())


def _told(symptom: str, kind: type[OpsError], receipt: Receipt) -> OpsError:
    return error_of(SYMPTOMS[symptom], kind, nonce=receipt.nonce)


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> Splunk:
    """Return a client for the checked values. `address` changes nothing: every Splunk has addresses of its own.

    `insecure` switches the check of certificates off; the caller refuses it outside dev environments.

    Raises:
        BadInput: a host is not allowed in this environment, or reading back has one of its two values only.
    """
    del address
    token, api = values.get("token", ""), values.get("api_url", "")
    # A token that manages needs the same address, and may be there without one that searches.
    if bool(token) != bool(api) and not (api and values.get("manage_token")):
        raise BadInput(
            f"{'SPLUNK_API_URL' if token else 'SPLUNK_TOKEN'} is missing, and its counterpart is there.",
            f"Splunk is searched with a token at an address, both or none. {NOTHING_SENT}",
            "Add what is missing, or leave both out: an event is then confirmed only by a HEC acknowledgement.",
        )
    wires = [
        Wire(
            "splunk", conduct, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS,
            verify_tls=values.get("insecure") != INSECURE,
        )
        for _ in ("collector", "api")
    ]  # fmt: skip
    for url in (values["hec_url"], api):
        if url:
            wires[0].check_host(url)
    return Splunk(values["hec_token"], values["hec_url"], token, api, values.get("index", ""), *wires)


_HEC_HINT = (
    "Write the collector's address like https://<host>:8088; Splunk Cloud: https://http-inputs-<stack>.splunkcloud.com."
)


def hec_url(value: str) -> str:
    """Return the collector's address without its path, which may be there or not."""
    checked = web_address(_HEC_HINT)(value)
    return re.sub(rf"{_COLLECTOR}(/(event|raw|health)(/1\.0)?)?$", "", checked)


def api_url(value: str) -> str:
    """Return the management address without a path."""
    checked = web_address("Write the management address like https://<host>:8089, not the web interface's (8000).")(
        value
    )
    return checked.removesuffix("/services")


_API_TOKEN_SHAPE = matching(
    r"[0-9A-Za-z_.^+/=-]{20,}",
    "an authentication token (20 characters or more, no blanks)",
    "Copy the token when it is created, it is shown once; a HEC token is not one.",
)

INTEGRATION = Integration(
    name="splunk",
    title="Splunk",
    setup_minutes=45,
    variables=(
        Variable("SPLUNK_HEC_TOKEN", "hec_token", Purpose.SEND, secret=True, required=True,
                 where="Settings > Data Inputs > HTTP Event Collector > New Token",
                 scopes="none: a HEC token may only send to its allowed indexes",
                 rotated="a second HEC token, swap, verify, disable and delete the old one; Splunk Enterprise's API can do all of it",
                 check=matching(r"[0-9A-Za-z][0-9A-Za-z_-]{15,63}", "a HEC token (usually 8-4-4-4-12 hex characters)", "Copy the Token Value from Settings > Data Inputs > HTTP Event Collector, without the word Splunk.")),
        Variable("SPLUNK_HEC_URL", "hec_url", Purpose.SEND, secret=False, required=True,
                 where="Settings > Data Inputs > HTTP Event Collector > Global Settings (port, SSL); with or without /services/collector",
                 scopes="-", rotated="-", check=hec_url),
        Variable("SPLUNK_HEC_INSECURE", "insecure", Purpose.SEND, secret=False, required=False,
                 where="1 switches the check of Splunk's certificates off, on both ports; refused outside dev environments",
                 scopes="-", rotated="-", dev_only=True,
                 check=one_of(("0", INSECURE), "Leave it out; 1 is for a self-signed certificate in a dev environment.")),
        Variable("SPLUNK_TOKEN", "token", Purpose.READ, secret=True, required=False,
                 where="Settings > Tokens > New Token, for a user whose role may search the index",
                 scopes="capability search, and the index under the role's searchable indexes (srchIndexesAllowed)",
                 rotated="by hand: a second token of the same user, swap, delete the old one",
                 check=_API_TOKEN_SHAPE),
        Variable("SPLUNK_API_URL", "api_url", Purpose.READ, secret=False, required=False,
                 where="the management port, 8089 unless changed (Settings > Server settings > General); on Splunk Cloud allow this machine's address first",
                 scopes="-", rotated="-", check=api_url),
        Variable("SPLUNK_INDEX", "index", Purpose.SEND, secret=False, required=False,
                 where="Settings > Indexes; one of the token's allowed indexes, best one for tests with a short retention",
                 scopes="-", rotated="-",
                 check=matching(r"[a-z0-9][a-z0-9_-]{0,79}", "an index's name (a-z, 0-9, _ and -)", "Copy it from Settings > Indexes.")),
        Variable("SPLUNK_MANAGE_TOKEN", "manage_token", Purpose.MANAGE, secret=True, required=False,
                 where="Settings > Tokens > New Token, for a user of its own whose role may edit HEC tokens; goes to SPLUNK_API_URL, for rotation alone",
                 scopes="capabilities edit_token_http and list_token_http, and no index",
                 rotated="by hand, after all others: a second token of the same user, swap, delete the old one",
                 check=_API_TOKEN_SHAPE),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="a search for verify=true in the index shows the test event",
    clicks=(
        "Open Settings > Indexes > New Index: opsflows_verify, with a retention of a few days.",
        "Open Settings > Data Inputs > HTTP Event Collector > Global Settings: All Tokens Enabled; note port and SSL.",
        "New Token: name it after the environment, allow the one index, leave the source type automatic; copy the Token Value.",
        "Open Settings > Roles > New Role: capability search, and the one index under Indexes. Give it to a user of its own.",
        "Open Settings > Tokens > New Token for that user, and copy it: it is shown once.",
    ),
    after_set_up="Create the alerts (saved searches with an action) and leave verify=true out of them; verification shows "
    "that the event can be searched, not that an alert tells anyone.",
)  # fmt: skip
