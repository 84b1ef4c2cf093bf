"""Slack's stand-in: incoming webhooks and the Web API methods by which messages are read, written and deleted.

Traps kept: a webhook answers plain `ok` and no id; Web API refusals come with status 200; a bot deletes only what its
own app posted; uninstalling an app kills its webhooks and its token without a word.
"""

import json
from bisect import insort
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from mocks.slack_console import ACTIONS, webhook_url
from mocks.slack_history import Refusal, page_of_history, stretch_of_history
from mocks.slack_memory import Channel, Memory, Message, Seed, SlackApp, SlackDesk, Webhook, new_memory, new_seed
from mocks.stage import Ask, Refused, Route, StandIn

TEXT_LIMIT_CHARS = 40_000
ATTACHMENTS_LIMIT = 100

# Incoming webhooks. Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
# https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks


def _post_to_webhook(desk: SlackDesk, ask: Ask) -> Response:
    webhook = _webhook_of(desk, ask)
    channel = desk.memory.channels.get(webhook.channel_id)
    if channel is None:
        raise _plain("channel_not_found", 404)
    if channel.archived:
        raise _plain("channel_is_archived", 410)
    said = ask.json() if "payload" not in ask.fields() else _form_payload(ask)
    if not isinstance(said, dict):
        raise _plain("invalid_payload", 400)
    if not any(said.get(part) for part in ("text", "blocks", "attachments")):
        raise _plain("no_text", 400)
    if len(said.get("attachments") or []) > ATTACHMENTS_LIMIT:
        raise _plain("too_many_attachments", 400)
    _post(desk, channel, said, webhook.webhook_id, webhook.app_id)
    return PlainTextResponse("ok")


def _webhook_of(desk: SlackDesk, ask: Ask) -> Webhook:
    webhook = desk.memory.webhooks.get(ask.ids["webhook"])
    if ask.ids["team"] != desk.seed.team_id:
        raise _plain("no_team", 404)
    if webhook is None or not webhook.active or not desk.memory.apps[webhook.app_id].installed:
        raise _plain("no_service", 404)
    if webhook.secret != ask.ids["secret"]:
        raise _plain("invalid_token", 403)
    return webhook


def _form_payload(ask: Ask) -> Any:
    """A webhook also takes the older form with the JSON in `payload`."""
    try:
        return json.loads(str(ask.fields()["payload"]))
    except ValueError:
        return None


def _post(desk: SlackDesk, channel: Channel, said: Mapping[str, Any], bot_id: str, app_id: str) -> Message:
    now = desk.now()
    message = Message(
        _next_ts(channel, now), str(said.get("text") or "")[:TEXT_LIMIT_CHARS], list(said.get("blocks") or []),
        list(said.get("attachments") or []), bot_id, app_id, now, desk.visible_at(), _metadata(said),
    )  # fmt: skip
    insort(channel.messages, message, key=lambda posted: posted.micros)
    return message


def _metadata(said: Mapping[str, Any]) -> dict[str, Any]:
    """Source: https://docs.slack.dev/messaging/message-metadata; what has not both of its parts is left out."""
    metadata = said.get("metadata")
    whole = isinstance(metadata, dict) and isinstance(metadata.get("event_payload"), dict)
    return dict(metadata) if isinstance(metadata, dict) and whole and metadata.get("event_type") else {}


def _next_ts(channel: Channel, now: float) -> str:
    """Return a ts that no message of the channel has: microseconds, counted on where two would be the same."""
    taken = {message.ts for message in channel.messages[-1000:]}
    micros = int(now * 1_000_000)
    while (ts := f"{micros // 1_000_000}.{micros % 1_000_000:06d}") in taken:
        micros += 1
    return ts


def _plain(text: str, status: int) -> Refused:
    return Refused(PlainTextResponse(text, status))


# The Web API. Source: https://docs.slack.dev/reference/methods

Method = Callable[[SlackDesk, SlackApp, Mapping[str, Any]], dict[str, Any]]


