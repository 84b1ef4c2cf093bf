"""How Datadog's keys are rotated: all three by API. A key is made, listed and deleted; it cannot be switched off.

Both headers are needed: the API key that is current, and DD_MANAGE_APP_KEY. A key that manages makes its own successor.
Source: https://docs.datadoghq.com/api/latest/key-management/, https://docs.datadoghq.com/api/latest/service-accounts/
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from domain.errors import BadInput
from domain.exchanges import Effect
from domain.manifests import Manifest, Mint
from domain.names import Purpose
from vendors.capabilities import Client, Probe
from vendors.datadog import DEFAULT_SITE, PUBLISHED_HOSTS, api_of
from vendors.datadog import SIGNATURES as CLIENT_SIGNATURES
from vendors.datadog_keys import API_KEYS, MANAGE_VERBS, SIGNATURES, DatadogKeys, KeyKind, application_keys
from vendors.http import Conduct, Wire, json_call, succeeded
from vendors.rate_limits import Limit, seconds_header
from vendors.rotation import Rotation

# Datadog does not say how late a use is told. The finest it promises is `used_in_last_24_hours`, so a day is allowed for.
LAST_USED_LAG = timedelta(hours=24)
# Neither is published: bounds of ours, to be corrected by what is measured.
LISTING_LAG = timedelta(seconds=60)
PROPAGATION = timedelta(seconds=60)

READ_SCOPES = ("timeseries_query", "events_read")
_API_KEY_SCOPES = ("api_keys_read", "api_keys_write", "api_keys_delete")
_OF_ACCOUNT = "service_account_write"
_OF_OWN_USER = "user_app_keys"

# That the key was not even sent is told before anything is said about the key.
_WIRE_SIGNATURES = (
    *(row for row in CLIENT_SIGNATURES if row.id == "datadog.key_missing"), *SIGNATURES, *CLIENT_SIGNATURES,
)  # fmt: skip


def connect_api_keys(values: Mapping[str, str], address: str | None, conduct: Conduct) -> DatadogKeys:
    """Return the rotator of the organisation's API keys.

    Raises:
        BadInput: the manage key is missing, or a host is not allowed in this environment.
    """
    return _connected(API_KEYS, values, address, conduct)


def connect_read_keys(values: Mapping[str, str], address: str | None, conduct: Conduct) -> DatadogKeys:
    """Return the rotator of application keys that read; the keys it makes have the scopes that verification needs."""
    return _connected(application_keys(values.get("service_account_id", ""), READ_SCOPES), values, address, conduct)


def connect_manage_keys(values: Mapping[str, str], address: str | None, conduct: Conduct) -> DatadogKeys:
    """Return the rotator of the manage key itself: an application key with the scopes that rotation needs."""
    account = values.get("service_account_id", "")
    scopes = (*_API_KEY_SCOPES, _OF_ACCOUNT if account else _OF_OWN_USER)
    return _connected(application_keys(account, scopes), values, address, conduct)


def check_api_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where Datadog takes the API key. Source: https://docs.datadoghq.com/api/latest/authentication/."""
    api, wire = _opened(values, address, conduct)
    with closing(wire):
        headers = {"dd-api-key": values["api_key"]}
        call = json_call("check_api_key", Effect.READS, "GET", f"{api}/api/v1/validate", headers=headers)
        wire.exchange(call, accepted=lambda answer: succeeded(answer) and answer.fields().get("valid") is True)


def check_application_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where Datadog takes the application key that reads, together with the API key; no scope is needed for it."""
    _check_both("check_application_key", values.get("app_key", ""), values, address, conduct)


def check_manage_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where Datadog takes the manage key. What it may do is seen when it lists."""
    _check_both("check_manage_key", _manage_key(values), values, address, conduct)


def no_probes(client: Client) -> tuple[Probe, ...]:
    """Return nothing: no event is sent or read with a manage key. Its proof is the check, and a listing made with it."""
    del client
    return ()


def _connected(
    kind: KeyKind, values: Mapping[str, str], address: str | None, conduct: Conduct
) -> DatadogKeys:  # fmt: skip
    manage_app_key = _manage_key(values)
    api, wire = _opened(values, address, conduct)
    return DatadogKeys(values["api_key"], manage_app_key, kind, api, wire)


def _manage_key(values: Mapping[str, str]) -> str:
    if not values.get("manage_app_key"):
        raise BadInput(
            "DD_MANAGE_APP_KEY is not there.",
            "Without an application key that may manage keys, none can be listed, made or deleted. Nothing was sent.",
            "Make one as docs/integrations/datadog.md says under Rotation, and run opsflows connect datadog.",
        )
    return values["manage_app_key"]


def _opened(values: Mapping[str, str], address: str | None, conduct: Conduct) -> tuple[str, Wire]:
    wire = Wire(
        "datadog", conduct, signatures=_WIRE_SIGNATURES, published_hosts=PUBLISHED_HOSTS,
        retry_after=seconds_header("x-ratelimit-reset"),
    )  # fmt: skip
    api = address or api_of(values.get("site") or DEFAULT_SITE)
    wire.check_host(api)
    return api, wire


def _check_both(
    verb: str, app_key: str, values: Mapping[str, str], address: str | None, conduct: Conduct
) -> None:  # fmt: skip
    """Source: https://docs.datadoghq.com/api/latest/key-management/validate-api-and-application-keys/."""
    api, wire = _opened(values, address, conduct)
    with closing(wire):
        headers = {"dd-api-key": values["api_key"], "dd-application-key": app_key}
        call = json_call(verb, Effect.READS, "GET", f"{api}/api/v2/validate_keys", headers=headers)
        wire.exchange(call, accepted=lambda answer: succeeded(answer) and answer.fields().get("status") == "ok")


_MANIFEST = Manifest(
    Mint.BY_VENDOR,
    marker_field="name",
    listable=True,
    listing_lag=LISTING_LAG,
    propagation=PROPAGATION,
    last_used_lag=LAST_USED_LAG,
)
# Key management takes an API key and the manage key together.
_OF_MANAGEMENT = replace(_MANIFEST, opens_management=True)

ROTATIONS = (
    Rotation(
        "datadog", Purpose.SEND, "api_key", _OF_MANAGEMENT,
        connect=connect_api_keys,
        check=check_api_key,
        refusals=frozenset({"datadog.api_key_refused"}),
    ),
    Rotation(
        "datadog", Purpose.READ, "app_key", _MANIFEST,
        connect=connect_read_keys,
        check=check_application_key,
        refusals=frozenset({"datadog.application_key_refused"}),
    ),
    Rotation(
        "datadog", Purpose.MANAGE, "manage_app_key", _OF_MANAGEMENT,
        connect=connect_manage_keys,
        check=check_manage_key,
        refusals=frozenset({"datadog.application_key_refused"}),
        probes=no_probes,
    ),
)  # fmt: skip

# The first is published. The queries' stood in an earlier edition of the page, which names none today, and for key
# management none was ever named: both are what we keep to, and the header of a 429 has the last word.
# Source: https://docs.datadoghq.com/api/latest/rate-limits/
LIMITS = (
    Limit(250_000, timedelta(minutes=1), verbs=frozenset({"send_event"})),
    Limit(1600, timedelta(hours=1), verbs=frozenset({"find_metric"})),
    Limit(300, timedelta(hours=1), verbs=frozenset({"find_event"})),
    Limit(600, timedelta(minutes=1), verbs=MANAGE_VERBS),
)
