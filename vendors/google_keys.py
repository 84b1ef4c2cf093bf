"""Service-account keys as they lie in a credential: read, tried out, and used to sign.

A key is tried by asking for a new access token with it. A token that was handed out before lives on for up to an hour after
the key was switched off or deleted, so nothing older proves anything.
Source: https://developers.google.com/identity/protocols/oauth2/service-account, https://cloud.google.com/iam/docs/keys-disable-enable
"""

import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from domain.diagnosis import Kind, Signature
from domain.errors import BadInput
from domain.exchanges import Effect
from vendors.fields import NOTHING_SENT
from vendors.google import PUBLISHED_HOSTS, loaded_private_key
from vendors.http import Answer, Call, Conduct, Wire, succeeded

# Google's own libraries name this audience, whatever token_uri a key has.
_AUDIENCE = "https://oauth2.googleapis.com/token"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# The least that there is: the token is dropped at once.
_SCOPE = "https://www.googleapis.com/auth/userinfo.email"
# Source: the first page above: an hour at most.
ASSERTION_LIFE = timedelta(minutes=5)
_PARTS = ("client_email", "private_key", "private_key_id", "token_uri", "project_id")
CHECKS = frozenset({"check_key", "check_manage_key"})


@dataclass(frozen=True, slots=True)
class AccountKey:
    """One service-account key. `document` is the JSON that Google's clients read, with the private key in it."""

    email: str
    project: str
    key_id: str
    token_uri: str
    private_key: str = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)

    @property
    def account(self) -> str:
        return f"projects/{self.project}/serviceAccounts/{self.email}"

    def having(self, key_id: str, private_key: str) -> str:
        """Return the JSON of another key of the same account."""
        return _compact({**self.document, "private_key_id": key_id, "private_key": private_key})


def checked_key(text: str) -> str:
    """Return the key's JSON on one line, or raise BadInput without showing any of it."""
    return _compact(parsed_key(text).document)


def parsed_key(text: str) -> AccountKey:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("type") != "service_account":
        raise _unfit(text, "is not the JSON of a service-account key")
    absent = [part for part in _PARTS if not (isinstance(document.get(part), str) and document[part])]
    if absent:
        raise _unfit(text, f"lacks {', '.join(absent)}")
    if not _is_private_key(document["private_key"]):
        raise _unfit(text, "holds no readable private key")
    email, private_key, key_id, token_uri, project = (document[part] for part in _PARTS)
    return AccountKey(email, project, key_id, token_uri, private_key, document)


def check_key(
    integration: str, verb: str, text: str, conduct: Conduct, signatures: tuple[Signature, ...]
) -> None:  # fmt: skip
    """Return where Google hands out an access token for the key; it is dropped, and nothing changes.

    Raises:
        Rejected: with `<integration>.key_refused` where Google knows no such live key.
        BadInput: the key is missing, or its token_uri is not Google's; nothing was sent.
    """
    key = parsed_key(text)
    wire = Wire(integration, conduct, signatures=signatures, published_hosts=PUBLISHED_HOSTS)
    with closing(wire):
        wire.check_host(key.token_uri)
        headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
        body = urlencode({"grant_type": _GRANT, "assertion": _assertion(key)}).encode()
        wire.exchange(Call(verb, Effect.READS, "POST", key.token_uri, headers, body), accepted=_is_token)


