"""How this process may talk in one environment, read from the configuration and the process's environment."""

import os
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

from domain.config import Config, EnvironmentKind
from domain.errors import BadInput
from domain.exchanges import Exchange
from vendors.hosts import HostRule
from vendors.http import Conduct

STAND_INS_URL = "OPSFLOWS_STAND_INS_URL"


def conduct_for(config: Config, environment: str, record: Callable[[Exchange], None]) -> Conduct:
    """Return the conduct of an environment: its host rule, limits and proxy.

    Addresses that opsflows.toml gives are allowed hosts; a loopback address must be allowed by name as well.
    """
    declared = config.environment(environment)
    hosts = {urlsplit(address).hostname or "" for address in declared.addresses.values()}
    named = hosts if declared.kind is not EnvironmentKind.REHEARSAL else set()
    return Conduct(
        hosts=HostRule(
            rehearsal=declared.kind is EnvironmentKind.REHEARSAL, allowed=frozenset({*declared.allowed_hosts, *named})
        ),
        record=record,
        connect_limit=timedelta(seconds=config.verify.connect_seconds),
        exchange_limit=timedelta(seconds=config.verify.exchange_seconds),
        proxy=None if declared.kind is EnvironmentKind.REHEARSAL else proxy_address(),
    )


def proxy_address() -> str | None:
    """Return the proxy's address, None where there is none. It is never shown, because it may hold a login."""
    address = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or ""
    if not address:
        return None
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadInput(
            "HTTPS_PROXY is not the address of a proxy.",
            "It starts with http:// or https:// and names a host. Nothing was sent.",
            "Write it like http://proxy.example.org:3128, or unset it.",
        )
    return address


def running_stand_ins() -> str:
    """Return where stand-ins were started for this process, empty where nobody started any."""
    return os.environ.get(STAND_INS_URL, "")


def stand_ins_url() -> str:
    """Return where the stand-ins are.

    Raises:
        BadInput: nobody said.
    """
    url = running_stand_ins()
    if not url:
        raise BadInput(
            "The rehearsal needs the stand-ins, and nobody said where they are.",
            f"{STAND_INS_URL} is not set. Nothing was sent.",
            "Use make demo or make up, which start them; or opsflows mocks, and set the variable to the printed address.",
        )
    return url
