"""Which credentials are rotated to be killed at it, and what people do for those that are made in a vendor's console."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from domain.names import Purpose
from vendors.registry import ROTATIONS
from vendors.rotation import Rotation

# Does something at the vendor's console: the action and its fields, as the control plane takes them.
Act = Callable[..., Any]
Values = dict[str, str]


@dataclass(frozen=True, slots=True)
class Console:
    """What a person does: makes another value, and revokes the old one, given what was in use by variable name.

    `prepare` may change what is in use beforehand, and returns what is noted for `mint`. `foreign` makes what
    is somebody else's, where that is not what `mint` makes.
    """

    mint: Callable[[Act, Values], str]
    revoke: Callable[[Act, Values], object]
    prepare: Callable[[Act, Values], Values] = lambda _act, _values: {}
    foreign: Callable[[Act, Values], str] | None = None


def retires(row: Mapping[str, Any], token: str) -> bool:
    """Say whether a request that arrived switches off or deletes what the vendor's path calls `token`."""
    path, method = unquote(row["path"]), row["method"]
    switches_off = path.endswith("/disable") or '"isActive":false' in row["body"]
    return token in path and (method == "DELETE" or (method in {"POST", "PUT"} and switches_off))


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of credential; `has_sink` where applications read it from a file as well,
    `has_cloud_sinks` where they do from Secret Manager, Secrets Manager and GitHub Actions secrets.

    `has_foreign` where somebody else's have room beside ours. `retired_by` says whether a request that arrived switched off or
    deleted what has that id, `makes` whether one with a marker in it made something.
    """

    integration: str
    purpose: Purpose
    console: Console | None = None
    has_sink: bool = False
    has_cloud_sinks: bool = False
    has_foreign: bool = True
    makes: Callable[[Mapping[str, Any]], bool] = lambda row: row["method"] == "POST"
    retired_by: Callable[[Mapping[str, Any], str], bool] = retires

    @property
    def is_adopted(self) -> bool:
        """Whether a life begins by binding what is in use to what the vendor lists."""
        return self.console is None and not self.row.manifest.swaps

    @property
    def row(self) -> Rotation:
        return ROTATIONS[self.integration, self.purpose]

    def __str__(self) -> str:
        return f"{self.integration}-{self.purpose}"


def _version_goes(row: Mapping[str, Any], number: str) -> bool:
    """Say whether a call to Google, over either transport, switches off or destroys a version of that number or name."""
    verb = unquote(row["path"]).replace("/", ":").rpartition(":")[2].lower()
    named = re.search(
        rf"(ersions|keys)/{re.escape(number.rpartition('/')[2])}(?![0-9a-zA-Z])", unquote(row["path"] + row["body"])
    )
    return named is not None and (
        verb.startswith(("disable", "destroy", "delete", "updatecryptokeyversion")) or "DISABLED" in row["body"]
    )


def _key_goes(row: Mapping[str, Any], key_id: str) -> bool:
    """Say whether a call to AWS switches the key off or deletes it."""
    body = unquote(row["body"])
    return key_id in body and ("Status=Inactive" in body or "Action=DeleteAccessKey" in body)


def _nothing_by_marker(row: Mapping[str, Any]) -> bool:
    """A key is made without its marker, which stands on its user alone; that a user has two places shows one made twice."""
    del row
    return False


def _puts_a_version(row: Mapping[str, Any]) -> bool:
    return "PutSecretValue" in str(row["headers"])


def _labels_go(row: Mapping[str, Any], version: str) -> bool:
    """Say whether a call to AWS takes a label from the version without giving it to another."""
    return "RemoveFromVersionId" in row["body"] and version in row["body"] and "MoveToVersionId" not in row["body"]


def _second_secret_goes(row: Mapping[str, Any], made_at: str) -> bool:
    """Say whether a request deletes the client's second secret; it is not named there."""
    del made_at
    return row["method"] == "DELETE" and str(row["path"]).endswith("/client-secret/rotated")


def _second_app(act: Act, values: Values) -> Values:
    """As the row says: the webhook is another app's already, so that the old token may end."""
    app = act("install_app", name="opsflows 2")
    values["SLACK_WEBHOOK_URL"] = app["webhook_url"]
    return {"bot_token": app["bot_token"]}


