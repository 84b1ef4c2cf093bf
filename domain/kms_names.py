"""A key and its versions have a short name for people and metrics: no full key id leaves the ledger."""

import re
from hashlib import sha256

_SHOWN_SIGNS = 12
_SHOWN = re.compile(rf"[0-9]{{1,9}}|[0-9a-f]{{{_SHOWN_SIGNS}}}")
_KEY_ID = re.compile(r"mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def shown_version(version: str) -> str:
    """Return Google's version number, or the first 12 digits of the SHA-256 of AWS's key material id; empty for an empty one.

    What is short already is returned as it is, so that it may be asked twice.
    """
    if not version or _SHOWN.fullmatch(version):
        return version
    return sha256(version.encode()).hexdigest()[:_SHOWN_SIGNS]


def shown_key(key: str) -> str:
    """Return a key's own last name, cut where it is an id: `prod-app`, `1234abcd...`, `alias/app`. Project, account and region are left out."""
    name = key[key.index("alias/") :] if "alias/" in key else key.rpartition("/")[2]
    return f"{name.removeprefix('mrk-')[:8]}..." if _KEY_ID.fullmatch(name) else name


def is_key_id(text: str) -> bool:
    """Say whether this is AWS's id of a key, as against the id of a version."""
    return bool(_KEY_ID.fullmatch(text))
