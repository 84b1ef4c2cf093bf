"""GitHub, as one app sees it: that its private key works, and that its webhook's secret is the one receivers know.

An app may not send itself an event; so what a probe of the webhook sends is its newest delivery, once more.
Source: https://docs.github.com/en/rest/apps/apps, https://docs.github.com/en/rest/apps/webhooks
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from domain.diagnosis import error_of
from domain.errors import NotYet, Rejected, Unavailable
from domain.exchanges import Effect
from domain.names import Purpose
from domain.probes import Receipt
from vendors import fields
from vendors.capabilities import Integration, Probe, Variable
from vendors.github_deliveries import Row, check_received, check_signature, newest, redelivered, rows_of
from vendors.github_key import app_token, check_private_key
from vendors.github_signatures import SIGNATURES, SYMPTOMS
from vendors.http import Answer, Call, Conduct, Wire, is_json_object, json_call, succeeded
from vendors.rate_limits import epoch_header, http_date, retry_after_seconds

__all__ = ["INTEGRATION", "SIGNATURES", "SYMPTOMS", "GithubApp", "connect"]

API = "https://api.github.com"
# The second is GitHub Enterprise Cloud with data residency; a server of one's own is allowed by name.
PUBLISHED_HOSTS = ("api.github.com", "api.*.ghe.com")
API_VERSION = "2022-11-28"
# "Webhook deliveries can take a few minutes to be delivered and to appear in the recent deliveries log."
# Source: https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/troubleshooting-webhooks
INDEXING_BOUND = timedelta(minutes=2)
_LARGEST_PAGE = 100


@dataclass(frozen=True, slots=True)
class GithubApp:
    """Speaks as the app, with tokens that its private key signs, and as its installation, with a token that GitHub makes.

    `ahead` is how far GitHub's clock is ahead of ours, as soon as it was asked: the app's tokens are dated by it, so that a
    clock of ours that is wrong is never taken for a key that GitHub does not know.
    """

    app_id: str
    private_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    installation_id: str
    api: str
    wire: Wire
    ahead: list[timedelta] = field(default_factory=list, repr=False, compare=False)

    @property
    def probes(self) -> tuple[Probe, ...]:
        app = Probe("app", self.ask_app, (self.see_app,), (), INDEXING_BOUND)
        webhook = Probe(
            "webhook", self.redeliver, (self.find_redelivery, self.see_received), (), INDEXING_BOUND,
            explain=lambda receipt: error_of(SYMPTOMS["github.redelivery_unseen"], Unavailable, guid=receipt.ids.get("guid", "it")),
        )  # fmt: skip
        return (app, webhook) if self.webhook_secret else (app,)

    def close(self) -> None:
        self.wire.close()

    def read_app(self, nonce: str = "") -> Mapping[str, Any]:
        """Return the app as GitHub takes the private key to be of: shows that it is known, and changes nothing."""
        return self._as_app("read_app", "GET", "/app", nonce=nonce, accepted=_has("id")).fields()

    def ask_app(self, nonce: str, at: datetime) -> Receipt:
        app = self.read_app(nonce)
        return Receipt(nonce, at).with_ids(app_id=str(app["id"]), client_id=str(app.get("client_id", "")))

    def see_app(self, receipt: Receipt) -> Receipt:
        """Return the receipt where it is the app that was meant, and its installation, if one is named, may be used.

        Raises:
            Rejected: it is another app, or the installation is unknown or suspended.
        """
        if not receipt.ids:
            receipt = self.ask_app(receipt.nonce, receipt.sent_at)
        if self.app_id not in {receipt.ids["app_id"], receipt.ids["client_id"]}:
            words = {"seen": receipt.ids["app_id"], "wanted": self.app_id}
            raise error_of(SYMPTOMS["github.another_app"], Rejected, **words)
        if not self.installation_id:
            return receipt
        path = f"/app/installations/{quote(self.installation_id, safe='')}"
        found = self._as_app("read_installation", "GET", path, nonce=receipt.nonce, accepted=_has("id")).fields()
        if found.get("suspended_at"):
            installation = {"installation": self.installation_id}
            raise error_of(SYMPTOMS["github.installation_suspended"], Rejected, **installation)
        return receipt

    def set_hook_secret(self, secret: str) -> None:
        """Let GitHub sign with this secret from now on; the hook's address and the rest stay as they are."""
        self._as_app(
            "set_hook_secret", "PATCH", "/app/hook/config", payload={"secret": secret}, accepted=is_json_object
        )

    def check_newest(self) -> None:
        """Return where the newest delivery is signed with the webhook's secret; two reads, since a list has no signatures.

        Raises:
            NotYet: there is no delivery of the last three days.
            Rejected, OpsError: as check_signature.
        """
        check_signature(self._delivery(str(self._newest("")["id"]), ""), self.webhook_secret)

    def redeliver(self, nonce: str, at: datetime) -> Receipt:
        """Let GitHub send the newest delivery once more, which takes a look at what is the newest; it keeps its guid."""
        row = self._newest(nonce)
        self._as_app("redeliver", "POST", f"/app/hook/deliveries/{row['id']}/attempts", nonce=nonce)
        return Receipt(nonce, at).with_ids(guid=str(row.get("guid", "")), redelivered=str(row["id"]))

    def find_redelivery(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the id of the second delivery, or raise NotYet while GitHub does not list it."""
        guid, before = receipt.ids.get("guid", ""), receipt.ids.get("redelivered", "")
        found = redelivered(self._deliveries(receipt.nonce), guid, before, receipt.sent_at)
        if found is None:
            raise error_of(SYMPTOMS["github.redelivery_unseen"], NotYet, guid=guid or "it")
        return receipt.with_ids(delivery=str(found["id"]))

    def see_received(self, receipt: Receipt) -> Receipt:
        """Return the receipt where the delivery was signed with the webhook's secret and the receiver took it.

        Raises:
            Rejected, NotYet, OpsError: as check_signature and check_received.
        """
        delivery = self._delivery(receipt.ids["delivery"], receipt.nonce)
        check_signature(delivery, self.webhook_secret)
        check_received(delivery)
        return receipt

    def installation_token(self, repository: str) -> str:
        """Return a token that may do nothing but write the Actions secrets of one repository; it lives for an hour."""
        path = f"/app/installations/{quote(self.installation_id, safe='')}/access_tokens"
        asked = {"repositories": [repository], "permissions": {"secrets": "write"}}
        answer = self._as_app("create_token", "POST", path, payload=asked, accepted=_has("token"))
        return str(answer.fields()["token"])

    def as_installation(
        self, token: str, verb: str, effect: Effect, method: str, path: str, *,
        accepted: Callable[[Answer], bool], payload: object = None,
    ) -> Answer:  # fmt: skip
        """Make one request with an installation's token."""
        call = json_call(verb, effect, method, f"{self.api}{path}", headers=_headers(token), payload=payload)
        return self.wire.exchange(call, accepted=accepted)

    def _newest(self, nonce: str) -> Row:
        row = newest(self._deliveries(nonce))
        if row is None:
            raise error_of(SYMPTOMS["github.no_delivery"], NotYet)
        return row

    def _deliveries(self, nonce: str) -> list[Row]:
        path = f"/app/hook/deliveries?per_page={_LARGEST_PAGE}"
        answer = self._as_app("list_deliveries", "GET", path, nonce=nonce, accepted=lambda a: rows_of(a) is not None)
        return rows_of(answer) or []

    def _delivery(self, delivery_id: str, nonce: str) -> Row:
        path = f"/app/hook/deliveries/{quote(delivery_id, safe='')}"
        return self._as_app("read_delivery", "GET", path, nonce=nonce, accepted=_has("request")).fields()

    def _as_app(
        self, verb: str, method: str, path: str, *,
        nonce: str = "", payload: object = None, accepted: Callable[[Answer], bool] = succeeded,
    ) -> Answer:  # fmt: skip
        token = app_token(self.app_id, self.private_key, self._githubs_time())
        effect = Effect.READS if method == "GET" else Effect.CHANGES
        headers = _headers(token)
        call = json_call(verb, effect, method, f"{self.api}{path}", headers=headers, payload=payload, nonce=nonce)
        return self.wire.exchange(call, accepted=accepted)

    def _githubs_time(self) -> datetime:
        """Return the time by GitHub's clock, asked once of what GitHub tells anybody; any answer has it, also a refusal."""
        if not self.ahead:
            call = Call("ask_time", Effect.READS, "GET", f"{self.api}/rate_limit", {"accept": "application/json"})
            told = http_date(self.wire.exchange(call, accepted=lambda _: True).headers.get("date", ""))
            self.ahead.append(told - datetime.now(UTC) if told else timedelta(0))
        return datetime.now(UTC) + self.ahead[0]


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> GithubApp:
    """Return a client for the checked values.

    Raises:
        BadInput: the host is not allowed in this environment.
    """
    wire = Wire(
        "github", conduct, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS, retry_after=_until_the_limit_resets
    )
    api = address or values.get("api_url") or API
    wire.check_host(api)
    return GithubApp(
        values["app_id"],
        values["private_key"],
        values.get("webhook_secret", ""),
        values.get("installation_id", ""),
        api,
        wire,
    )


def _headers(token: str) -> dict[str, str]:
    return {
        "accept": "application/vnd.github+json",
        "authorization": f"Bearer {token}",
        "x-github-api-version": API_VERSION,
    }


def _has(name: str) -> Callable[[Answer], bool]:
    return lambda answer: succeeded(answer) and bool(answer.fields().get(name))


def _until_the_limit_resets(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Read Retry-After, of the secondary limits, else when the hourly limit resets, where it is used up.

    Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    spent = headers.get("x-ratelimit-remaining") == "0"
    return retry_after_seconds(headers, now) or (epoch_header("x-ratelimit-reset")(headers, now) if spent else None)


INTEGRATION = Integration(
    name="github",
    title="GitHub App",
    setup_minutes=15,
    variables=(
        Variable("GITHUB_APP_PRIVATE_KEY", "private_key", Purpose.SEND, secret=True, required=True,
                 where="the app's settings page > Private keys > Generate a private key (a .pem file)",
                 scopes="the app's own permissions; for Actions secrets as a sink: Secrets: Read and write",
                 rotated="by hand: a second private key beside it, swap, verify, delete the old one; at most 25 at once",
                 check=check_private_key),
        Variable("GITHUB_APP_ID", "app_id", Purpose.SEND, secret=False, required=True,
                 where="the top of the app's settings page: App ID (or Client ID)", scopes="-", rotated="-",
                 check=fields.matching(r"[0-9]{1,12}|Iv[0-9A-Za-z.]{8,40}", "an app's id (a number) or client id (Iv...)", "Copy the App ID from the top of the app's settings page, not an installation's id.")),
        Variable("GITHUB_API_URL", "api_url", Purpose.SEND, secret=False, required=False,
                 where="of GitHub Enterprise alone: https://HOST/api/v3, or https://api.SUBDOMAIN.ghe.com", scopes="-", rotated="-",
                 check=fields.web_address("Write https://HOST/api/v3 for GitHub Enterprise Server, or leave it as it is for GitHub itself."),
                 default=API),
        Variable("GITHUB_INSTALLATION_ID", "installation_id", Purpose.SEND, secret=False, required=False,
                 where="the account's Settings > GitHub Apps > Configure: the number at the end of the address", scopes="-", rotated="-",
                 check=fields.matching(r"[0-9]{1,12}", "an installation's id (a number)", "Copy the number at the end of the installation's address.")),
        Variable("GITHUB_WEBHOOK_SECRET", "webhook_secret", Purpose.RECEIVE, secret=True, required=False,
                 where="chosen by whoever set the app's webhook up; GitHub never shows it again",
                 scopes="none: it signs what GitHub sends to the app's webhook",
                 rotated="a new one is chosen, handed out beside the old one, set at GitHub and proven by a redelivery; then the old one is taken away",
                 check=fields.matching(r"[\x20-\x7e]{8,512}", "a webhook's secret (8 to 512 plain characters)", "Copy the secret from the receiver's configuration, on one line.")),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="the newest delivery stands twice under Advanced > Recent deliveries on the app's settings page, both answered 2xx",
    clicks=(
        "Open the app's settings: Settings > Developer settings > GitHub Apps > Edit, in the account that owns the app; copy its App ID.",
        "Under Private keys click Generate a private key; a .pem file is downloaded, and its text is the value.",
        "Open the account in which the app is installed: Settings > GitHub Apps > Configure; the number at the end of the address is the installation's id.",
        "Take the webhook's secret from the receiver's configuration, since GitHub does not show it.",
    ),
    after_set_up="Check that every receiver of the webhook accepts two secrets at once, refuses what is unsigned, and does nothing twice for one X-GitHub-Delivery.",
)  # fmt: skip
