"""Splunk's HEC tokens: listed, made with a value that we choose, switched and deleted through the management API.

Because we choose the value, a lost answer loses nothing: the listing shows whether a token with it is there.
On Splunk Cloud these addresses are mostly closed, and its Admin Config Service or a person takes their place.
Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (input endpoints: data/inputs/http),
https://help.splunk.com (HTTP Event Collector, use cURL to manage tokens)
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
from vendors.http import Answer, Call, Wire, succeeded
from vendors.rotation import HeldOpen

# Splunk's own app for HEC tokens; one made elsewhere is listed and addressed without an app all the same.
_MADE_IN = "/servicesNS/nobody/splunk_httpinput/data/inputs/http"
INPUTS = "/services/data/inputs/http"
# Every request says so, in the address.
AS_JSON = "?output_mode=json"
_SCHEME = "http://"
PAGE_TOKENS = 100
SHOWN_CHARACTERS = 4
# A receiver of its own shows and honours a token at once; a deployment to several takes as long as it takes.
LISTING_LAG = timedelta(seconds=10)

_CHANGES = frozenset({"create", "disable", "enable", "revoke"})
_MANAGE = _CHANGES | {"list_credentials", "check_manage_token"}
_CREATE, _ENABLE = frozenset({"create"}), frozenset({"enable"})
_FAILED = frozenset(range(500, 600)) | {408}
_FALSE = frozenset({"", "0", "false", "f", "no", "none"})


def _row(
    name: str, statuses: frozenset[int], means: str, next_step: str, *,
    verbs: frozenset[str] = _MANAGE, kind: Kind = Kind.REJECTED, marker: str = "",
) -> Signature:  # fmt: skip
    return Signature(
        f"splunk.{name}", statuses, kind, "Splunk answered {status} to {verb}.", means, next_step, marker, verbs
    )


SIGNATURES = (
    _row("manage_token_unknown", frozenset({401}), "SPLUNK_MANAGE_TOKEN is wrong, expired or was deleted, or token authentication is switched off.", "Create a token under Settings > Tokens (enable token authentication there), and run opsflows connect splunk."),
    _row("manage_denied", frozenset({403}), "The user of SPLUNK_MANAGE_TOKEN may not look after HEC tokens.", "Give the user's role the capabilities edit_token_http and list_token_http."),
    # The status for a name that is taken is not confirmed by a page of Splunk's; some versions answer 400 and say it.
    _row("marker_taken", frozenset({400, 409}), "A HEC token of that name is there already; an earlier run may have made it.", "Look under Settings > Data Inputs > HTTP Event Collector; the next step lists the tokens before another is made.", verbs=_CREATE, kind=Kind.OUTCOME_UNKNOWN, marker="already exists"),
    _row("token_conflict", frozenset({409}), "Something of that name or value may be there already; an earlier run may have made it.", "Look under Settings > Data Inputs > HTTP Event Collector; the next step lists the tokens before another is made.", verbs=_CREATE, kind=Kind.OUTCOME_UNKNOWN),
    _row("token_refused", frozenset({400}), "Splunk does not take the new HEC token as we describe it: most often an index of the old one is gone.", "Compare the old token's allowed indexes with Settings > Indexes, correct the old token, and run the rotation again.", verbs=_CREATE),
    _row("hec_token_gone", frozenset({404}), "The HEC token was deleted, so it cannot be switched on again.", "Make a new one with a new value.", verbs=_ENABLE),
    _row("no_inputs", frozenset({404, 405}), "No management API that looks after HEC tokens answers at SPLUNK_API_URL.", "Write the management port, 8089 unless changed; on Splunk Cloud rotate HEC tokens by hand or with the Admin Config Service."),
    _row("manage_failed", _FAILED, "Splunk failed while answering; the HEC token may have been made or changed all the same.", "Look at Splunk's splunkd.log; the next step lists the tokens before anything is repeated.", verbs=_CHANGES, kind=Kind.OUTCOME_UNKNOWN),
)  # fmt: skip


@dataclass(slots=True)
class HecTokens:
    """The HEC tokens of one instance; the marker is the token's name, which is its id too.

    A new token takes what the one in use takes: `_settings` are those of the token in use, as the last walk over
    `list_credentials` found them. Without such a walk nothing can be created.
    """

    manage_token: str = field(repr=False)
    token_in_use: str = field(repr=False)
    api: str
    wire: Wire
    _settings: Mapping[str, str] | None = field(default=None, init=False)

    def list_credentials(self, cursor: str) -> Page:
        """Return one page of the HEC tokens; the cursor is the offset."""
        offset = int(cursor or "0")
        path = f"{INPUTS}?{urlencode({'output_mode': 'json', 'count': PAGE_TOKENS, 'offset': offset})}"
        answer = self._exchange("list_credentials", Effect.READS, "GET", path, accepted=is_listing).fields()
        if offset == 0:
            self._settings = None
        rows = [row for row in answer["entry"] if isinstance(row, dict)]
        for row in rows:
            if _same(_content(row).get("token"), self.token_in_use):
                self._settings = _settings_of(_content(row))
        end = offset + len(rows)
        more = bool(rows) and end < int(answer["paging"]["total"])
        # The entry "http" is the collector itself and no token.
        listed = tuple(_listed(row) for row in rows if str(row.get("name", "")).startswith(_SCHEME))
        return Page(listed, str(end) if more else "")

    def create(self, marker: str, value: str) -> Minted:
        """Make a token of that name and value, which takes what the token in use takes.

        Raises:
            BadInput: the value is missing, or no listing has shown the token in use.
        """
        if not value:
            raise BadInput(
                "A HEC token needs a value that we choose, and none was given.",
                "Chosen here, it is known whatever becomes of the answer. Nothing was sent.",
                "Report it: this is a fault of ours.",
            )
        if self._settings is None:
            raise BadInput(
                "The HEC token in use is not among those that Splunk listed.",
                "A new one must take the same indexes, and those are read off the one in use. Nothing was sent.",
                "Compare SPLUNK_HEC_TOKEN with Settings > Data Inputs > HTTP Event Collector; list the tokens again.",
            )
        form = {"name": marker, "token": value, "disabled": "0", **self._settings}
        self._exchange("create", Effect.CHANGES, "POST", f"{_MADE_IN}{AS_JSON}", form=form, accepted=_holds(value))
        return Minted(marker, value)

    def disable(self, vendor_id: str) -> None:
        """Switch it off; one that is gone cannot be used either, so that is done too."""
        path = f"{_path(vendor_id)}/disable{AS_JSON}"
        self._exchange("disable", Effect.CHANGES, "POST", path, accepted=_done_or_gone)

    def enable(self, vendor_id: str) -> None:
        """Switch it on. One that is gone stays gone, which is refused."""
        self._exchange("enable", Effect.CHANGES, "POST", f"{_path(vendor_id)}/enable{AS_JSON}", accepted=_done)

    def revoke(self, vendor_id: str) -> None:
        """Delete the token; one that is gone already is done."""
        self._exchange("revoke", Effect.CHANGES, "DELETE", f"{_path(vendor_id)}{AS_JSON}", accepted=_done_or_gone)

    def held_open(self, vendor_id: str, cursor: str) -> HeldOpen:
        """Return nothing: an event needs its token only once."""
        del vendor_id, cursor
        return HeldOpen()

    def close(self) -> None:
        self.wire.close()

    def _exchange(
        self, verb: str, effect: Effect, method: str, path: str, *,
        accepted: Callable[[Answer], bool], form: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        headers = {"authorization": f"Bearer {self.manage_token}", "content-type": "application/x-www-form-urlencoded"}
        body = urlencode(form or {}).encode()
        return self.wire.exchange(Call(verb, effect, method, f"{self.api}{path}", headers, body), accepted)


def is_listing(answer: Answer) -> bool:
    """Accept a list with its total, which may be empty: a list that could not be read is not an empty one."""
    fields = answer.fields()
    paging = fields.get("paging")
    whole = isinstance(fields.get("entry"), list) and isinstance(paging, dict) and isinstance(paging.get("total"), int)
    return succeeded(answer) and whole


_GONE = 404


def _path(vendor_id: str) -> str:
    return f"{INPUTS}/{quote(vendor_id, safe='')}"


def _done(answer: Answer) -> bool:
    """Accept Splunk's own word: what something on the way says with a 200 changed nothing."""
    return succeeded(answer) and isinstance(answer.fields().get("entry"), list)