CASES: Mapping[str, Case] = MappingProxyType(
    {
        str(case): case
        for case in (
            Case("datadog", Purpose.SEND, has_sink=True),
            Case("datadog", Purpose.READ),
            Case("datadog", Purpose.MANAGE),
            Case("sentry", Purpose.SEND, has_sink=True),
            Case("pagerduty", Purpose.SEND),
            Case("opsgenie", Purpose.SEND, has_cloud_sinks=True),
            Case("splunk", Purpose.SEND),
            Case("github", Purpose.RECEIVE, has_sink=True),
            Case("gcpkey", Purpose.SEND, has_sink=True, retired_by=_version_goes),
            Case("gcpsecret", Purpose.SEND, retired_by=_version_goes),
            Case("gcpkms", Purpose.SEND, retired_by=_version_goes),
            Case("oidc", Purpose.SEND, has_sink=True, has_foreign=False, retired_by=_second_secret_goes),
            Case("awskey", Purpose.SEND, has_foreign=False, makes=_nothing_by_marker, retired_by=_key_goes),
            Case("awskey", Purpose.MANAGE, has_foreign=False, makes=_nothing_by_marker, retired_by=_key_goes),
            Case("awssecret", Purpose.SEND, has_sink=True, has_foreign=False, makes=_puts_a_version, retired_by=_labels_go),
            Case(
                "github", Purpose.SEND,
                Console(
                    lambda act, _: str(act("mint_private_key")["private_key"]),
                    lambda act, values: act("delete_private_key", private_key=values["GITHUB_APP_PRIVATE_KEY"]),
                ),
            ),
            Case(
                "slack", Purpose.SEND,
                Console(
                    lambda act, _: str(act("mint_webhook")["url"]),
                    lambda act, values: act("revoke_webhook", url=values["SLACK_WEBHOOK_URL"]),
                ),
                has_sink=True,
            ),
            Case(
                "slack", Purpose.READ,
                Console(lambda _, noted: noted["bot_token"], lambda act, _: act("rotate_token"), _second_app,
                    lambda act, _: str(act("install_app", name="theirs")["bot_token"])),
            ),
            Case(
                "statuspage", Purpose.SEND,
                Console(
                    lambda act, _: str(act("mint_api_key")["api_key"]),
                    lambda act, values: act("revoke_api_key", api_key=values["STATUSPAGE_API_KEY"]),
                ),
            ),
            Case(
                "sentry", Purpose.READ,
                Console(
                    lambda act, _: str(act("mint_token", scopes=["project:read", "event:write"])["token"]),
                    lambda act, values: act("revoke_token", token=values["SENTRY_AUTH_TOKEN"]),
                ),
            ),
            Case(
                "sentry", Purpose.MANAGE,
                Console(
                    lambda act, _: str(act("mint_token", scopes=["project:admin"])["token"]),
                    lambda act, values: act("revoke_token", token=values["SENTRY_MANAGE_TOKEN"]),
                ),
            ),
            Case(
                "pagerduty", Purpose.READ,
                Console(
                    lambda act, _: str(act("mint_api_key", read_only=True)["key"]),
                    lambda act, values: act("revoke_api_key", key=values["PAGERDUTY_API_KEY"]),
                ),
            ),
            Case(
                "pagerduty", Purpose.MANAGE,
                Console(
                    lambda act, _: str(act("mint_api_key")["key"]),
                    lambda act, values: act("revoke_api_key", key=values["PAGERDUTY_MANAGE_KEY"]),
                ),
            ),
            Case(
                "opsgenie", Purpose.MANAGE,
                Console(
                    lambda act, _: str(act("mint_integration", rights=["read", "write", "remove", "configure"])["key"]),
                    lambda act, _: act("revoke_integration", id=act("account")["manager_id"]),
                ),
            ),
            Case(
                "splunk", Purpose.READ,
                Console(
                    lambda act, _: str(act("mint_api_token")["token"]),
                    lambda act, _: act("revoke_api_token", name="reader"),
                ),
            ),
            Case(
                "splunk", Purpose.MANAGE,
                Console(
                    lambda act, _: str(act("mint_api_token", may_edit_tokens=True)["token"]),
                    lambda act, _: act("revoke_api_token", name="manager"),
                ),
            ),
        )
    }
)  # fmt: skip

# One for each way in which a vendor lets its credentials be rotated: with a switch, without one, without one and without
# a last use, with a value that we choose, by hand.
SHAPES = ("sentry-send", "datadog-send", "pagerduty-send", "splunk-send", "slack-send")
