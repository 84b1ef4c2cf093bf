"""Where a command's credentials come from, and under which name it says so."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.names import REHEARSAL, Target
from entrypoints import configuration
from entrypoints.prefect_api import require_server
from steps.conduct import conduct_for, running_stand_ins
from steps.env_file import read_env_file, values_of
from steps.stand_ins_process import started_stand_ins
from vendors.registry import INTEGRATIONS
from vendors.stand_ins import connect


@dataclass(frozen=True, slots=True)
class Source:
    """`credentials` gives a target's values by variable name; `addresses` overrides the vendors' own where it is not empty."""

    name: str
    credentials: Callable[[Target], Mapping[str, str] | None]
    addresses: Mapping[str, str]


@contextmanager
def from_file(file: Path) -> Iterator[Source]:
    """Give the credentials in a file like .env.local; only the default instance of each integration is there."""
    variables = read_env_file(file)
    yield Source(str(file), lambda target: values_of(INTEGRATIONS[target.integration], variables), {})


@contextmanager
def from_blocks(environment: str) -> Iterator[Source]:
    """Give the credentials in the blocks of the server at PREFECT_API_URL."""
    server = require_server()
    from blocks.store import load_values  # noqa: PLC0415 (Prefect costs a second, which a file does not need)

    name = f"blocks of {environment} at {server}"
    yield Source(name, lambda target: load_values(INTEGRATIONS[target.integration], target, environment), {})


@contextmanager
def from_stand_ins() -> Iterator[Source]:
    """Give the generated credentials of the running stand-ins, or of some started for this command alone."""
    running = running_stand_ins()
    where: AbstractContextManager[str] = _given(running) if running else _started()
    with where as url:
        control = connect(url, conduct_for(configuration.read(), REHEARSAL, lambda _: None))
        try:
            generated, addresses = control.credentials(), control.addresses()
        finally:
            control.close()
        yield Source(
            f"generated, for the stand-ins at {url}", lambda target: generated.get(target.integration), addresses
        )


@contextmanager
def _given(url: str) -> Iterator[str]:
    yield url


@contextmanager
def _started() -> Iterator[str]:
    with started_stand_ins() as started:
        yield started.url
