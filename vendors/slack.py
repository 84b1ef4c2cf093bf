"""Slack: a message through an incoming webhook, read back and deleted with a bot token of the same app.

Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
https://docs.slack.dev/reference/methods/conversations.history, .../chat.delete
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from domain.diagnosis import Kind, Signature
from domain.errors import BadInput, NotYet
from domain.exchanges import Effect
from domain.names import Purpose
from domain.probes import CleanUp, Receipt
from vendors.capabilities import Integration, Notice, Probe, Variable
from vendors.fields import NOTHING_SENT, matching
from vendors.http import Answer, Call, Conduct, Wire, json_call, succeeded

API = "https://slack.com/api"
PUBLISHED_HOSTS = ("slack.com", "hooks.slack.com")
INDEXING_BOUND = timedelta(seconds=15)
# Slack's clock and ours may differ; a history read starts this much before the message was sent.
CLOCK_MARGIN = timedelta(minutes=5)
# https://docs.slack.dev/reference/methods/conversations.history: 999 at most, 15 for some distributed apps.
HISTORY_PAGE_MESSAGES = 999

_ANY_OK = frozenset({200, 400, 403, 404, 410})


def _webhook(marker: str, means: str, next_step: str) -> Signature:
    return Signature(
        f"slack.{marker}", _ANY_OK, Kind.REJECTED, "Slack answered {status} " + marker + " to the webhook.",
        means, next_step, marker, frozenset({"send_message", "notify", "check_webhook"}),
    )  # fmt: skip


def _api(marker: str, means: str, next_step: str, kind: Kind = Kind.REJECTED, name: str = "") -> Signature:
    return Signature(
        f"slack.{name or marker}", frozenset({200, 401, 403, 429}), kind, "Slack answered " + marker + " to {verb}.",
        means, next_step, f'"{marker}"', frozenset({"read_history", "find_message", "delete_message", "check_token"}),
    )  # fmt: skip


_NEW_WEBHOOK = (
    "Create a webhook for the channel in the app's settings (Incoming Webhooks) and run opsflows connect slack."
)
_BOT_TOKEN = "Reinstall the app, copy the Bot User OAuth Token, and run opsflows connect slack."  # noqa: S105

# Source: https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks and the methods' pages.
SIGNATURES = (
    _webhook("no_service", "The webhook was revoked: the app was uninstalled, the channel deleted or the URL rotated.", _NEW_WEBHOOK),
    _webhook("no_team", "The workspace in the webhook's URL does not exist.", _NEW_WEBHOOK),
    _webhook("channel_not_found", "The webhook's channel does not exist any more.", _NEW_WEBHOOK),
    _webhook("channel_is_archived", "The webhook's channel was archived.", "Unarchive the channel, or create a webhook for another one."),
    _webhook("invalid_token", "The secret part of the webhook's URL is wrong.", _NEW_WEBHOOK),
    _webhook("action_prohibited", "A workspace administrator restricts posting by webhooks.", "Ask the workspace's administrator to allow the app."),
    _webhook("invalid_payload", "Slack could not read our message: a fault of ours.", "Report it with the audit bundle."),
    _webhook("user_not_found", "The webhook writes to a person who is not in the workspace any more.", _NEW_WEBHOOK),
    _webhook("too_many_attachments", "Slack could not read our message: a fault of ours.", "Report it with the audit bundle."),
    _webhook("no_text", "Slack could not read our message: a fault of ours.", "Report it with the audit bundle."),
    Signature("slack.webhook_gone", frozenset({404, 410}), Kind.REJECTED, "Slack answered {status} to the webhook.", "The webhook was revoked: the app was uninstalled, the channel deleted or the URL rotated. Slack tells nobody when that happens.", _NEW_WEBHOOK, "", frozenset({"send_message", "notify", "check_webhook"})),
    _api("invalid_auth", "The bot token is wrong.", _BOT_TOKEN),
    _api("not_authed", "The bot token did not reach Slack: something on the way removes the Authorization header.", "Look at the proxy between this machine and Slack."),
    _api("token_revoked", "The bot token was revoked.", _BOT_TOKEN),
    _api("token_expired", "The bot token expired; the app has token rotation switched on.", _BOT_TOKEN),
    _api("account_inactive", "The bot's user or workspace was deactivated.", "Ask the workspace's administrator."),
    _api("missing_scope", "The bot token lacks channels:history (groups:history in a private channel) or chat:write.", "Add the scope in the app's settings, reinstall the app, and run opsflows connect slack."),
    _api("not_in_channel", "The bot is not a member of the channel.", "Invite it: /invite @opsflows in the channel."),
    _api("channel_not_found", "SLACK_CHANNEL names no channel that the bot can see.", "Copy the channel's id (C...) from its details and invite the bot.", name="channel_unseen"),
    _api("ratelimited", "Slack limits how often history may be read.", "Wait for the time Slack names and repeat.", Kind.UNAVAILABLE),
    Signature("slack.rollup_error", frozenset({500}), Kind.OUTCOME_UNKNOWN, "Slack answered 500 to {verb}.", "Slack failed; the message may stand in the channel all the same.", "Look at status.slack.com, then verify again.", "", frozenset({"send_message", "notify"})),
    Signature("slack.not_ok", frozenset({200}), Kind.REJECTED, "Slack answered 200, but not ok, to {verb}.", "A 200 of Slack is success only when it says ok.", "Look the error up on the integration's page, docs/integrations/slack.md.", '"error"'),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slack:
    """Sends by webhook; reads and deletes by bot token where there is one."""

    webhook_url: str = field(repr=False)
    bot_token: str = field(repr=False)
    channel: str
    api: str
    wire: Wire

    @property
    def probes(self) -> tuple[Probe, ...]:
        can_read = bool(self.bot_token)
        return (
            Probe(
                "message",
                self.send_message,
                (self.read_history,) if can_read else (),
                (self.delete_message,) if can_read else (),
                INDEXING_BOUND,
            ),
        )

    def close(self) -> None:
        self.wire.close()

    def send_message(self, nonce: str, at: datetime) -> Receipt:
        text = f"opsflows verification, no action needed (verify=true nonce={nonce})"
        call = json_call(
            "send_message", Effect.CHANGES, "POST", self.webhook_url, headers={}, payload={"text": text}, nonce=nonce
        )
        self.wire.exchange(call, accepted=lambda answer: succeeded(answer) and answer.text.strip() == "ok")
        return Receipt(nonce, at)

    def read_history(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the message's ts and bot, or raise NotYet while it is not in the channel."""
        return self._find("read_history", receipt.nonce, receipt.sent_at, receipt)

    def find(self, nonce: str, since: datetime) -> Receipt:
        """Find a message that another system posted, by the nonce in its text."""
        return self._find("find_message", nonce, since, Receipt(nonce, since))

    def delete_message(self, receipt: Receipt) -> CleanUp:
        """Delete the message; TAGGED where the token is of another app, which Slack does not let delete it."""
        found = receipt if "ts" in receipt.ids else self.read_history(receipt)
        call = json_call(
            "delete_message", Effect.CHANGES, "POST", f"{self.api}/chat.delete",
            headers=self._bearer(), payload={"channel": self.channel, "ts": found.ids["ts"]}, nonce=receipt.nonce,
        )  # fmt: skip
        answer = self.wire.exchange(call, accepted=lambda a: _ok(a) or _error(a) in _GONE_OR_FOREIGN)
        return CleanUp.TAGGED if _error(answer) == "cant_delete_message" else CleanUp.DONE

    def notify(self, notice: Notice, at: datetime) -> None:
        """Post the notice; Slack has no urgency, so the text says which it is."""
        del at
        text = f"[{notice.urgency.value}] {notice.title}\n{notice.text}"
        call = json_call("notify", Effect.CHANGES, "POST", self.webhook_url, headers={}, payload={"text": text})
        self.wire.exchange(call, accepted=lambda answer: succeeded(answer) and answer.text.strip() == "ok")

    def check_webhook(self) -> None:
        """Post a message without text: a webhook that works refuses the message, a revoked one is refused itself."""
        call = json_call("check_webhook", Effect.READS, "POST", self.webhook_url, headers={}, payload={"text": ""})
        self.wire.exchange(call, accepted=_refuses_the_message_alone)

    def check_token(self) -> None:
        """Ask Slack whose the bot token is."""
        call = Call("check_token", Effect.READS, "POST", f"{self.api}/auth.test", self._bearer())
        self.wire.exchange(call, accepted=_ok)

    def _find(self, verb: str, nonce: str, since: datetime, receipt: Receipt) -> Receipt:
        query = urlencode(
            {"channel": self.channel, "oldest": f"{(since - CLOCK_MARGIN).timestamp():.6f}",
             "inclusive": "true", "limit": HISTORY_PAGE_MESSAGES}
        )  # fmt: skip
        call = Call(verb, Effect.READS, "GET", f"{self.api}/conversations.history?{query}", self._bearer(), nonce=nonce)
        listed = self.wire.exchange(call, accepted=_ok).fields().get("messages")
        for message in filter(_is_message, listed if isinstance(listed, list) else []):
            if nonce in _all_text(message):
                return receipt.with_ids(ts=str(message.get("ts", "")), bot_id=str(message.get("bot_id", "")))
        raise NotYet(
            f"The message with nonce {nonce} is not in the channel yet.",
            "Slack took it; the channel's history does not show it.",
            "Wait a few seconds; if it stays away, compare SLACK_CHANNEL with the webhook's channel.",
            "slack.unseen",
        )

    def _bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.bot_token}"}


