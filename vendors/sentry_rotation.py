"""How Sentry's credentials are rotated: client keys (DSNs) by API, with a switch; auth tokens by hand.

Sentry's id of a client key is the public part of its DSN, which is all that a sender needs. So our id is a digest of it,
and the key behind a digest is looked up in the list.
Source: https://docs.sentry.io/api/projects/, https://docs.sentry.io/api/pagination/
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from domain.diagnosis import Kind
from domain.errors import BadInput
from domain.exchanges import Effect
from domain.manifests import Fit, ListedCredential, Manifest, Mint, Minted, Page
from domain.names import Purpose
from vendors.answers import iso_moment
from vendors.capabilities import Client, Probe
from vendors.fields import NOTHING_SENT
from vendors.http import Answer, Call, Conduct, Wire, json_call, succeeded
from vendors.rate_limits import Limit
from vendors.rotation import ByHand, HeldOpen, Rotation
from vendors.sentry import PAGE_KEYS, PUBLISHED_HOSTS, listed_objects, lists_objects, rate_limit
from vendors.sentry_dsn import parse_dsn
from vendors.sentry_signatures import SIGNATURES as CLIENT_SIGNATURES
from vendors.sentry_signatures import row_of

# The ingest goes on with the settings it has cached. No bound is published; minutes were seen.
PROPAGATION = timedelta(minutes=5)
HINT_CHARACTERS = 4

_LIST = frozenset({"list_client_keys"})
_CREATE = frozenset({"create_client_key"})
_ENABLE = frozenset({"enable_client_key"})
_MANAGES = _LIST | _CREATE | _ENABLE | {"disable_client_key", "delete_client_key"}
_CHECK_MANAGE = frozenset({"check_manage_token"})
_PLAN_AGAIN = "Then plan the rotation again."
_MANAGE_TOKEN = f"Create a token of the internal integration for rotation (Project: Admin) and run opsflows connect sentry. {_PLAN_AGAIN}"

SIGNATURES = (
    row_of("check_without_key", frozenset({401, 403}), "The DSN's key did not reach Sentry: something on the way removes the X-Sentry-Auth header.", "Look at the proxy between this machine and Sentry.", marker="missing authorization information", verbs=frozenset({"check_dsn"})),
    row_of("dsn_unknown", 403, "Sentry's ingest takes nothing from this DSN: its client key was disabled or deleted, its project is disabled, or the key is new and has not spread yet.", "Look the key up in the project's Settings > Client Keys (DSN).", marker="with_reason", verbs=frozenset({"check_dsn"})),
    row_of("token_revoked", 401, "Sentry knows no such auth token in this region: it was revoked, or never was one.", "Look at the internal integration's Tokens under Settings > Custom Integrations.", verbs=frozenset({"check_token"})),
    row_of("manage_token_unknown", 401, "SENTRY_MANAGE_TOKEN is wrong or was revoked, or belongs to an organisation in the other region.", _MANAGE_TOKEN, verbs=_MANAGES | _CHECK_MANAGE),
    row_of("manage_scope_missing", 403, "SENTRY_MANAGE_TOKEN lacks the scope project:admin, without which no client key can be deleted.", f"Set the permission of the internal integration for rotation to Project: Admin. {_PLAN_AGAIN}", verbs=_MANAGES | _CHECK_MANAGE),
    row_of("client_key_gone", 404, "The client key was deleted: it cannot be switched on again.", "Make a new client key; the old DSN is lost for good.", verbs=_ENABLE),
    row_of("manage_project_unknown", 404, "SENTRY_ORG or SENTRY_PROJECT names nothing that SENTRY_MANAGE_TOKEN can see.", f"Copy both from the project's address: <organisation>.sentry.io/projects/<project>/. {_PLAN_AGAIN}", verbs=_LIST | _CREATE | _CHECK_MANAGE),
    row_of("client_key_not_made", 400, "Sentry makes no client key of this name.", "Report it with the audit bundle.", verbs=_CREATE),
    row_of("change_unclear", frozenset({408, 409}), "Sentry did not say whether the client key was made or changed.", "Look at the project's client keys before it is repeated; the rotation does so by itself.", kind=Kind.OUTCOME_UNKNOWN, verbs=_MANAGES - _LIST),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """The client keys of one project. `ids` are Sentry's, by ours, as far as they were seen.

    Switching and deleting need Sentry's id: a key that this rotator has not seen yet is looked for first, page by page.
    """

    manage_token: str = field(repr=False)
    keys_url: str
    wire: Wire
    ids: dict[str, str] = field(default_factory=dict, repr=False)

    def list_credentials(self, cursor: str) -> Page:
        query = f"?per_page={PAGE_KEYS}" + (f"&cursor={quote(cursor)}" if cursor else "")
        answer = self._exchange("list_client_keys", Effect.READS, "GET", query, accepted=lists_objects)
        rows = listed_objects(answer) or []
        keys = tuple(_listed(self._known_as(str(row.get("id", ""))), row) for row in rows)
        return Page(keys, _next_cursor(answer.headers.get("link", "")))

    def create(self, marker: str, value: str) -> Minted:
        """Make a client key of this name and return its public DSN. Sentry takes one name twice without a word."""
        del value  # Sentry chooses it
        answer = self._exchange(
            "create_client_key", Effect.CHANGES, "POST", payload={"name": marker}, accepted=_has_dsn
        )
        made = answer.fields()
        return Minted(self._known_as(str(made["id"])), str(made["dsn"]["public"]))

    def disable(self, vendor_id: str) -> None:
        """Switch the key off; one that is gone already is done."""
        self._switch("disable_client_key", vendor_id, {"isActive": False}, _inactive)

    def enable(self, vendor_id: str) -> None:
        self._switch("enable_client_key", vendor_id, {"isActive": True}, _active)

    def revoke(self, vendor_id: str) -> None:
        """Delete the key for good; one that is gone already is done."""
        key_id = self._sentrys_id(vendor_id)
        self._exchange("delete_client_key", Effect.CHANGES, "DELETE", f"{key_id}/", accepted=_gone)

    def held_open(self, vendor_id: str, cursor: str) -> HeldOpen:
        """Return nothing: issues belong to the project, not to the key that reported them."""
        del vendor_id, cursor
        return HeldOpen()

    def close(self) -> None:
        self.wire.close()

    def _switch(
        self, verb: str, vendor_id: str, payload: Mapping[str, bool], accepted: Callable[[Answer], bool]
    ) -> None:
        key_id = self._sentrys_id(vendor_id)
        self._exchange(verb, Effect.CHANGES, "PUT", f"{key_id}/", payload=payload, accepted=accepted)

    def _known_as(self, sentrys_id: str) -> str:
        vendor_id = "ck-" + hashlib.sha256(sentrys_id.encode()).hexdigest()[:_DIGEST_CHARACTERS]
        self.ids[vendor_id] = sentrys_id
        return vendor_id

    def _sentrys_id(self, vendor_id: str) -> str:
        """Return Sentry's id, or ours where the list has no such key: Sentry itself then says that it is not there."""
        cursor = ""
        while vendor_id not in self.ids:
            page = self.list_credentials(cursor)
            cursor = page.next_cursor
            if not cursor:
                break
        return self.ids.get(vendor_id, vendor_id)

    def _exchange(
        self, verb: str, effect: Effect, method: str, rest: str = "", *,
        accepted: Callable[[Answer], bool], payload: object = None,
    ) -> Answer:  # fmt: skip
        headers = _bearer(self.manage_token)
        call = json_call(verb, effect, method, f"{self.keys_url}{rest}", headers=headers, payload=payload)
        return self.wire.exchange(call, accepted=accepted)