def key_rows(name: str, variable: str) -> tuple[Signature, ...]:
    """Return the rows that speak of trying a key and of managing keys, for the integration of that name.

    `variable` is what holds the key that manages.
    """
    plan_again = "Then plan the rotation again."
    known = "Look at the account's keys (IAM > Service accounts > the account > Keys)"
    manages = frozenset({"list_keys", "get_key", "upload_key", "disable_key", "enable_key", "delete_key"})

    def row(
        word: str, status: int, saw: str, means: str, next_step: str, *,
        marker: str = "", verbs: frozenset[str] = manages, kind: Kind = Kind.REJECTED,
    ) -> Signature:  # fmt: skip
        return Signature(f"{name}.{word}", frozenset({status}), kind, saw, means, next_step, marker, verbs)

    refused = "{system} answered {status} to {verb}."
    return (
        row("clock_wrong", 400, refused, "Google takes this machine's time for wrong: the signed request is outside its hour.", "Set this machine's clock; the key itself was not looked at.", marker="timeframe", verbs=CHECKS),
        row("account_gone", 400, refused, "Google knows no such service account any more, or it was disabled; the key was not looked at.", "Look at the account under IAM > Service accounts: undelete or enable it.", marker="account not found", verbs=CHECKS),
        row("key_refused", 400, refused, "Google knows no live key of this account that signed this: it was disabled or deleted, or is new and has not spread yet.", f"{known}: enable it, or make another one.", marker="invalid jwt signature", verbs=CHECKS),
        row("grant_refused", 400, refused, "Google hands out no token for this account, for another reason than the key.", "Look at the account and its project in Google's console; docs/integrations has the page.", marker="invalid_grant", verbs=CHECKS),
        row("keys_forbidden", 403, refused, "Who manages keys may not do this: the role Service Account Key Admin is missing, or the account does not exist.", f"Grant roles/iam.serviceAccountKeyAdmin on the account to {variable}'s account, or to the worker's own. {plan_again}"),
        row("manager_unknown", 401, refused, f"Google does not know who manages keys: {variable} was disabled or deleted, or the worker's identity was taken away.", f"Put a live key into {variable}, or leave it empty and run the worker under a service account. {plan_again}"),
        row("key_gone", 404, refused, "The key was deleted: it cannot be switched on again.", "Make another key; the old one is lost for good.", verbs=frozenset({"enable_key"})),
        row("account_unknown", 404, refused, "Google knows no service account of this name.", f"Compare client_email and project_id of the key with IAM > Service accounts. {plan_again}", verbs=frozenset({"list_keys", "upload_key"})),
        row("keys_full", 429, refused, "The account has all the keys that it may have (10).", f"{known} and delete what nobody uses. {plan_again}", marker="maximum number of keys", verbs=frozenset({"upload_key"})),
        row("upload_refused", 400, refused, "Google takes no more keys for this account: it has 10 already, or an organisation policy forbids uploading keys (iam.disableServiceAccountKeyUpload).", f"{known} and delete what nobody uses; else ask the organisation's policy administrator for an exception. {plan_again}", marker="failed_precondition", verbs=frozenset({"upload_key"})),
        row("key_change_unclear", 409, refused, "Two changes of the account's keys met; whether ours took effect is not known.", "Look at the account's keys before it is repeated; the rotation does so by itself.", verbs=manages - {"list_keys", "get_key"}, kind=Kind.OUTCOME_UNKNOWN),
    )  # fmt: skip


def _assertion(key: AccountKey) -> str:
    """Return the signed request for a token. `kid` says which key signed."""
    import jwt  # noqa: PLC0415 (brings cryptography, and the registry is imported by everything)

    now = int(time.time())
    claims = {
        "iss": key.email,
        "scope": _SCOPE,
        "aud": _AUDIENCE,
        "iat": now,
        "exp": now + int(ASSERTION_LIFE.total_seconds()),
    }
    return str(jwt.encode(claims, loaded_private_key(key.private_key), algorithm="RS256", headers={"kid": key.key_id}))


def _is_token(answer: Answer) -> bool:
    return succeeded(answer) and bool(answer.fields().get("access_token"))


def _is_private_key(pem: str) -> bool:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 (heavy)

    try:
        return isinstance(loaded_private_key(pem), RSAPrivateKey)
    except ValueError:
        return False


def _compact(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))


def _unfit(text: str, why: str) -> BadInput:
    return BadInput(
        f"the value ({len(text)} characters) {why}.",
        NOTHING_SENT,
        "Copy the whole JSON file of the key, from the first brace to the last, as Google's console downloaded it.",
    )
