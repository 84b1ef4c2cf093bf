"""Runs commands of ours one after the other in one process, as each would run in its own: importing them costs more than they do.

Run as `python -m tests.leaks.commanding FILE`: a JSON object from a name to its arguments; afterwards the file holds exit codes.
"""

import json
import sys
from pathlib import Path

from entrypoints.cli import main as opsflows


def main() -> None:
    file = Path(sys.argv[1])
    commands: dict[str, list[str]] = json.loads(file.read_text())
    file.write_text(json.dumps({name: _exit_code(arguments) for name, arguments in commands.items()}))


def _exit_code(arguments: list[str]) -> int:
    try:
        opsflows(arguments)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return 0


if __name__ == "__main__":
    main()
