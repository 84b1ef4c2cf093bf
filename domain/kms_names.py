"""A key and its versions have a short name for people and metrics: no full key id leaves the ledger."""

import re
from hashlib import sha256

_SHOWN_SIGNS = 12
_SHOWN = re.compile(rf"[0-9]{{1,9}}|[0-9a-f]{{{_SHOWN_SIGNS}}}")
_PROJECT = re.compile(r"projects/([^/]+)(/.+)")
_REPLICATED = re.compile(r"(arn:[^:]+:kms):[^:]+:([0-9]{12}:key/mrk-[0-9a-f]{32})")
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


def is_full_key(name: str) -> bool:
    """Say whether this is a key's whole name, Google's or an ARN; no alias, since that may be moved, and no id alone."""
    return "/" in name and "alias/" not in name


def is_key_id(text: str) -> bool:
    """Say whether this is AWS's id of a key, as against the id of a version."""
    return bool(_KEY_ID.fullmatch(text))


def is_same_key(one: str, other: str) -> bool:
    """Say whether both names are of one key; a project by its number may be any project, since Google takes both names."""
    if one == other:
        return True
    mine, theirs = _PROJECT.fullmatch(one), _PROJECT.fullmatch(other)
    if mine is None or theirs is None or mine[2] != theirs[2]:
        return False
    return mine[1].isdecimal() != theirs[1].isdecimal()


def opens_alike(one: str, other: str) -> bool:
    """Say whether what the one encrypted the other opens by right: it is the same key, or AWS's copy of it in another region."""
    if is_same_key(one, other):
        return True
    mine, theirs = _REPLICATED.fullmatch(one), _REPLICATED.fullmatch(other)
    return mine is not None and theirs is not None and mine.groups() == theirs.groups()
