"""Keycloak's Admin REST API as far as one client's secrets go: the client is read, put as a whole, its second secret deleted.

Keycloak keeps the first secret of a client in a field and the second, with the dates of both, in attributes of the client.
A representation is put as it was read but for what is changed: what is left out may be reset (authorizationServicesEnabled is).
Source: https://www.keycloak.org/docs-api/latest/rest-api/index.html#_clients,
server-spi/src/main/java/org/keycloak/models/ClientSecretConstants.java and
services/src/main/java/org/keycloak/services/resources/admin/ClientResource.java of keycloak/keycloak;
https://github.com/keycloak/keycloak/issues/32530
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Any
from urllib.parse import quote, urlencode

from domain.diagnosis import Kind, Symptom
from domain.errors import Rejected
from domain.exchanges import Effect
from vendors.http import Answer, Wire, json_call, succeeded
from vendors.oidc import gives_token, grant_call, row_of
from vendors.rate_limits import http_date

# How long the second secret lives at most. A rotation deletes it after its overlap, and this is for one that nobody finishes;
# so it is longer than any overlap and a rollback after it.
SECOND_LIFE = timedelta(days=30)

MADE_AT = "client.secret.creation.time"
ENDS_AT = "client.secret.expiration.time"
SECOND = "client.secret.rotated"
SECOND_MADE_AT = "client.secret.rotated.creation.time"
SECOND_ENDS_AT = "client.secret.rotated.expiration.time"
# Ours, beside theirs: the creation time of a secret that nobody knows, put in place of one that had to go at once.
SEALED = "opsflows.sealed"
# An empty attribute is removed. Source: ClientAdapter.java (setAttribute) of keycloak/keycloak
NO_SECOND: Mapping[str, str] = {SECOND: "", SECOND_MADE_AT: "", SECOND_ENDS_AT: ""}

_MASK = "**********"
_IN_VAULT = "${vault."
_NO_CONTENT, _GONE = 204, 404

_SIGN_IN = frozenset({"admin_token", "check_admin_secret"})
_CHANGES = frozenset({"add_secret", "point_to_secret", "end_secret", "delete_second_secret"})
_MANAGES = _CHANGES | {"read_client"}
_REFUSED = frozenset({400, 401})
_CONNECT = "Copy it from the admin client's Credentials and run opsflows connect oidc."
_ROLE = "Assign manage-clients of realm-management under Service accounts roles of the client that OIDC_ADMIN_CLIENT_ID names."

SIGNATURES = (
    row_of("admin_client_unknown", _REFUSED, "The realm has no client OIDC_ADMIN_CLIENT_ID, or it is disabled.", "Compare OIDC_ADMIN_CLIENT_ID with Clients in the realm's console; it has to be of the same realm.", marker="invalid_client", verbs=_SIGN_IN),
    row_of("admin_secret_refused", _REFUSED, "OIDC_ADMIN_CLIENT_SECRET is none of the admin client's secrets: wrong, replaced or expired.", _CONNECT, marker="invalid client", verbs=_SIGN_IN),
    row_of("admin_without_account", _REFUSED, "The client that OIDC_ADMIN_CLIENT_ID names has no service account.", f"Switch on Service accounts roles in its settings. {_ROLE}", marker="retrieve service account", verbs=_SIGN_IN),
    row_of("admin_refused", _REFUSED | {403}, "Keycloak, or what stands in front of it, gives the admin client no token.", "Look for the refusal under Events in the realm's console, and at the proxy in front of Keycloak.", verbs=_SIGN_IN),
    row_of("no_admin_realm", frozenset({404, 405}), "No token endpoint answers at OIDC_ISSUER.", "Open OIDC_ISSUER with /.well-known/openid-configuration behind it, and correct it.", verbs=_SIGN_IN),
    row_of("admin_token_unknown", frozenset({401}), "The Admin REST API does not take the token that the realm has just given.", "See that OIDC_ISSUER is the issuer that Keycloak names, and that the proxy in front of it lets the Authorization header through.", verbs=_MANAGES),
    row_of("manage_denied", frozenset({403}), "The admin client's service account may not look after clients.", _ROLE, verbs=_MANAGES),
    row_of("no_admin_api", frozenset({404, 405}), "No Admin REST API answers beside OIDC_ISSUER: a proxy keeps /admin closed, or Keycloak has it at another host.", "Open /admin/realms/<realm> at the same host for this machine.", verbs=frozenset({"read_client"})),
    row_of("client_deleted", frozenset({404}), "The client was deleted meanwhile.", "Create it again, or take it out of scope.", verbs=_CHANGES),
    row_of("update_refused", frozenset({400}), "Keycloak does not take the client as it is now: a client policy or a validation of the realm refuses it.", "Save the client in the realm's console, which names what is wrong; then run the rotation again.", verbs=_CHANGES),
    row_of("change_unclear", frozenset({408, 409}), "Keycloak did not say whether the client was changed.", "Look at the client's Credentials before it is repeated; the rotation does so by itself.", kind=Kind.OUTCOME_UNKNOWN, verbs=_CHANGES),
)  # fmt: skip

_POLICY = "docs/integrations/oidc.md shows the policy under Set-up; before Keycloak 26.8 the feature client-secret-rotation has to be switched on as well."

SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("oidc.client_missing", "The realm lists no client {client}.", "OIDC_CLIENT_ID names none, or the admin client may not see it; nothing was changed.", "Compare OIDC_CLIENT_ID with Clients in the realm's console."),
        Symptom("oidc.secrets_hidden", "Keycloak shows no secret of {client}.", "The client is public, or the admin client may view clients and not manage them; nothing was changed.", _ROLE),
        Symptom("oidc.secret_in_vault", "The secret of {client} is a reference into Keycloak's vault.", "Keycloak reads it from there and cannot replace it there; nothing was changed.", "Rotate it in the vault, or give the client a secret of its own under Credentials."),
        Symptom("oidc.second_secret_stands", "{client} has a second secret already, made by somebody else.", "A new one would take its place, and whoever uses it would be refused; nothing was changed.", "Find out who rotates this client; once nobody uses it, Invalidate it under Credentials, or wait until it ends."),
        Symptom("oidc.no_policy", "Keycloak did not keep a second secret of {client}.", "No client policy with secret-rotation applies to it, so old and new cannot overlap; the secret in use was not touched.", f"Let such a policy apply to the client, then plan the rotation again. {_POLICY}"),
        Symptom("oidc.second_secret_gone", "The secret that {client} was to use is not at Keycloak any more.", "It was invalidated, replaced or has ended; the first secret stands as it was.", "Look at the client's Credentials and at the realm's admin events for who did it, then roll the rotation back."),
        Symptom("oidc.overlap_lost", "{client} has its new secret, and Keycloak dropped the old one with it.", "The client policy was switched off while the rotation was open: applications with the old secret are refused from now on.", f"Restart what still has the old secret, and let the policy apply again. {_POLICY}"),
        Symptom("oidc.no_switch", "Keycloak cannot switch a client secret off and on again.", "It can only be deleted; nothing was sent.", "Report it: the rotation should not have asked."),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret as Keycloak shows it to who may manage clients. Moments are epoch seconds of Keycloak's clock; 0: none named."""

    value: str = field(repr=False)
    made_at: int
    ends_at: int

    def holds(self, value: str) -> bool:
        return bool(self.value) and compare_digest(self.value.encode(), value.encode())


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """A client as it was read. `told_at` is Keycloak's clock at that moment."""

    uuid: str
    representation: Mapping[str, Any] = field(repr=False)
    told_at: int

    @property
    def name(self) -> str:
        return str(self.representation["clientId"])

    @property
    def first(self) -> Secret:
        return Secret(str(self.representation["secret"]), self._moment(MADE_AT), self._moment(ENDS_AT))

    @property
    def second(self) -> Secret | None:
        """Return the second secret until it ends. One for which no end is named has ended."""
        ends_at = self._moment(SECOND_ENDS_AT)
        kept = self._attributes.get(SECOND) and self._attributes.get(SECOND_MADE_AT)
        if not kept or ends_at < self.told_at:
            return None
        return Secret(str(self._attributes[SECOND]), self._moment(SECOND_MADE_AT), ends_at)

    @property
    def has_ended(self) -> bool:
        """Say whether the first secret has ended; Keycloak then refuses the second as well."""
        return 0 < self.first.ends_at < self.told_at

    @property
    def is_sealed(self) -> bool:
        """Say whether nobody knows the first secret, because we put it in place of one that had to go."""
        return self._attributes.get(SEALED) == str(self.first.made_at)

    def having(self, attributes: Mapping[str, str], secret: str = "") -> dict[str, Any]:
        """Return the whole representation with that changed; the first secret is sent only where it is to be another."""
        whole = {name: value for name, value in self.representation.items() if name != "secret"}
        return {
            **whole, **({"secret": secret} if secret else {}), "attributes": {**self._attributes, **attributes},
        }  # fmt: skip

    @property
    def _attributes(self) -> Mapping[str, Any]:
        found = self.representation.get("attributes")
        return found if isinstance(found, dict) else {}

    def _moment(self, name: str) -> int:
        text = str(self._attributes.get(name) or "")
        return int(text) if text.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class RealmAdmin:
    """The realm as one admin client may look after it."""

    issuer: str
    client_id: str
    admin_client_id: str
    admin_client_secret: str = field(repr=False)
    wire: Wire

    def signed_in(self) -> "Session":
        """Get a token, by one request. It lives for minutes, and Keycloak's clock judges it; so each piece of work gets its own."""
        call = grant_call("admin_token", self.issuer, self.admin_client_id, self.admin_client_secret)
        answer = self.wire.exchange(call, accepted=gives_token)
        return Session(self, str(answer.fields()["access_token"]))

    def check_secret(self) -> None:
        call = grant_call("check_admin_secret", self.issuer, self.admin_client_id, self.admin_client_secret)
        self.wire.exchange(call, accepted=gives_token)

    @property
    def clients_url(self) -> str:
        server, _, realm = self.issuer.rpartition("/realms/")
        return f"{server}/admin/realms/{realm}/clients"


