"""What a vendor's pages come to, as they come: counts by the hour in memory, listed events in a file, however many there are.

A month of listed events is larger than the memory that counting may take; only the hours, types and fates of it are held.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO
from uuid import uuid4

from domain.event_counts import Count, Fate, Listed, Page
from domain.vendor_clock import moved_back
from domain.windows import DAY, HOUR

# What stands for no type in the file, where an empty one would be no event.
NO_TYPE = "-"
_ENDING = ".listed.jsonl"
# No run goes on for so long after it wrote a list; whoever wrote it was killed.
_LEFT_BEHIND_AFTER = 2 * DAY
# A count without its number: start, span, type, fate, reason, whether it is a verification.
_Key = tuple[datetime, timedelta, str, Fate, str, bool]


@dataclass(slots=True)
class ReceivedPages:
    """Adds up the pages of one target, moved back from the vendor's zone. `writing` is where its listed events go, if anywhere."""

    target: str
    time_zone: str = "UTC"
    writing: IO[str] | None = None
    _kept: Counter[_Key] = field(default_factory=Counter)
    _taken: Counter[_Key] = field(default_factory=Counter)
    _kept_until: int = 0
    _without_id: int = 0

    def take(self, page: Page) -> None:
        """Add a page; it counts once `keep` is called.

        Raises:
            BadInput: it has counts that cannot be moved to where they happened.
        """
        moved = moved_back(page, self.time_zone, self.target)
        for one in moved.counts:
            self._taken[one.start, one.span, one.type, one.fate, one.reason, one.is_probe] += one.events
        for event in moved.listed:
            start = event.at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            self._taken[start, HOUR, event.type, Fate.ACCEPTED, "", event.is_probe] += event.copies
            if self.writing is not None and not event.is_probe:
                self.writing.write(self._line(event) * event.copies)

    def keep(self) -> None:
        # Unlike a sum of two Counters this leaves counts of 0 there, which were seen to be 0.
        self._kept.update(self._taken)
        self._taken.clear()
        if self.writing is not None:
            self._kept_until = self.writing.tell()

    def drop(self) -> None:
        self._taken.clear()
        if self.writing is not None:
            self.writing.seek(self._kept_until)
            self.writing.truncate()

    @property
    def counts(self) -> tuple[Count, ...]:
        return tuple(
            Count(start, span, kind, fate, events, reason, is_probe)
            for (start, span, kind, fate, reason, is_probe), events in sorted(self._kept.items(), key=_order)
        )

    def _line(self, event: Listed) -> str:
        self._without_id += not event.event_id
        said = {
            # One that has no id was received all the same.
            "event_id": event.event_id or f"(no id, {self._without_id})",
            "timestamp": event.at.astimezone(UTC).isoformat(),
            "event_type": event.type or NO_TYPE,
            "integration": self.target,
        }
        return json.dumps(said, ensure_ascii=False) + "\n"


@contextmanager
def list_file(folder: Path, now: datetime) -> Iterator[IO[str]]:
    """Give a new file for a vendor's list, readable by its owner alone; it is removed where the block does not end well.

    Lists that killed runs left in the folder are removed before.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob(f"*{_ENDING}"):
        if now - datetime.fromtimestamp(left.stat().st_mtime, UTC) > _LEFT_BEHIND_AFTER:
            left.unlink(missing_ok=True)
    file = folder / f"{uuid4().hex}{_ENDING}"
    file.touch(mode=0o600, exist_ok=False)
    try:
        with file.open("w", encoding="utf-8") as writing:
            yield writing
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _order(row: tuple[_Key, int]) -> tuple[object, ...]:
    start, span, kind, fate, reason, is_probe = row[0]
    return start, span, kind, list(Fate).index(fate), reason, is_probe
