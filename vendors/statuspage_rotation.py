"""Statuspage's API keys are made and deleted by an account owner in the console; several live side by side.

Source: https://support.atlassian.com/statuspage/docs/create-and-manage-api-keys, https://developer.statuspage.io (Rate Limiting)
"""

from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta

from domain.manifests import Manifest, Mint
from domain.names import Purpose
from vendors.http import Conduct
from vendors.rate_limits import Limit, LimitOf
from vendors.rotation import ByHand, Rotation
from vendors.statuspage import connect

# https://developer.statuspage.io: one request a second for each key, measured over a rolling window of 60 seconds.
LIMITS = (Limit(60, timedelta(seconds=60), LimitOf.CREDENTIAL),)

# A person chooses 1 to 365 days; older keys without an end were retired in January 2026.
LONGEST_LIFE = timedelta(days=365)


def check_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where Statuspage accepts the key; the page's settings are read, nothing is changed."""
    with closing(connect(values, address, conduct)) as client:
        client.read_page()


ROTATIONS = (
    Rotation(
        integration="statuspage",
        purpose=Purpose.SEND,
        field="api_key",
        manifest=Manifest(Mint.BY_HAND, native_expiry=LONGEST_LIFE),
        connect=None,
        check=check_key,
        # A 403 or 404 is about the page: the key may well be alive.
        refusals=frozenset({"statuspage.unauthorized"}),
        by_hand=ByHand(
            create="As an account owner, open manage.statuspage.io, click the avatar, then API info, then Create key. Name it "
            "after opsflows, the environment and the date, let it live 365 days, copy it (it is shown once), and click "
            "Confirm. The old key works on beside it.",
            revoke="As an account owner, open manage.statuspage.io, click the avatar, then API info; find the old key by its "
            "name, click the three dots beside it, then delete it. Every integration that still uses this key ends with it.",
        ),
    ),
)
