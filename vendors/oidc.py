"""Keycloak: a client's secret, which the token endpoint must accept, and the token it gets, which must be of the issuer we know.

Any OpenID provider has a token endpoint; how Keycloak refuses there, and how it looks after secrets, is its own.
Source: https://www.keycloak.org/securing-apps/oidc-layers, RFC 6749 (2.3.1, 4.4, 5.2),
services/src/main/java/org/keycloak/protocol/oidc/grants/ClientCredentialsGrantType.java of keycloak/keycloak
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlsplit

from domain.diagnosis import Kind, Signature, Symptom, error_of
from domain.errors import BadInput, Rejected
from domain.exchanges import Effect
from domain.names import Purpose
from domain.probes import CleanUp, Receipt
from vendors.capabilities import Integration, Probe, Variable
from vendors.fields import NOTHING_SENT, matching, web_address
from vendors.http import Answer, Call, Conduct, Wire, succeeded

# Every Keycloak has an address of its own, which the environment allows.
PUBLISHED_HOSTS: tuple[str, ...] = ()
# A token is in the answer itself; this is for the answer that is late.
INDEXING_BOUND = timedelta(seconds=30)

_TOKEN_VERBS = frozenset({"request_token", "read_token", "check_secret"})
_REFUSED = frozenset({400, 401})
# Said only once the secret was accepted: a client that signs people in may have no service account.
_NO_SERVICE_ACCOUNT = "not enabled to retrieve service account"


def row_of(
    name: str, statuses: frozenset[int], means: str, next_step: str, *,
    verbs: frozenset[str], marker: str = "", kind: Kind = Kind.REJECTED,
) -> Signature:  # fmt: skip
    saw = "Keycloak answered {status} to {verb}."
    return Signature(f"oidc.{name}", statuses, kind, saw, means, next_step, marker, verbs)


# An unknown client and a wrong secret are described in the same words; only the error's name tells them apart.
# Source: ClientIdAndSecretAuthenticator.java and AuthenticationProcessor.java of keycloak/keycloak
SIGNATURES = (
    row_of("client_unknown", _REFUSED, "The realm has no such client, or the client is disabled or signs in by another means: that says nothing about its secret.", "Compare OIDC_CLIENT_ID with Clients in the realm's console, and see that the client is enabled and its Client Authenticator is Client Id and Secret.", marker="invalid_client", verbs=_TOKEN_VERBS),
    row_of("client_refused", _REFUSED, "The client is known and this is none of its secrets: it is wrong, was replaced or deleted, or has expired.", "Look at the client's Credentials in the realm's console; if the secret expired, docs/integrations/oidc.md says what to do.", marker="invalid client", verbs=_TOKEN_VERBS),
    row_of("no_service_account", _REFUSED, "The secret was accepted; the client has no service account and gets no token of its own.", "Nothing is to be done for the secret; for a token, switch on Service accounts roles in the client's settings.", marker=_NO_SERVICE_ACCOUNT, verbs=_TOKEN_VERBS),
    row_of("client_public", _REFUSED, "The client is public now, or bearer-only: its secret is not looked at.", "Switch on Client authentication in the client's settings, or take the client out of scope.", marker="not allowed to retrieve service account", verbs=_TOKEN_VERBS),
    row_of("token_refused", _REFUSED | {403}, "Keycloak, or what stands in front of it, gives this client no token; of the secret it says nothing.", "Look for the refusal under Events in the realm's console, and at the proxy in front of Keycloak.", verbs=_TOKEN_VERBS),
    row_of("realm_unknown", frozenset({404, 405}), "No token endpoint answers at OIDC_ISSUER: the realm's name is wrong, or the path before /realms is.", "Open OIDC_ISSUER with /.well-known/openid-configuration behind it; older servers have /auth before /realms.", verbs=_TOKEN_VERBS),
)  # fmt: skip

SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("oidc.other_issuer", "Keycloak gave a token that names another issuer than OIDC_ISSUER.", "Whoever checks tokens against OIDC_ISSUER refuses it: Keycloak believes that its address is another one.", "Compare the issuer in OIDC_ISSUER/.well-known/openid-configuration; correct OIDC_ISSUER, or Keycloak's option hostname."),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Oidc:
    """Gets tokens with one client's secret. A token is a credential: it is looked at and let go, never kept."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    wire: Wire

    @property
    def probes(self) -> tuple[Probe, ...]:
        return (
            Probe(
                "token", self.request_token, (self.read_token,), (_nothing_left,), INDEXING_BOUND,
                can_confirm=_has_token,
            ),
        )  # fmt: skip

    def close(self) -> None:
        self.wire.close()

    def request_token(self, nonce: str, at: datetime) -> Receipt:
        answer = self.wire.exchange(self._grant("request_token", nonce), accepted=accepts_secret)
        return Receipt(nonce, at).with_ids(token="given" if gives_token(answer) else "none")

    def read_token(self, receipt: Receipt) -> Receipt:
        """Return the receipt once a token names the issuer that we know; a receipt holds no token, so it is a second one."""
        answer = self.wire.exchange(self._grant("read_token", receipt.nonce), accepted=gives_token)
        issuer = _claims(str(answer.fields()["access_token"])).get("iss", self.issuer)
        if issuer != self.issuer:
            raise error_of(SYMPTOMS["oidc.other_issuer"], Rejected)
        return receipt

    def check_secret(self) -> None:
        """Return where Keycloak accepts the secret. The token is let go, and ends by itself."""
        self.wire.exchange(self._grant("check_secret", ""), accepted=accepts_secret)

    def _grant(self, verb: str, nonce: str) -> Call:
        return grant_call(verb, self.issuer, self.client_id, self.client_secret, nonce)


