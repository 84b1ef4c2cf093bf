"""What AWS's stand-ins remember of one account: users with their keys and tags, and one secret with its versions.

All of it stands here, and none of it in moto, which is filled from here before each request and read back after it
(mocks/aws_moto.py). So a reset, a state file and the fault `swallow` work as for every other stand-in.
Source: https://docs.aws.amazon.com/IAM/latest/APIReference/, https://docs.aws.amazon.com/secretsmanager/latest/apireference/
"""

import json
import secrets
import string
from dataclasses import dataclass, field
from fnmatch import fnmatch

from mocks.stage import Desk

# The account that moto gives to whoever has none.
ACCOUNT_ID = "123456789012"
REGION = "eu-central-1"
# When the first keys and versions were made, as the listings tell it: 2025-01-01.
FIRST_MADE_AT = 1735689600.0
CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
_KEY_LETTERS = string.ascii_uppercase + "234567"
_SECRET_LETTERS = string.ascii_letters + string.digits
_SUFFIX_CHARACTERS = 6


@dataclass(frozen=True, slots=True)
class Seed:
    """The first keys of both users, and the first version of the secret."""

    user: str
    key_id: str
    key_secret: str
    manager: str
    manage_key_id: str
    manage_key_secret: str
    secret_name: str
    secret_suffix: str
    version_id: str
    value: str

    @property
    def secret_arn(self) -> str:
        return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:{self.secret_name}-{self.secret_suffix}"


@dataclass(slots=True)
class User:
    """`may` are patterns of actions (`iam:*`); sts:GetCallerIdentity needs none."""

    name: str
    user_id: str
    may: list[str]
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Turn:
    """From this moment on AWS's services take the key, or do not."""

    at: float
    works: bool


@dataclass(slots=True)
class Use:
    at: float
    service: str
    region: str


@dataclass(slots=True)
class AccessKey:
    """A key of a user. A deleted one stays here, because its end takes time to spread."""

    user: str
    key_id: str
    secret: str
    created_at: float
    turns: list[Turn]
    active: bool = True
    deleted: bool = False
    uses: list[Use] = field(default_factory=list)

    def works(self, now: float) -> bool:
        return next((turn.works for turn in reversed(self.turns) if turn.at <= now), False)


@dataclass(slots=True)
class Version:
    """One version of the secret. Without labels it is deprecated, and can be read by its id until AWS deletes it."""

    version_id: str
    value: str
    labels: list[str]
    created_at: float


@dataclass(slots=True)
class Memory:
    """All of the account.

    `propagation_s` is how late AWS's services learn of a new, a switched or a deleted key, `last_used_lag_s` how late a
    use is told.
    """

    users: list[User]
    keys: list[AccessKey]
    versions: list[Version]
    propagation_s: float = 0.0
    last_used_lag_s: float = 0.0

    def user(self, name: str) -> User | None:
        return next((row for row in self.users if row.name == name), None)

    def key(self, key_id: str) -> AccessKey | None:
        return next((row for row in self.keys if row.key_id == key_id), None)

    def keys_of(self, user: str) -> list[AccessKey]:
        return [row for row in self.keys if row.user == user and not row.deleted]

    def version(self, version_id: str) -> Version | None:
        return next((row for row in self.versions if row.version_id == version_id), None)

    def labelled(self, label: str) -> Version | None:
        return next((row for row in self.versions if label in row.labels), None)


Account = Desk[Seed, Memory]


def new_seed() -> Seed:
    return Seed(
        user="orders-service", key_id=_new_key_id(), key_secret=_new_key_secret(),
        manager="opsflows-manager", manage_key_id=_new_key_id(), manage_key_secret=_new_key_secret(),
        secret_name="orders/signing",  # noqa: S106 (a name)
        secret_suffix="".join(secrets.choice(_SECRET_LETTERS) for _ in range(_SUFFIX_CHARACTERS)),
        version_id=secrets.token_hex(16), value=secrets.token_urlsafe(24),
    )  # fmt: skip


def new_memory(seed: Seed) -> Memory:
    return Memory(
        users=[
            User(seed.user, "AIDAUSER", []),
            User(seed.manager, "AIDAMANAGER", ["iam:*", "secretsmanager:*"]),
        ],
        keys=[
            AccessKey(seed.user, seed.key_id, seed.key_secret, FIRST_MADE_AT, [Turn(FIRST_MADE_AT, works=True)]),
            AccessKey(
                seed.manager,
                seed.manage_key_id,
                seed.manage_key_secret,
                FIRST_MADE_AT,
                [Turn(FIRST_MADE_AT, works=True)],
            ),
        ],
        versions=[Version(seed.version_id, seed.value, [CURRENT], FIRST_MADE_AT)],
    )


def new_key(desk: Account, user: str) -> AccessKey:
    """Return a key that works once it has spread; it is not in the account yet."""
    now = desk.now()
    return AccessKey(
        user, _new_key_id(), _new_key_secret(), now, [Turn(now + desk.memory.propagation_s, works=True)]
    )  # fmt: skip


def turn(desk: Account, key: AccessKey, *, works: bool) -> None:
    """Note that the key is switched now, which AWS's services learn when it has spread."""
    key.turns.append(Turn(desk.now() + desk.memory.propagation_s, works=works))


def note_use(desk: Account, key: AccessKey, service: str, region: str) -> None:
    """Note a use, and forget those that no reading can tell any more."""
    told = told_use(desk, key)
    key.uses = [use for use in key.uses if told is None or use.at >= told.at]
    key.uses.append(Use(desk.now(), service, region))


def told_use(desk: Account, key: AccessKey) -> Use | None:
    """Return the latest use that AWS tells of by now."""
    told = [use for use in key.uses if use.at <= desk.now() - desk.memory.last_used_lag_s]
    return max(told, key=lambda use: use.at, default=None)


def may(user: User, action: str) -> bool:
    return any(fnmatch(action, pattern) for pattern in user.may)


def as_text(key_id: str, secret: str) -> str:
    """Return a key as the variables hold it."""
    return json.dumps({"access_key_id": key_id, "secret_access_key": secret}, separators=(",", ":"))


def _new_key_id() -> str:
    return "AKIA" + "".join(secrets.choice(_KEY_LETTERS) for _ in range(16))


def _new_key_secret() -> str:
    return "".join(secrets.choice(_SECRET_LETTERS) for _ in range(40))