def _method(scope: str, answer: Method) -> Callable[[SlackDesk, Ask], Response]:
    """Return a handler that checks token and scope, and writes refusals as Slack does: 200 and ok false."""

    def handle(desk: SlackDesk, ask: Ask) -> Response:
        arguments = {**dict(ask.query), **ask.fields()}
        try:
            app = _authorised(desk, ask, arguments)
            _check_scope(app, scope)
            body = {"ok": True, **answer(desk, app, arguments)}
            headers = {"x-oauth-scopes": ",".join(app.scopes)}
        except Refusal as refusal:
            body, headers = {"ok": False, "error": refusal.error, **refusal.details}, {}
        return JSONResponse(body, 200, headers)

    return handle


def _authorised(desk: SlackDesk, ask: Ask, arguments: Mapping[str, Any]) -> SlackApp:
    token = ask.authorization("Bearer") or str(arguments.get("token", ""))
    if not token:
        raise Refusal("not_authed")
    app = next((app for app in desk.memory.apps.values() if app.token == token), None)
    if app is None:
        raise Refusal("invalid_auth")
    if app.token_revoked:
        raise Refusal("token_revoked")
    if not app.installed:
        raise Refusal("account_inactive")
    return app


def _check_scope(app: SlackApp, scope: str) -> None:
    if scope and scope not in app.scopes:
        raise Refusal("missing_scope", {"needed": scope, "provided": ",".join(app.scopes)})


