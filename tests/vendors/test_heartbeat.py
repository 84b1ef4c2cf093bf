"""An address outside is called when well and with /fail when not; what it answers is read, and it is shown nowhere."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from domain.errors import BadInput, OpsError, Rejected, Unavailable
from domain.exchanges import Exchange
from domain.operations_sections import Heartbeats
from steps.heartbeats import sign_of_life
from tests.receiver import receiver
from vendors.heartbeat import tell
from vendors.hosts import HostRule
from vendors.http import Conduct

SECRET = "0d338dcc-a054-11ec-b909"
LOOPBACK = Heartbeats(sweeper="sweeper-heartbeat", allowed_hosts=("127.0.0.1",))


@contextmanager
def listening(status: int = 200, body: str = "OK") -> Iterator[tuple[str, list[str]]]:
    """Give an address that expects a sign of life, and the paths that were called."""
    with receiver(status, body) as (address, called):
        yield f"{address}/{SECRET}", called


def conduct(record: list[Exchange]) -> Conduct:
    return Conduct(hosts=HostRule(rehearsal=False, allowed=frozenset({"127.0.0.1"})), record=record.append)


def given(address: str, section: Heartbeats = LOOPBACK, *, is_well: bool = True) -> str:
    return sign_of_life(
        section, section.sweeper, is_well=is_well, secret=lambda _: address, record=lambda _: None
    )  # fmt: skip


def test_a_good_end_calls_the_address_and_a_bad_one_its_failing_end() -> None:
    with listening() as (address, called):
        said = [given(address), given(f"{address}/", is_well=False)]

    assert called == [f"/{SECRET}", f"/{SECRET}/fail"]
    assert said == ["Heartbeat sweeper-heartbeat given."] * 2


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(200, "OK (not found)", Rejected), (200, "OK (rate limited)", Unavailable), (404, "not found", Rejected), (503, "", OpsError)],
    ids=["unknown", "too often", "gone", "down"],
)  # fmt: skip
def test_an_answer_that_counted_nothing_is_no_success(status: int, body: str, kind: type[OpsError]) -> None:
    seen: list[Exchange] = []

    with listening(status, body) as (address, _), pytest.raises(kind) as refused:
        tell(address, conduct(seen), is_well=True)

    assert SECRET not in f"{refused.value} {seen}"


def test_a_heartbeat_that_cannot_be_given_fails_nothing_and_is_said_without_the_address() -> None:
    with listening(404) as (address, _):
        said = given(address)

    assert said.startswith("The heartbeat sweeper-heartbeat was not given: The heartbeat's address answered 404.")
    assert SECRET not in said


def test_a_missing_block_is_said() -> None:
    def missing(name: str) -> str:
        raise BadInput(f"The Prefect Secret block {name!r} is not there.", "Nothing was sent.", "Make it.")

    said = sign_of_life(LOOPBACK, "sweeper-heartbeat", is_well=True, secret=missing, record=lambda _: None)

    assert said.startswith("The heartbeat sweeper-heartbeat was not given: The Prefect Secret block")


def test_no_other_host_is_called_and_without_a_block_nobody_is() -> None:
    with listening() as (address, called):
        refused = given(address, Heartbeats(sweeper="sweeper-heartbeat"))
        silent = given(address, Heartbeats())

    assert "127.0.0.1 is not one of the vendor's published hosts" in refused
    assert (silent, called) == ("", [])
