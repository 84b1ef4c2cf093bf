"""How PagerDuty's keys are rotated: integration keys by API, REST keys by hand. The proof wakes nobody.

Source: https://developer.pagerduty.com/docs/events-api-v2-overview, https://developer.pagerduty.com/api-reference
"""

from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta

from domain.errors import BadInput
from domain.exchanges import Effect
from domain.manifests import Manifest, Mint
from domain.names import Purpose
from vendors.capabilities import Client, Probe
from vendors.http import Answer, Conduct, Wire, json_call, succeeded
from vendors.pagerduty import API_OF_REGION, PUBLISHED_HOSTS, PagerDuty, connect, rest_headers
from vendors.pagerduty_changes import change_probe
from vendors.pagerduty_integrations import LISTING_LAG, MANAGE_VERBS, SIGNATURES, IntegrationKeys
from vendors.pagerduty_signatures import EVENT_VERBS, REST_VERBS
from vendors.pagerduty_signatures import SIGNATURES as CLIENT_SIGNATURES
from vendors.rate_limits import Limit, LimitOf, seconds_header
from vendors.rotation import ByHand, Rotation

NEVER_OPENED = "opsflows-check-nothing-is-opened-with-this-key"
_USERS = "/users?limit=1"


def connect_integration_keys(values: Mapping[str, str], address: str | None, conduct: Conduct) -> IntegrationKeys:
    """Return the rotator of a service's integrations.

    Raises:
        BadInput: the manage key or the service's id is missing, or a host is not allowed in this environment.
    """
    manage_key = _manage_key(values)
    if not values.get("service_id"):
        raise BadInput(
            "PAGERDUTY_SERVICE_ID is not there.",
            "An integration belongs to a service, and without its id none can be made or deleted. Nothing was sent.",
            "Copy the id (P...) from the end of the service's address and run opsflows connect pagerduty.",
        )
    api, wire = _rest(values, address, conduct)
    return IntegrationKeys(manage_key, values["service_id"], api, wire)


def check_routing_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where the Events API takes the key; nobody sees the event.

    It is a resolve with a dedup key that nothing was opened with: PagerDuty answers 202 and drops it, and refuses a
    key it does not know. There is no request that only reads. The answer is the vendor's word and no more: a key that
    was taken from an event orchestration is answered 202 too, and only a probe that is read back tells.
    Source: https://developer.pagerduty.com/docs/send-alert-event (event de-duplication)
    """
    with closing(connect(values, address, conduct)) as client:
        event = {"routing_key": client.routing_key, "event_action": "resolve", "dedup_key": NEVER_OPENED}
        url = f"{client.events}/v2/enqueue"
        # Repeating it changes nothing, so a lost answer is no unknown outcome.
        call = json_call("check_routing_key", Effect.READS, "POST", url, headers={}, payload=event)
        client.wire.exchange(call, accepted=_says_success)


def check_api_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where the REST API takes the reading key; every account has users, and a read-only key may list them."""
    with closing(connect(values, address, conduct)) as client:
        call = json_call("check_api_key", Effect.READS, "GET", f"{client.api}{_USERS}", headers=client.rest_headers())
        client.wire.exchange(call)


def check_manage_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where the REST API takes the managing key. That it may write is seen only when it does."""
    manage_key = _manage_key(values)
    api, wire = _rest(values, address, conduct)
    with closing(wire):
        call = json_call("check_manage_key", Effect.READS, "GET", f"{api}{_USERS}", headers=rest_headers(manage_key))
        wire.exchange(call)


def quiet_probes(client: Client) -> tuple[Probe, ...]:
    """Return the change event in place of the incident: a rotation wakes nobody."""
    if not isinstance(client, PagerDuty):
        raise TypeError(f"{type(client).__name__} is not PagerDuty's client")
    return (change_probe(client),)


def no_probes(client: Client) -> tuple[Probe, ...]:
    """Return nothing: no event is sent or read with a managing key, so its check is all there is."""
    del client
    return ()


ROTATIONS = (
    Rotation(
        "pagerduty", Purpose.SEND, "routing_key",
        Manifest(Mint.BY_VENDOR, marker_field="name", listable=True, listing_lag=LISTING_LAG),
        connect=connect_integration_keys,
        check=check_routing_key,
        refusals=frozenset({"pagerduty.routing_key_unknown"}),
        probes=quiet_probes,
    ),
    Rotation(
        "pagerduty", Purpose.READ, "api_key",
        Manifest(Mint.BY_HAND),
        connect=None,
        check=check_api_key,
        refusals=frozenset({"pagerduty.api_key_unknown"}),
        probes=quiet_probes,
        by_hand=ByHand(
            create="In PagerDuty open Integrations > API Access Keys > Create New API Key, name it after the rotation, tick Read-only API Key, and put the key into the block: it is shown once.",
            revoke="In PagerDuty open Integrations > API Access Keys, find the old key by its description, and remove it. Keep the one that was made for this rotation.",
        ),
    ),
    Rotation(
        "pagerduty", Purpose.MANAGE, "manage_key",
        Manifest(Mint.BY_HAND),
        connect=None,
        check=check_manage_key,
        refusals=frozenset({"pagerduty.manage_key_unknown"}),
        probes=no_probes,
        by_hand=ByHand(
            create="In PagerDuty open Integrations > API Access Keys > Create New API Key, name it after the rotation, leave Read-only API Key unticked, and put the key into the block: it is shown once.",
            revoke="In PagerDuty open Integrations > API Access Keys, find the old key by its description, and remove it. Keep the one that was made for this rotation.",
        ),
    ),
)  # fmt: skip

# https://developer.pagerduty.com/docs/rest-api-rate-limits, .../events-api-v2-rate-limits (about 120, for each key).
# Both are per key; but one REST key makes the calls for all credentials of the account, so those are counted together.
LIMITS = (
    Limit(960, timedelta(minutes=1), LimitOf.ACCOUNT, REST_VERBS | MANAGE_VERBS | {"list_events"}),
    Limit(120, timedelta(minutes=1), LimitOf.CREDENTIAL, EVENT_VERBS),
)


def _manage_key(values: Mapping[str, str]) -> str:
    if not values.get("manage_key"):
        raise BadInput(
            "PAGERDUTY_MANAGE_KEY is not there.",
            "Without a REST key that may write, no integration can be made or deleted. Nothing was sent.",
            "Create a full-access key (Integrations > API Access Keys) and run opsflows connect pagerduty.",
        )
    return values["manage_key"]


def _rest(values: Mapping[str, str], address: str | None, conduct: Conduct) -> tuple[str, Wire]:
    wire = Wire(
        "pagerduty", conduct, signatures=(*SIGNATURES, *CLIENT_SIGNATURES), published_hosts=PUBLISHED_HOSTS,
        retry_after=seconds_header("ratelimit-reset"),
    )  # fmt: skip
    api = address or API_OF_REGION[values.get("region", "us")]
    wire.check_host(api)
    return api, wire


def _says_success(answer: Answer) -> bool:
    return succeeded(answer) and answer.fields().get("status") == "success"
