"""Prefect's own program, for its server on SQLite, which two habits of Prefect's would stop or lose something of (docs/adr/0017)."""

import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread
from typing import Any

_EVERY_S = 0.1
# How often the two older generations are looked through, in turns of the youngest.
_OLDER_EVERY, _ALL_OF_IT_EVERY = 10, 600


def collect_elsewhere(every_s: float = _EVERY_S) -> None:
    """Let a thread of its own collect garbage from now on, and no other.

    What an error left open is let go by whichever thread collects it, and that waits for its connection. Where this connection waits
    for another one's commit, and the thread is the one that would commit, all stands still until SQLite gives up.
    """
    gc.disable()
    Thread(target=_collect, args=(every_s,), name="garbage", daemon=True).start()


def write_from_the_first_statement_on() -> None:
    """Let each of Prefect's transactions take its turn to write when it begins.

    One that reads first is refused at once when it comes to write and somebody else has written since, however long it may wait:
    a run that the form started is not made, and an event is not looked at.
    """
    # Prefect costs a second, which importing this module should not.
    from prefect.server.database.configurations import AioSqliteConfiguration  # noqa: PLC0415 (as above)

    begin = AioSqliteConfiguration.begin_transaction

    @asynccontextmanager
    async def begin_to_write(
        self: AioSqliteConfiguration,
        session: Any,
        with_for_update: bool = False,  # noqa: FBT001, FBT002 (as Prefect calls it)
    ) -> AsyncIterator[Any]:
        del with_for_update
        async with begin(self, session, with_for_update=True) as transaction:
            yield transaction

    AioSqliteConfiguration.begin_transaction = begin_to_write  # type: ignore[method-assign]  # no setting says so


def _collect(every_s: float) -> None:
    turn = 0
    while True:
        time.sleep(every_s)
        turn += 1
        gc.collect(2 if turn % _ALL_OF_IT_EVERY == 0 else 1 if turn % _OLDER_EVERY == 0 else 0)


if __name__ == "__main__":
    from prefect.cli import app

    collect_elsewhere()
    write_from_the_first_statement_on()
    app()
