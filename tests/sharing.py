"""How `pytest -n` shares the tests out: by file, but the files that share one running opsflows stay on one process.

pytest-xdist's own groups (--dist loadgroup) are silently ignored with pytest 9.2; see its issue 1386.
"""

from typing import Any

from xdist.scheduler.loadscope import LoadScopeScheduling

# The folders whose tests use one fixture that starts a Prefect server; in a second process it would be a second server.
_ONE_PROCESS = {
    "standing": ("tests/deployments/", "tests/entrypoints/"),
    "prefect": ("tests/flows/", "tests/blocks/"),
    "topology": ("tests/topology/",),
}


class BySharedServer(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist ships no types
    """One scope per file, and one for all files that share a server."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((name for name, folders in _ONE_PROCESS.items() if file.startswith(folders)), file)


def scheduler(config: Any, log: Any) -> BySharedServer:
    """Return the scheduler; scopes keep the order of the tests, so that the longest start first."""
    config.option.loadscopereorder = False
    return BySharedServer(config, log)
