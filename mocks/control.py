"""The control plane under /_control: what a test or a demo may ask of the stand-ins that no vendor would offer.

GET /_control/credentials, GET /_control/addresses, GET /_control/<vendor>/credentials|requests|faults|inbox, POST and DELETE
/_control/<vendor>/faults, POST /_control/<vendor>/reset, POST /_control/<vendor>/actions/<name>, POST /_control/reset,
POST /_control/clock.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from mocks.stage import Order, Refused
from mocks.world import Booth, StandInWorld, known_actions

PREFIX = "/_control"


@dataclass(frozen=True, slots=True)
class Command:
    """One request to the control plane. `origin` is the address under which the caller reaches the stand-ins."""

    method: str
    path: str
    body: bytes
    origin: str

    def fields(self) -> dict[str, Any]:
        """Return the JSON object in the body (none sent: an empty one).

        Raises:
            Refused: the body is something else.
        """
        try:
            said = json.loads(self.body or b"{}")
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise Refused(_bad("the body must be a JSON object"))
        return said


def obey(world: StandInWorld, command: Command) -> Response:
    """Carry out one command and return the answer; 404 lists what there is."""
    try:
        answer = _obeyed(world, command)
    except Refused as refusal:
        return refusal.response
    world.keep()
    return JSONResponse(answer)


def _obeyed(world: StandInWorld, command: Command) -> Any:
    steps = tuple(command.path.removeprefix(PREFIX).strip("/").split("/"))
    for_all = _FOR_ALL.get((command.method, *steps))
    if for_all is not None:
        return for_all(world, command)
    vendor, *rest = steps
    if vendor not in world.booths:
        raise Refused(_missing(f"there is no stand-in {vendor!r}", [*world.booths, *(" ".join(k) for k in _FOR_ALL)]))
    booth = world.booths[vendor]
    if len(rest) == 2 and rest[0] == "actions" and command.method == "POST":  # noqa: PLR2004 - actions/<name>
        return _act(booth, rest[1], command)
    for_one = _FOR_ONE.get((command.method, *rest))
    if for_one is None:
        raise Refused(
            _missing(f"{vendor} has no {command.method} {'/'.join(rest)}", [" ".join(key) for key in _FOR_ONE])
        )
    return for_one(booth, command)


def _act(booth: Booth, name: str, command: Command) -> Any:
    actions = known_actions(booth)
    if name not in actions:
        raise Refused(_missing(f"{booth.name} has no action {name!r}", sorted(actions)))
    try:
        return actions[name](booth.desk, Order(command.fields(), booth.base_url(command.origin)))
    except (LookupError, TypeError, ValueError) as error:
        raise Refused(_bad(f"{name} does not fit: {type(error).__name__} {error}")) from error


def _credentials(booth: Booth, command: Command) -> Any:
    return dict(booth.stand_in.credentials(booth.desk, booth.base_url(command.origin)))


def _all_credentials(world: StandInWorld, command: Command) -> Any:
    return {name: _credentials(booth, command) for name, booth in world.booths.items()}


def _addresses(world: StandInWorld, command: Command) -> Any:
    """Return where each vendor's client is to go: to the gRPC port where it speaks that, else to the vendor's prefix."""
    named = urlsplit(command.origin).hostname or ""
    host = f"[{named}]" if ":" in named else named
    over_grpc = {name for name, booth in world.booths.items() if booth.stand_in.grpc and world.grpc_port}
    return {
        name: f"grpc://{host}:{world.grpc_port}" if name in over_grpc else f"{command.origin}/{name}"
        for name in world.booths
    }


def _requests(booth: Booth, command: Command) -> Any:
    del command
    return booth.journal.listing()


def _faults(booth: Booth, command: Command) -> Any:
    del command
    return booth.faults.listing()


def _add_fault(booth: Booth, command: Command) -> Any:
    try:
        return asdict(booth.faults.add(command.fields()))
    except ValueError as error:
        raise Refused(_bad(str(error))) from error


def _clear_faults(booth: Booth, command: Command) -> Any:
    del command
    booth.faults.clear()
    return []


def _inbox(booth: Booth, command: Command) -> Any:
    del command
    return booth.stand_in.inbox(booth.desk)


def _reset(booth: Booth, command: Command) -> Any:
    del command
    booth.reset()
    return {"reset": [booth.name]}


def _reset_all(world: StandInWorld, command: Command) -> Any:
    del command
    world.offset_s = 0.0
    for booth in world.booths.values():
        booth.reset()
    return {"reset": list(world.booths)}


def _set_clock(world: StandInWorld, command: Command) -> Any:
    try:
        world.offset_s = float(command.fields()["offset_s"])
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(_bad('the clock is set with {"offset_s": <seconds>}')) from error
    return {"offset_s": world.offset_s, "now": world.now()}


def _bad(text: str) -> Response:
    return JSONResponse({"error": text}, 400)


def _missing(text: str, known: list[str]) -> Response:
    return JSONResponse({"error": text, "known": known}, 404)


_FOR_ALL: dict[tuple[str, ...], Callable[[StandInWorld, Command], Any]] = {
    ("GET", "credentials"): _all_credentials,
    ("GET", "addresses"): _addresses,
    ("POST", "reset"): _reset_all,
    ("POST", "clock"): _set_clock,
}
_FOR_ONE: dict[tuple[str, ...], Callable[[Booth, Command], Any]] = {
    ("GET", "credentials"): _credentials,
    ("GET", "requests"): _requests,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "inbox"): _inbox,
    ("POST", "reset"): _reset,
}
