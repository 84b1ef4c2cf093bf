"""Prefect's server on SQLite: it neither waits for itself nor is refused what it could have waited for."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import ROOT

# One connection waits for the other's commit. The thread that is about to commit collects garbage first, as a busy server does
# at any moment, and among it is a statement of the connection that waits. SQLite gives up after as many seconds as it is told.
_STATEMENT_LEFT_OPEN = """
import sqlite3, sys, threading, time, weakref
from entrypoints import prefect_server

if sys.argv[2] == "elsewhere":
    prefect_server._ALL_OF_IT_EVERY = 1
    prefect_server.collect_elsewhere(0.05)
writes, waits = (sqlite3.connect(sys.argv[1], timeout=float(sys.argv[3]), isolation_level=None, check_same_thread=False) for _ in range(2))
writes.execute("PRAGMA journal_mode = WAL")
writes.execute("CREATE TABLE seen (n)")
said, begins = [], threading.Event()

def wait():
    begins.set()
    try:
        waits.execute("BEGIN IMMEDIATE")
        said.append("written")
    except sqlite3.OperationalError as error:
        said.append(str(error))

class Kept(list):
    pass

left_open = Kept([waits.execute("VALUES (1), (2)")])
left_open[0].fetchone()
left_open.append(left_open)
seen = weakref.ref(left_open)
writes.execute("BEGIN IMMEDIATE")
waiting = threading.Thread(target=wait)
waiting.start()
begins.wait()
time.sleep(0.5)
del left_open
for _ in range(100):
    kept = [[] for _ in range(1000)]
ends = time.monotonic() + 30
while seen() is not None and time.monotonic() < ends:
    time.sleep(0.01)
is_gone = seen() is None
writes.execute("COMMIT")
waiting.join()
print("gone," if is_gone else "there,", said[0])
"""


@pytest.mark.parametrize(
    ("where", "gives_up_after_s", "said"), [("here", 3, "gone, database is locked"), ("elsewhere", 60, "gone, written")]
)
def test_a_statement_that_was_left_open_is_let_go_of_on_a_thread_that_nobody_waits_for(
    where: str, gives_up_after_s: int, said: str, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _STATEMENT_LEFT_OPEN, str(tmp_path / "seen.db"), where, str(gives_up_after_s)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip

    assert ended.stdout.strip() == said


# One of Prefect's transactions reads, somebody else would write, and the transaction writes.
_READS_FIRST = """
import asyncio, sqlite3, sys
import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration
from entrypoints import prefect_server

if sys.argv[2] == "from the first statement on":
    prefect_server.write_from_the_first_statement_on()

async def main():
    somebody = sqlite3.connect(sys.argv[1], timeout=0.1, isolation_level=None)
    somebody.execute("PRAGMA journal_mode = WAL")
    somebody.execute("CREATE TABLE seen (n)")
    configuration = AioSqliteConfiguration(f"sqlite+aiosqlite:///{sys.argv[1]}")
    async with await configuration.session(await configuration.engine()) as session, configuration.begin_transaction(session):
        await session.execute(sa.text("SELECT n FROM seen"))
        try:
            somebody.execute("INSERT INTO seen VALUES (1)")
        except sqlite3.OperationalError:
            print("somebody waits", end=", ")
        await session.execute(sa.text("INSERT INTO seen VALUES (2)"))
        print("written")

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("how", "said"),
    [("as Prefect does", "database is locked"), ("from the first statement on", "somebody waits, written")],
)
def test_a_transaction_that_reads_first_is_not_refused_when_it_writes(how: str, said: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _READS_FIRST, str(tmp_path / "seen.db"), how],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert said in ended.stdout + ended.stderr
    assert (ended.returncode == 0) is ("written" in said)
