"""Opsgenie's keys in rotation: a key is an API integration, made, switched off and deleted by API; the managing one by hand.

A listing shows no key, so which integration a value belongs to is told by an alert that was sent with it alone.
Source: https://docs.opsgenie.com/docs/integration-api, https://docs.opsgenie.com/docs/api-access-management
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from domain.diagnosis import Kind, Signature
from domain.errors import BadInput
from domain.exchanges import Effect
from domain.manifests import ListedCredential, Manifest, Mint, Minted, Page
from domain.names import Purpose
from vendors.capabilities import Client, Probe
from vendors.http import Answer, Conduct, Wire, json_call, succeeded
from vendors.opsgenie import API_OF_REGION, PUBLISHED_HOSTS, connect, throttled
from vendors.opsgenie import SIGNATURES as CLIENT_SIGNATURES
from vendors.rate_limits import Limit
from vendors.rotation import ByHand, HeldOpen, Rotation

KIND = "API"
# Opsgenie names no bound within which a listing shows what was made, or a key works; assumptions on the safe side.
LISTING_LAG = timedelta(seconds=30)
PROPAGATION = timedelta(minutes=1)

_CHANGES = frozenset({"create", "disable", "enable", "revoke"})
_MANAGE = _CHANGES | {"list_credentials", "check_manage_key"}
_CREATE, _ENABLE = frozenset({"create"}), frozenset({"enable"})
_FAILED = frozenset(range(500, 600)) | {408}


def _row(
    name: str, statuses: frozenset[int], means: str, next_step: str, *,
    verbs: frozenset[str] = _MANAGE, kind: Kind = Kind.REJECTED,
) -> Signature:  # fmt: skip
    return Signature(
        f"opsgenie.{name}", statuses, kind, "Opsgenie answered {status} to {verb}.", means, next_step, "", verbs
    )


# Source: https://docs.opsgenie.com/docs/response
SIGNATURES = (
    _row("manage_key_unknown", frozenset({401}), "OPSGENIE_MANAGE_KEY is wrong, its integration is switched off, or the account is in the other region.", "Compare OPSGENIE_REGION with the account's address, then the key with its API integration."),
    _row("manage_denied", frozenset({403}), "OPSGENIE_MANAGE_KEY may not do this: its integration has no Configuration access, or is of another team.", "Tick Configuration access, Read, Create and Update, and Delete on the API integration that the key belongs to."),
    _row("marker_taken", frozenset({409}), "An integration of that name is there already; an earlier run may have made it.", "Look under Integrations for the name; the next step lists them before another is made.", verbs=_CREATE, kind=Kind.OUTCOME_UNKNOWN),
    _row("integration_refused", frozenset({422}), "Opsgenie does not take the new integration as we describe it: most often OPSGENIE_TEAM is no team that the key may see.", "Compare OPSGENIE_TEAM with the team's name, letter by letter; if it is right, report it with the audit bundle.", verbs=_CREATE),
    _row("integration_gone", frozenset({404}), "The integration was deleted, so it cannot be switched on again.", "Make a new one: its key is another one.", verbs=_ENABLE),
    _row("manage_failed", _FAILED, "Opsgenie failed while answering; the integration may have been made or changed all the same.", "Look at status.opsgenie.com; the next step lists the integrations before anything is repeated.", verbs=_CHANGES, kind=Kind.OUTCOME_UNKNOWN),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ApiIntegrations:
    """The API integrations that the managing key sees; the marker is the integration's name, which Opsgenie keeps unique."""

    manage_key: str = field(repr=False)
    team: str
    api: str
    wire: Wire

    def list_credentials(self, cursor: str) -> Page:
        """Return all API integrations; Opsgenie gives them in one answer, and never their keys."""
        del cursor
        answer = self._exchange("list_credentials", Effect.READS, "GET", "", accepted=_is_listing)
        rows = [row for row in answer.fields()["data"] if isinstance(row, dict)]
        return Page(tuple(_listed(row) for row in rows if row.get("type") == KIND))

    def create(self, marker: str, value: str) -> Minted:
        """Make an integration that may read, create and update alerts, and nothing else.

        A key of a team makes integrations of that team, whatever the request says.
        """
        del value  # Opsgenie chooses it
        wanted = {
            "type": KIND,
            "name": marker,
            "allowReadAccess": True,
            "allowWriteAccess": True,
            "allowDeleteAccess": False,
            "allowConfigurationAccess": False,
            **({"ownerTeam": {"name": self.team}} if self.team else {}),
        }
        made = self._exchange("create", Effect.CHANGES, "POST", "", payload=wanted, accepted=_names_a_key)
        data = made.fields()["data"]
        return Minted(str(data["id"]), str(data["apiKey"]))

    def disable(self, vendor_id: str) -> None:
        """Switch it off; one that is gone cannot be used either, so that is done too."""
        self._exchange("disable", Effect.CHANGES, "POST", f"{_path(vendor_id)}/disable", accepted=_done_or_gone)

    def enable(self, vendor_id: str) -> None:
        """Switch it on. One that is gone stays gone, which is refused."""
        self._exchange("enable", Effect.CHANGES, "POST", f"{_path(vendor_id)}/enable", accepted=_done)

    def revoke(self, vendor_id: str) -> None:
        """Delete the integration; one that is gone already is done."""
        self._exchange("revoke", Effect.CHANGES, "DELETE", _path(vendor_id), accepted=_done_or_gone)

    def held_open(self, vendor_id: str, cursor: str) -> HeldOpen:
        """Return nothing: an alias is the account's, so another key closes what this one opened."""
        del vendor_id, cursor
        return HeldOpen()

    def close(self) -> None:
        self.wire.close()

    def _exchange(
        self, verb: str, effect: Effect, method: str, path: str, *,
        accepted: Callable[[Answer], bool], payload: Mapping[str, object] | None = None,
    ) -> Answer:  # fmt: skip
        url = f"{self.api}/v2/integrations{path}"
        call = json_call(verb, effect, method, url, headers=_opens(self.manage_key), payload=payload)
        return self.wire.exchange(call, accepted)


