"""`opsflows doctor`: what of opsflows itself is broken, in plain words. A table of looks; one that cannot see is never fine."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeVar
from urllib.parse import urlsplit

import click

from domain.config import Config
from domain.doctor import Checked, Finding, Health, Look, broken, fails, fine, not_checked, summary, worst_first
from domain.errors import OpsError
from domain.names import REHEARSAL
from entrypoints import configuration, doctor_server, project
from entrypoints.day_one import quiet_prefect
from entrypoints.doctor_server import ServerSeen, look_at_server
from ledger.fingerprints import KEY_FILE
from ledger.held_credentials import HeldCredential, held_credentials
from ledger.newest import go_live_days
from ledger.opening import Ledger, open_existing
from ledger.places import ledger_url
from steps import doctor_ledger, doctor_machine
from steps.conduct import STAND_INS_URL
from steps.doctor_machine import ClockSeen

T = TypeVar("T")
_AT_ONCE = 6
_LOCK = project.ROOT / "requirements.lock"
_SQLITE = "sqlite"


@dataclass(slots=True)
class _Seen:
    """What the looks share, each asked once; what could not be had is an error that says why."""

    home: Path
    config: Config | None = None
    ledger: Ledger | None = None
    server: ServerSeen | None = None
    held: tuple[HeldCredential, ...] = ()
    live: frozenset[str] = frozenset()
    clocks: list[ClockSeen] = field(default_factory=list)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option("--all", "show_all", is_flag=True, help="Also what is fine, a line each.")
def doctor(as_json: bool, show_all: bool) -> None:  # noqa: FBT001 (click passes flags)
    """Say what of opsflows itself is broken: server, versions, blocks, keys, schedules, workers, ledger, disk, clock.

    Changes nothing. Exit 0 where nothing is broken, 1 where something is or could not be looked at. Works with everything down.
    """
    found = examine()
    if as_json:
        click.echo(json.dumps(_document(found), indent=2))
    else:
        click.echo("\n".join(_lines(found, show_all=show_all)))
    sys.exit(1 if fails(found) else 0)


def examine() -> list[Checked]:
    """Return every check with its finding, in the order of the tables."""
    seen = _Seen(project.home())
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            # Later looks rest on what the earlier ones have seen.
            return [
                *_looked(pool, _machine(seen)),
                *_looked(pool, _foundations(seen)),
                *_looked(pool, {**_of_ledger(seen), **_of_server(seen)}),
                *_looked(pool, _of_prefect(seen)),
            ]
    finally:
        if seen.ledger is not None:
            seen.ledger.close()


def _looked(pool: ThreadPoolExecutor, looks: Mapping[str, Look]) -> list[Checked]:
    asked = {name: pool.submit(look) for name, look in looks.items()}
    return [_checked(name, one) for name, one in asked.items()]


def _checked(name: str, asked: Future[Finding]) -> Checked:
    """Return what the look came to, or why it could not see; one that fails hides none of the others."""
    error = asked.exception()
    if error is None:
        return Checked(name, asked.result())
    if isinstance(error, OpsError):
        return Checked(name, not_checked(error.happened, error.next_step))
    # Its text may hold what it was given, so only its kind is shown.
    why = f"The look itself failed ({type(error).__name__})."
    return Checked(name, not_checked(why, "Report it with the version of opsflows."))


def _machine(seen: _Seen) -> Mapping[str, Look]:
    return {
        "Python": doctor_machine.python_fits,
        "packages": partial(doctor_machine.packages_fit, _LOCK),
        "home": partial(doctor_machine.home_is_private, seen.home),
        "restore": partial(doctor_machine.restore_is_finished, seen.home),
        "disk": lambda: doctor_machine.disks_have_room(_places(seen.home)),
    }


def _foundations(seen: _Seen) -> Mapping[str, Look]:
    """Looks on which others rest: what they find is kept in `seen`."""
    return {
        "opsflows.toml": partial(_told, partial(_read_config, seen)),
        "ledger": partial(_told, partial(_open_ledger, seen)),
        "server": partial(_told, partial(_see_server, seen)),
    }


def _of_ledger(seen: _Seen) -> Mapping[str, Look]:
    key_file = Path(os.environ.get(KEY_FILE, "") or seen.home / project.FINGERPRINT_KEY_FILE)
    return {
        "audit chain": lambda: doctor_ledger.chain_holds(_ledger(seen)),
        "fingerprint key": lambda: doctor_ledger.fingerprint_key_fits(_ledger(seen), key_file),
        "clock": lambda: _clocks(seen),
    }


def _of_server(seen: _Seen) -> Mapping[str, Look]:
    address = os.environ.get(STAND_INS_URL, "") or project.running_stand_ins()
    return {
        "versions": lambda: doctor_server.versions_agree(_server(seen)),
        "settings": lambda: doctor_server.settings_are_safe(_server(seen)),
        "stand-ins": lambda: doctor_server.stand_ins_answer(address, is_declared=REHEARSAL in _config(seen).environments),
    }  # fmt: skip


def _of_prefect(seen: _Seen) -> Mapping[str, Look]:
    """Looks through Prefect's client, which is imported where there is a server that lets us in."""
    names = (
        "encryption key", "blocks", "registered ledger", "schedules", "workers", "late runs", "deployments", "automations",
        "switched off", "second channel", "heartbeats",
    )  # fmt: skip
    if seen.server is None:
        return dict.fromkeys(
            names, lambda: not_checked("The server could not be asked.", "See the check of the server.")
        )
    quiet_prefect()
    from blocks.connection import prefect_client  # noqa: PLC0415 (Prefect costs two seconds, and reads its settings at import)
    from deployments import examining  # noqa: PLC0415 (as above)

    def asked(look: Callable[..., Finding], *more: Callable[[], object]) -> Finding:
        with prefect_client() as client:
            return look(client, *(one() for one in more))

    def config() -> Config:
        return _config(seen)

    def live() -> frozenset[str]:
        _ledger(seen)
        return seen.live

    def held() -> tuple[HeldCredential, ...]:
        _ledger(seen)
        return seen.held

    differences = _once(examining.differences)
    looks: tuple[Look, ...] = (
        partial(_told, partial(asked, examining.blocks_can_be_read)),
        partial(asked, examining.blocks_are_whole, config, held, live),
        lambda: examining.ledger_is_registered(_ledger(seen).id),
        partial(asked, examining.schedules_run),
        partial(asked, examining.workers_live),
        partial(asked, examining.runs_start),
        lambda: examining.deployed_as_catalog(differences()),
        lambda: examining.automated_as_catalog(differences()),
        examining.nothing_is_switched_off,
        lambda: examining.second_channel(config(), live()),
        partial(asked, examining.heartbeats_are_sent, config, live),
    )
    return dict(zip(names, looks, strict=True))


