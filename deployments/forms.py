"""A deployment's form offers what opsflows.toml declares: lists in place of names to type, and no field that the flow does not know.

The server enforces the schema that a deploy leaves there: another value is refused with 409, before there is a run. What was
changed in opsflows.toml since is told by the flows themselves, and by `opsflows deploy --check`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prefect.utilities.callables import ParameterSchema

from domain.config import Config
from domain.names import DAY1_WIRING, DECIDE, KMS_REVIEW, KMS_SMOKE, RECONCILE, RESPOND, ROTATE
from steps.kms_choosing import EVERY
from steps.rotation_inventory import credentials_in
from vendors.registry import ROTATIONS

Choices = Callable[[Config], Iterable[str]]


class Form(ParameterSchema):
    """Prefect's schema of a form, closed: an unknown parameter would be taken, and its run crash without a word."""

    additionalProperties: bool  # noqa: N815 (JSON Schema's name)


def form_of(full_name: str, schema: ParameterSchema, config: Config) -> Form:
    """Return the deployment's form: the flow's own, with the choices that the configuration gives its fields."""
    offered = {name: list(dict.fromkeys(choices(config))) for name, choices in _CHOICES.get(full_name, {}).items()}
    given = schema.model_dump()
    required: list[str] = given["required"]
    properties: dict[str, dict[str, Any]] = {}
    for name, field in given["properties"].items():
        choices = offered.get(name)
        properties[name] = _as_list(field, choices) if choices else field
        if choices and "default" in field and "default" not in properties[name]:
            required = [*required, name]
    return Form(
        **{**given, "properties": properties, "required": required, "definitions": _used(given["definitions"], properties)},
        additionalProperties=False,
    )  # fmt: skip


def _as_list(field: Mapping[str, Any], choices: list[str]) -> dict[str, Any]:
    """Return the field as a list to choose from; a default that is none of them goes, so that a person has to choose."""
    if field.get("type") == "array":
        return {**field, "items": {"type": "string", "enum": choices}}
    kept = {name: value for name, value in field.items() if name not in {"pattern", "minLength", "maxLength", "$ref"}}
    if kept.get("default") not in choices:
        kept.pop("default", None)
    return {**kept, "type": "string", "enum": choices}


def _used(definitions: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definitions that a field still refers to."""
    said = repr(properties)
    return {name: one for name, one in definitions.items() if f"#/definitions/{name}'" in said}


def _environments(config: Config) -> Iterable[str]:
    return config.environments


def _environments_or_all(config: Config) -> Iterable[str]:
    return (EVERY, *config.environments)


def _integrations(config: Config) -> Iterable[str]:
    return (target.integration for row in config.environments.values() for target in row.targets)


def _targets_or_all(config: Config) -> Iterable[str]:
    return (EVERY, *(str(target) for row in config.environments.values() for target in row.targets))


def _instances_or_all(config: Config) -> Iterable[str]:
    return (EVERY, *(target.instance for row in config.environments.values() for target in row.rotated))


def _integrations_and_purposes(config: Config) -> Iterable[str]:
    """In the order of the registry, in which an operator finds an integration's purposes side by side."""
    there = {target.integration for row in config.environments.values() for target in row.rotated}
    return (f"{integration} {purpose}" for integration, purpose in ROTATIONS if integration in there)


def _scopes(config: Config) -> Iterable[str]:
    """Environments, then their targets, then single credentials: the widest first."""
    found = [one for name in config.environments for one in credentials_in(config, name, ROTATIONS)]
    return (
        *(one.environment for one in found),
        *(f"{one.environment}/{name}" for one in found for name in (one.target.integration, str(one.target))),
        *(str(one) for one in found),
    )


def _kms_targets(config: Config) -> Iterable[str]:
    return config.kms


# What a list of the form is made of. Where the configuration has nothing to offer, the field stays as the flow has it.
_CHOICES: Mapping[str, Mapping[str, Choices]] = {
    DAY1_WIRING: {"environment": _environments, "may_page": _integrations},
    ROTATE: {"environment": _environments, "credentials": _integrations_and_purposes, "instance": _instances_or_all},
    RESPOND: {"scope": _scopes},
    RECONCILE: {"environment": _environments_or_all},
    DECIDE: {"environment": _environments, "integration": _targets_or_all},
    KMS_SMOKE: {"environment": _environments_or_all, "targets": _kms_targets},
    KMS_REVIEW: {"environment": _environments_or_all},
}