def connect_client_keys(values: Mapping[str, str], address: str | None, conduct: Conduct) -> ClientKeys:
    """Return the rotator of the project's client keys.

    Raises:
        BadInput: the manage token, the organisation or the project is missing, or a host is not allowed here.
    """
    url = _project_url(values, address, "manage_token")
    return ClientKeys(values["manage_token"], f"{url}keys/", _opened(conduct, url))


def check_dsn(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where the ingest takes the DSN's key; nobody sees anything.

    It is a client report that nothing was discarded: the ingest looks at the key and counts nothing. An envelope without
    items would be answered 200 before the key is looked at. A cold ingest answers 200 to any key: only an event that is
    read back proves a new one, and a revoked one is refused within the propagation.
    Source: https://develop.sentry.dev/sdk/telemetry/client-reports/; relay-server/src/endpoints/common.rs of getsentry/relay
    """
    del address  # a DSN says itself where it goes
    parsed = parse_dsn(values["dsn"])
    with closing(_opened(conduct, parsed.envelope_url)) as wire:
        call = Call(
            "check_dsn", Effect.READS, "POST", parsed.envelope_url,
            {
                "content-type": "application/x-sentry-envelope",
                "x-sentry-auth": f"Sentry sentry_version=7, sentry_client=opsflows/1.0, sentry_key={parsed.public_key}",
            },
            _NOTHING_DISCARDED,
        )  # fmt: skip
        wire.exchange(call)


def check_token(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where the API takes the token that reads: it looks at its project, for which project:read is enough."""
    _check_project("check_token", "auth_token", values, address, conduct)


def check_manage_token(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where the API takes the manage token. That it may write is seen only when it does."""
    _check_project("check_manage_token", "manage_token", values, address, conduct)


def no_probes(client: Client) -> tuple[Probe, ...]:
    """Return nothing: no event is sent or read with a manage token. Its proof is the check, and a listing made with it."""
    del client
    return ()


# One item of the type client_report, in an envelope without a head of its own.
_NOTHING_DISCARDED = b'{}\n{"type":"client_report"}\n{"discarded_events":[]}\n'

_VARIABLE = {
    "auth_token": "SENTRY_AUTH_TOKEN", "manage_token": "SENTRY_MANAGE_TOKEN",
    "organisation": "SENTRY_ORG", "project": "SENTRY_PROJECT",
}  # fmt: skip


def _project_url(values: Mapping[str, str], address: str | None, token: str) -> str:
    absent = [_VARIABLE[name] for name in (token, "organisation", "project") if not values.get(name)]
    if absent:
        raise BadInput(
            f"{', '.join(absent)}: not there.",
            f"A token, the organisation and the project are needed to look at Sentry's side. {NOTHING_SENT}",
            "Add what is missing with opsflows connect sentry; docs/integrations/sentry.md says where each is found.",
        )
    api = address or parse_dsn(values["dsn"]).api
    return f"{api}/api/0/projects/{values['organisation']}/{values['project']}/"


def _opened(conduct: Conduct, url: str) -> Wire:
    signatures = (*SIGNATURES, *CLIENT_SIGNATURES)
    wire = Wire("sentry", conduct, signatures=signatures, published_hosts=PUBLISHED_HOSTS, retry_after=rate_limit)
    wire.check_host(url)
    return wire


def _check_project(
    verb: str, token: str, values: Mapping[str, str], address: str | None, conduct: Conduct
) -> None:  # fmt: skip
    """Source: https://docs.sentry.io/api/projects/retrieve-a-project/."""
    url = _project_url(values, address, token)
    with closing(_opened(conduct, url)) as wire:
        wire.exchange(json_call(verb, Effect.READS, "GET", url, headers=_bearer(values[token])))


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _listed(vendor_id: str, row: Mapping[str, Any]) -> ListedCredential:
    public = str(row.get("public") or "")
    return ListedCredential(
        vendor_id=vendor_id,
        name=str(row.get("name") or ""),
        enabled=row.get("isActive") is not False,
        hint=public[-HINT_CHARACTERS:],
        created_at=iso_moment(row.get("dateCreated")),
        fits=partial(_fit, public),
    )


def _fit(public_key: str, value: str) -> Fit:
    try:
        same = bool(public_key) and parse_dsn(value).public_key == public_key
    except BadInput:
        same = False
    return Fit.EXACT if same else Fit.NO


_DIGEST_CHARACTERS = 24
_NEXT = re.compile(r'rel="next";\s*results="true";\s*cursor="([^"]+)"')
_NOT_FOUND = 404


def _next_cursor(link: str) -> str:
    found = _NEXT.search(link)
    return found.group(1) if found else ""


def _has_dsn(answer: Answer) -> bool:
    made = answer.fields()
    dsn = made.get("dsn")
    return succeeded(answer) and bool(made.get("id")) and isinstance(dsn, dict) and bool(dsn.get("public"))


def _active(answer: Answer) -> bool:
    return succeeded(answer) and answer.fields().get("isActive") is True


def _inactive(answer: Answer) -> bool:
    return (succeeded(answer) and answer.fields().get("isActive") is False) or answer.status == _NOT_FOUND


def _gone(answer: Answer) -> bool:
    return succeeded(answer) or answer.status == _NOT_FOUND


ROTATIONS = (
    Rotation(
        "sentry", Purpose.SEND, "dsn",
        Manifest(Mint.BY_VENDOR, marker_field="name", listable=True, can_disable=True, propagation=PROPAGATION),
        connect=connect_client_keys,
        check=check_dsn,
        # The second is the same answer to the probe's event: a new key that ingest does not know yet gets it too.
        refusals=frozenset({"sentry.dsn_unknown", "sentry.rejected"}),
    ),
    Rotation(
        "sentry", Purpose.READ, "auth_token", Manifest(Mint.BY_HAND),
        connect=None,
        check=check_token,
        refusals=frozenset({"sentry.token_revoked"}),
        by_hand=ByHand(
            create="In Sentry open Settings > Custom Integrations, choose the internal integration whose token SENTRY_AUTH_TOKEN is, press New Token under Tokens, and put the token into the block: it is shown once.",
            revoke="In Sentry open Settings > Custom Integrations, choose the same internal integration, find the old token under Tokens by its last characters, and remove it.",
        ),
    ),
    Rotation(
        "sentry", Purpose.MANAGE, "manage_token", Manifest(Mint.BY_HAND),
        connect=None,
        check=check_manage_token,
        refusals=frozenset({"sentry.manage_token_unknown"}),
        probes=no_probes,
        by_hand=ByHand(
            create="In Sentry open Settings > Custom Integrations, choose the internal integration for rotation (Project: Admin), press New Token under Tokens, and put the token into the block: it is shown once.",
            revoke="In Sentry open Settings > Custom Integrations, choose the internal integration for rotation, find the old token under Tokens by its last characters, and remove it.",
        ),
    ),
)  # fmt: skip

# Per second, for each endpoint. The limits page names none; these stand in src/sentry/core/endpoints/project_keys.py
# of getsentry/sentry. Source: https://docs.sentry.io/api/ratelimits/
LIMITS = (
    Limit(40, timedelta(seconds=1), verbs=frozenset({"list_client_keys", "list_keys"})),
    Limit(40, timedelta(seconds=1), verbs=frozenset({"create_client_key"})),
)
