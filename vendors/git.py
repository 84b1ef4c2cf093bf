"""What git says of a file of ours: whether its content is in the history that everyone clones."""

import os
import shutil
import subprocess
from pathlib import Path

from domain.errors import Unavailable

_LIMIT_S = 10


def is_tracked(file: Path) -> bool:
    """Return whether git tracks the file, or what it links to; False where there is no git or no repository.

    Raises:
        Unavailable: git does not answer.
    """
    git = shutil.which("git")
    if git is None:
        return False
    target = file.resolve()
    # A hook's or a parent git's variables would point it at another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        listed = subprocess.run(  # noqa: S603 (the program is the git on PATH, the argument a path of ours)
            [git, "--literal-pathspecs", "-C", str(target.parent), "ls-files", "--error-unmatch", "--", target.name],
            capture_output=True, check=False, env=environment, timeout=_LIMIT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Unavailable(
            f"git did not say within {_LIMIT_S} s whether it tracks {file}.",
            "A file of credentials is not touched before that is known.",
            f"Run git status in {target.parent} and see why it hangs.",
        ) from None
    return listed.returncode == 0
