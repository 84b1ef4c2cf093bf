"""One part of a sweep; a part that fails never stops the others."""

from collections.abc import Callable
from typing import TypeVar

from domain.errors import OpsError
from tasks.parts import part
from tasks.reporting import event

T = TypeVar("T")


def sweep_one(what: str, act: Callable[[], list[T]], failed: list[str]) -> list[T]:
    """Return what the part did; a failure is added to `failed` in words."""
    try:
        with part(what):
            done = act()
    except OpsError as error:
        event("sweep.failed", part=what, kind=type(error).__name__)
        failed.append(f"{what}: {error}")
        return []
    event("sweep.done", part=what, count=len(done))
    return done
