"""What a credential's blocks owe the registry: its fields, words for the form, and an identity that never changes."""

import json
from typing import get_args

import pytest
from prefect.blocks.core import Block
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from blocks.store import block_types
from domain.names import Purpose
from tests.architecture.sources import ROOT
from vendors.capabilities import Variable
from vendors.registry import EVERY

SNAPSHOT = ROOT / "tests" / "architecture" / "block_schemas.json"
BLOCKS = [(name, purpose, kind) for name in EVERY for purpose, kind in block_types(name).items()]

each_block = pytest.mark.parametrize(("name", "purpose", "kind"), BLOCKS, ids=str)


def own_fields(kind: type[Block]) -> dict[str, FieldInfo]:
    """Return the fields that the block adds to Prefect's own, in their order."""
    return {name: field for name, field in kind.model_fields.items() if name not in Block.model_fields}


def variables(name: str, purpose: Purpose) -> list[Variable]:
    return [variable for variable in EVERY[name].variables if variable.purpose is purpose]


@pytest.mark.parametrize("name", EVERY)
def test_there_is_a_block_per_purpose_and_no_other(name: str) -> None:
    purposes = {variable.purpose for variable in EVERY[name].variables}

    assert set(block_types(name)) == purposes


@each_block
def test_the_fields_are_the_registrys_variables(name: str, purpose: Purpose, kind: type[Block]) -> None:
    registered = [variable.field for variable in variables(name, purpose)]

    assert set(own_fields(kind)) == set(registered)


@each_block
def test_what_is_secret_is_never_shown_and_the_rest_is_readable(name: str, purpose: Purpose, kind: type[Block]) -> None:
    secret = {variable.field for variable in variables(name, purpose) if variable.secret}

    hidden = {
        field_name
        for field_name, field in own_fields(kind).items()
        if field.annotation is SecretStr or SecretStr in get_args(field.annotation)
    }

    assert hidden == secret


@each_block
def test_a_field_has_words_for_the_form(name: str, purpose: Purpose, kind: type[Block]) -> None:
    wordless = [
        field_name
        for field_name, field in own_fields(kind).items()
        if not field.title or not (field.description or "").endswith(".")
    ]

    assert wordless == []
    assert str(kind._description).endswith(".")


@each_block
def test_a_slug_says_whose_it_is(name: str, purpose: Purpose, kind: type[Block]) -> None:
    assert kind._block_type_slug == f"opsflows-{name.replace('_', '-')}-{purpose}"


def test_slugs_and_the_order_of_fields_are_as_they_were_stored() -> None:
    pinned = json.loads(SNAPSHOT.read_text())

    current = {str(kind._block_type_slug): list(own_fields(kind)) for _, _, kind in BLOCKS}

    # A new block or a field at the end is added to the file by hand; anything else would orphan stored credentials.
    assert current == pinned, f"{SNAPSHOT.name} should read {json.dumps(current, indent=2)}"
