"""How Splunk's tokens are rotated: HEC tokens by API, authentication tokens by hand.

Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (access endpoints: authentication/current-context),
https://help.splunk.com (HTTP Event Collector, troubleshooting)
"""

from collections.abc import Mapping
from contextlib import closing
from urllib.parse import urlencode

from domain.errors import BadInput
from domain.exchanges import Effect
from domain.manifests import Manifest, Mint
from domain.names import Purpose
from vendors.capabilities import Client, Probe
from vendors.http import Answer, Conduct, Wire, json_call
from vendors.rate_limits import Limit
from vendors.rotation import ByHand, Rotation
from vendors.splunk import INSECURE, PUBLISHED_HOSTS, connect
from vendors.splunk_hec_tokens import AS_JSON, INPUTS, LISTING_LAG, SIGNATURES, HecTokens, is_listing
from vendors.splunk_signatures import SIGNATURES as CLIENT_SIGNATURES

# Any channel will do for a request that stores nothing; a token with acknowledgements asks for one.
CHECK_CHANNEL = "00000000-0000-4000-8000-000000000000"
# Code 5 of the collector, "No data": the token was looked at before, and taken.
_NO_DATA = 5


def connect_hec_tokens(values: Mapping[str, str], address: str | None, conduct: Conduct) -> HecTokens:
    """Return the rotator of HEC tokens. `address` changes nothing: every Splunk has addresses of its own.

    Raises:
        BadInput: the managing token or the management address is missing, or the host is not allowed here.
    """
    del address
    names = {"manage_token": "SPLUNK_MANAGE_TOKEN", "api_url": "SPLUNK_API_URL"}
    missing = [name for name_of_field, name in names.items() if not values.get(name_of_field)]
    if missing:
        raise BadInput(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there.",
            "HEC tokens are made, switched and deleted at the management address, with a token that may. Nothing was sent.",
            "Create a token for a role with edit_token_http and list_token_http, and run opsflows connect splunk.",
        )
    wire = Wire(
        "splunk", conduct, signatures=(*SIGNATURES, *CLIENT_SIGNATURES), published_hosts=PUBLISHED_HOSTS,
        verify_tls=values.get("insecure") != INSECURE,
    )  # fmt: skip
    wire.check_host(values["api_url"])
    return HecTokens(values["manage_token"], values.get("hec_token", ""), values["api_url"], wire)


def check_hec_token(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where the collector takes the token: it looks at the token first, and then finds no event to store."""
    with closing(connect(values, address, conduct)) as client:
        headers = {"authorization": f"Splunk {client.hec_token}", "x-splunk-request-channel": CHECK_CHANNEL}
        call = json_call(
            "check_hec_token", Effect.READS, "POST", f"{client.hec}/services/collector/event", headers=headers
        )
        client.collector_wire.exchange(call, accepted=_found_no_data)


def check_token(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where Splunk takes the searching token; it is asked whose it is."""
    with closing(connect(values, address, conduct)) as client:
        if not client.token:
            raise BadInput(
                "SPLUNK_TOKEN is not there.", "There is nothing to check. Nothing was sent.",
                "Create a token under Settings > Tokens and run opsflows connect splunk.",
            )  # fmt: skip
        url = f"{client.api}/services/authentication/current-context{AS_JSON}"
        call = json_call("check_token", Effect.READS, "GET", url, headers={"authorization": f"Bearer {client.token}"})
        client.api_wire.exchange(call)


def check_manage_token(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where Splunk takes the managing token and lets it list HEC tokens. That it may edit is seen when it does."""
    with closing(connect_hec_tokens(values, address, conduct)) as rotator:
        url = f"{rotator.api}{INPUTS}?{urlencode({'output_mode': 'json', 'count': 1})}"
        headers = {"authorization": f"Bearer {rotator.manage_token}"}
        rotator.wire.exchange(json_call("check_manage_token", Effect.READS, "GET", url, headers=headers), is_listing)


def no_probes(client: Client) -> tuple[Probe, ...]:
    """Return nothing: no event is sent or searched with a managing token, so its check is all there is."""
    del client
    return ()


_BY_HAND_REVOKE = "In Splunk open Settings > Tokens, find the old token by its user, its id and its date, and choose Disable; once the new one works, choose Delete."

ROTATIONS = (
    Rotation(
        "splunk", Purpose.SEND, "hec_token",
        Manifest(Mint.BY_CLIENT, marker_field="name", listable=True, can_disable=True, listing_lag=LISTING_LAG),
        connect=connect_hec_tokens,
        check=check_hec_token,
        refusals=frozenset({"splunk.token_unknown", "splunk.token_disabled"}),
    ),
    Rotation(
        "splunk", Purpose.READ, "token",
        Manifest(Mint.BY_HAND),
        connect=None,
        check=check_token,
        refusals=frozenset({"splunk.search_token_unknown"}),
        by_hand=ByHand(
            create="In Splunk open Settings > Tokens > New Token, choose the same user and an audience that names the rotation, and put the token into the block: it is shown once.",
            revoke=_BY_HAND_REVOKE,
        ),
    ),
    Rotation(
        "splunk", Purpose.MANAGE, "manage_token",
        Manifest(Mint.BY_HAND),
        connect=None,
        check=check_manage_token,
        refusals=frozenset({"splunk.manage_token_unknown"}),
        probes=no_probes,
        by_hand=ByHand(
            create="In Splunk open Settings > Tokens > New Token, choose the user whose role may edit HEC tokens and an audience that names the rotation, and put the token into the block: it is shown once.",
            revoke=_BY_HAND_REVOKE,
        ),
    ),
)  # fmt: skip

# Splunk publishes no rate limit; over its capacity it is busy.
LIMITS: tuple[Limit, ...] = ()


def _found_no_data(answer: Answer) -> bool:
    return answer.fields().get("code") == _NO_DATA