_GONE_OR_FOREIGN = frozenset({"message_not_found", "cant_delete_message"})


# Which of them a message without text gets is not documented; secret scanners tell live webhooks by the first two.
_EMPTY_MESSAGE = frozenset({"no_text", "missing_text", "invalid_payload"})
_BAD_REQUEST = 400


def _refuses_the_message_alone(answer: Answer) -> bool:
    return answer.status == _BAD_REQUEST and answer.text.strip() in _EMPTY_MESSAGE


def _ok(answer: Answer) -> bool:
    return succeeded(answer) and answer.fields().get("ok") is True


def _error(answer: Answer) -> str:
    return str(answer.fields().get("error", ""))


def _is_message(row: object) -> bool:
    return isinstance(row, dict)


def _all_text(message: Mapping[str, object]) -> str:
    """A message another app posted may carry its text in blocks or attachments only."""
    return str([message.get(key) for key in ("text", "blocks", "attachments")])


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> Slack:
    """Return a client for the checked values.

    Raises:
        BadInput: a host is not allowed in this environment, or reading back has one of its two values only.
    """
    token, channel = values.get("bot_token", ""), values.get("channel", "")
    if bool(token) != bool(channel):
        raise BadInput(
            f"{'SLACK_CHANNEL' if token else 'SLACK_BOT_TOKEN'} is missing, and its counterpart is there.",
            f"Slack's messages are read with a token, in a channel, both or none. {NOTHING_SENT}",
            "Add what is missing, or leave both out: a message is then sent, not confirmed.",
        )
    wire = Wire("slack", conduct, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS)
    api = f"{address}/api" if address else API
    for url in (values["webhook_url"], api):
        wire.check_host(url)
    return Slack(values["webhook_url"], token, channel, api, wire)


