"""Every form is made for an operator: lists to choose from, a description each, a safe default; a wrong value is refused at once."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prefect.utilities.callables import parameter_schema

from deployments.catalog import CATALOG, Entry
from deployments.forms import Form, form_of
from domain.config import Config, parse_config
from domain.names import (
    CHECK_YESTERDAY,
    COLLECT_COUNTS,
    CONFIRM_STEP,
    CREDENTIAL_AGES,
    DAY1_WIRING,
    DECIDE,
    KMS_REVIEW,
    KMS_SMOKE,
    RECONCILE,
    RESPOND,
    ROTATE,
    ROTATE_DUE,
    ROTATION_DRILL,
    STEP_ROTATION,
    SWEEPER,
    VERIFY_DUE,
    WATCH_RUNS,
)
from domain.seen_runs import PLANS_UNLESS_ASKED
from tests.architecture.sources import ROOT
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
# What a person writes for people, and nothing reads for what it says. Every other text has a grammar.
_PROSE = frozenset({*_WHO_AND_WHY, "ticket", "owner", "second_person", "skip_rehearsal"})
# What has no plan, with the reason, as docs/operators/README.md gives it.
_ACTS_AT_ONCE = {
    CONFIRM_STEP: "records an answer, which is all of the form",
    DECIDE: "records a decision, which is all of the form",
    VERIFY_DUE: "verifies what is due anyway",
    STEP_ROTATION: "steps a rotation that somebody ordered, where it is due",
    SWEEPER: "steps what is due anyway",
    ROTATION_DRILL: "rotates canaries, which nothing uses",
    WATCH_RUNS: "looks, and tells",
    CREDENTIAL_AGES: "looks, and tells",
    COLLECT_COUNTS: "asks, and keeps what was said",
    CHECK_YESTERDAY: "asks, and keeps what was said",
    KMS_SMOKE: "encrypts a sample of its own",
    KMS_REVIEW: "reads the ledger",
}
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
    assert [name for name, field in fields.items() if not _is_bounded(name, field)] == []
    assert sorted(field["position"] for field in fields.values()) == list(range(len(fields)))
    assert schema.additionalProperties is False


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_a_field_that_nobody_touched_changes_nothing(entry: Entry) -> None:
    schema = form_of(entry.full_name, parameter_schema(entry.flow), config())
    defaults = {name: field["default"] for name, field in schema.properties.items() if "default" in field}

    unsafe = {name for name, default in defaults.items() if name not in _WHO_AND_WHY and default not in _SAFE_DEFAULTS}
    mode = kind_of(schema, schema.properties.get("mode", {})).get("default")
    assert unsafe == set()
    assert (mode == "plan") != (entry.full_name in _ACTS_AT_ONCE)
    assert set(schema.required) == schema.properties.keys() - defaults.keys()


def test_the_page_for_operators_names_every_form_that_acts_at_once() -> None:
    page = (
        (ROOT / "docs" / "operators" / "README.md")
        .read_text()
        .partition("## How to start one")[2]
        .partition("\n## ")[0]
    )

    assert [name for name in sorted(_ACTS_AT_ONCE) if f"`{name.partition('/')[2]}`" not in page] == []


def test_what_plans_by_itself_is_told_to_act_by_its_schedule_and_counts_as_a_plan_in_run_history() -> None:
    planning = {entry.full_name for entry in CATALOG if "mode" in parameter_schema(entry.flow).properties}
    told = {
        tick.slug: dict(tick.parameters) for entry in CATALOG for tick in entry.schedules if entry.full_name in planning
    }

    assert planning == PLANS_UNLESS_ASKED
    assert told == {"rotate-due-daily": {"mode": "apply"}, "reconcile-monthly": {"mode": "apply"}}


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


@pytest.mark.parametrize(
    ("full_name", "name", "texts"),
    [
        (RECONCILE, "month", ["last settled", "1970-01", "2026-10", "2026-12"]),
        (DECIDE, "month", ["2026-10"]),
        (DECIDE, "day", ["", "2026-12-31"]),
        (KMS_REVIEW, "quarter", ["last", "2026-Q1", "2026-Q4"]),
        (DAY1_WIRING, "wiring_mode", ["mock", "real_all", "real_slack", "real_slack,pagerduty/payments,sentry"]),
        (ROTATE, "compromised_since", ["", "2026-11-25T14:00Z", "2026-11-25T23:59:59Z"]),
        (RESPOND, "compromised_since", ["2026-11-25T14:00:00Z"]),
    ],
)  # fmt: skip
def test_a_form_takes_what_its_flow_can_read(full_name: str, name: str, texts: list[str]) -> None:
    pattern = form(full_name).properties[name]["pattern"]

    assert [text for text in texts if not re.search(pattern, text)] == []


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
    (RESPOND, _RESPOND | {"compromised_since": "2026-11-25T25:00:00Z"}, "'2026-11-25T25:00:00Z' does not match"),
    (DECIDE, _DECIDE | {"month": "2026-13"}, "'2026-13' does not match"),
    (DECIDE, _DECIDE | {"day": "2026-12-32"}, "'2026-12-32' does not match"),
    (RECONCILE, {"month": "october"}, "'october' does not match"),
    (KMS_REVIEW, {"quarter": "2026-Q5"}, "'2026-Q5' does not match"),
    (ROTATE_DUE, {"mode": "perhaps"}, "'perhaps' is not one of ['plan', 'apply']"),
    (DAY1_WIRING, _DAY1 | {"wiring_mode": "real_slack, sentry"}, "'real_slack, sentry' does not match"),
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


def _is_bounded(name: str, field: dict[str, Any]) -> bool:
    """Say whether a value that makes no sense is refused by the server, as far as a schema can: words are only bounded in length."""
    checks: dict[str, Callable[[], bool]] = {
        "boolean": lambda: True,
        "integer": lambda: "minimum" in field,
        "array": lambda: bool(field["items"].keys() & {"enum", "$ref", "pattern"}),
        "string": lambda: bool(field.keys() & {"enum", "pattern"}) or (name in _PROSE and "maxLength" in field),
    }
    return checks[field["type"]]()
