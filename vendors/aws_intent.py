"""What we write down at AWS before a key is made, because a key has no name: a tag on its user, which names it later.

Each attempt has a tag of its own, named as its marker. First it says what is about to be made, by AWS's own clock, and which
keys are there already: `at <epoch second> beside <key ids>`. Once the answer is there it says which key that became: `made <key id>`.
So a listing gives the marker to a key whose answer was lost: the one that was not there before, that was made within the
time that a request can take, and that nobody has used, since nobody has its secret. No attempt writes another one's tag, so a
worker that wakes up late changes nothing of what its successor wrote.

A key that somebody else made is not ours, whenever it was made: with it the user's two places are taken, so AWS refuses ours,
and the tag is taken back. Only a crash in that very moment, and their key made in the same second as our request and unused
since, could be mistaken for ours. AWS allows a user 50 tags; those that name nothing any more go when the next key is made.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.names import MARKER_PREFIX

# A request ends within its own limit, and the step that makes it within its lease; AWS tells both moments in whole seconds.
WINDOW = timedelta(minutes=2)
_ABOUT = re.compile(r"at (?P<at>[0-9]{1,12}) beside(?P<beside>( \S+)*)")
_MADE = re.compile(r"made (?P<made>\S+)")
_AT_NO_KNOWN_TIME = "at no known time"


@dataclass(frozen=True, slots=True)
class Intent:
    """What one attempt's tag says. Once `made` is known, `at` and `beside` mean nothing any more."""

    marker: str
    at: datetime | None = None
    beside: frozenset[str] = frozenset()
    made: str = ""

    @property
    def text(self) -> str:
        """Return the tag's value, within what AWS takes: letters, digits, blanks and _.:/=+-@, 256 at most."""
        if self.made:
            return f"made {self.made}"
        if self.at is None:
            return _AT_NO_KNOWN_TIME  # it names no key
        return " ".join([f"at {int(self.at.timestamp())} beside", *sorted(self.beside)])

    def came_to(self, key_id: str) -> "Intent":
        return Intent(self.marker, made=key_id)

    def names(self, key_id: str, created_at: datetime | None, last_used_at: datetime | None) -> bool:
        """Say whether this key is what the intent came to."""
        if self.made:
            return key_id == self.made
        return last_used_at is None and self._may_be(key_id, created_at)

    def is_over(self, keys: Mapping[str, datetime | None], now: datetime | None) -> bool:
        """Say whether it names none of the user's keys, given with when they were made, and will name none any more."""
        if self.made:
            return self.made not in keys
        late = self.at is None or (now is not None and now > self.at + WINDOW)
        return late and not any(self._may_be(key_id, created_at) for key_id, created_at in keys.items())

    def _may_be(self, key_id: str, created_at: datetime | None) -> bool:
        if self.at is None or created_at is None or key_id in self.beside:
            return False
        return self.at <= created_at <= self.at + WINDOW


def intents_of(tags: Mapping[str, str]) -> tuple[Intent, ...]:
    """Return what a user's tags say that are ours."""
    found = (_intent(name, text) for name, text in tags.items() if name.startswith(MARKER_PREFIX))
    return tuple(intent for intent in found if intent is not None)


def marker_of(
    intents: Iterable[Intent], key_id: str, created_at: datetime | None, last_used_at: datetime | None
) -> str:
    """Return the marker of what a key is, empty where no intent of ours came to it; what is known goes before what fits."""
    fitting = [one for one in intents if one.names(key_id, created_at, last_used_at)]
    return min(fitting, key=lambda one: not one.made).marker if fitting else ""


def _intent(marker: str, text: str) -> Intent | None:
    made, about = _MADE.fullmatch(text), _ABOUT.fullmatch(text)
    if made:
        return Intent(marker, made=made["made"])
    if about:
        return Intent(marker, datetime.fromtimestamp(int(about["at"]), UTC), frozenset(about["beside"].split()))
    return Intent(marker) if text == _AT_NO_KNOWN_TIME else None
