"""Credentials from a file like .env.local: refused when others can read it, complete sets only, no value ever shown."""

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from domain.errors import BadInput
from steps.cold_start import check_private
from vendors.capabilities import Integration, checked_values


def read_env_file(file: Path) -> dict[str, str]:
    """Return the variables of the file, empty ones left out.

    Raises:
        BadInput: the file cannot be read, can be read by others, or is tracked by git.
    """
    check_private(file)
    try:
        pairs = dotenv_values(file, interpolate=False)
    except UnicodeDecodeError:
        raise BadInput(f"{file} is not text.", "Nothing was sent.", f"Write {file} as .env.example shows.") from None
    return {name: value for name, value in pairs.items() if value}


def values_of(integration: Integration, variables: Mapping[str, str]) -> dict[str, str] | None:
    """Return the integration's own variables, None where none is given."""
    own = {row.name: variables[row.name] for row in integration.variables if variables.get(row.name)}
    return own or None


def complete_sets(
    integrations: Mapping[str, Integration], variables: Mapping[str, str], file: Path
) -> dict[str, dict[str, str]]:
    """Return the variables of every integration that has any, all checked.

    Raises:
        BadInput: a set is incomplete or a value malformed; every fault of every integration is named at once.
    """
    given = {name: found for name, row in integrations.items() if (found := values_of(row, variables))}
    faults: list[BadInput] = []
    for name, values in given.items():
        try:
            checked_values(integrations[name], values)
        except BadInput as fault:
            faults.append(fault)
    if faults:
        raise BadInput(
            f"{file}: {' '.join(fault.happened for fault in faults)}",
            "Nothing was stored and nothing was sent.",
            " ".join(dict.fromkeys(fault.next_step for fault in faults)),
        )
    if not given:
        raise BadInput(f"{file} holds no variable that we know.", "Nothing was done.", "Compare it with .env.example.")
    return given
