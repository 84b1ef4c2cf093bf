"""A throw-away PostgreSQL cluster: a socket in its own folder, no port, nothing kept."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SUPERUSER = "postgres"
_DATA = "data"
# A folder of the cluster's own is made there, for its owner alone.
_MEMORY = Path("/dev/shm")  # noqa: S108 (as above)
_ENOUGH_BYTES = 2 << 30
# Durability is what a cluster that lives for a minute does not need.
_SETTINGS = (
    "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c listen_addresses='' -c timezone=Asia/Tokyo"
)


def program(name: str) -> Path | None:
    """Return PostgreSQL's server program of that name; the newest where the PATH does not have it."""
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    installed = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parents[1].name.split(".")[0])
    )
    return installed[-1] if installed else None


def why_missing() -> str:
    """Return why no cluster can be started here, empty where one can."""
    missing = [name for name in ("initdb", "pg_ctl") if program(name) is None]
    if missing:
        return f"PostgreSQL's {' and '.join(missing)} are not installed"
    if os.geteuid() == 0 and (shutil.which("runuser") is None or not _has_user()):
        return "PostgreSQL does not run as root, and there is no runuser or no user postgres"
    return ""


def _place() -> str:
    """Return memory where there is enough of it: a new database is a copy of eight megabytes."""
    is_enough = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES
    return str(_MEMORY) if is_enough else "/tmp"  # noqa: S108 (as above)


@contextmanager
def cluster() -> Iterator[str]:
    """Give the URL of a running cluster's database `postgres`; its clock is UTC, its sessions are elsewhere."""
    # A short path: a socket's name has a limit of about a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="opsflows-pg-", dir=_place()))
    data = folder / _DATA
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _SUPERUSER)
        _run("initdb", "-D", str(data), "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        _start(folder)
        try:
            yield f"postgresql+psycopg://{_SUPERUSER}@/postgres?host={folder}"
        finally:
            _stop(folder, "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def interrupted(url: str) -> Iterator[Callable[[], None]]:
    """Give what stops the cluster of that URL; at the end it runs again."""
    folder = Path(url.partition("host=")[2].partition("&")[0])
    try:
        # Not at once: without synchronous commits the last ones would be lost, as no real ledger may lose them.
        yield lambda: _stop(folder, "fast")
    finally:
        _start(folder)


def _start(folder: Path) -> None:
    options = f"{_SETTINGS} -k {folder}"
    _run("pg_ctl", "-D", str(folder / _DATA), "-l", str(folder / "log"), "-w", "-o", options, "start")


def _stop(folder: Path, how: str) -> None:
    _run("pg_ctl", "-D", str(folder / _DATA), "-m", how, "-w", "stop")


def _run(name: str, *arguments: str) -> None:
    as_user = ["runuser", "-u", _SUPERUSER, "--"] if os.geteuid() == 0 else []
    command = [*as_user, str(program(name)), *arguments]
    # Not captured by a pipe: the server would keep it open for as long as it runs.
    with tempfile.TemporaryFile("w+") as output:
        ended = subprocess.run(command, stdout=output, stderr=output, cwd="/", check=False)
        if ended.returncode:
            output.seek(0)
            raise RuntimeError(f"{name} ended with {ended.returncode}: {output.read()}")


def _has_user() -> bool:
    try:
        pwd.getpwnam(_SUPERUSER)
    except KeyError:
        return False
    return True
