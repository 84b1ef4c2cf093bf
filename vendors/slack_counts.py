"""Slack has no counter: messages that apps posted are listed from the channel's history, and counted here.

Replies in threads are not in that history, and what a retention setting deleted is not there either.
Source: https://docs.slack.dev/reference/methods/conversations.history, https://docs.slack.dev/messaging/message-metadata
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from domain.diagnosis import Symptom, error_of
from domain.errors import BadInput, OpsError, Unavailable
from domain.event_counts import Clock, Listed, Page, Unit
from domain.exchanges import Effect
from domain.listed_events import page_of
from domain.reconciliation_sections import ReceivedSection
from domain.windows import DAY, Window
from vendors.counting import Counting
from vendors.event_fields import Field, Fields, as_text, nested, text_at, type_reader
from vendors.http import Answer, Call, Conduct, Wire, succeeded
from vendors.slack import API, HISTORY_PAGE_MESSAGES, PUBLISHED_HOSTS, SIGNATURES

LIST_VERB = "list_events"
# Refusals of the history read the same, whatever it is read for.
COUNT_SIGNATURES = tuple(
    replace(row, verbs=frozenset({LIST_VERB})) for row in SIGNATURES if not row.verbs or "read_history" in row.verbs
)

SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("slack.history_partial", "Slack's answer to list_events is not a whole page of the channel's history.", "It lacks its messages, a message's time, or the cursor to the messages that it says follow; a count of it would be too low.", "Ask again; if it stays, compare the answer's form with the page of conversations.history."),
    )
}  # fmt: skip

_SETTING = "received.<environment>.slack"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TS = re.compile(r"(\d{1,11})\.(\d{6})")
# Joins, topics, added apps and the like are messages of a channel too; these three are what an app said.
_SAID_BY_APPS = frozenset({"", "bot_message", "thread_broadcast"})
_POSTER = re.compile(r"(bot_id|app_id):([A-Z0-9]+)")
_PROBE_MARK = "verify=true nonce="


@dataclass(frozen=True, slots=True)
class SlackCounter:
    """Reads one channel's history as a member of the channel."""

    bot_token: str = field(repr=False)
    channel: str
    api: str
    wire: Wire
    by_ids: bool
    type_of: Field
    id_of: Field
    is_counted: Callable[[Mapping[str, Any]], bool]

    def page(self, window: Window, cursor: str) -> Page:
        """Return one page of the messages of the window, newest first.

        Raises:
            Rejected, Unavailable: Slack refused, or did not answer with a whole page.
        """
        call = Call(LIST_VERB, Effect.READS, "GET", self._url(window, cursor), self._bearer())
        answer = self.wire.exchange(call, accepted=_ok).fields()
        following = as_text(nested(answer, "response_metadata", "next_cursor"))
        if answer.get("has_more") is True and not following:
            raise _partial()
        return page_of(self._listed(answer.get("messages")), window, following, by_ids=self.by_ids)

    def close(self) -> None:
        self.wire.close()

    def _url(self, window: Window, cursor: str) -> str:
        # Both ends are in: the last microsecond before the window's end is the last that a message can have.
        bounds = {"oldest": _ts(window.start), "latest": _ts(window.end - _MICROSECOND), "inclusive": "true"}
        query = {"channel": self.channel, **bounds, "limit": HISTORY_PAGE_MESSAGES, "include_all_metadata": "true"}
        return f"{self.api}/conversations.history?{urlencode(query | ({'cursor': cursor} if cursor else {}))}"

    def _bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.bot_token}"}

    def _listed(self, messages: object) -> Iterator[Listed]:
        if not isinstance(messages, list):
            raise _partial()
        for message in messages:
            at = _moment(as_text(nested(message, "ts")))
            if at is None:
                raise _partial()
            if self.is_counted(message):
                event_id = self.id_of(message) or f"slack:{message['ts']}"
                yield Listed(event_id, at, self.type_of(message), is_probe=_PROBE_MARK in as_text(message.get("text")))


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct, section: ReceivedSection) -> SlackCounter:
    """Return what counts the messages of SLACK_CHANNEL.

    Raises:
        BadInput: there is no token to read with, a field of opsflows.toml is none that Slack shows, or the host is not
            allowed in this environment.
    """
    token, channel = values.get("bot_token", ""), values.get("channel", "")
    if not token or not channel:
        raise BadInput(
            "SLACK_BOT_TOKEN or SLACK_CHANNEL is missing.",
            "Slack shows messages to a bot of the channel alone. Nothing was counted.",
            "Copy both as docs/integrations/slack.md says, and run opsflows connect slack.",
        )
    type_of = type_reader(section, FIELDS, _SETTING)
    id_of = FIELDS.of(section.id_field or "metadata.event_id", f"{_SETTING}.id_field")
    is_counted = _poster(section.query)
    wire = Wire("slack", conduct, signatures=COUNT_SIGNATURES, published_hosts=PUBLISHED_HOSTS)
    api = f"{address}/api" if address else API
    wire.check_host(api)
    return SlackCounter(token, channel, api, wire, section.by == "ids", type_of, id_of, is_counted)


