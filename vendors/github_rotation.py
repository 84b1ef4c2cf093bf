"""How a GitHub App's credentials are rotated: its private key by hand, its webhook's secret by API, one in place of the other.

Source: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/managing-private-keys-for-github-apps,
https://docs.github.com/en/rest/apps/webhooks#update-a-webhook-configuration-for-an-app
"""

import secrets
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from domain.errors import BadInput
from domain.manifests import Manifest, Mint
from domain.names import Purpose
from vendors.capabilities import Client, Probe
from vendors.fields import NOTHING_SENT
from vendors.github import GithubApp, connect
from vendors.http import Conduct
from vendors.rate_limits import Limit
from vendors.rotation import ByHand, Rotation

# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api: at least 5,000 an hour for an
# installation; for the app itself no other number is published.
LIMITS = (Limit(5000, timedelta(hours=1)),)

MOST_KEYS = 25
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class HookSecret:
    """The one secret that GitHub signs the app's webhook with; a `Pointer`."""

    client: GithubApp

    def point_to(self, value: str) -> None:
        self.client.set_hook_secret(value)

    def points_to(self, value: str) -> None:
        """Return None: GitHub shows asterisks whatever the secret is, so only a delivery tells."""
        del value

    def close(self) -> None:
        self.client.close()


def check_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where GitHub accepts what the private key signs; GitHub's time is asked for first."""
    with closing(connect(values, address, conduct)) as client:
        client.read_app()


def check_secret(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where the newest delivery is signed with the secret; the private key reads it, and nothing is changed."""
    with closing(_with_secret(values, address, conduct)) as client:
        client.check_newest()


def point_hook(values: Mapping[str, str], address: str | None, conduct: Conduct) -> HookSecret:
    return HookSecret(connect(values, address, conduct))


def new_secret() -> str:
    """Return 32 random bytes in hex; GitHub asks for a random text of high entropy and names no length."""
    return secrets.token_hex(_SECRET_BYTES)


def app_probe(client: Client) -> tuple[Probe, ...]:
    return tuple(probe for probe in client.probes if probe.name == "app")


def webhook_probe(client: Client) -> tuple[Probe, ...]:
    return tuple(probe for probe in client.probes if probe.name == "webhook")


def _with_secret(values: Mapping[str, str], address: str | None, conduct: Conduct) -> GithubApp:
    if not values.get("webhook_secret"):
        raise BadInput(
            "GITHUB_WEBHOOK_SECRET is not there.",
            f"Without it no delivery can be checked. {NOTHING_SENT}",
            "Add it with opsflows connect github; docs/integrations/github.md says where it is found.",
        )
    return connect(values, address, conduct)


_SETTINGS = "Open the app's settings on GitHub: Settings > Developer settings > GitHub Apps > Edit, in the account that owns the app."

ROTATIONS = (
    Rotation(
        integration="github",
        purpose=Purpose.SEND,
        field="private_key",
        manifest=Manifest(Mint.BY_HAND, slots=MOST_KEYS, usual_age=timedelta(days=365)),
        connect=None,
        check=check_key,
        # Not a 401 about times, and not a 404: the key may well be alive.
        refusals=frozenset({"github.key_unknown", "github.app_without_keys"}),
        probes=app_probe,
        by_hand=ByHand(
            create=f"{_SETTINGS} Under Private keys click Generate a private key; a .pem file is downloaded, and its whole text is "
            "the value: where one line is asked for, join its lines (paste -sd' ' FILE). Compare its fingerprint with the page's (docs/integrations/github.md says how), then delete the file. "
            f"The old key works on beside it; an app has at most {MOST_KEYS}.",
            revoke=f"{_SETTINGS} Under Private keys find the old key by its fingerprint (docs/integrations/github.md says how) and "
            "click Delete beside it. Tokens that it made already live on for an hour; the last key of an app cannot be deleted.",
        ),
    ),
    Rotation(
        integration="github",
        purpose=Purpose.RECEIVE,
        field="webhook_secret",
        manifest=Manifest(Mint.BY_CLIENT, swaps=True, propagation=timedelta(minutes=1), usual_age=timedelta(days=365)),
        connect=None,
        check=check_secret,
        refusals=frozenset({"github.other_secret", "github.unsigned"}),
        probes=webhook_probe,
        point=point_hook,
        new_value=new_secret,
    ),
)
