"""What Slack's stand-in remembers: a workspace with apps, their webhooks and bots, and channels with messages."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from mocks.stage import Desk

SCOPES = ("incoming-webhook", "chat:write", "channels:history", "channels:read")


@dataclass(frozen=True, slots=True)
class Seed:
    """The workspace, one channel, and one app with a webhook and a bot."""

    team_id: str
    channel_id: str
    app_id: str
    bot_id: str
    bot_token: str
    webhook_id: str
    webhook_secret: str


@dataclass(slots=True)
class SlackApp:
    """An app; `token` is its bot's."""

    app_id: str
    name: str
    bot_id: str
    token: str
    installed: bool = True
    token_revoked: bool = False
    scopes: list[str] = field(default_factory=lambda: list(SCOPES))


@dataclass(slots=True)
class Webhook:
    webhook_id: str
    secret: str
    app_id: str
    channel_id: str
    active: bool = True


@dataclass(slots=True)
class Message:
    """`at` and `visible_at` are epoch seconds; `ts` is Slack's id of the message in its channel.

    `metadata` is what the app attached for other apps: event_type and event_payload.
    """

    ts: str
    text: str
    blocks: list[Any]
    attachments: list[Any]
    bot_id: str
    app_id: str
    at: float
    visible_at: float
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def micros(self) -> int:
        """The moment that `ts` names, in epoch microseconds."""
        return int(self.ts.replace(".", ""))


@dataclass(slots=True)
class Channel:
    """`messages` are in the order of their ts."""

    channel_id: str
    name: str
    members: list[str]
    archived: bool = False
    messages: list[Message] = field(default_factory=list)


@dataclass(slots=True)
class Memory:
    """Apps and channels by id, webhooks by their B... id; `largest_page` is the most messages that a history page holds."""

    apps: dict[str, SlackApp]
    webhooks: dict[str, Webhook]
    channels: dict[str, Channel]
    largest_page: int = 999


SlackDesk = Desk[Seed, Memory]


def identifier(letter: str) -> str:
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
    return letter + "0" + "".join(secrets.choice(alphabet) for _ in range(9))


def new_token() -> str:
    number = "".join(secrets.choice("123456789") for _ in range(12))
    return f"xoxb-{number}-{number[::-1]}-{secrets.token_hex(12)}"


def new_seed() -> Seed:
    return Seed(
        team_id=identifier("T"),
        channel_id=identifier("C"),
        app_id=identifier("A"),
        bot_id=identifier("B"),
        bot_token=new_token(),
        webhook_id=identifier("B"),
        webhook_secret=secrets.token_hex(12),
    )


def new_memory(seed: Seed) -> Memory:
    app = SlackApp(seed.app_id, "opsflows", seed.bot_id, seed.bot_token)
    webhook = Webhook(seed.webhook_id, seed.webhook_secret, seed.app_id, seed.channel_id)
    channel = Channel(seed.channel_id, "on-call", [seed.app_id])
    return Memory({app.app_id: app}, {webhook.webhook_id: webhook}, {channel.channel_id: channel})
