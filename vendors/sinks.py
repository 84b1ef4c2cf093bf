"""A sink: a place that applications read a credential from.

Places know names and texts; how a credential's value is laid out over names stands in opsflows.toml.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from domain.errors import BadInput


class Place(Protocol):
    """One file, secret or set of variables. Entries are texts by name; an empty text means that the name is to be absent.

    `write` sets all of them and leaves every other name alone; as a whole where the place can, else one after the other.
    `holds` says whether an application would read exactly these there now; None where that cannot be read. It raises
    OpsError where it is not known: it may be asked again. Each is safe to repeat.
    """

    def write(self, entries: Mapping[str, str]) -> None: ...

    def holds(self, entries: Mapping[str, str]) -> bool | None: ...


class Sink(Protocol):
    """One place laid out for one credential. `previous` is the other value that is still valid, empty where there is none.

    `publish` puts the value there, and the previous one beside it where the sink has room for it (`keeps_previous`).
    `serves` says whether that is what an application would read there now; None where that cannot be read.
    """

    @property
    def keeps_previous(self) -> bool: ...

    def publish(self, value: str, previous: str = "") -> None: ...

    def serves(self, value: str, previous: str = "") -> bool | None: ...


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A place with the names under which it holds one credential; a `Sink`.

    `names` and `beside` give for each name which part of the value stands there (of a value that is JSON, a field; empty:
    the whole); `beside` is for the previous value, and its names are absent while there is none.
    """

    place: Place
    names: Mapping[str, str]
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def keeps_previous(self) -> bool:
        return bool(self.beside)

    def publish(self, value: str, previous: str = "") -> None:
        self.place.write(self._entries(value, previous))

    def serves(self, value: str, previous: str = "") -> bool | None:
        return self.place.holds(self._entries(value, previous))

    def _entries(self, value: str, previous: str) -> dict[str, str]:
        now = {name: _part_of(value, part) for name, part in self.names.items()}
        return now | {name: _part_of(previous, part) if previous else "" for name, part in self.beside.items()}


def _part_of(value: str, part: str) -> str:
    """Raises BadInput where the value has no such part; it is not shown."""
    if not part:
        return value
    try:
        found = json.loads(value)[part]
    except (ValueError, LookupError, TypeError):
        found = None
    if not isinstance(found, str) or not found:
        raise BadInput(
            f"The value has no part {part!r}.",
            "A sink names parts of a value that is JSON, like access_key_id of an AWS access key. Nothing was written.",
            "Correct the sink's variables in opsflows.toml, or leave the part empty for the whole value.",
        )
    return found
