"""What is done by hand in Slack and in an app's settings: the control plane's actions."""

import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType

from mocks.received_events import ReceivedEvent, accepted, received_events
from mocks.slack_memory import Channel, Message, SlackApp, SlackDesk, Webhook, identifier, new_token
from mocks.stage import Action, Order


def webhook_url(desk: SlackDesk, webhook: Webhook, base_url: str) -> str:
    return f"{base_url}/services/{desk.seed.team_id}/{webhook.webhook_id}/{webhook.secret}"


def _mint_webhook(desk: SlackDesk, order: Order) -> object:
    """Add a webhook; the ones there are go on working."""
    app_id = order.text("app_id", desk.seed.app_id)
    channel = _named_channel(desk, order)
    webhook = Webhook(identifier("B"), secrets.token_hex(12), desk.memory.apps[app_id].app_id, channel.channel_id)
    desk.memory.webhooks[webhook.webhook_id] = webhook
    return {"url": webhook_url(desk, webhook, order.base_url), "webhook_id": webhook.webhook_id}


def _revoke_webhook(desk: SlackDesk, order: Order) -> object:
    """Revoke the webhook with the `url`, or the first one."""
    url = order.text("url")
    webhook_id = url.rstrip("/").split("/")[-2] if url else desk.seed.webhook_id
    desk.memory.webhooks[webhook_id].active = False
    return {"revoked": webhook_id}


def _set_installed(*, installed: bool) -> Callable[[SlackDesk, Order], object]:
    def act(desk: SlackDesk, order: Order) -> object:
        app = desk.memory.apps[order.text("app_id", desk.seed.app_id)]
        app.installed = installed
        return {"app_id": app.app_id, "installed": installed}

    return act


def _install_app(desk: SlackDesk, order: Order) -> object:
    """Install another app, a member of the channel: its messages are not ours to delete."""
    channel = _named_channel(desk, order)
    app = SlackApp(identifier("A"), order.text("name", "another"), identifier("B"), new_token())
    webhook = Webhook(identifier("B"), secrets.token_hex(12), app.app_id, channel.channel_id)
    desk.memory.apps[app.app_id] = app
    desk.memory.webhooks[webhook.webhook_id] = webhook
    channel.members.append(app.app_id)
    return {
        "app_id": app.app_id,
        "bot_token": app.token,
        "webhook_url": webhook_url(desk, webhook, order.base_url),
        "channel": channel.channel_id,
    }


def _rotate_token(desk: SlackDesk, order: Order) -> object:
    """Reinstall with a new token; the old one is unknown from now on."""
    app = desk.memory.apps[order.text("app_id", desk.seed.app_id)]
    app.token, app.token_revoked, app.installed = new_token(), False, True
    return {"bot_token": app.token}


def _set_scopes(desk: SlackDesk, order: Order) -> object:
    app = desk.memory.apps[order.text("app_id", desk.seed.app_id)]
    app.scopes = [str(scope) for scope in order.fields["scopes"]]
    return {"scopes": app.scopes}


def _add_channel(desk: SlackDesk, order: Order) -> object:
    channel = Channel(identifier("C"), order.text("name", "another-channel"), [desk.seed.app_id])
    desk.memory.channels[channel.channel_id] = channel
    return {"channel": channel.channel_id}


def _set_archived(*, archived: bool) -> Callable[[SlackDesk, Order], object]:
    def act(desk: SlackDesk, order: Order) -> object:
        channel = _named_channel(desk, order)
        channel.archived = archived
        return {"channel": channel.channel_id, "archived": archived}

    return act


def _delete_channel(desk: SlackDesk, order: Order) -> object:
    return {"deleted": desk.memory.channels.pop(_named_channel(desk, order).channel_id).channel_id}


def _set_membership(*, member: bool) -> Callable[[SlackDesk, Order], object]:
    def act(desk: SlackDesk, order: Order) -> object:
        channel, app_id = _named_channel(desk, order), order.text("app_id", desk.seed.app_id)
        channel.members = [m for m in channel.members if m != app_id] + ([app_id] if member else [])
        return {"members": channel.members}

    return act


def _limit_history(desk: SlackDesk, order: Order) -> object:
    """Let a page of history hold so many messages at most, as apps outside the Marketplace get 15.

    Source: https://docs.slack.dev/apis/web-api/rate-limits.
    """
    desk.memory.largest_page = int(order.number("messages", 15))
    return {"messages": desk.memory.largest_page}


def _post_by_person(desk: SlackDesk, order: Order) -> object:
    """Let a person write into the channel: a message without bot and app."""
    channel, now = _named_channel(desk, order), desk.now()
    micros = int(now * 1_000_000)
    message = Message(_ts(micros), order.text("text", "good morning"), [], [], "", "", now, now)
    channel.messages = sorted([*channel.messages, message], key=lambda posted: posted.micros)
    return {"ts": message.ts}


def _receive_many(desk: SlackDesk, order: Order) -> object:
    """Take events as messages of the first webhook. Slack merges nothing: each copy is a message of its own.

    Type and id stand in the text and in the metadata. What was not accepted left no trace: Slack reports no reasons.
    """
    channel, events = _named_channel(desk, order), accepted(received_events(order))
    taken = {message.micros for message in channel.messages}
    for event in events:
        for _ in range(event.copies):
            channel.messages.append(_received(desk, event, _free(event.at_us, taken)))
    channel.messages.sort(key=lambda posted: posted.micros)
    return {"received": sum(event.copies for event in events)}


def _received(desk: SlackDesk, event: ReceivedEvent, at_us: int) -> Message:
    metadata = {"event_type": event.type or "event", "event_payload": {"event_id": event.event_id}}
    return Message(
        _ts(at_us), f"event_type={event.type} event_id={event.event_id}", [], [], desk.seed.webhook_id, desk.seed.app_id,
        event.at, event.at, metadata,
    )  # fmt: skip


def _free(micros: int, taken: set[int]) -> int:
    """Return the moment, or the one before or after it within its second that no message has yet."""
    step = 1 if micros % 1_000_000 < 500_000 else -1  # noqa: PLR2004 - so that none leaves its second
    while micros in taken:
        micros += step
    taken.add(micros)
    return micros


def _ts(micros: int) -> str:
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def _named_channel(desk: SlackDesk, order: Order) -> Channel:
    return desk.memory.channels[order.text("channel", desk.seed.channel_id)]


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "mint_webhook": _mint_webhook,
        "revoke_webhook": _revoke_webhook,
        "install_app": _install_app,
        "uninstall_app": _set_installed(installed=False),
        "reinstall_app": _set_installed(installed=True),
        "rotate_token": _rotate_token,
        "set_scopes": _set_scopes,
        "add_channel": _add_channel,
        "archive_channel": _set_archived(archived=True),
        "unarchive_channel": _set_archived(archived=False),
        "delete_channel": _delete_channel,
        "leave_channel": _set_membership(member=False),
        "join_channel": _set_membership(member=True),
        "limit_history": _limit_history,
        "post_by_person": _post_by_person,
        "receive_many": _receive_many,
    }
)
