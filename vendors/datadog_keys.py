"""Datadog's two kinds of keys, as its key management lists, makes and deletes them.

Source: https://docs.datadoghq.com/api/latest/key-management/, https://docs.datadoghq.com/api/latest/service-accounts/
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlencode

from domain.diagnosis import Kind, Symptom, error_of
from domain.errors import Rejected
from domain.exchanges import Effect
from domain.manifests import Fit, ListedCredential, Minted, Page
from vendors.answers import iso_moment
from vendors.datadog import row_of
from vendors.http import Answer, Wire, json_call, succeeded
from vendors.rotation import HeldOpen

# The largest page that a listing gives. Source: https://docs.datadoghq.com/api/latest/key-management/
PAGE_KEYS = 100

_LISTS = frozenset({"list_api_keys", "list_application_keys"})
_CREATES = frozenset({"create_api_key", "create_application_key"})
_DELETES = frozenset({"delete_api_key", "delete_application_key"})
MANAGE_VERBS = _LISTS | _CREATES | _DELETES
_APPLICATION_KEYS = frozenset({"list_application_keys", "create_application_key", "delete_application_key"})
_APPLICATION_KEY_CHECKS = frozenset({"check_application_key", "check_manage_key"})
_PLAN_AGAIN = "Then plan the rotation again."

# A refusal counts where Datadog itself gave it, in its own JSON: a proxy's 403 says nothing about a key.
SIGNATURES = (
    row_of("manage_permission", 403, "DD_MANAGE_APP_KEY or the role of its owner lacks what was asked: api_keys_read, api_keys_write and api_keys_delete for API keys, service_account_write for the application keys of a service account, user_app_keys for those of its own user.", f"Edit the key's scopes under Organization Settings > Application Keys and the role of its owner. {_PLAN_AGAIN}", marker="permission", verbs=MANAGE_VERBS),
    row_of("manage_key", 403, "DD_MANAGE_APP_KEY is wrong or was revoked, its owner was disabled, or it belongs to another organisation than DD_API_KEY.", f"Make an application key with the scopes on this integration's page and run opsflows connect datadog. {_PLAN_AGAIN}", marker="Invalid API key or Application key", verbs=MANAGE_VERBS),
    row_of("api_key_refused", frozenset({401, 403}), "Datadog knows no such API key at this site: it was revoked, or has not spread yet where it is new.", "Look the key up under Organization Settings > API Keys by its last four characters.", marker='"errors"', verbs=frozenset({"check_api_key"})),
    row_of("application_key_refused", frozenset({401, 403}), "Datadog knows no such application key beside this API key: it was revoked, or has not spread yet where it is new. The answer is the same where the API key is at fault.", "Look the key up under Organization Settings > Application Keys by its last four characters.", marker='"errors"', verbs=_APPLICATION_KEY_CHECKS),
    row_of("name_taken", 409, "A key of this name exists already: an earlier attempt made it, and its value was shown once.", "Look for the name among the keys before another one is made; the rotation does so by itself.", kind=Kind.OUTCOME_UNKNOWN, verbs=_CREATES),
    row_of("no_room", 400, "Datadog makes no further key: the organisation or the owner has as many as may be, or the name or a scope is not taken.", f"Delete keys that nobody uses, or ask Datadog for a higher limit. {_PLAN_AGAIN}", verbs=_CREATES),
    row_of("last_key", 400, "Datadog does not delete this key: an organisation must keep at least one API key.", "Look at Organization Settings > API Keys: the new key must be there before the old one goes.", verbs=frozenset({"delete_api_key"})),
    row_of("service_account_unknown", 404, "DD_SERVICE_ACCOUNT_ID names no service account that DD_MANAGE_APP_KEY can see.", f"Copy the id from the address of the service account's page and run opsflows connect datadog. {_PLAN_AGAIN}", verbs=_APPLICATION_KEYS),
    row_of("change_unclear", 408, "Datadog gave up on the request; the key may have been made or deleted all the same.", "Look at the list of keys before it is repeated; the rotation does so by itself.", kind=Kind.OUTCOME_UNKNOWN, verbs=_CREATES | _DELETES),
)  # fmt: skip

CANNOT_DISABLE = Symptom(
    "datadog.cannot_disable",
    "A Datadog key was to be switched off or on.",
    "Datadog can delete a key and nothing less.",
    "Revoke the key instead, or leave it as it is.",
)


@dataclass(frozen=True, slots=True)
class KeyKind:
    """One of Datadog's two kinds of keys, and by which names its API speaks of it."""

    path: str
    type: str
    noun: str
    last_used: str
    slots: str
    scopes: tuple[str, ...] = ()


API_KEYS = KeyKind("/api/v2/api_keys", "api_keys", "api_key", "date_last_used", "max_allowed")


