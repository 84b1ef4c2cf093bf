"""How often a credential is rotated, how long old and new overlap, and when all of that falls due."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from domain.manifests import Manifest
from domain.names import Credential

# Beside overlap, vendor's lag and soak: room for people and for a vendor's bad day before the deadline.
MARGIN = timedelta(days=2)
# How old a value may become where neither opsflows.toml nor its kind says anything.
DEFAULT_AGE = timedelta(days=90)
# An age and no date: the deadline counts from the value's first day, whenever in the quarter that was.
AGES_IN_WORDS: Mapping[str, timedelta] = MappingProxyType(
    {"monthly": timedelta(days=30), "quarterly": timedelta(days=91), "yearly": timedelta(days=365)}
)
MOST_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for one credential. `max_age` is the deadline: by then the old value has been revoked.

    `quiet` is how long the old credential must have been unused before it is retired. `soak` lies between switching off and
    deleting. `spread` is how far due moments are strewn. `groups` are names of which one credential at a time is rotated.
    """

    max_age: timedelta = DEFAULT_AGE
    overlap: timedelta = timedelta(hours=24)
    quiet: timedelta = timedelta(hours=12)
    soak: timedelta = timedelta(hours=24)
    spread: timedelta = timedelta(days=7)
    halt_after: int = 8
    per_vendor_per_hour: int = 20
    consumers: tuple[str, ...] = ()
    sinks: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    is_drill: bool = False

    def overlap_for(self, manifest: Manifest) -> timedelta:
        """Return how long after publication the old one may go at the earliest: the vendor's lag is waited for as well."""
        return self.overlap + (manifest.last_used_lag or timedelta(0))

    def soak_for(self, manifest: Manifest) -> timedelta:
        return self.soak if manifest.can_disable else timedelta(0)


def age_said(text: str) -> timedelta:
    """Return the age that `quarterly` or `90 days` means.

    Raises:
        ValueError: it is neither such a word nor a number of days from 1 to 3650.
    """
    days = _SO_MANY_DAYS.fullmatch(text)
    age = timedelta(days=int(days[1])) if days else AGES_IN_WORDS.get(text)
    if age is None or not timedelta(0) < age <= timedelta(days=MOST_DAYS):
        raise ValueError(f"one of {', '.join(AGES_IN_WORDS)}, or a number of days like '90 days', {MOST_DAYS} at most")
    return age


def age_in_words(age: timedelta) -> str:
    """Return e.g. `every 90 days`, as people read it."""
    days = age / timedelta(days=1)
    return "every day" if days == 1 else f"every {days:g} days"


def due_at(credential: Credential, since: datetime, policy: Policy, manifest: Manifest) -> datetime:
    """Return when a credential that is in use `since` is due: early enough that the old one is gone at its deadline.

    The moment is strewn by the credential's name: always the same for one credential, different between credentials.
    """
    takes = policy.overlap_for(manifest) + policy.soak_for(manifest) + (timedelta(0) if policy.is_drill else MARGIN)
    return since + policy.max_age - takes - policy.spread * _share(str(credential))


def is_too_old(since: datetime, now: datetime, policy: Policy) -> bool:
    return now - since > policy.max_age


def earliest_retirement(published: datetime, policy: Policy, manifest: Manifest) -> datetime:
    """Return the first moment at which the old credential may be switched off (deleted, where it cannot be)."""
    return published + policy.overlap_for(manifest)


def in_words(span: timedelta) -> str:
    """Return e.g. `24 h` or `10 min`, as people read it."""
    minutes = span.total_seconds() / 60
    return f"{minutes:g} min" if 0 < minutes < _MINUTES_PER_HOUR else f"{minutes / _MINUTES_PER_HOUR:g} h"


_MINUTES_PER_HOUR = 60
_SO_MANY_DAYS = re.compile(r"([0-9]{1,4}) days?")


def _share(name: str) -> float:
    """Return a number in [0, 1) that looks random and is the same for one name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48
