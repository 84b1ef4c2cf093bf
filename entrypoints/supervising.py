"""What runs is started in an order, watched, and stopped in the opposite one; what dies is told, and started again."""

import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from domain.errors import Unavailable
from entrypoints.children import Child, StoppedEarly, log_file

_LOOK_EVERY_SECONDS = 0.5
# A child that dies more often than this within the span is not started again: something is wrong that a start does not cure.
_RESTARTS = 3
_SPAN_SECONDS = 600.0


@dataclass(slots=True)
class Household:
    """The processes that stand and fall together. Those that were started later are stopped first; `ranks` are stopped together."""

    tell: Callable[[str], None]
    stopped: threading.Event = field(default_factory=threading.Event)
    ranks: list[list[Child]] = field(default_factory=list)
    _deaths: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def children(self) -> list[Child]:
        return [child for rank in self.ranks for child in rank]

    def start(self, *children: Child) -> None:
        """Start them side by side; they are not waited for."""
        if self.stopped.is_set():
            raise StoppedEarly
        self.ranks.append(rank := [])
        for child in children:
            # In the list first, so that one which is interrupted while it starts is stopped as well.
            rank.append(child)
            child.start()

    def wait_until_ready(self, *children: Child) -> None:
        """Return when all of them serve.

        Raises:
            Unavailable: one did not.
            StoppedEarly: somebody pressed Ctrl-C.
        """
        for child in children:
            child.wait_until_ready(lambda: not self.stopped.is_set())

    def watch(self) -> None:
        """Start again what dies, until somebody presses Ctrl-C.

        Raises:
            Unavailable: one of them dies again and again.
        """
        while not self.stopped.wait(_LOOK_EVERY_SECONDS):
            for child in self.children:
                how = child.how_it_ended()
                if how is not None and not self.stopped.is_set():
                    self._start_again(child, how)

    def stop(self) -> None:
        for rank in reversed(self.ranks):
            for child in rank:
                child.ask_to_stop()
            for child in rank:
                child.stop()
        self.ranks.clear()

    def _start_again(self, child: Child, how: str) -> None:
        now = time.monotonic()
        deaths = self._deaths[child.name]
        deaths[:] = [*(at for at in deaths if now - at < _SPAN_SECONDS), now]
        if len(deaths) > _RESTARTS:
            raise Unavailable(
                f"{child.name} ended {how}, for the {len(deaths)}th time within {_SPAN_SECONDS / 60:.0f} minutes.",
                "It does not stay up, so everything was stopped; runs that were due wait in the ledger.",
                f"Read the end of {log_file(child.name)}, put right what it says, and start again.",
            )
        self.tell(f"{child.name} ended {how}. It is started again; its log is {log_file(child.name)}.")
        child.start()


def _stopping() -> tuple[signal.Signals, ...]:
    """Return what stops it; a closed terminal too, unless nohup says otherwise: the children have sessions of their own and would go on."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM) if ignored else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def household(tell: Callable[[str], None]) -> Iterator[Household]:
    """Give a household that Ctrl-C (or SIGTERM, or a terminal that is closed) stops in order, and a second one at once."""
    house = Household(tell)

    def stop(_number: int, _frame: FrameType | None) -> None:
        if house.stopped.is_set():
            for child in house.children:
                child.kill()
        house.stopped.set()

    before = {number: signal.signal(number, stop) for number in _stopping()}
    try:
        yield house
    finally:
        house.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
