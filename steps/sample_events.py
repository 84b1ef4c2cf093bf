"""Writes a sample month as applications would, and tells the stand-ins what they got of it."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from domain.errors import BadInput
from domain.sample_month import Planted, SampleEvent, sample_month
from domain.windows import Month, Window
from vendors.stand_ins import StandIns

PLANTED = "planted.json"
MANIFEST = "manifest.json"
# What one request to the stand-ins carries.
_AT_ONCE = 10_000
_BAD_LINES = ("{", '{"event_id": "cut off')
_OTHER_ENVIRONMENT_LINES = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """What was written: how many records in how many files, what was planted, and what each stand-in was told."""

    folder: Path
    files: int
    records: int
    planted: Mapping[str, Mapping[str, int]]
    received: Mapping[str, int]


def write_sample(month: Month, seed: int, folder: Path, stand_ins: StandIns, days: Window | None = None) -> Sample:
    """Write the month's files and a manifest into the folder, and load what the vendors got into the stand-ins.

    `days` are fewer days of the month than all.

    Raises:
        BadInput: the folder has a sample already: the stand-ins would count its events twice.
    """
    if (folder / PLANTED).exists():
        raise BadInput(
            f"{folder} holds a sample of {json.loads((folder / PLANTED).read_text())['month']} already.",
            "The stand-ins have received it, or a part of it; a second one would be there twice. Nothing was written.",
            "Reconcile that month; or delete the folder and the stand-ins' state (stop make up, then rm .opsflows/stand-ins*.json).",
        )
    planted = Planted()
    events = list(sample_month(month, seed, planted, days))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = _write_files(folder, events)
    said = {"month": str(month), "seed": seed, "planted": planted.faults}
    # Before the stand-ins are told: where that breaks off, some of it is there, and must not be there twice.
    _write(folder / PLANTED, json.dumps(said, indent=2).encode())
    received = {vendor: _load(stand_ins, vendor, rows) for vendor, rows in _by_integration(events).items()}
    _write(folder / PLANTED, json.dumps({**said, "received": received}, indent=2).encode())
    return Sample(folder, len(files), sum(int(row["rows"]) for row in files), planted.faults, received)


def _write_files(folder: Path, events: Iterable[SampleEvent]) -> list[dict[str, int | str]]:
    by_day: dict[date, list[str]] = {}
    for event in sorted(events, key=lambda one: one.at):
        day = event.recorded_on or event.at.date()
        by_day.setdefault(day, []).extend([_record(event)] * event.records)
    listed: list[dict[str, int | str]] = []
    for number, (day, lines) in enumerate(sorted(by_day.items())):
        # What real files hold besides: lines of another environment, and now and then one that broke.
        other = [line.replace('"rehearsal"', '"staging"') for line in lines[:_OTHER_ENVIRONMENT_LINES]]
        whole = [*lines, *other, *(_BAD_LINES if number % 10 == 0 else ())]
        packed = gzip.compress("".join(f"{line}\n" for line in whole).encode(), mtime=0)
        name = f"events-{day}.jsonl.gz"
        _write(folder / name, packed)
        listed.append(
            {"name": name, "rows": len(whole), "bytes": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}
        )
    _write(folder / MANIFEST, json.dumps({"files": listed}, indent=1).encode())
    return listed


def _record(event: SampleEvent) -> str:
    said = {
        "event_id": event.event_id,
        "timestamp": event.at.isoformat(timespec="milliseconds"),
        "event_type": event.type,
        "integration": event.integration,
        "environment": "rehearsal",
        "outcome": event.outcome,
        "sampled": event.is_sampled,
    }
    return json.dumps(said, separators=(",", ":"))


def _by_integration(events: Iterable[SampleEvent]) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = {}
    for event in events:
        if event.arrives:
            found.setdefault(event.integration, []).append(
                {
                    "id": event.event_id,
                    "at": (event.arrives_at or event.at).isoformat(),
                    "type": event.type,
                    "fate": event.fate,
                    "reason": event.reason,
                    "copies": event.arrives,
                }
            )
    return found


def _load(stand_ins: StandIns, vendor: str, rows: list[dict[str, object]]) -> int:
    for start in range(0, len(rows), _AT_ONCE):
        stand_ins.act(vendor, "receive_many", events=rows[start : start + _AT_ONCE])
    return len(rows)


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    file.chmod(0o600)
