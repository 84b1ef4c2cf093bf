"""What every integration owes: its files, its words, its rows. A new entry of the registry fails here until it is paid."""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from domain.checklist import ORDER
from domain.diagnosis import Signature, Symptom
from domain.errors import BadInput
from vendors.capabilities import Integration, Variable, checked_values
from vendors.registry import EVERY, INTEGRATIONS, PLATFORMS, integration_named

ROOT = Path(__file__).parents[2]
VARIABLES = [variable for integration in EVERY.values() for variable in integration.variables]
GARBAGE = ("\N{SNOWMAN}\x07 gar\tbage\n{0}", "A b " * 2000)
BROKEN_ADDRESSES = ("http://[", "https://:0", "//nowhere", "https://user@/x", "file:///etc/passwd")

each_integration = pytest.mark.parametrize("integration", EVERY.values(), ids=lambda entry: entry.name)
each_variable = pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)


def test_the_registry_is_in_the_order_of_the_checklist_and_then_what_has_no_steps_of_its_own() -> None:
    assert tuple(INTEGRATIONS) == (*ORDER, "statuspage")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="slack, sentry, pagerduty, opsgenie, datadog, splunk, statuspage, github"):
        integration_named("nagios")


@each_integration
@pytest.mark.parametrize(
    "file", ["vendors/{}.py", "mocks/{}.py", "blocks/{}.py", "tests/vendors/test_{}*.py", "docs/integrations/{}.md"]
)
def test_an_integration_has_all_its_files(integration: Integration, file: str) -> None:
    assert list(ROOT.glob(file.format(integration.name)))


@each_integration
def test_an_integration_tells_an_operator_all_there_is_to_know(integration: Integration) -> None:
    assert integration.setup_minutes > 0
    # What people see of an event, where events go.
    assert bool(integration.person_sees) or integration.name in PLATFORMS
    assert len(integration.clicks) >= 3
    assert all(_is_sentence(click) for click in integration.clicks)
    assert _is_sentence(integration.after_set_up)
    assert any(variable.required and variable.secret for variable in integration.variables)


@each_variable
def test_a_variable_says_where_it_is_found_what_it_may_do_and_how_it_is_rotated(variable: Variable) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]+", variable.name)
    assert re.fullmatch(r"[a-z][a-z0-9_]+", variable.field)
    for words in (variable.where, variable.scopes, variable.rotated):
        assert words.strip()
    if variable.secret:
        assert "-" not in {variable.scopes, variable.rotated}


@each_variable
@pytest.mark.parametrize("value", GARBAGE, ids=["odd", "long"])
def test_a_check_refuses_garbage_without_repeating_it(variable: Variable, value: str) -> None:
    with pytest.raises(BadInput) as caught:
        variable.check(value)

    assert value not in f"{caught.value} {caught.value!r}"
    assert "Nothing was sent" in caught.value.means
    assert _is_sentence(caught.value.next_step)


@pytest.mark.parametrize("value", BROKEN_ADDRESSES)
@pytest.mark.parametrize(
    "variable", [v for v in VARIABLES if v.name.endswith(("_URL", "_DSN"))], ids=lambda variable: variable.name
)
def test_a_broken_address_is_refused_and_not_shown(variable: Variable, value: str) -> None:
    with pytest.raises(BadInput) as caught:
        variable.check(value)

    assert value not in str(caught.value)


@each_variable
def test_a_default_is_a_value_that_would_be_taken(variable: Variable) -> None:
    assert not variable.default or variable.check(variable.default) == variable.default


def test_a_variable_belongs_to_one_integration() -> None:
    names = [variable.name for variable in VARIABLES]

    assert len(names) == len(set(names))


@each_integration
def test_a_field_is_named_once(integration: Integration) -> None:
    fields = [variable.field for variable in integration.variables]

    assert len(fields) == len(set(fields))


@each_integration
def test_an_incomplete_set_is_answered_with_every_missing_name(integration: Integration) -> None:
    required = [variable.name for variable in integration.variables if variable.required]

    with pytest.raises(BadInput) as caught:
        checked_values(integration, {})

    assert all(name in caught.value.happened for name in required)


@each_integration
def test_every_signature_has_an_id_of_its_own_and_speaks_in_sentences(integration: Integration) -> None:
    rows: list[Signature | Symptom] = [*_signatures(integration), *_symptoms(integration)]

    ids = [row.id for row in rows]
    assert rows
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(rf"{integration.name}\.[a-z0-9_]+", name) for name in ids)
    dull = [
        row.id
        for row in rows
        if not (_is_sentence(row.saw) and _is_sentence(row.means) and _is_sentence(row.next_step))
    ]
    assert dull == []


@each_integration
def test_every_symptom_is_on_the_integrations_page(integration: Integration) -> None:
    page = (ROOT / f"docs/integrations/{integration.name}.md").read_text()

    rows: list[Signature | Symptom] = [*_signatures(integration), *_symptoms(integration)]
    assert [row.id for row in rows if f"`{row.id}`" not in page] == []


@each_integration
def test_the_page_names_every_variable_and_what_follows_set_up(integration: Integration) -> None:
    page = (ROOT / f"docs/integrations/{integration.name}.md").read_text()

    assert [variable.name for variable in integration.variables if f"`{variable.name}`" not in page] == []
    assert "\n## After set-up\n" in page


def _signatures(integration: Integration) -> tuple[Signature, ...]:
    """Return the vendor's rows, with those of its rotation's verbs."""
    rows = import_module(f"vendors.{integration.name}").SIGNATURES
    assert isinstance(rows, tuple)
    return (*rows, *_rotation_rows(integration))


def _rotation_rows(integration: Integration) -> tuple[Signature, ...]:
    name = f"vendors.{integration.name}_rotation"
    if find_spec(name) is None:
        return ()
    rows: tuple[Signature, ...] = getattr(import_module(name), "SIGNATURES", ())
    return rows


def _symptoms(integration: Integration) -> list[Symptom]:
    """Return what only a read-back shows, where the vendor's module has such rows."""
    return list(getattr(import_module(f"vendors.{integration.name}"), "SYMPTOMS", {}).values())


def _is_sentence(text: str) -> bool:
    starts = text[:1].isupper() or text[:1] == "{"
    return starts and text.endswith(".") and not text.endswith("..") and len(text.split()) > 1
