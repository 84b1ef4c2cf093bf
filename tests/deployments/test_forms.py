"""Every form is made for an operator: lists to choose from, a description each, a safe default; a wrong value is refused at once."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prefect.utilities.callables import parameter_schema

from deployments.catalog import CATALOG, Entry
from deployments.forms import Form, form_of
from domain.config import Config, parse_config
from domain.names import (
    CONFIRM_STEP,
    DAY1_WIRING,
    DECIDE,
    KMS_SMOKE,
    RECONCILE,
    RESPOND,
    ROTATE,
    STEP_ROTATION,
)
from tests.program import Standing, to_loopback
from vendors.registry import INTEGRATIONS

_CONFIG = """
[environments.rehearsal]
kind = "rehearsal"
in_scope = ["slack"]

[environments.prod]
kind = "prod"
in_scope = ["slack", "pagerduty/payments"]

[kms.pay]
environment = "prod"
base_url = "https://pay.example.com"
"""
_LOOKS = frozenset({"plan", "last settled", "last", "all"})
# What ends well or changes nothing when nobody touched the field.
_SAFE_DEFAULTS: tuple[object, ...] = (False, "", 0, [], "mock", "nothing", "rehearsal", "none", *_LOOKS)
# Who starts a run and why; what starts by itself says so where nobody does.
_WHO_AND_WHY = frozenset({"operator", "by", "reason", "note"})
# Reconciling only reads, and its schedule applies.
_APPLIES = {(RECONCILE, "mode")}
_WHO = {"operator": "ana", "ticket": "F-1"}
_ROTATE = {"credentials": ["slack send"], "environment": "rehearsal", "reason": "test", **_WHO}
_DAY1 = {"reason": "a try", "mode": "plan", **_WHO}
_DECIDE = {"environment": "rehearsal", "month": "2026-10", "decision": "sign off", "reason": "read", **_WHO}
_RESPOND = {"scope": ["rehearsal"], "compromised_since": "2026-11-25T14:00:00Z", "reason": "a leak", **_WHO}


def config() -> Config:
    return parse_config(_CONFIG, "opsflows.toml", INTEGRATIONS)


def form(full_name: str, configured: Config | None = None) -> Form:
    (entry,) = (one for one in CATALOG if one.full_name == full_name)
    return form_of(full_name, parameter_schema(entry.flow), configured or config())


def kind_of(schema: Form, field: dict[str, Any]) -> dict[str, Any]:
    """Return the field with what it refers to."""
    reference = field.get("$ref", "").removeprefix("#/definitions/")
    return {**schema.definitions[reference], **field} if reference else field


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_a_form_can_be_filled_in_by_whoever_reads_it(entry: Entry) -> None:
    schema = form_of(entry.full_name, parameter_schema(entry.flow), config())
    fields = {name: kind_of(schema, field) for name, field in schema.properties.items()}

    assert [name for name, field in fields.items() if not field.get("description", "").endswith((".", ")"))] == []
    # Union, dict, SecretStr, timedelta and constants have no control that an operator could use (Prefect 3.8).
    assert {field.get("type") for field in fields.values()} <= {"string", "integer", "boolean", "array"}
    assert [name for name, field in fields.items() if field.keys() & {"anyOf", "allOf", "const", "format"}] == []
    assert [name for name, field in fields.items() if not _is_bounded(field)] == []
    assert sorted(field["position"] for field in fields.values()) == list(range(len(fields)))
    assert schema.additionalProperties is False


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_a_field_that_nobody_touched_changes_nothing(entry: Entry) -> None:
    schema = form_of(entry.full_name, parameter_schema(entry.flow), config())
    defaults = {name: field["default"] for name, field in schema.properties.items() if "default" in field}

    unsafe = {
        name
        for name, default in defaults.items()
        if name not in _WHO_AND_WHY and default not in _SAFE_DEFAULTS and (entry.full_name, name) not in _APPLIES
    }
    assert unsafe == set()
    assert set(schema.required) == schema.properties.keys() - defaults.keys()


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_a_description_says_what_to_do_when_the_run_fails(entry: Entry) -> None:
    said = entry.flow.description or ""

    # The form shows the fields' descriptions itself.
    assert "When it fails:" in " ".join(said.split())


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_every_form_can_say_who_starts_it_and_why(entry: Entry) -> None:
    fields = parameter_schema(entry.flow).properties.keys()

    assert len(fields & {"operator", "by"}) == 1
    assert fields & {"reason", "note"}


def test_what_an_operator_starts_asks_for_who_and_why() -> None:
    asked = {name: set(form(name).required) for name in (DAY1_WIRING, ROTATE, RESPOND, DECIDE, CONFIRM_STEP)}

    assert {
        name: fields & {"operator", "by"} for name, fields in asked.items() if not fields & {"operator", "by"}
    } == {}
    assert all({"reason", "ticket"} <= fields for name, fields in asked.items() if name != CONFIRM_STEP)


def test_lists_hold_what_is_declared_and_nothing_else() -> None:
    rotate, respond, smoke = form(ROTATE).properties, form(RESPOND).properties, form(KMS_SMOKE).properties

    assert rotate["environment"]["enum"] == ["rehearsal", "prod"]
    assert rotate["credentials"]["items"]["enum"] == [
        "slack send", "slack read", "pagerduty send", "pagerduty read", "pagerduty manage",
    ]  # fmt: skip
    assert rotate["instance"]["enum"] == ["all", "default", "payments"]
    assert respond["scope"]["items"]["enum"] == [
        "rehearsal", "prod", "rehearsal/slack", "prod/slack", "prod/pagerduty", "prod/pagerduty/payments",
        "slack-default-rehearsal-send", "slack-default-rehearsal-read", "slack-default-prod-send", "slack-default-prod-read",
        "pagerduty-payments-prod-send", "pagerduty-payments-prod-read", "pagerduty-payments-prod-manage",
    ]  # fmt: skip
    assert form(DECIDE).properties["integration"]["enum"] == ["all", "slack", "pagerduty/payments"]
    assert (smoke["targets"]["items"]["enum"], smoke["environment"]["enum"]) == (["pay"], ["all", "rehearsal", "prod"])


def test_a_default_that_is_not_declared_has_to_be_chosen() -> None:
    without = parse_config('[environments.prod]\nkind = "prod"\n', "opsflows.toml", INTEGRATIONS)

    environment = form(DAY1_WIRING, without).properties["environment"]

    assert (environment["enum"], "default" in environment) == (["prod"], False)
    assert "environment" in form(DAY1_WIRING, without).required


def test_without_anything_declared_the_form_is_the_flows_own() -> None:
    plain = form(ROTATE, Config())

    assert plain.properties["environment"]["pattern"] == "^[a-z0-9]+$"
    assert plain.properties["credentials"]["items"] == {"$ref": "#/definitions/CredentialChoice"}


# One of each kind of field, with what Prefect's server says of a value that does not fit.
_REFUSED = [
    (ROTATE, _ROTATE | {"environment": "moon"}, "'moon' is not one of ['rehearsal'"),
    (ROTATE, _ROTATE | {"credentials": ["slack send", "moon send"]}, "'moon send' is not one of"),
    (ROTATE, _ROTATE | {"reason": "why not"}, "'why not' is not one of ['scheduled', 'compromise', 'test']"),
    (ROTATE, _ROTATE | {"mode": "perhaps"}, "'perhaps' is not one of ['plan', 'apply']"),
    (ROTATE, _ROTATE | {"operator": ""}, "'operator'"),
    (ROTATE, _ROTATE | {"note": "x" * 501}, "is too long"),
    (ROTATE, _ROTATE | {"may_page": "yes"}, "'yes' is not of type 'boolean'"),
    (ROTATE, {name: value for name, value in _ROTATE.items() if name != "ticket"}, "'ticket' is a required property"),
    (ROTATE, _ROTATE | {"modus": "apply"}, "Additional properties are not allowed ('modus' was unexpected)"),
    (RESPOND, _RESPOND | {"compromised_since": "yesterday"}, "'yesterday' does not match"),
    (RESPOND, _RESPOND | {"scope": ["moon"]}, "'moon' is not one of"),
    (DECIDE, _DECIDE | {"revision": -1}, "-1 is less than the minimum of 0"),
    (DECIDE, _DECIDE | {"integration": "moon"}, "'moon' is not one of"),
    (DAY1_WIRING, _DAY1 | {"may_page": ["moon"]}, "'moon' is not one of"),
    (CONFIRM_STEP, {"question": 0, "answer": "seen", "by": "ana"}, "0 is less than the minimum of 1"),
    (STEP_ROTATION, {"rotation": "moon"}, "'moon' does not match"),
    (KMS_SMOKE, {"targets": ["moon"]}, "'moon' is not one of"),
]  # fmt: skip


@pytest.mark.parametrize(("full_name", "given", "says"), _REFUSED, ids=[row[2][:40] for row in _REFUSED])
def test_the_server_refuses_what_does_not_fit_before_there_is_a_run(
    standing: Standing, full_name: str, given: dict[str, Any], says: str
) -> None:
    deployment = standing.deployment(full_name)

    answer = to_loopback().post(
        f"{standing.api}/deployments/{deployment['id']}/create_flow_run", json={"parameters": given}
    )

    assert (deployment["enforce_parameter_schema"], answer.status_code) == (True, httpx.codes.CONFLICT), answer.text
    assert says in answer.json()["detail"]


def _is_bounded(field: dict[str, Any]) -> bool:
    """Say whether a value that makes no sense is refused by the server, as far as a schema can."""
    checks: dict[str, Callable[[], bool]] = {
        "boolean": lambda: True,
        "integer": lambda: "minimum" in field,
        "array": lambda: bool(field["items"].keys() & {"enum", "$ref", "pattern"}),
        "string": lambda: bool(field.keys() & {"enum", "pattern", "maxLength"}),
    }
    return checks[field["type"]]()
