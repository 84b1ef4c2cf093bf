"""A vendor's client connected to its stand-in: what the tests of vendors begin with."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest

from domain.errors import NotYet
from domain.exchanges import Exchange
from tests.conftest import StandIns
from vendors import http
from vendors.capabilities import Client, Integration, checked_values
from vendors.hosts import HostRule
from vendors.http import Conduct

C = TypeVar("C", bound=Client)
T = TypeVar("T")
Connect = Callable[[Mapping[str, str], str | None, Conduct], C]

POLLING_LIMIT_S = 5.0
POLLING_STEP_S = 0.02


@contextmanager
def connected(
    stand_ins: StandIns, integration: Integration, connect: Connect[C], **changes: str
) -> Iterator[tuple[C, list[Exchange]]]:
    """Give a client with the stand-in's credentials, `changes` (by variable name) made, and its evidence."""
    evidence: list[Exchange] = []
    given = stand_ins.control("GET", f"/{integration.name}/credentials") | changes
    conduct = Conduct(HostRule(rehearsal=True), evidence.append)
    client = connect(checked_values(integration, given), f"{stand_ins.url}/{integration.name}", conduct)
    with closing(client):
        yield client, evidence


@contextmanager
def connected_by_name(
    stand_ins: StandIns, integration: Integration, connect: Connect[C], **changes: str
) -> Iterator[C]:
    """Give a client that believes it talks to the vendor's own hosts; they are dialled at the stand-ins' TLS port."""
    given = stand_ins.control("GET", f"/{integration.name}/credentials") | changes
    port = urlsplit(stand_ins.https_url).port or 0
    dial = dict.fromkeys(integration.published_hosts, ("127.0.0.1", port))
    rule = HostRule(rehearsal=True, allowed=frozenset(integration.published_hosts))
    with closing(connect(checked_values(integration, given), None, Conduct(rule, lambda _: None, dial=dial))) as client:
        yield client


@contextmanager
def trusting(ca_file: Path) -> Iterator[None]:
    """Let this process's one SSLContext be made anew, with the stand-ins' authority, and be forgotten afterwards."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(ca_file))
        http._tls_context.cache_clear()
        yield
    http._tls_context.cache_clear()


def eventually(look: Callable[[], T]) -> T:
    """Return what `look` gives as soon as it raises no NotYet; its last NotYet after the limit."""
    ends = time.monotonic() + POLLING_LIMIT_S
    while True:
        try:
            return look()
        except NotYet:
            if time.monotonic() > ends:
                raise
            time.sleep(POLLING_STEP_S)