def webhook_url(value: str) -> str:
    """Check that the value has the shape of an incoming webhook's URL. The URL is the credential: never shown."""
    if not _is_webhook(value):
        raise BadInput(
            "the value is not an incoming webhook's URL (https://hooks.slack.com/services/T.../B.../...).",
            NOTHING_SENT,
            "Copy the whole URL from the app's settings, Incoming Webhooks.",
        )
    return value


def _is_webhook(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    _, services, steps = parts.path.rpartition("/services/")
    whole = bool(services) and [bool(step) for step in steps.split("/")] == [True] * 3
    return whole and parts.scheme in {"http", "https"} and bool(parts.hostname)


INTEGRATION = Integration(
    name="slack",
    title="Slack",
    setup_minutes=10,
    variables=(
        Variable("SLACK_WEBHOOK_URL", "webhook_url", Purpose.SEND, secret=True, required=True,
                 where="api.slack.com/apps > your app > Incoming Webhooks > Add New Webhook to Workspace",
                 scopes="incoming-webhook", rotated="by hand: add a second webhook, swap, remove the old one", check=webhook_url),
        Variable("SLACK_BOT_TOKEN", "bot_token", Purpose.READ, secret=True, required=False,
                 where="api.slack.com/apps > your app > OAuth & Permissions > Bot User OAuth Token",
                 scopes="channels:history, groups:history, chat:write", rotated="by hand: reinstall the app",
                 check=matching(r"xox[be][-.][A-Za-z0-9-.]+", "a bot token (xoxb-...)", "Copy the Bot User OAuth Token, not the app-level or user token.")),
        Variable("SLACK_CHANNEL", "channel", Purpose.READ, secret=False, required=False,
                 where="the channel's name > About > Channel ID", scopes="-", rotated="-",
                 check=matching(r"[CG][A-Z0-9]{2,}", "a channel id (C... or G...)", "Copy the id, not the name: channel > About > Channel ID.")),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="the test message is visible in the channel",
    clicks=(
        "Open api.slack.com/apps, Create New App, From a manifest, and paste docs/integrations/slack-manifest.yaml.",
        "Install the app to the workspace; Slack asks for the webhook's channel.",
        "Copy the webhook URL (Incoming Webhooks) and the Bot User OAuth Token (OAuth & Permissions).",
        "Invite the bot to the channel: /invite @opsflows. Copy the channel's id from About.",
    ),
    after_set_up="Choose a channel that people on call read; a webhook posts to one channel only.",
)  # fmt: skip
