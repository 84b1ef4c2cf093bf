"""Which code is running: the release and, in a checkout, its commit. A rehearsal proves one version."""

import os
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


@cache
def code_version() -> str:
    """Return e.g. `0.1.0+1a2b3c4d5e6f`; OPSFLOWS_VERSION where it is set (an image without git)."""
    given = os.environ.get("OPSFLOWS_VERSION", "")
    if given:
        return given
    try:
        release = version("opsflows")
    except PackageNotFoundError:
        release = "0"
    commit = _commit()
    return f"{release}+{commit}" if commit else release


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    asked = subprocess.run(  # noqa: S603 (the program is the git on PATH, the arguments are ours)
        [git, "-C", str(_ROOT), "rev-parse", "--short=12", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return asked.stdout.strip() if asked.returncode == 0 else ""
