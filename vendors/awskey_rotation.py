"""How a user's access keys are rotated: a second key beside the first, and the managing key by itself and last.

AWS cannot take a key out of somebody's memory: what still signs with the old one is seen in its last use, hours late.
"""

from collections.abc import Mapping
from dataclasses import replace

from domain.names import Purpose
from vendors.aws_keys import MANIFEST, AccessKeys, check_access_key, manage_line, needed_key
from vendors.awskey import SIGNATURES as CLIENT_SIGNATURES
from vendors.awskey import SYMPTOMS, SYSTEM, line_of
from vendors.capabilities import Client, Probe
from vendors.http import Conduct
from vendors.rate_limits import Limit
from vendors.rotation import Rotation

# Only a known and active key is told that its signature does not fit: so the value is refused, with the key alive.
REFUSALS = frozenset({"awskey.key_unknown", "awskey.key_secret_wrong"})


def connect_user_keys(values: Mapping[str, str], address: str | None, conduct: Conduct) -> AccessKeys:
    """Return the rotator of the keys of AWS_IAM_USER.

    Raises:
        BadInput: the host is not allowed here, or in the rehearsal there is no managing key.
    """
    return _keys(values["user"], values, address, conduct)


def connect_manage_keys(values: Mapping[str, str], address: str | None, conduct: Conduct) -> AccessKeys:
    """Return the rotator of the managing key: of the keys of its own user, whom AWS knows by the key.

    Raises:
        BadInput: there is no managing key, or the host is not allowed here.
    """
    needed_key(values.get("manage_key", ""), "AWS_IAM_MANAGE_KEY", SYSTEM)
    return _keys("", values, address, conduct)


def check_user_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where AWS takes the user's key."""
    check_access_key(line_of(values["access_key"], values, address, conduct))


def check_manage_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where AWS takes the managing key. What it may do is seen only when it does it."""
    needed_key(values.get("manage_key", ""), "AWS_IAM_MANAGE_KEY", SYSTEM)
    check_access_key(line_of(values["manage_key"], values, address, conduct))


def no_probes(client: Client) -> tuple[Probe, ...]:
    """Return nothing: the client calls with the user's key, so the check is all the proof of a managing one."""
    del client
    return ()


def _keys(user: str, values: Mapping[str, str], address: str | None, conduct: Conduct) -> AccessKeys:
    line = manage_line(SYSTEM, values, address, conduct, CLIENT_SIGNATURES)
    return AccessKeys(user, line, SYMPTOMS["awskey.two_keys"])


ROTATIONS = (
    Rotation(
        SYSTEM, Purpose.SEND, "access_key", MANIFEST,
        connect=connect_user_keys,
        check=check_user_key,
        refusals=REFUSALS,
    ),
    Rotation(
        SYSTEM, Purpose.MANAGE, "manage_key", replace(MANIFEST, opens_management=True),
        connect=connect_manage_keys,
        check=check_manage_key,
        refusals=REFUSALS,
        probes=no_probes,
    ),
)  # fmt: skip

# AWS publishes no number for IAM or STS; over it, it throttles.
LIMITS: tuple[Limit, ...] = ()
