"""What opsflows.toml says of one credential: its policy, its sinks, and whether it is one that can be rotated at all."""

from collections.abc import Container, Iterator, Mapping
from datetime import timedelta

from domain.config import Config
from domain.drill import DRILL_POLICY, is_drill
from domain.errors import BadInput
from domain.names import Credential, Purpose
from domain.policies import DEFAULT_AGE, Policy
from domain.rotation_sections import age_key, merged_policy, time_faults
from domain.sink_sections import SinkSection


def policy_of(config: Config, credential: Credential, usual_age: timedelta | None = None) -> Policy:
    """Return the credential's policy; `usual_age` is its kind's, for a file that names no age. A canary's is the drill's.

    Its groups are its target, the one it names and, for an alert channel, its environment's channels.

    One target's credentials depend on each other: what one sends, another reads back, and revoking a bot's token can take its
    webhook along. A group's name begins with the environment: one credential of `payments` in staging and one in prod do not
    wait for each other.
    """
    if is_drill(credential):
        return DRILL_POLICY
    own = config.credentials.get(str(credential))
    named = (str(credential.target), *((own.group,) if own and own.group else ()))
    groups = (*named, _ALERTS) if alert_channel(config, credential) else named
    return merged_policy(
        config.rotation, own, tuple(f"{credential.environment}:{group}" for group in groups), usual_age
    )


def sinks_of(config: Config, credential: Credential) -> dict[str, SinkSection]:
    """Return the credential's sinks by name, in the order in which it names them."""
    own = config.credentials.get(str(credential))
    return {name: config.sinks[name] for name in own.sinks} if own else {}


def is_rotated(config: Config, credential: Credential) -> bool:
    """Say whether opsflows.toml leaves the credential to the schedules."""
    own = config.credentials.get(str(credential))
    in_scope = credential.target in config.environment(credential.environment).in_rotation
    return in_scope and (own is None or own.rotate)


def alert_channel(config: Config, credential: Credential) -> int:
    """Return 0 where no alert of its environment goes out through the credential's target, 1 for tickets, 2 for what pages."""
    environment = config.environments.get(credential.environment)
    channels = (environment.alerts.ticket, environment.alerts.page) if environment else ()
    return max((place for place, name in enumerate(channels, start=1) if name == str(credential.target)), default=0)


def check_purposes(config: Config, rotatable: Container[tuple[str, Purpose]], file: str) -> None:
    """Raise BadInput when a credential is named that its integration does not have; `rotatable` are those there are."""
    named = [Credential.parse(name) for name in config.credentials]
    missing = [str(one) for one in named if (one.target.integration, one.purpose) not in rotatable]
    if missing:
        faults = "; ".join(f"credentials.{name}: its integration has no secret for that purpose" for name in missing)
        raise BadInput(f"{file}: {faults}.", "Nothing was done.", f"Correct {file}.")


def check_usual_ages(config: Config, usual_ages: Mapping[tuple[str, Purpose], timedelta | None], file: str) -> None:
    """Raise BadInput when a credential's usual age, which holds where the file names none, has no room for its times.

    `usual_ages` are those of every kind; one of the default age or more has room where the file was accepted at all.
    """
    short = {kind: age for kind, age in usual_ages.items() if age is not None and age < DEFAULT_AGE}
    faults = "; ".join(fault for kind, age in short.items() for fault in _faults_of_kind(config, kind, age))
    if faults:
        raise BadInput(f"{file}: {faults}.", "Nothing was done.", f"Correct {file}.")


# Both channels at once would leave nobody to tell.
_ALERTS = "alerts"


def _faults_of_kind(config: Config, kind: tuple[str, Purpose], usual_age: timedelta) -> Iterator[str]:
    integration, purpose = kind
    for name, environment in config.environments.items():
        for target in environment.rotated:
            if target.integration == integration:
                credential = Credential(target, name, purpose)
                own = config.credentials.get(str(credential))
                key = age_key(f"credentials.{credential}", own or config.rotation)
                yield from time_faults(key, policy_of(config, credential, usual_age))
