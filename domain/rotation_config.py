"""What opsflows.toml says of one credential: its policy, its sinks, and whether it is one that can be rotated at all."""

from collections.abc import Container

from domain.config import Config
from domain.errors import BadInput
from domain.names import Credential, Purpose
from domain.policies import Policy
from domain.rotation_sections import SinkSection, merged_policy


def policy_of(config: Config, credential: Credential) -> Policy:
    """Return the credential's policy. Its groups are its target, the one it names and, for an alert channel, its environment's channels.

    One target's credentials depend on each other: what one sends, another reads back, and revoking a bot's token can take its
    webhook along. A group's name begins with the environment: one credential of `payments` in staging and one in prod do not
    wait for each other.
    """
    own = config.credentials.get(str(credential))
    named = (str(credential.target), *((own.group,) if own and own.group else ()))
    groups = (*named, _ALERTS) if _is_alert_channel(config, credential) else named
    return merged_policy(config.rotation, own, tuple(f"{credential.environment}:{group}" for group in groups))


def sinks_of(config: Config, credential: Credential) -> dict[str, SinkSection]:
    """Return the credential's sinks by name, in the order in which it names them."""
    own = config.credentials.get(str(credential))
    return {name: config.sinks[name] for name in own.sinks} if own else {}


def check_purposes(config: Config, rotatable: Container[tuple[str, Purpose]], file: str) -> None:
    """Raise BadInput when a credential is named that its integration does not have; `rotatable` are those there are."""
    named = [Credential.parse(name) for name in config.credentials]
    missing = [str(one) for one in named if (one.target.integration, one.purpose) not in rotatable]
    if missing:
        faults = "; ".join(f"credentials.{name}: its integration has no secret for that purpose" for name in missing)
        raise BadInput(f"{file}: {faults}.", "Nothing was done.", f"Correct {file}.")


# Both channels at once would leave nobody to tell.
_ALERTS = "alerts"


def _is_alert_channel(config: Config, credential: Credential) -> bool:
    environment = config.environments.get(credential.environment)
    channels = (environment.alerts.page, environment.alerts.ticket) if environment else ()
    return str(credential.target) in channels
