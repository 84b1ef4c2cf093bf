"""A home into which a backup is being put back works for nobody until that is finished: its ledger may be missing or another one."""

import json
from pathlib import Path

from domain.errors import BadInput

# Lies in the home from the first file that is put back until the ledger is there.
UNFINISHED = "restore-unfinished.json"


def unfinished_restore(home: Path) -> str:
    """Return the sha256 of the backup whose restore into this home was begun and not finished, empty where none was."""
    try:
        return str(json.loads((home / UNFINISHED).read_text())["sha256"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError):
        return "unknown"


def refuse_unfinished(home: Path) -> None:
    """Raise BadInput where a restore into this home was begun and not finished."""
    begun = unfinished_restore(home)
    if begun:
        raise BadInput(
            f"A backup (sha256 {begun}) was begun to be put back into {home}, and never finished.",
            "What is here is a part of it, and a new ledger would be begun beside the one to come. Nothing was done.",
            "Run opsflows restore FILE --identity IDENTITY again with the same file, or take a new OPSFLOWS_HOME.",
        )
