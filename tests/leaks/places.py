"""Where a run may leave something: every column of every table, every file's bytes. The places that may hold keys are named."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

# Where set-up keeps the keys, and nothing else does.
KEEPS_KEYS = ("env", "fingerprint.key")
# The memory of stand-ins that a drill starts: what they generated works nowhere else, and only their owner can read it.
KEEPS_GENERATED = ("drill-stand-ins.json",)
_SEPARATOR = b"\x00\n"


def left_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (place, content) of every file below the folder, and of every column where the file is a database."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        where = str(file.relative_to(folder))
        if where in (*KEEPS_KEYS, *KEEPS_GENERATED):
            continue
        yield where, file.read_bytes()
        if file.suffix == ".db":
            yield from _columns(file, where)


def _columns(file: Path, where: str) -> Iterator[tuple[str, bytes]]:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    connection.text_factory = bytes
    try:
        tables = [row[0].decode() for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            cursor = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608 (a name that the database itself gave)
            rows = cursor.fetchall()
            for at, column in enumerate(cursor.description):
                values = (row[at] for row in rows)
                name = column[0].decode() if isinstance(column[0], bytes) else column[0]
                yield f"{where} {table}.{name}", _SEPARATOR.join(_as_bytes(value) for value in values)
    finally:
        connection.close()


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
