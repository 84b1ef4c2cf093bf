"""Many things of one kind at once, in threads: for what mostly waits for the answers of others."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(act: Callable[[T], R], items: Iterable[T], workers: int) -> list[R]:
    """Return what each item came to, in the items' order; at most `workers` are under way at a time.

    Each thread has the caller's context variables, by which Prefect knows in which run it is. What one raises is raised
    here, after all the others have ended.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="side-by-side")
    try:
        under_way = [pool.submit(copy_context().run, act, item) for item in items]
        wait(under_way)
    finally:
        # Whoever is interrupted begins nothing more; what is under way ends as it would have.
        pool.shutdown(cancel_futures=True)
    return [one.result() for one in under_way]
