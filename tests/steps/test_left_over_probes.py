"""What an earlier run left at a vendor: cleaned up by its nonce, and given up once it certainly never arrived."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import NotYet, Unavailable
from domain.names import Target
from domain.probes import CleanUp, Receipt
from steps.clock import Clock
from steps.probing import Job, Pace, clean_up_left
from vendors.capabilities import Probe

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
BOUND = timedelta(seconds=30)
PACE = Pace(clean_up=timedelta(milliseconds=50), first_poll=timedelta(milliseconds=5))
CLOCK = Clock(now=lambda: NOW)


def absent(_: Receipt) -> Receipt:
    raise NotYet("It is not there yet.", "It takes a while.", "Look again.")


def away(_: Receipt) -> Receipt:
    raise Unavailable("Nobody answers.", "The network is down.", "Look again.")


def there(receipt: Receipt) -> Receipt:
    return receipt


def left(look: Callable[[Receipt], Receipt]) -> tuple[Job, list[str]]:
    """Return the job of a probe whose clean-up looks first, and the nonces that were cleaned up."""
    cleaned: list[str] = []

    def clean(receipt: Receipt) -> CleanUp:
        look(receipt)
        cleaned.append(receipt.nonce)
        return CleanUp.DONE

    probe = Probe("event", Receipt, (look,), (clean,), BOUND)
    return Job(Target("slack"), probe, "n1"), cleaned


def test_an_event_that_is_there_is_cleaned_up_however_old() -> None:
    job, cleaned = left(there)

    came_to = clean_up_left(job, NOW - timedelta(days=3), PACE, CLOCK)

    assert (came_to, cleaned) == (CleanUp.DONE, ["n1"])


def test_an_event_that_never_arrived_is_not_looked_for_for_ever() -> None:
    job, cleaned = left(absent)

    came_to = clean_up_left(job, NOW - BOUND - timedelta(seconds=1), PACE, CLOCK)

    assert (came_to, cleaned) == (CleanUp.TAGGED, [])


@pytest.mark.parametrize(("look", "age"), [(absent, BOUND), (away, timedelta(days=3))], ids=["young", "vendor away"])
def test_what_may_still_be_there_is_left_for_the_next_run(look: Callable[[Receipt], Receipt], age: timedelta) -> None:
    job, _ = left(look)

    came_to = clean_up_left(job, NOW - age, PACE, CLOCK)

    assert came_to is CleanUp.LEFT


def test_an_event_that_cannot_be_read_back_is_cleaned_up_all_the_same() -> None:
    job, cleaned = left(there)
    blind = Job(job.target, Probe("event", job.probe.send, (), job.probe.clean_up, BOUND), job.nonce)

    came_to = clean_up_left(blind, NOW - timedelta(days=3), PACE, CLOCK)

    assert (came_to, cleaned) == (CleanUp.DONE, ["n1"])
