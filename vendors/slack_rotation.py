"""Slack's webhooks and bot tokens are made and ended by hand: there is no API that mints either beside the old one.

Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, .../reference/methods/auth.test,
.../reference/methods/auth.revoke, https://docs.slack.dev/apis/web-api/rate-limits
"""

from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta

from domain.manifests import Manifest, Mint
from domain.names import Purpose
from vendors.http import Conduct
from vendors.rate_limits import Limit, LimitOf
from vendors.rotation import ByHand, Rotation
from vendors.slack import connect

_MINUTE = timedelta(minutes=1)

# https://docs.slack.dev/apis/web-api/rate-limits: one message a second for each webhook, short bursts allowed; methods
# of tier 3 fifty times a minute, each method counted for itself, per app and workspace.
LIMITS = (
    Limit(1, timedelta(seconds=1), LimitOf.CREDENTIAL, frozenset({"send_message", "notify", "check_webhook"})),
    Limit(50, _MINUTE, LimitOf.ACCOUNT, frozenset({"read_history", "find_message", "list_events"})),
    Limit(50, _MINUTE, LimitOf.ACCOUNT, frozenset({"delete_message"})),
)


def check_webhook(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where Slack accepts the webhook; no message is posted."""
    with closing(connect(values, address, conduct)) as client:
        client.check_webhook()


def check_token(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where Slack accepts the bot token."""
    with closing(connect(values, address, conduct)) as client:
        client.check_token()


ROTATIONS = (
    Rotation(
        integration="slack",
        purpose=Purpose.SEND,
        field="webhook_url",
        manifest=Manifest(Mint.BY_HAND),
        connect=None,
        check=check_webhook,
        # Not slack.webhook_gone: a 404 without Slack's own word may come from something on the way.
        refusals=frozenset({"slack.no_service", "slack.no_team", "slack.invalid_token"}),
        by_hand=ByHand(
            create="Open api.slack.com/apps and choose the app; where the bot token is to be rotated next, make a second app from "
            "docs/integrations/slack-manifest.yaml instead. Open Incoming Webhooks, click Add New Webhook to Workspace, choose "
            "the same channel, and copy the new Webhook URL. The old one works on beside it.",
            revoke="Open api.slack.com/apps, choose the app of the old webhook, open Incoming Webhooks, and remove the old "
            "URL from the list. Do not uninstall the app and do not revoke its tokens: that ends all of its webhooks.",
        ),
    ),
    Rotation(
        integration="slack",
        purpose=Purpose.READ,
        field="bot_token",
        manifest=Manifest(Mint.BY_HAND),
        connect=None,
        check=check_token,
        refusals=frozenset(
            {"slack.invalid_auth", "slack.token_revoked", "slack.token_expired", "slack.account_inactive"}
        ),
        by_hand=ByHand(
            create="An app has one bot token, and reinstalling it usually shows the same one again, so the new token is another "
            "app's: first rotate the webhook to a second app. Then open that app at api.slack.com/apps, invite its bot to the "
            "channel (/invite), and copy its Bot User OAuth Token from OAuth & Permissions.",
            revoke="First make sure that SLACK_WEBHOOK_URL is no webhook of the old app: it would end with the app's token. Then "
            "open api.slack.com/apps, choose the old app, open OAuth & Permissions, and click Revoke All OAuth Tokens.",
        ),
    ),
)
