"""Sections, files and repeats as the tests of emitted events use them."""

from collections.abc import Mapping
from pathlib import Path

from domain.reconciliation_sections import CounterSnapshots, EventFiles
from steps.clock import Clock
from steps.probing import Pace
from steps.repeated_reads import Repeats


def repeats(slept: list[float] | None = None) -> Repeats:
    """Return repeats that wait for nothing; what they would have waited goes to `slept`."""
    return Repeats(Pace(), Clock(sleep=(slept if slept is not None else []).append))


def event_files(place: str | Path, **more: object) -> EventFiles:
    return EventFiles.model_validate({"environment": "prod", "place": str(place), **more})


def counter_files(place: str | Path, **more: object) -> CounterSnapshots:
    return CounterSnapshots.model_validate({"kind": "counters", "environment": "prod", "place": str(place), **more})


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
