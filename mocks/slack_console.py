"""What is done by hand in Slack and in an app's settings: the control plane's actions."""

import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType

from mocks.slack_memory import Channel, SlackApp, SlackDesk, Webhook, identifier, new_token
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
    }
)
