"""What Google's stand-in for service accounts remembers: accounts, their keys, what they may do, issued tokens.

Source: https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys
"""

import secrets
from dataclasses import dataclass, field

from mocks.gcpkey_pairs import NEVER, certificate_of, new_pair, opened
from mocks.google_calls import PROJECT
from mocks.stage import Desk

APP = f"app@{PROJECT}.iam.gserviceaccount.com"
ACCOUNT_MANAGER = f"account-manager@{PROJECT}.iam.gserviceaccount.com"
SECRET_MANAGER = f"secret-manager@{PROJECT}.iam.gserviceaccount.com"
KMS_MANAGER = f"kms-manager@{PROJECT}.iam.gserviceaccount.com"
# What each account may do; "self:" is about its own account alone.
_GRANTS = {
    APP: ["secretmanager.versions.access", "cloudkms.cryptoKeyVersions.useTo*"],
    ACCOUNT_MANAGER: ["iam.*"],
    SECRET_MANAGER: ["secretmanager.*", "self:iam.*"],
    KMS_MANAGER: ["cloudkms.*", "self:iam.*"],
}
# https://cloud.google.com/iam/quotas
MOST_KEYS = 10
# When the first keys were made: before anything that the stand-ins' clock can show.
_LONG_AGO = 1_735_689_600.0


@dataclass(frozen=True, slots=True)
class Seed:
    """The first key of each account by e-mail address. `pairs` are the private keys, made when first asked for."""

    key_ids: dict[str, str]
    unique_ids: dict[str, str]
    pairs: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Key:
    """A key of an account. `certificate` (PEM) is empty where `pair` names one of the seed's.

    `usable_at` is when the token endpoint knows it; `ours` is false for the one that Google itself keeps.
    """

    id: str
    email: str
    created_at: float
    usable_at: float
    certificate: str = ""
    pair: str = ""
    disabled: bool = False
    ours: bool = True
    uploaded: bool = False
    good_until: float = NEVER.timestamp()


@dataclass(slots=True)
class Account:
    email: str
    unique_id: str
    grants: list[str]
    removed: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Token:
    """An access token. It outlives the key it was asked for with."""

    email: str
    expires_at: float


@dataclass(slots=True)
class Memory:
    """`propagation_delay_s` is how long a new key is not known.

    `creation_forbidden` is the organisation's policy; it speaks of uploaded keys as well.
    """

    accounts: list[Account]
    keys: list[Key]
    tokens: dict[str, Token] = field(default_factory=dict)
    propagation_delay_s: float = 0.0
    creation_forbidden: bool = False


Accounts = Desk[Seed, Memory]


def new_key_id() -> str:
    return secrets.token_hex(20)


def new_unique_id() -> str:
    return "1" + "".join(secrets.choice("0123456789") for _ in range(20))


def new_seed() -> Seed:
    return Seed({email: new_key_id() for email in _GRANTS}, {email: new_unique_id() for email in _GRANTS})


def new_memory(seed: Seed) -> Memory:
    accounts = [Account(email, seed.unique_ids[email], list(grants)) for email, grants in _GRANTS.items()]
    keys = [first_key(seed, email) for email in seed.key_ids]
    kept_by_google = [Key(new_key_id(), account.email, _LONG_AGO, _LONG_AGO, ours=False) for account in accounts]
    return Memory(accounts, [*keys, *kept_by_google])


def first_key(seed: Seed, email: str) -> Key:
    """Return the key that the account has from the start.

    The managers' keys share a pair, because making one takes 0.1 s and a key is known by its id.
    """
    return Key(seed.key_ids[email], email, _LONG_AGO, _LONG_AGO, pair="app" if email == APP else "managers")


def own_keys(desk: Accounts, email: str) -> list[Key]:
    """Return the account's keys that count: without the one that Google keeps."""
    return [row for row in desk.memory.keys if row.email == email and row.ours]


def add_key(desk: Accounts, account: Account, certificate: str, *, uploaded: bool = False) -> Key:
    """Let the account have the key of this certificate, once the token endpoint knows it."""
    now, held = desk.now(), opened(certificate)
    key = Key(
        new_key_id(),
        account.email,
        held.good_from if uploaded else now,
        now + desk.memory.propagation_delay_s,
        certificate,
        uploaded=uploaded,
        good_until=held.good_until,
    )
    desk.memory.keys.append(key)
    return key


def private_pem_of(desk: Accounts, key: Key) -> str:
    """Return the private key of one of the seed's keys."""
    if key.pair not in desk.seed.pairs:
        desk.seed.pairs[key.pair] = new_pair()
    return desk.seed.pairs[key.pair]


def certificate(desk: Accounts, key: Key) -> str:
    """Return the certificate with a key's public half, empty where nobody was ever given the private one."""
    if key.certificate or key.pair not in desk.seed.pairs:
        return key.certificate
    return certificate_of(desk.seed.pairs[key.pair], desk.seed.unique_ids[key.email], key.created_at)
