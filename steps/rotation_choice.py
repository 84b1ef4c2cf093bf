"""From what an operator chose in a form, `datadog send`, to the credentials that an environment has."""

from collections.abc import Iterable

from domain.config import Config
from domain.errors import BadInput
from domain.names import Credential
from steps.rotation_inventory import Rows, credentials_in


def chosen_credentials(
    config: Config, environment: str, choices: Iterable[str], instance: str, rows: Rows
) -> list[Credential]:
    """Return the environment's credentials that were chosen, of one instance where one is named, manage credentials last.

    Raises:
        BadInput: the environment is not declared, or has none of what was chosen in scope.
    """
    there = credentials_in(config, environment, rows)
    wanted = set(choices)
    found = [
        one
        for one in there
        if f"{one.target.integration} {one.purpose}" in wanted and instance in {"", one.target.instance}
    ]
    missing = wanted - {f"{one.target.integration} {one.purpose}" for one in found}
    if missing:
        raise BadInput(
            f"{environment} has no {', '.join(sorted(missing))}{f' of instance {instance}' if instance else ''} in scope.",
            "Nothing was done.",
            f"In scope there: {', '.join(str(one) for one in there) or 'nothing'}.",
        )
    return found