def grant_call(verb: str, issuer: str, client_id: str, client_secret: str, nonce: str = "") -> Call:
    """Return the request for a client's own token. Its outcome changes nothing, so a lost answer may be asked for again."""
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}".encode()
    headers = {
        "authorization": f"Basic {base64.b64encode(pair).decode()}",
        "content-type": "application/x-www-form-urlencoded",
        "accept": "application/json",
    }
    body = b"grant_type=client_credentials"
    return Call(verb, Effect.READS, "POST", f"{issuer}/protocol/openid-connect/token", headers, body, nonce)


def gives_token(answer: Answer) -> bool:
    token = answer.fields().get("access_token")
    return succeeded(answer) and isinstance(token, str) and bool(token)


def accepts_secret(answer: Answer) -> bool:
    """Accept a token, or the refusal that Keycloak has only for a client whose secret it has accepted."""
    return gives_token(answer) or (answer.status in _REFUSED and _NO_SERVICE_ACCOUNT in answer.text.lower())


def _has_token(receipt: Receipt) -> bool:
    """Say whether there is a token to read: not for a client without a service account, nor where the answer was lost."""
    return receipt.ids.get("token") != "none"


def _nothing_left(receipt: Receipt) -> CleanUp:
    del receipt
    return CleanUp.DONE


def _claims(token: str) -> Mapping[str, Any]:
    """Return what the token says of itself, nothing where it is none to be read. The line vouches for it, not the signature."""
    body = token.split(".")[1] if token.count(".") == len("..") else ""
    try:
        said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> Oidc:
    """Return a client for the checked values. `address` changes nothing: every Keycloak has an address of its own.

    Raises:
        BadInput: the host is not allowed in this environment.
    """
    del address
    wire = Wire("oidc", conduct, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS)
    wire.check_host(values["issuer"])
    return Oidc(values["issuer"], values["client_id"], values["client_secret"], wire)


_ISSUER_HINT = "Write it like https://<host>/realms/<realm>, as the realm's settings show it under Endpoints."
_REALMS = "/realms/"


def issuer_url(value: str) -> str:
    """Return the address of a realm, without a slash at its end."""
    checked = web_address(_ISSUER_HINT)(value)
    path, realms, realm = urlsplit(checked).path.rpartition(_REALMS)
    if not realms or not realm or "/" in realm or _REALMS in path or not checked.isprintable() or " " in checked:
        raise BadInput("the value is not the address of a realm.", NOTHING_SENT, _ISSUER_HINT)
    return checked


_CLIENT_ID = matching(
    r"[!-~]{1,255}",
    "a client's id (up to 255 characters, no blanks)",
    "Copy the Client ID from Clients in the realm's console, not the uuid in its address.",
)
_SECRET = matching(r"[!-~]{6,512}", "a client secret (6 to 512 characters, no blanks)", "Copy the Client Secret from the client's Credentials.")  # fmt: skip

INTEGRATION = Integration(
    name="oidc",
    title="OIDC client (Keycloak)",
    setup_minutes=30,
    variables=(
        Variable("OIDC_ISSUER", "issuer", Purpose.SEND, secret=False, required=True,
                 where="Realm settings > General > Endpoints: the issuer, https://<host>/realms/<realm>",
                 scopes="-", rotated="-", check=issuer_url),
        Variable("OIDC_CLIENT_ID", "client_id", Purpose.SEND, secret=False, required=True,
                 where="Clients, column Client ID", scopes="-", rotated="-", check=_CLIENT_ID),
        Variable("OIDC_CLIENT_SECRET", "client_secret", Purpose.SEND, secret=True, required=True,
                 where="Clients > the client > Credentials > Client Secret",
                 scopes="the client's own: a confidential client with the authenticator Client Id and Secret",
                 rotated="a second secret of the same client, swap, verify, delete the old one; the Admin REST API can do all of it under a client policy with secret-rotation",
                 check=_SECRET),
        Variable("OIDC_ADMIN_CLIENT_ID", "admin_client_id", Purpose.MANAGE, secret=False, required=False,
                 where="Clients: a client of its own in the same realm, with a service account; for rotation alone",
                 scopes="-", rotated="-", check=_CLIENT_ID),
        Variable("OIDC_ADMIN_CLIENT_SECRET", "admin_client_secret", Purpose.MANAGE, secret=True, required=False,
                 where="Clients > that client > Credentials > Client Secret",
                 scopes="its service account has the role manage-clients of realm-management, and no other",
                 rotated="by hand, after all others: Regenerate under Credentials, put it into the block; the old one ends at once or with the policy",
                 check=_SECRET),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="the realm's Events show a CLIENT_LOGIN of the client",
    clicks=(
        "Open Clients > Create client: a client for the application, with Client authentication on; copy its Client ID, and the Client Secret from Credentials.",
        "Open Realm settings > Client policies > Profiles and create one with the executor secret-rotation; then create a policy that applies it to confidential clients.",
        "Create a second client for opsflows, with Client authentication and Service accounts roles on; under Service accounts roles assign manage-clients of realm-management.",
        "Allow Keycloak's host under allowed_hosts of the environment in opsflows.toml.",
    ),
    after_set_up="Check that applications read tokens' issuer from OIDC_ISSUER and that no other tool, such as Terraform, writes the client's secret; verification shows that the secret gets a token, not that anybody takes it.",
)  # fmt: skip
