"""From names that an operator types to credentials, and from credentials to the forms of the deployment that rotates them."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.config import Config
from domain.errors import BadInput
from domain.names import Credential, Target
from steps.rotation_inventory import Rows, credentials_in


@dataclass(frozen=True, slots=True)
class Form:
    """One run of the deployment: the choices of one instance of one environment."""

    environment: str
    instance: str
    choices: tuple[str, ...]


def named_credentials(config: Config, names: Iterable[str], environment: str, rows: Rows) -> list[Credential]:
    """Return the credentials that were named: `datadog-default-prod-send`, or `datadog` (all of it) with an environment.

    Raises:
        BadInput: a name is none, or is not in scope; or the environment is missing, or another one than a full name's.
    """
    found: list[Credential] = []
    for name in names:
        if "-" in name:
            found.append(_full(config, name, environment, rows))
        elif environment:
            found.extend(_of_target(config, environment, name, rows))
        else:
            raise BadInput(
                f"{name} is in several environments, and none was named.",
                "Nothing was done.",
                f"Add --environment, or write a full name like {name.partition('/')[0]}-default-prod-send.",
            )
    return list(dict.fromkeys(found))


def credentials_of_scope(config: Config, scopes: Iterable[str], rows: Rows) -> list[Credential]:
    """Return what the scopes take in: `prod`, `prod/datadog`, `prod/pagerduty/payments`, or a credential's full name.

    Raises:
        BadInput: a scope is none of these, or nothing of it is in scope.
    """
    found: list[Credential] = []
    for scope in scopes:
        environment, _, target = scope.partition("/")
        if "-" in scope:
            found.append(_full(config, scope, "", rows))
        elif target:
            found.extend(_of_target(config, environment, target, rows))
        else:
            found.extend(_some(credentials_in(config, environment, rows), scope, environment))
    return list(dict.fromkeys(found))


def forms_of(credentials: Iterable[Credential]) -> list[Form]:
    """Return the runs that rotate exactly these, one for each environment and instance, in the order of the credentials."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for one in credentials:
        choices = grouped.setdefault((one.environment, one.target.instance), [])
        choices.append(f"{one.target.integration} {one.purpose}")
    return [Form(environment, instance, tuple(choices)) for (environment, instance), choices in grouped.items()]


def in_scope(config: Config, name: str, rows: Rows) -> Credential:
    """Return the credential of that full name.

    Raises:
        BadInput: it is no credential's name, or its environment does not have it in scope.
    """
    return _full(config, name, "", rows)


def _full(config: Config, name: str, environment: str, rows: Rows) -> Credential:
    credential = Credential.parse(name)
    if environment and environment != credential.environment:
        raise BadInput(
            f"{name} is not of environment {environment}.",
            "A full name says its environment itself. Nothing was done.",
            "Leave --environment out.",
        )
    there = credentials_in(config, credential.environment, rows)
    return _some([one for one in there if one == credential], name, credential.environment, there)[0]


def _of_target(config: Config, environment: str, name: str, rows: Rows) -> list[Credential]:
    """Return every credential of the target; of all instances where none is named."""
    target, names_instance = Target.parse(name), "/" in name
    there = credentials_in(config, environment, rows)
    found = [
        one
        for one in there
        if one.target == target or (not names_instance and one.target.integration == target.integration)
    ]
    return _some(found, name, environment, there)


def _some(found: list[Credential], name: str, environment: str, there: Iterable[Credential] = ()) -> list[Credential]:
    if found:
        return found
    raise BadInput(
        f"{environment} has nothing of {name} in scope.",
        "Nothing was done.",
        f"In scope there: {', '.join(str(one) for one in there) or 'nothing'}; see in_scope in opsflows.toml.",
    )