def application_keys(service_account_id: str, scopes: tuple[str, ...]) -> KeyKind:
    """Return the kind for a service account's application keys, or those of the manage key's own user where it is empty."""
    owner = f"service_accounts/{service_account_id}" if service_account_id else "current_user"
    path = f"/api/v2/{owner}/application_keys"
    return KeyKind(path, "application_keys", "application_key", "last_used_at", "max_allowed_per_user", scopes)


@dataclass(frozen=True, slots=True)
class DatadogKeys:
    """All keys of one kind in one organisation, or of one owner in it."""

    api_key: str = field(repr=False)
    manage_app_key: str = field(repr=False)
    kind: KeyKind
    api: str
    wire: Wire

    def list_credentials(self, cursor: str) -> Page:
        number = int(cursor or "0")
        query = "?" + urlencode({"page[size]": PAGE_KEYS, "page[number]": number, "sort": "created_at"})
        answer = self._exchange(f"list_{self.kind.noun}s", Effect.READS, "GET", query, accepted=_lists_data)
        rows = _rows(answer)
        meta = answer.get("meta")
        slots = meta.get(self.kind.slots) if isinstance(meta, dict) else None
        return Page(
            tuple(self._listed(row) for row in rows),
            str(number + 1) if len(rows) == PAGE_KEYS else "",
            slots if isinstance(slots, int) else None,
        )

    def create(self, marker: str, value: str) -> Minted:
        """Make a key whose name is the marker; the answer is the only one that shows an application key's value."""
        del value  # Datadog chooses it
        attributes: dict[str, object] = {"name": marker}
        if self.kind.scopes:
            attributes["scopes"] = list(self.kind.scopes)
        payload = {"data": {"type": self.kind.type, "attributes": attributes}}
        verb = f"create_{self.kind.noun}"
        answer = self._exchange(verb, Effect.CHANGES, "POST", "", payload=payload, accepted=_shows_a_key)
        data = answer["data"]
        return Minted(str(data["id"]), str(data["attributes"]["key"]))

    def disable(self, vendor_id: str) -> None:
        del vendor_id
        raise error_of(CANNOT_DISABLE, Rejected)

    def enable(self, vendor_id: str) -> None:
        del vendor_id
        raise error_of(CANNOT_DISABLE, Rejected)

    def revoke(self, vendor_id: str) -> None:
        """Delete the key for good; one that is gone already is done."""
        self._exchange(f"delete_{self.kind.noun}", Effect.CHANGES, "DELETE", f"/{vendor_id}", accepted=_gone)

    def held_open(self, vendor_id: str, cursor: str) -> HeldOpen:
        """Return nothing: no key holds anything open."""
        del vendor_id, cursor
        return HeldOpen()

    def close(self) -> None:
        self.wire.close()

    def _exchange(
        self, verb: str, effect: Effect, method: str, rest: str, *,
        accepted: Callable[[Answer], bool], payload: object = None,
    ) -> dict[str, Any]:  # fmt: skip
        call = json_call(
            verb, effect, method, f"{self.api}{self.kind.path}{rest}",
            headers={"dd-api-key": self.api_key, "dd-application-key": self.manage_app_key}, payload=payload,
        )  # fmt: skip
        return self.wire.exchange(call, accepted=accepted).fields()

    def _listed(self, row: Mapping[str, Any]) -> ListedCredential:
        attributes = row.get("attributes")
        said: Mapping[str, Any] = attributes if isinstance(attributes, dict) else {}
        last = str(said.get("last4") or "")
        return ListedCredential(
            vendor_id=str(row.get("id", "")),
            name=str(said.get("name") or ""),
            hint=last,
            created_at=iso_moment(said.get("created_at")),
            last_used_at=iso_moment(said.get(self.kind.last_used)),
            fits=partial(_fit, last),
        )


def _lists_data(answer: Answer) -> bool:
    return succeeded(answer) and isinstance(answer.fields().get("data"), list)


def _rows(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [row for row in answer["data"] if isinstance(row, dict)]


def _shows_a_key(answer: Answer) -> bool:
    data = answer.fields().get("data")
    made = data if isinstance(data, dict) else {}
    attributes = made.get("attributes")
    return succeeded(answer) and bool(made.get("id")) and isinstance(attributes, dict) and bool(attributes.get("key"))


def _gone(answer: Answer) -> bool:
    """Accept a key that is not there; where the whole service account is not, the key may live elsewhere."""
    return succeeded(answer) or (answer.status == _NOT_FOUND and "service account" not in answer.text.lower())


_NOT_FOUND = 404


def _fit(last_characters: str, value: str) -> Fit:
    return Fit.LAST_CHARACTERS if last_characters and value.endswith(last_characters) else Fit.NO
