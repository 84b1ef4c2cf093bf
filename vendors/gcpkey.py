"""A Google service account as an application uses it: with a key, for which Google hands out access tokens.

Source: https://developers.google.com/identity/protocols/oauth2/service-account
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.names import Purpose
from domain.probes import Receipt
from vendors.capabilities import Integration, Probe, Variable
from vendors.google import PUBLISHED_HOSTS
from vendors.google_keys import check_key, checked_key, key_rows, parsed_key
from vendors.http import Conduct

SIGNATURES = key_rows("gcpkey", "GOOGLE_ACCOUNT_MANAGE_KEY")
# A token is there at once or not at all.
TOKEN_BOUND = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class GoogleAccount:
    """One service account, through one of its keys."""

    key: str = field(repr=False)
    conduct: Conduct

    @property
    def probes(self) -> tuple[Probe, ...]:
        """Two tokens, one after the other: a key that is just ending may still get one of two servers to take it."""
        return (
            Probe("token", send=self.ask_for_token, confirm=(self.ask_again,), clean_up=(), indexing_bound=TOKEN_BOUND),
        )

    def ask_for_token(self, nonce: str, at: datetime) -> Receipt:
        self._ask()
        return Receipt(nonce, at).with_ids(key_id=parsed_key(self.key).key_id)

    def ask_again(self, receipt: Receipt) -> Receipt:
        self._ask()
        return receipt

    def close(self) -> None:
        """Nothing is kept open between two tokens."""

    def _ask(self) -> None:
        check_key("gcpkey", "check_key", self.key, self.conduct, SIGNATURES)


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> GoogleAccount:
    """Return a client for the checked values.

    Raises:
        BadInput: the key's token_uri is not a host that is allowed in this environment.
    """
    del address  # a key says itself where its tokens are asked for
    conduct.hosts.check(parsed_key(values["key"]).token_uri, PUBLISHED_HOSTS)
    return GoogleAccount(values["key"], conduct)


INTEGRATION = Integration(
    name="gcpkey",
    title="Google service account",
    setup_minutes=15,
    variables=(
        Variable("GOOGLE_ACCOUNT_KEY", "key", Purpose.SEND, secret=True, required=True,
                 where="the JSON file of a key: IAM > Service accounts > the account > Keys > Add key",
                 scopes="the roles that the application needs, on its own resources",
                 rotated="by API: a second key beside it (10 per account), swap, verify, disable, delete the old one",
                 check=checked_key),
        Variable("GOOGLE_ACCOUNT_MANAGE_KEY", "manage_key", Purpose.MANAGE, secret=True, required=False,
                 where="the JSON file of a key of the account that manages keys; leave it out where the worker has an identity of its own",
                 scopes="Service Account Key Admin on the application's account, and on its own account for its own rotation",
                 rotated="by API, with itself",
                 check=checked_key),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="the application calls Google with the new key (IAM > Service accounts > the account > Metrics)",
    clicks=(
        "Open IAM > Service accounts, choose the application's account, then Keys, and copy the key that it uses as a JSON file.",
        "Give the worker's own account, or one for rotation, the role Service Account Key Admin on the application's account.",
        "See that the organisation's policy allows uploading keys (iam.disableServiceAccountKeyUpload is not enforced for the project).",
    ),
    after_set_up="See whether the application can do without a key at all: under workload identity there is nothing to rotate.",
)  # fmt: skip