def _once(ask: Callable[[], T]) -> Callable[[], T]:
    """Return what asks the first time it is called, whichever thread that is, and gives everyone the same answer."""
    asking = Lock()
    answers: list[T] = []

    def answered() -> T:
        with asking:
            if not answers:
                answers.append(ask())
            return answers[0]

    return answered


def _told(look: Look) -> Finding:
    """Look; what does not answer here is what is broken, and no mere hindrance."""
    try:
        return look()
    except OpsError as error:
        return broken(error.happened, error.means, error.next_step)


def _read_config(seen: _Seen) -> Finding:
    seen.config = configuration.read()
    return fine(f"{len(seen.config.environments)} environments are declared: {', '.join(seen.config.environments)}.")


def _open_ledger(seen: _Seen) -> Finding:
    ledger = open_existing(ledger_url(os.environ))
    seen.ledger = ledger
    seen.clocks.append(ClockSeen("database", ledger.now() - ledger.offset, datetime.now(UTC)))
    seen.held = tuple(held_credentials(ledger))
    seen.live = frozenset(go_live_days(ledger))
    return doctor_ledger.ledger_is_writable(ledger)


def _see_server(seen: _Seen) -> Finding:
    seen.server = look_at_server()
    seen.clocks += doctor_server.clock_of(seen.server)
    return doctor_server.server_answers(seen.server)


def _clocks(seen: _Seen) -> Finding:
    told = {one.whose for one in seen.clocks}
    return doctor_machine.clocks_agree(seen.clocks, [one for one in ("database", "server") if one not in told])


def _config(seen: _Seen) -> Config:
    return _required(seen.config, "opsflows.toml could not be read.", "See the check of opsflows.toml.")


def _ledger(seen: _Seen) -> Ledger:
    return _required(seen.ledger, "The ledger could not be opened.", "See the check of the ledger.")


def _server(seen: _Seen) -> ServerSeen:
    return _required(seen.server, "The server could not be asked.", "See the check of the server.")


def _required(found: T | None, happened: str, next_step: str) -> T:
    if found is None:
        raise OpsError(happened, "Whether it is well is not known.", next_step)
    return found


def _places(home: Path) -> list[Path]:
    """Return where we write: home with audit and logs, the ledger's file, Prefect's database where it is a file here."""
    database = os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL", "")
    urls = [url for url in (ledger_url(os.environ), database) if url.startswith(_SQLITE)]
    return [home, *(Path(urlsplit(url).path.removeprefix("/")) for url in urls)]


def _lines(found: Iterable[Checked], *, show_all: bool) -> Iterator[str]:
    rows = worst_first(found)
    yield summary(rows)
    for one in rows:
        told = one.finding
        if told.health is Health.FINE and not show_all:
            continue
        if told.means:
            yield ""
        yield f"{told.health.value:<12}{one.name}: {told.what}"
        if told.means:
            yield f"{'':<12}{told.means}"
            yield f"{'':<12}{told.next_step}"


def _document(found: Iterable[Checked]) -> dict[str, object]:
    rows = worst_first(found)
    return {
        "broken": [one.name for one in rows if one.finding.health is Health.BROKEN],
        "not_checked": [one.name for one in rows if one.finding.health is Health.NOT_CHECKED],
        "checks": [
            {
                "check": one.name,
                "health": one.finding.health.value,
                "what": one.finding.what,
                "means": one.finding.means or None,
                "next_step": one.finding.next_step or None,
            }
            for one in rows
        ],
    }
