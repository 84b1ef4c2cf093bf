"""Looks at this machine and installation: Python and packages, the home's permissions, disks, the clock. Needs nothing that runs."""

import os
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from domain.doctor import CLOCKS_DRIFT, Finding, advice, broken, fine, not_checked, version_of
from domain.errors import BadInput
from domain.retiring import CLOCKS_AGREE_WITHIN
from ledger.unfinished_restore import refuse_unfinished

GIB = 1024**3
_SHOWN = 5
LEAST_FREE_BYTES = GIB
LOW_FREE_BYTES = 5 * GIB
_OLDEST, _TOO_NEW = (3, 11), (3, 14)
# Installed all the same, a version from here on breaks Prefect silently or at once. Source: prefect 3.8.8 with each of them, on a real server.
_BREAKS: Mapping[str, tuple[tuple[int, ...], str]] = {
    "sqlalchemy": ((2, 1), "the server looks healthy and no scheduled run is ever made"),
    "fastapi": ((0, 151), "the server does not start"),
}
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", re.MULTILINE)
_NAME = re.compile(r"^[A-Za-z0-9._-]+")
# What in the home holds or opens secrets: nobody else may read it.
_PRIVATE_FILES = ("env", "fingerprint.key", "ledger.db", "stand-ins.json")


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """What one clock said, and what this machine's said at the same moment, as well as could be."""

    whose: str
    at: datetime
    here: datetime


def python_fits(found: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    told = ".".join(str(part) for part in found)
    if _OLDEST <= found[:2] < _TOO_NEW:
        return fine(f"Python {told}.")
    return broken(
        f"Python is {told}, and opsflows is made for 3.11 to 3.13.",
        "What was tested is another Python; packages of the lock file may be missing for this one.",
        "Make the virtual environment anew with Python 3.11: make install.",
    )


def packages_fit(lock: Path) -> Finding:
    """Compare what is installed with the lock file. Test tools that are left out are no difference; what we need and lack is."""
    try:
        pinned = _pinned(lock.read_text())
    except OSError as error:
        return not_checked(f"{lock} cannot be read ({error.strerror}).", "Run it in a checkout or image of opsflows.")
    installed = {name: told for name in (*pinned, *_BREAKS) if (told := _installed(name))}
    deadly = [
        f"{name} {installed[name]} is installed: {what}"
        for name, (bound, what) in _BREAKS.items()
        if name in installed and version_of(installed[name]) >= bound
    ]
    if deadly:
        return broken(f"{'; '.join(deadly)}.", "Nothing of what is scheduled can be relied on.", _INSTALL)
    missing = sorted(name for name in _needed() if not _installed(name))
    apart = sorted(
        f"{name} {installed[name]} (lock: {' or '.join(sorted(told))})"
        for name, told in pinned.items()
        if name in installed and installed[name] not in told
    )
    if missing or apart:
        faults = [*(f"{name} is missing" for name in missing), *apart]
        return broken(
            f"{len(faults)} packages are not as the lock file says: {', '.join(faults[:_SHOWN])}{' ...' if faults[_SHOWN:] else ''}.",
            "What was tested together is not what runs here.",
            _INSTALL,
        )
    return fine(f"{len(installed)} packages as the lock file says.")


def home_is_private(home: Path) -> Finding:
    """Look at the home: there, ours, closed to others, as are the files in it that hold secrets."""
    if not home.is_dir():
        return broken(
            f"The home {home} is not there.",
            "Keys, settings, ledger and audit bundles live there.",
            "opsflows setup, or OPSFLOWS_HOME for the one in use.",
        )
    faults = [
        *_mode_faults(home, 0o700),
        *(fault for name in _PRIVATE_FILES for fault in _mode_faults(home / name, 0o600)),
    ]
    if home.stat().st_uid != os.geteuid():
        faults.append(f"{home} belongs to another user")
    if faults:
        return broken(
            f"{'; '.join(faults)}.",
            "Whoever can read them holds every credential, or can make fingerprints of guesses.",
            f"chmod 700 {home}; chmod 600 the files in it; and find out who may have read them.",
        )
    return fine(f"{home} is closed to others.")


def restore_is_finished(home: Path) -> Finding:
    """Look for a restore into this home that was begun and not finished: nothing works here until it is."""
    try:
        refuse_unfinished(home)
    except BadInput as error:
        return broken(error.happened, error.means, error.next_step)
    return fine("No restore was left unfinished.")


def disks_have_room(places: Iterable[Path], least: int = LEAST_FREE_BYTES, low: int = LOW_FREE_BYTES) -> Finding:
    """Look at the free space of the disks on which these lie; a place that is not there yet counts by its nearest folder."""
    free: dict[int, tuple[int, Path]] = {}
    for place in places:
        there = next(one for one in (place, *place.parents) if one.exists())
        usage = shutil.disk_usage(there)
        free.setdefault(there.stat().st_dev, (usage.free, there))
    told = ", ".join(f"{_size(room)} free at {there}" for room, there in free.values())
    fewest = min((room for room, _ in free.values()), default=0)
    if fewest < least:
        return broken(
            f"A disk is nearly full: {told}.",
            "A full disk ends runs in the middle, and neither ledger nor audit bundle can be written.",
            "Make room or a larger disk; audit bundles may be moved to OPSFLOWS_AUDIT_URL, and never deleted.",
        )
    if fewest < low:
        return advice(f"A disk fills up: {told}.", "Runs go on for now.", "See what grows before it is full.")
    return fine(f"{told}.")


def clocks_agree(seen: Iterable[ClockSeen], missing: Iterable[str]) -> Finding:
    """Compare this machine's clock with the others that were seen; one that could not be seen leaves it not checked."""
    found = list(seen)
    apart = {one.whose: abs(one.at - one.here) for one in found}
    worst = max(apart.values(), default=timedelta(0))
    told = ", ".join(f"{whose} {span.total_seconds():.0f} s apart" for whose, span in apart.items())
    if worst > CLOCKS_AGREE_WITHIN:
        return broken(
            f"Clocks differ by more than five minutes: {told}.",
            "Nothing is retired on such a clock, and signed requests are refused.",
            "timedatectl on the machine that is wrong, and its time service.",
        )
    if worst > CLOCKS_DRIFT:
        return advice(f"Clocks drift: {told}.", "From five minutes on nothing is retired.", "See its time service.")
    unseen = list(missing)
    if unseen:
        return not_checked(f"{' and '.join(unseen)} told no time.", "See the checks of what did not answer.")
    return fine(f"This machine, database and server agree ({told}).")


def _pinned(lock: str) -> dict[str, set[str]]:
    """Return the versions of each package; the file has several where Pythons differ."""
    found: dict[str, set[str]] = {}
    for name, told in _PINNED.findall(lock):
        found.setdefault(_plain(name), set()).add(told)
    return found


def _mode_faults(path: Path, allowed: int) -> list[str]:
    if not path.exists():
        return []
    mode = stat.S_IMODE(path.stat().st_mode)
    return [f"{path} is {mode:04o} instead of {allowed:04o}"] if mode & ~allowed & 0o077 else []


def _size(free: int) -> str:
    return f"{free / GIB:.1f} GiB"


def _needed() -> set[str]:
    """Return the packages that opsflows itself names, none of its extras."""
    try:
        told = requires("opsflows") or []
    except PackageNotFoundError:
        return set()
    return {_plain(found[0]) for one in told if "extra ==" not in one and (found := _NAME.match(one))}


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


_INSTALL = "Install what the lock file says: make install; in containers, pull or build the image again."
