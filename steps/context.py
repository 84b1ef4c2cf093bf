"""What every step of one run works with; made once by the flow or command, never changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from domain.config import Config, Environment, EnvironmentKind
from domain.names import Target
from ledger.opening import Ledger
from steps.clock import Clock
from steps.probing import Pace
from vendors.capabilities import Integration
from vendors.http import Conduct


@dataclass(frozen=True, slots=True)
class Context:
    """One run in one environment.

    `credentials` returns a target's values by variable name, None where there are none. `may_wake` names the targets
    whose probe someone agreed to be woken by.
    """

    ledger: Ledger
    run_id: str
    actor: str
    environment: str
    config: Config
    integrations: Mapping[str, Integration]
    credentials: Callable[[Target], Mapping[str, str] | None]
    addresses: Mapping[str, str]
    conduct: Conduct
    clock: Clock
    pace: Pace
    new_nonce: Callable[[], str]
    may_wake: frozenset[str] = field(default_factory=frozenset)

    @property
    def declared(self) -> Environment:
        return self.config.environment(self.environment)

    @property
    def is_rehearsal(self) -> bool:
        return self.declared.kind is EnvironmentKind.REHEARSAL

    def dialling(self, dial: Mapping[str, tuple[str, int]], limit: timedelta) -> "Context":
        """Return the same run with connections going elsewhere, each bounded by `limit`: a cut, local to this process."""
        return replace(self, conduct=replace(self.conduct, dial=dial, connect_limit=limit, exchange_limit=limit))


def pace_of(config: Config) -> Pace:
    """Return the bounds that opsflows.toml sets."""
    return Pace(
        send=timedelta(seconds=config.verify.send_seconds),
        confirm=timedelta(seconds=config.verify.confirm_seconds),
        clean_up=timedelta(seconds=config.verify.clean_up_seconds),
        attempts=config.verify.attempts,
    )
