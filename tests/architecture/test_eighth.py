"""The walk through a new integration is true: its files are those that the tests run, and they pay the registry's debt.

With OPSFLOWS_WRITE_DOCS=1 the files are put into the page anew.
"""

import os
import re
from typing import get_args

import pytest
from pydantic import SecretStr

from tests.architecture.eighth import block, vendor
from tests.architecture.sources import ROOT
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
    waits = {"healthchecks.pending"}

    named = {row.id for row in vendor.SIGNATURES if row.id not in waits} | set(vendor.SYMPTOMS)

    assert [name for name in sorted(named) if f"`{name}`" not in page] == []
    assert [row.name for row in vendor.INTEGRATION.variables if f"`{row.name}`" not in page] == []