def _auth_test(desk: SlackDesk, app: SlackApp, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Source: https://docs.slack.dev/reference/methods/auth.test."""
    del arguments
    return {
        "url": "https://stand-in.slack.com/", "team": "stand-in", "user": app.name, "team_id": desk.seed.team_id,
        "user_id": "U" + app.bot_id[1:], "bot_id": app.bot_id, "is_enterprise_install": False,
    }  # fmt: skip


def _auth_revoke(desk: SlackDesk, app: SlackApp, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Source: https://docs.slack.dev/reference/methods/auth.revoke."""
    del desk
    if str(arguments.get("test", "")).lower() in {"1", "true"}:
        return {"revoked": False}
    # An app has its bot's token alone here, and without any token it counts as uninstalled: its webhooks end.
    app.token_revoked, app.installed = True, False
    return {"revoked": True}


def _conversations_history(desk: SlackDesk, app: SlackApp, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Source: https://docs.slack.dev/reference/methods/conversations.history."""
    channel = _channel_seen_by(desk, app, arguments)
    now = desk.now()
    shown = {m.ts: m for m in stretch_of_history(channel.messages, arguments) if m.visible_at <= now}
    page = page_of_history(list(shown), arguments, desk.memory.largest_page)
    # Without being asked Slack leaves metadata out.
    whole = str(arguments.get("include_all_metadata", "")).lower() in {"1", "true"}
    return {
        "messages": [
            _as_slack_writes(shown[ts]) | (_told_metadata(shown[ts]) if whole else {}) for ts in page.timestamps
        ],
        "has_more": bool(page.next_cursor),
        "pin_count": 0,
        **({"response_metadata": {"next_cursor": page.next_cursor}} if page.next_cursor else {}),
    }


def _as_slack_writes(message: Message) -> dict[str, Any]:
    """Write a message; one by a person has neither bot nor app."""
    optional = {"blocks": message.blocks, "attachments": message.attachments}
    if not message.bot_id:
        return {"type": "message", "user": "U0PERSON", "ts": message.ts, "text": message.text}
    return {
        "type": "message", "subtype": "bot_message", "ts": message.ts, "text": message.text,
        "bot_id": message.bot_id, "app_id": message.app_id, **{k: v for k, v in optional.items() if v},
    }  # fmt: skip


def _told_metadata(message: Message) -> dict[str, Any]:
    return {"metadata": message.metadata} if message.metadata else {}


def _conversations_info(desk: SlackDesk, app: SlackApp, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Source: https://docs.slack.dev/reference/methods/conversations.info."""
    channel = _channel(desk, arguments)
    return {
        "channel": {
            "id": channel.channel_id, "name": channel.name, "is_channel": True, "is_private": False,
            "is_archived": channel.archived, "is_member": app.app_id in channel.members,
        }
    }  # fmt: skip


def _chat_post_message(desk: SlackDesk, app: SlackApp, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Source: https://docs.slack.dev/reference/methods/chat.postMessage."""
    channel = _channel_seen_by(desk, app, arguments)
    if channel.archived:
        raise Refusal("is_archived")
    if not any(arguments.get(part) for part in ("text", "blocks", "attachments")):
        raise Refusal("no_text")
    message = _post(desk, channel, arguments, app.bot_id, app.app_id)
    return {"channel": channel.channel_id, "ts": message.ts, "message": _as_slack_writes(message)}


def _chat_delete(desk: SlackDesk, app: SlackApp, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Source: https://docs.slack.dev/reference/methods/chat.delete."""
    channel = _channel(desk, arguments)
    message = next((m for m in channel.messages if m.ts == str(arguments.get("ts", ""))), None)
    if message is None:
        raise Refusal("message_not_found")
    if message.app_id != app.app_id:
        raise Refusal("cant_delete_message")
    channel.messages.remove(message)
    return {"channel": channel.channel_id, "ts": message.ts}


def _channel(desk: SlackDesk, arguments: Mapping[str, Any]) -> Channel:
    channel = desk.memory.channels.get(str(arguments.get("channel", "")))
    if channel is None:
        raise Refusal("channel_not_found")
    return channel


def _channel_seen_by(desk: SlackDesk, app: SlackApp, arguments: Mapping[str, Any]) -> Channel:
    channel = _channel(desk, arguments)
    if app.app_id not in channel.members:
        raise Refusal("not_in_channel")
    return channel


def _limited(ask: Ask, seconds: int) -> Response:
    """Source: https://docs.slack.dev/apis/web-api/rate-limits."""
    headers = {"retry-after": str(seconds)}
    if ask.path.startswith("/services/"):
        return PlainTextResponse("rate_limited", 429, headers)
    return JSONResponse({"ok": False, "error": "ratelimited"}, 429, headers)


def _credentials(desk: SlackDesk, base_url: str) -> Mapping[str, str]:
    webhook = desk.memory.webhooks[desk.seed.webhook_id]
    return {
        "SLACK_WEBHOOK_URL": webhook_url(desk, webhook, base_url),
        "SLACK_BOT_TOKEN": desk.memory.apps[desk.seed.app_id].token,
        "SLACK_CHANNEL": desk.seed.channel_id,
    }


def _inbox(desk: SlackDesk) -> list[dict[str, Any]]:
    return [
        {"text": m.text, "at": m.at, "where": f"#{channel.name}", "acknowledged": False, "ts": m.ts, "from": m.app_id}
        for channel in desk.memory.channels.values()
        for m in channel.messages
        if m.visible_at <= desk.now()
    ]


_METHODS: tuple[tuple[str, str, Method], ...] = (
    ("auth.test", "", _auth_test),
    ("auth.revoke", "", _auth_revoke),
    ("conversations.history", "channels:history", _conversations_history),
    ("conversations.info", "channels:read", _conversations_info),
    ("chat.postMessage", "chat:write", _chat_post_message),
    ("chat.delete", "chat:write", _chat_delete),
)

STAND_IN = StandIn(
    name="slack",
    seed=new_seed,
    memory=new_memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=(
        Route("POST", "/services/{team}/{webhook}/{secret}", _post_to_webhook),
        *(
            Route(verb, f"/api/{name}", _method(scope, answer))
            for name, scope, answer in _METHODS
            for verb in ("GET", "POST")
        ),
    ),
    credentials=_credentials,
    inbox=_inbox,
    actions=ACTIONS,
    hosts=("slack.com", "hooks.slack.com"),
    request_id_header="x-slack-req-id",
    limited=_limited,
)