@dataclass(frozen=True, slots=True)
class Session:
    """What one access token does; each method makes one request."""

    admin: RealmAdmin
    token: str = field(repr=False)

    def read_client(self) -> RegisteredClient:
        """Return the client that OIDC_CLIENT_ID names.

        Raises:
            Rejected: there is none, or its secret is not shown.
        """
        named = self.admin.client_id
        answer = self._exchange("read_client", "GET", f"?{urlencode({'clientId': named})}", _lists_clients)
        found = next((row for row in json.loads(answer.body) if row.get("clientId") == named and row.get("id")), None)
        if found is None:
            raise told("oidc.client_missing", named)
        if found.get("secret") in (None, "", _MASK):
            raise told("oidc.secrets_hidden", named)
        return RegisteredClient(str(found["id"]), found, _told_at(answer))

    def put_client(self, verb: str, client: RegisteredClient, representation: Mapping[str, Any]) -> None:
        self._exchange(verb, "PUT", f"/{quote(client.uuid, safe='')}", _changed, representation)

    def delete_second_secret(self, client: RegisteredClient) -> None:
        """Delete the second secret; where it, or the client, is gone already that is done."""
        rest = f"/{quote(client.uuid, safe='')}/client-secret/rotated"
        self._exchange("delete_second_secret", "DELETE", rest, _changed_or_gone)

    def _exchange(
        self, verb: str, method: str, rest: str, accepted: Callable[[Answer], bool], payload: object = None
    ) -> Answer:
        effect = Effect.CHANGES if verb in _CHANGES else Effect.READS
        headers = {"authorization": f"Bearer {self.token}"}
        call = json_call(verb, effect, method, f"{self.admin.clients_url}{rest}", headers=headers, payload=payload)
        return self.admin.wire.exchange(call, accepted=accepted)


def told(symptom: str, client: str) -> Rejected:
    row = SYMPTOMS[symptom]
    return Rejected(row.saw.format(client=client), row.means, row.next_step, row.id)


def is_in_vault(secret: Secret) -> bool:
    """Source: https://www.keycloak.org/server/vault."""
    return secret.value.startswith(_IN_VAULT)


def _lists_clients(answer: Answer) -> bool:
    try:
        rows = json.loads(answer.body) if succeeded(answer) else None
    except (ValueError, RecursionError):
        return False
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def _changed(answer: Answer) -> bool:
    return answer.status == _NO_CONTENT


def _changed_or_gone(answer: Answer) -> bool:
    return answer.status in {_NO_CONTENT, _GONE}


def _told_at(answer: Answer) -> int:
    """Return Keycloak's own clock, or this machine's where something on the way took it out of the answer."""
    return int((http_date(answer.headers.get("date", "")) or datetime.now(UTC)).timestamp())
