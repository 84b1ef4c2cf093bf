"""Prefect's own program, for its server on SQLite: what it no longer needs is collected on a thread of its own.

A statement that an error left open is let go by whichever thread collects garbage, and that waits for the statement's connection.
Where this connection waits until another one has committed, and the thread is the one that would commit, the whole server stands
still until SQLite gives up after a minute: requests are refused, and what its automations were about to tell is lost.
"""

import gc
import time
from threading import Thread

_EVERY_S = 1.0
_ALL_OF_IT_EVERY = 60


def collect_elsewhere(every_s: float = _EVERY_S) -> None:
    """Let no thread but a new one collect garbage from now on: the young every so many seconds, all of it every 60th time."""
    gc.disable()
    Thread(target=_collect, args=(every_s,), name="garbage", daemon=True).start()


def _collect(every_s: float) -> None:
    turn = 0
    while True:
        time.sleep(every_s)
        turn += 1
        gc.collect(2 if turn % _ALL_OF_IT_EVERY == 0 else 1)


if __name__ == "__main__":
    from prefect.cli import app

    collect_elsewhere()
    app()
