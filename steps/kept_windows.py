"""What is kept of counted windows lies in a folder for each; those that nobody will ask for again are removed.

A month may be asked for again until its result is settled and looked into; a day, which only the daily check asks for, is not.
"""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.windows import DAY, Window
from steps.alone import last_used, removed_unless_held

KEPT_FOR = timedelta(days=100)
DAYS_KEPT_FOR = timedelta(days=7)
_WRITTEN = "%Y%m%dT%H"
_NAME = re.compile(r"(\d{8}T\d{2})-(\d{8}T\d{2})")


def window_name(window: Window) -> str:
    """Return what the window's folder is called; windows begin and end at whole hours."""
    return f"{window.start:{_WRITTEN}}-{window.end:{_WRITTEN}}"


def prune_windows(root: Path, now: datetime) -> tuple[str, ...]:
    """Remove what is below `root` of windows that ended long ago and are not in use; return their names."""
    old = sorted(folder for folder, window in _windows(root) if now - window.end > _kept_for(window))
    return tuple(folder.name for folder in old if _is_idle(folder, now) and removed_unless_held(folder))


def _is_idle(folder: Path, now: datetime) -> bool:
    # A run that counted the window reads its spools for some time after it let go of the folder.
    return now - last_used(folder) > DAY


def _kept_for(window: Window) -> timedelta:
    return DAYS_KEPT_FOR if window.span <= DAY else KEPT_FOR


def _windows(root: Path) -> Iterator[tuple[Path, Window]]:
    for folder, below, _ in os.walk(root):
        for name in below:
            window = _window(name)
            if window is not None:
                yield Path(folder) / name, window
        below[:] = [name for name in below if _window(name) is None]


def _window(name: str) -> Window | None:
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        start, end = (datetime.strptime(text, _WRITTEN).replace(tzinfo=UTC) for text in found.groups())
    except ValueError:  # digits that are no date
        return None
    return Window(start, end)
