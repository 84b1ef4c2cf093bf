"""A look is kept for a while; one that hangs is left behind after a minute, and a few at most hang at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Semaphore

from steps.kept_looks import LEFT_AFTER_SECONDS, MOST_LEFT, KeptLooks

_SOON_S = 30


@dataclass(slots=True)
class Slow:
    """Something that answers `seen` from the moment on that it is released; `begun` is counted up by each who asks."""

    released: Event = field(default_factory=Event)
    begun: Semaphore = field(default_factory=lambda: Semaphore(0))

    def ask(self) -> str:
        self.begun.release()
        self.released.wait(_SOON_S)
        return "seen"


@contextmanager
def hanging() -> Iterator[Slow]:
    slow = Slow()
    yield slow
    slow.released.set()


def test_a_look_that_hangs_is_left_behind_after_a_minute_and_what_answers_again_is_seen() -> None:
    now = [0.0]
    with hanging() as slow:
        answers = [lambda: "seen again", slow.ask]

        def ask() -> str:
            return answers.pop()()

        looks = KeptLooks(ask, 10.0, lambda: now[0])
        first = looks.begin()
        assert slow.begun.acquire(timeout=_SOON_S)
        now[0] = LEFT_AFTER_SECONDS - 1
        same = looks.begin()

        now[0] = LEFT_AFTER_SECONDS
        second = looks.begin()

        assert same is first
        assert second.within(_SOON_S) == "seen again"
        assert first.within(0) is None


def test_a_few_at_most_hang_at_once_and_the_next_is_made_when_one_of_them_has_ended() -> None:
    now = [0.0]
    with hanging() as slow:
        looks = KeptLooks(slow.ask, 10.0, lambda: now[0])
        made = []
        for _ in range(MOST_LEFT + 3):
            made.append(looks.begin())
            now[0] += LEFT_AFTER_SECONDS
        slow.released.set()
        ended = [one.within(_SOON_S) for one in made]

        after = looks.begin()

    assert len(set(map(id, made))) == MOST_LEFT + 1
    assert ended == ["seen"] * len(made)
    assert after.within(_SOON_S) == "seen"


def test_what_is_over_is_kept_for_as_long_as_it_was_told() -> None:
    now, asked = [0.0], list[float]()
    looks = KeptLooks(lambda: asked.append(now[0]), 10.0, lambda: now[0])

    for now[0] in (0.0, 9.0, 10.0, 19.0):
        looks.begin().within(_SOON_S)

    assert asked == [0.0, 10.0]