def _in_metadata(name: str) -> Field:
    if name == "event_type":
        return text_at("metadata", "event_type")
    return text_at("metadata", "event_payload", name)


def _in_text(name: str) -> Field:
    """Return what reads `name=value` in the message's text; a value ends at a blank or a closing bracket."""
    marked = re.compile(rf"(?<![\w.-]){re.escape(name)}=([^\s)\]>,;]+)")

    def read(message: Mapping[str, Any]) -> str:
        found = marked.search(as_text(message.get("text")))
        return found[1] if found else ""

    return read


FIELDS = Fields(
    {"bot_id": text_at("bot_id"), "app_id": text_at("app_id")}, {"metadata": _in_metadata, "text": _in_text}
)

COUNTING = Counting(
    integration="slack",
    connect=connect,
    counts="messages that apps posted to SLACK_CHANNEL and that are still there; no replies in threads",
    unit=Unit.EVENTS,
    clock=Clock.RECEIVED,
    lists_ids=True,
    type_fields="metadata.event_type or metadata.<key> (message metadata), text.<name> (name=value in the text), bot_id, app_id",
    reporting_lag=timedelta(minutes=1),
    # The workspace decides how long it keeps messages, from one day on; free ones show 90 days. So the collector keeps them.
    retention=timedelta(days=45),
    longest=DAY,
    # A channel takes about a message a second: a burst waits in the sender's queue, here of some 300 messages.
    shifts_at_day_end=timedelta(minutes=5),
)


def _poster(query: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return what tells an app's message, of the one poster that the query names or of any."""
    named = _POSTER.fullmatch(query)
    if query and named is None:
        raise BadInput(
            f"{_SETTING}.query {query!r} names no poster.",
            "Slack's history cannot be searched; only who posted a message can be told. Nothing was counted.",
            "Write bot_id:B... or app_id:A... in opsflows.toml, or leave query out: messages of all apps then count.",
        )

    def is_counted(message: Mapping[str, Any]) -> bool:
        said = bool(message.get("bot_id")) and as_text(message.get("subtype")) in _SAID_BY_APPS
        return said and (named is None or message.get(named[1]) == named[2])

    return is_counted


def _ts(moment: datetime) -> str:
    micros = (moment - _EPOCH) // _MICROSECOND
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def _moment(ts: str) -> datetime | None:
    found = _TS.fullmatch(ts)
    return _EPOCH + timedelta(seconds=int(found[1]), microseconds=int(found[2])) if found else None


def _ok(answer: Answer) -> bool:
    return succeeded(answer) and answer.fields().get("ok") is True


def _partial() -> OpsError:
    return error_of(SYMPTOMS["slack.history_partial"], Unavailable)