def connect_integrations(values: Mapping[str, str], address: str | None, conduct: Conduct) -> ApiIntegrations:
    """Return the rotator of API integrations.

    Raises:
        BadInput: the managing key is missing, or the host is not allowed in this environment.
    """
    if not values.get("manage_key"):
        raise BadInput(
            "OPSGENIE_MANAGE_KEY is not there.",
            "Without a key that has Configuration access, no integration can be made, switched or deleted. Nothing was sent.",
            "Make an API integration with Configuration access and run opsflows connect opsgenie.",
        )
    wire = Wire(
        "opsgenie", conduct, signatures=(*SIGNATURES, *CLIENT_SIGNATURES), published_hosts=PUBLISHED_HOSTS,
        retry_after=throttled,
    )  # fmt: skip
    api = address or API_OF_REGION[values.get("region", "us")]
    wire.check_host(api)
    return ApiIntegrations(values["manage_key"], values.get("team", ""), api, wire)


def check_api_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where Opsgenie takes the key. It answers 401 to one that is unknown, switched off or of the other region."""
    with closing(connect(values, address, conduct)) as client:
        url = f"{client.api}/v2/alerts?limit=1"
        call = json_call("check_api_key", Effect.READS, "GET", url, headers=_opens(client.api_key))
        client.wire.exchange(call)


def check_manage_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where Opsgenie takes the managing key and lets it see integrations, which takes Configuration access."""
    with closing(connect_integrations(values, address, conduct)) as rotator:
        url = f"{rotator.api}/v2/integrations"
        call = json_call("check_manage_key", Effect.READS, "GET", url, headers=_opens(rotator.manage_key))
        rotator.wire.exchange(call, _is_listing)


def no_probes(client: Client) -> tuple[Probe, ...]:
    """Return nothing: no alert is sent with a managing key, so its check is all there is."""
    del client
    return ()


ROTATIONS = (
    Rotation(
        "opsgenie", Purpose.SEND, "api_key",
        Manifest(
            Mint.BY_VENDOR, marker_field="name", listable=True, can_disable=True, listing_lag=LISTING_LAG,
            propagation=PROPAGATION,
        ),
        connect=connect_integrations,
        check=check_api_key,
        refusals=frozenset({"opsgenie.unauthorized"}),
        wakes_people=True,
    ),
    Rotation(
        "opsgenie", Purpose.MANAGE, "manage_key",
        Manifest(Mint.BY_HAND, propagation=PROPAGATION),
        connect=None,
        check=check_manage_key,
        refusals=frozenset({"opsgenie.manage_key_unknown"}),
        probes=no_probes,
        by_hand=ByHand(
            create="In Opsgenie open the integrations of the same team or of the account as the old key's, choose Add integration > API, name it after the rotation, tick Read, Create and Update, Delete and Configuration access, switch it on, and put its API Key into the block.",
            revoke="In Opsgenie open the old key's API integration, switch it off, check that the new key works, and then delete it.",
        ),
    ),
)  # fmt: skip

# https://docs.opsgenie.com/docs/api-rate-limiting: the limits depend on the plan and its users, and no number is published.
LIMITS: tuple[Limit, ...] = ()

_GONE = 404


def _opens(key: str) -> dict[str, str]:
    return {"authorization": f"GenieKey {key}"}


def _path(vendor_id: str) -> str:
    return f"/{quote(vendor_id, safe='')}"


def _listed(row: Mapping[str, Any]) -> ListedCredential:
    return ListedCredential(str(row.get("id", "")), str(row.get("name", "")), enabled=row.get("enabled") is not False)


def _is_listing(answer: Answer) -> bool:
    """Accept a list, which may be empty: a list that could not be read is not an empty one."""
    return succeeded(answer) and isinstance(answer.fields().get("data"), list)


def _names_a_key(answer: Answer) -> bool:
    made = answer.fields().get("data")
    return succeeded(answer) and isinstance(made, dict) and bool(made.get("id") and made.get("apiKey"))


def _done(answer: Answer) -> bool:
    """Accept Opsgenie's own word: what something on the way says with a 200 changed nothing."""
    return succeeded(answer) and bool(answer.fields().get("requestId"))


def _done_or_gone(answer: Answer) -> bool:
    return _done(answer) or answer.status == _GONE
