"""How `pytest -n` shares the tests out: by file, but the files that share one running server stay on one process.

pytest-xdist's own groups (--dist loadgroup) are silently ignored with pytest 9.2; see its issue 1386.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from xdist.scheduler.loadscope import LoadScopeScheduling

_ROOT = Path(__file__).parents[1]
# The folders whose tests use one fixture that starts a server; in a second process it would be a second server.
_FOLDERS = {"prefect": ("tests/flows/", "tests/blocks/"), "topology": ("tests/topology/",)}
# What a file of any other folder says that uses it. The others of that folder wait for no server: they go wherever there is time.
_WORDS = {
    # Those of make prove that live through a rotation have a home of their own: together the two would take half an hour.
    "rehearsal": re.compile(r"\brehearsal: Rehearsal\b"),
    "standing": re.compile(r"\b(standing: Standing|beside: Beside)\b"),
    "prefect": re.compile(r"usefixtures\(\"prefect\"\)"),
}


class BySharedServer(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist ships no types
    """One scope per file, and one for all files that share a server."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid.partition("::")[0])


@cache
def scope_of(file: str) -> str:
    """Return the name of the fixture that the file shares with others, the file's own where it shares none."""
    for name, folders in _FOLDERS.items():
        if file.startswith(folders):
            return name
    text = (_ROOT / file).read_text()
    return next((name for name, word in _WORDS.items() if word.search(text)), file)


def scheduler(config: Any, log: Any) -> BySharedServer:
    """Return the scheduler; scopes keep the order of the tests, so that the longest start first."""
    config.option.loadscopereorder = False
    return BySharedServer(config, log)
