"""A new vendor's record, as the docstring of mocks/app.py describes it, is all that the framework needs."""

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, Response

from mocks.app import App
from mocks.keeping import StateFile
from mocks.serving import served_in_thread
from mocks.stage import Ask, Desk, Order, Refused, Route, StandIn
from mocks.world import StandInWorld


@dataclass(frozen=True, slots=True)
class Seed:
    api_key: str


@dataclass(slots=True)
class Memory:
    notes: list[str] = field(default_factory=list)


def write(desk: Desk[Seed, Memory], ask: Ask) -> Response:
    if ask.authorization("Key") != desk.seed.api_key:
        raise Refused(JSONResponse({"error": "unknown key"}, 403))
    desk.memory.notes.append(ask.ids["name"])
    return JSONResponse({"notes": len(desk.memory.notes)}, 201)


def fail(desk: Desk[Seed, Memory], ask: Ask) -> Response:
    raise RuntimeError("a fault of the stand-in's own")


def credentials(desk: Desk[Seed, Memory], base_url: str) -> Mapping[str, str]:
    return {"NOTES_KEY": desk.seed.api_key, "NOTES_URL": base_url}


def inbox(desk: Desk[Seed, Memory]) -> list[dict[str, Any]]:
    return [{"text": note} for note in desk.memory.notes]


def tear_out(desk: Desk[Seed, Memory], order: Order) -> object:
    return desk.memory.notes.pop(int(order.number("page")))


NOTES = StandIn(
    name="notes",
    seed=lambda: Seed("k3y"),
    memory=lambda _: Memory(),
    seed_type=Seed,
    memory_type=Memory,
    routes=(Route("POST", "/pages/{name}", write), Route("GET", "/fail", fail)),
    credentials=credentials,
    inbox=inbox,
    actions={"tear_out": tear_out},
    at_root=True,
)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    world = StandInWorld([NOTES], StateFile(None))
    with served_in_thread(App(world)) as (port, _), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        client.headers["authorization"] = "Key k3y"
        yield client


def test_it_is_served_at_the_root_and_under_its_name(client: httpx.Client) -> None:
    answers = [client.post(path) for path in ("/pages/first", "/notes/pages/second")]

    assert [answer.json() for answer in answers] == [{"notes": 1}, {"notes": 2}]


def test_its_address_at_the_root_has_no_prefix(client: httpx.Client) -> None:
    held = client.get("/_control/notes/credentials").json()

    assert held["NOTES_URL"] == str(client.base_url).rstrip("/")


def test_a_refusal_from_anywhere_below_is_the_answer(client: httpx.Client) -> None:
    answer = client.post("/pages/first", headers={"authorization": "Key wrong"})

    assert (answer.status_code, answer.json()) == (403, {"error": "unknown key"})


def test_its_actions_are_offered_by_the_control_plane(client: httpx.Client) -> None:
    client.post("/pages/first")

    torn = client.post("/_control/notes/actions/tear_out", json={"page": 0})
    nothing_left = client.post("/_control/notes/actions/tear_out", json={"page": "last"})

    assert (torn.json(), nothing_left.status_code) == ("first", 400)


def test_every_vendor_has_an_indexing_delay(client: httpx.Client) -> None:
    answer = client.post("/_control/notes/actions/set_indexing_delay", json={"seconds": 0.5})

    assert answer.json() == {"seconds": 0.5}


def test_a_limit_the_vendor_does_not_describe_is_a_plain_429(client: httpx.Client) -> None:
    client.post("/_control/notes/faults", json={"throttle_s": 5})

    answer = client.post("/pages/first")

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")


def test_a_fault_of_a_stand_in_is_printed_and_not_passed_off_as_the_vendors(
    client: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = client.get("/fail")

    assert answer.status_code == 500
    assert "a fault of the stand-in's own" in capfd.readouterr().err


def test_an_answer_does_not_wait_for_the_network(client: httpx.Client) -> None:
    def took() -> float:
        started = time.monotonic()
        client.post("/pages/x")
        return time.monotonic() - started

    # With Nagle's algorithm on, each would take 40 ms.
    assert statistics.median(took() for _ in range(21)) < 0.03
