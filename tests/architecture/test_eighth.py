"""The walk through a new integration is true: its files are those that the tests run, and the registry's checks of an entry hold for them.

With OPSFLOWS_WRITE_DOCS=1 the files are put into the page anew.
"""

import os
import re
from collections.abc import Callable
from typing import get_args

import pytest
from prefect.blocks.core import Block
from pydantic import SecretStr

from domain.names import Purpose
from tests.architecture import test_registry_debt as debt
from tests.architecture.eighth import block, vendor
from tests.architecture.sources import ROOT
from tests.vendors import test_every_integration as owed
from vendors.capabilities import Integration, Variable
from vendors.registry import EVERY

PAGE = ROOT / "docs" / "engineers" / "adding-an-integration.md"
FOLDER = ROOT / "tests" / "architecture" / "eighth"
FILES = ("vendor.py", "block.py", "mock.py", "test_client.py", "page.md")
_KIND = {".py": "python", ".md": "markdown"}


@pytest.mark.parametrize("name", FILES)
def test_the_page_shows_the_file_that_is_run(name: str) -> None:
    file = FOLDER / name
    shown = f"<!-- {name} -->\n````{_KIND[file.suffix]}\n{file.read_text()}````\n"
    part = re.compile(rf"<!-- {re.escape(name)} -->\n(````.*?\n````\n)?", re.DOTALL)
    if os.environ.get("OPSFLOWS_WRITE_DOCS") == "1":
        PAGE.write_text(part.sub(lambda _: shown, PAGE.read_text(), count=1))

    assert shown in PAGE.read_text()


def test_it_is_none_that_we_have() -> None:
    assert vendor.INTEGRATION.name not in EVERY


def test_its_blocks_hold_its_variables_and_hide_what_is_secret() -> None:
    fields = {
        (purpose, name): row.annotation
        for purpose, kind in block.BLOCKS.items()
        for name, row in kind.model_fields.items()
        if name not in kind.__mro__[1].model_fields  # type: ignore[attr-defined]  # Prefect's Block, a model
    }

    assert set(fields) == {(row.purpose, row.field) for row in vendor.INTEGRATION.variables}
    secret = {key for key, kind in fields.items() if kind is SecretStr or SecretStr in get_args(kind)}
    assert secret == {(row.purpose, row.field) for row in vendor.INTEGRATION.variables if row.secret}


def test_its_page_names_every_symptom_and_every_variable() -> None:
    page = (FOLDER / "page.md").read_text()

    named = {row.id for row in vendor.SIGNATURES} | set(vendor.SYMPTOMS)

    assert [name for name in sorted(named) if f"`{name}`" not in page] == []
    assert [row.name for row in vendor.INTEGRATION.variables if f"`{row.name}`" not in page] == []
    assert "\n## After set-up\n" in page


@pytest.mark.parametrize(
    "check",
    [
        owed.test_an_integration_tells_an_operator_all_there_is_to_know,
        owed.test_a_field_is_named_once,
        owed.test_an_incomplete_set_is_answered_with_every_missing_name,
    ],
    ids=lambda check: check.__name__,
)
def test_what_holds_for_every_integration_holds_for_it(check: Callable[[Integration], None]) -> None:
    check(vendor.INTEGRATION)


@pytest.mark.parametrize("variable", vendor.INTEGRATION.variables, ids=lambda variable: variable.name)
def test_what_holds_for_every_variable_holds_for_its_own(variable: Variable) -> None:
    owed.test_a_variable_says_where_it_is_found_what_it_may_do_and_how_it_is_rotated(variable)
    owed.test_a_default_is_a_value_that_would_be_taken(variable)
    for value in owed.GARBAGE:
        owed.test_a_check_refuses_garbage_without_repeating_it(variable, value)


@pytest.mark.parametrize(("purpose", "kind"), block.BLOCKS.items(), ids=["send", "read"])
def test_what_holds_for_every_block_holds_for_its_own(purpose: Purpose, kind: type[Block]) -> None:
    debt.test_a_field_has_words_for_the_form(vendor.INTEGRATION.name, purpose, kind)
    debt.test_a_slug_says_whose_it_is(vendor.INTEGRATION.name, purpose, kind)
