"""Prefect's server on SQLite: letting go of a statement that was left open must not wait for a commit that waits for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import ROOT

# One connection waits for the other's commit. The thread that is about to commit collects garbage first, as a busy server does
# at any moment, and among it is a statement of the connection that waits. SQLite gives up after two seconds here.
_STATEMENT_LEFT_OPEN = """
import sqlite3, sys, threading, time
from entrypoints.prefect_server import collect_elsewhere

if sys.argv[2] == "elsewhere":
    collect_elsewhere(0.1)
writes, waits = (sqlite3.connect(sys.argv[1], timeout=2, isolation_level=None, check_same_thread=False) for _ in range(2))
writes.execute("PRAGMA journal_mode = WAL")
writes.execute("CREATE TABLE seen (n)")
said = []

def wait():
    try:
        waits.execute("BEGIN IMMEDIATE")
        said.append("written")
    except sqlite3.OperationalError as error:
        said.append(str(error))

left_open = [waits.execute("VALUES (1), (2)")]
left_open[0].fetchone()
left_open.append(left_open)
writes.execute("BEGIN IMMEDIATE")
waiting = threading.Thread(target=wait)
waiting.start()
time.sleep(0.3)
del left_open
for _ in range(100):
    kept = [[] for _ in range(1000)]
time.sleep(0.3)
writes.execute("COMMIT")
waiting.join()
print(said[0])
"""


@pytest.mark.parametrize(("where", "said"), [("here", "database is locked"), ("elsewhere", "written")])
def test_a_statement_that_was_left_open_is_let_go_of_on_a_thread_that_nobody_waits_for(
    where: str, said: str, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _STATEMENT_LEFT_OPEN, str(tmp_path / "seen.db"), where],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip

    assert ended.stdout.strip() == said
