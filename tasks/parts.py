"""What a run consists of, and how much of it is done: parts within parts, told from any thread, seen by whoever shows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock

_MOST_NAMED = 3
# One for all, held for a count at a time: what is seen of a run is of one moment.
_COUNTING = Lock()


@dataclass(slots=True, eq=False)
class Part:
    """One part: how many it has of its own, how many of those are done, which are under way, and which ended short of their own.

    `share` (0.0-1.0) and `said` are how far it is where it has none of its own.
    """

    name: str = ""
    expected: int = 0
    done: int = 0
    under_way: list["Part"] = field(default_factory=list)
    broken_off: list["Part"] = field(default_factory=list)
    share: float = 0.0
    said: str = ""


_HERE: ContextVar[Part | None] = ContextVar("part under way", default=None)


@contextmanager
def told_of(whole: Part) -> Iterator[None]:
    """Let what is told in the block, and in threads that begin there, be of this whole."""
    token = _HERE.set(whole)
    try:
        yield
    except BaseException:
        # What broke off is not done, even where nothing was counted.
        with _COUNTING:
            whole.expected = max(_parts(whole), whole.done + 1)
        raise
    finally:
        _HERE.reset(token)


def expect(parts: int) -> None:
    """Tell that what is under way here has so many more parts; each counts as much as another."""
    with _COUNTING:
        _here().expected += parts


@contextmanager
def part(name: str) -> Iterator[Part]:
    """Count one part as under way, and as done at the end of the block.

    One that raises was not done, nor is one with parts left: a task that breaks off in it may hand back a state and raise nothing.
    """
    outer, inner = _here(), Part(name)
    with _COUNTING:
        outer.under_way.append(inner)
    token = _HERE.set(inner)
    is_through = False
    try:
        yield inner
        is_through = True
    finally:
        _HERE.reset(token)
        with _COUNTING:
            outer.under_way.remove(inner)
            if is_through and inner.done >= _parts(inner):
                outer.done += 1
            else:
                outer.broken_off.append(inner)


def count_done(parts: int) -> None:
    """Tell that so many parts are done, where none of them was told of as under way."""
    with _COUNTING:
        _here().done += parts


def tell(one: Part, share: float, said: str) -> None:
    """Tell how much of a part is done (0.0-1.0), and of what."""
    with _COUNTING:
        one.share, one.said = share, said


def say(words: str) -> None:
    """Tell what is being done in the part under way here."""
    tell(_here(), 0.0, words)


def seen(whole: Part) -> tuple[float, str]:
    """Return how much is done (0.0-1.0), and what is being done, in words."""
    with _COUNTING:
        return _share(whole), _words(whole) or "Under way"


def is_done(whole: Part) -> bool:
    """Return whether nothing is left of it, as far as it was told."""
    with _COUNTING:
        return whole.done >= _parts(whole)


def _here() -> Part:
    """Return the part under way; outside of a run one that nobody sees."""
    return _HERE.get() or Part()


def _parts(one: Part) -> int:
    return max(one.expected, one.done + len(one.under_way) + len(one.broken_off))


def _share(one: Part) -> float:
    parts = _parts(one)
    return (one.done + sum(map(_share, [*one.under_way, *one.broken_off]))) / parts if parts else one.share


def _words(one: Part) -> str:
    parts = _parts(one)
    counted = f"{one.done} of {parts} done" if parts else one.said
    lists = (("under way", one.under_way), ("broken off", one.broken_off))
    return "; ".join([counted, *(f"{what}: {_names(some)}" for what, some in lists if some)])


def _names(some: list[Part]) -> str:
    more = len(some) - _MOST_NAMED
    return ", ".join([*map(_named, some[:_MOST_NAMED]), *([f"{more} more"] if more > 0 else [])])


def _named(one: Part) -> str:
    words = _words(one)
    return f"{one.name} ({words})" if words else one.name
