"""The state file: credentials and memories of all stand-ins, so that a restart forgets nothing.

Only the owner can read it, and it is replaced as a whole: a reader never sees half of it. A large state, of months of events,
is not written after every request: a killed process may forget its last seconds of these.
"""

import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

_VERSION = 1
# A state larger than this rests after it was written, so many times as long as that took.
_LARGE_CHARS = 2_000_000
_RESTS_TIMES = 20
# Building a reader and writer of a type takes pydantic longer than using it.
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


class UnreadableStateFile(ValueError):
    """The file is not one that this version wrote."""


@dataclass(slots=True)
class Kept:
    """What the file says of one vendor."""

    seed: Any
    memory: Any
    indexing_delay_s: float


class StateFile:
    """One file; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._content: dict[str, Any] = {"version": _VERSION, "clock_offset_s": 0.0, "vendors": {}}
        if path is not None and path.exists():
            self._content = _parsed(path)
        self._written = ""
        self._rests_until = 0.0

    @property
    def clock_offset_s(self) -> float:
        return float(self._content["clock_offset_s"])

    def recall(self, vendor: str, seed_type: type[Any], memory_type: type[Any]) -> Kept | None:
        """Return what was kept of the vendor, or None where nothing was."""
        found = self._content["vendors"].get(vendor)
        if found is None:
            return None
        try:
            return Kept(
                _adapter(seed_type).validate_python(found["seed"]),
                _adapter(memory_type).validate_python(found["memory"]),
                float(found["indexing_delay_s"]),
            )
        except (ValidationError, KeyError) as error:
            raise UnreadableStateFile(
                f"{self._path} holds a state of {vendor} that this version cannot read. "
                "Nothing was changed. Move the file away to start afresh, with new credentials."
            ) from error

    def keep(self, clock_offset_s: float, vendors: Mapping[str, Kept], *, at_once: bool = False) -> None:
        """Write everything, unless nothing changed since the last time, or the last time took long and is not long ago."""
        began = time.monotonic()
        if self._path is None or (began < self._rests_until and not at_once):
            return
        content = {
            "version": _VERSION,
            "clock_offset_s": clock_offset_s,
            "vendors": {name: _plain(kept) for name, kept in vendors.items()},
        }
        text = json.dumps(content)
        if text != self._written:
            _replace(self._path, text)
            self._written = text
        took = time.monotonic() - began
        self._rests_until = began + took * _RESTS_TIMES if len(text) > _LARGE_CHARS else 0.0


def _plain(kept: Kept) -> dict[str, Any]:
    return {
        "seed": _adapter(type(kept.seed)).dump_python(kept.seed, mode="json"),
        "memory": _adapter(type(kept.memory)).dump_python(kept.memory, mode="json"),
        "indexing_delay_s": kept.indexing_delay_s,
    }


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _parsed(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise UnreadableStateFile(f"{path} is not JSON. Move it away to start afresh, with new credentials.") from error
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        raise UnreadableStateFile(f"{path} is no state file of the stand-ins. Name another file.")
    return content


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