def _done_or_gone(answer: Answer) -> bool:
    return _done(answer) or answer.status == _GONE


def _holds(value: str) -> Callable[[Answer], bool]:
    """Return a check that the token was made with our value and no other."""

    def accepted(answer: Answer) -> bool:
        entries = answer.fields().get("entry")
        made = entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}
        return succeeded(answer) and _same(_content(made).get("token"), value)

    return accepted


def _listed(row: Mapping[str, Any]) -> ListedCredential:
    content = _content(row)
    name, token = str(row.get("name", "")).removeprefix(_SCHEME), str(content.get("token") or "")
    return ListedCredential(
        name, name, enabled=not _flag(content.get("disabled")), hint=token[-SHOWN_CHARACTERS:], fits=_fitting(token)
    )


def _fitting(token: str) -> Callable[[str], Fit]:
    """Return a comparison with the token, which nothing else holds."""

    def fits(value: str) -> Fit:
        return Fit.EXACT if _same(token, value) else Fit.NO

    return fits


def _settings_of(content: Mapping[str, Any]) -> dict[str, str]:
    """Return what a new token must be given to take what this one takes. What is empty is left to Splunk's default."""
    indexes = content.get("indexes") or []
    named = {
        "index": str(content.get("index") or ""),
        "indexes": ",".join(map(str, indexes)) if isinstance(indexes, list) else str(indexes),
        "sourcetype": str(content.get("sourcetype") or ""),
        "source": str(content.get("source") or ""),
    }
    return {
        **{name: text for name, text in named.items() if text},
        "useACK": "1" if _flag(content.get("useACK")) else "0",
    }


def _content(row: Mapping[str, Any]) -> dict[str, Any]:
    content = row.get("content")
    return content if isinstance(content, dict) else {}


def _same(token: object, value: str) -> bool:
    return bool(token) and compare_digest(str(token).encode(), value.encode())


def _flag(value: object) -> bool:
    """Read a switch, which Splunk writes as true, 1 or "1"."""
    return str(value).lower() not in _FALSE
