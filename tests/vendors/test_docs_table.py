"""What is written about variables is what the registry knows."""

import re
from itertools import pairwise
from pathlib import Path

from vendors.capabilities import Variable
from vendors.registry import EVERY

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "integrations" / "README.md"
EXAMPLE = ROOT / ".env.example"

Row = tuple[str, ...]
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


def test_the_table_of_variables_is_the_registrys() -> None:
    registered = [
        _row(integration.title, variable) for integration in EVERY.values() for variable in integration.variables
    ]

    documented = _documented_rows()

    assert documented == registered


def test_the_example_names_every_variable_in_the_registrys_order() -> None:
    registered = [variable.name for integration in EVERY.values() for variable in integration.variables]

    named = [line.partition("=")[0] for line in _assignments()]

    assert named == registered


def test_the_example_holds_defaults_and_nothing_else() -> None:
    defaults = {v.name: v.default for integration in EVERY.values() for v in integration.variables}

    filled = dict(line.split("=", 1) for line in _assignments() if not line.endswith("="))

    assert filled == {name: default for name, default in defaults.items() if default}


def test_the_example_says_which_are_required_and_which_are_secret() -> None:
    registered = {v.name: (v.required, v.secret) for integration in EVERY.values() for v in integration.variables}

    lines = EXAMPLE.read_text().splitlines()
    said = {
        line.partition("=")[0]: (above.startswith("# required"), "secret: " in above)
        for above, line in pairwise(lines)
        if _ASSIGNMENT.match(line)
    }

    assert said == registered


def test_every_integration_has_a_page_that_says_what_comes_after_set_up() -> None:
    pages = {name: ROOT / "docs" / "integrations" / f"{name}.md" for name in EVERY}

    lacking = [name for name, page in pages.items() if "## After set-up" not in page.read_text()]

    assert lacking == []


def _row(title: str, variable: Variable) -> Row:
    return (
        f"`{variable.name}`",
        title,
        variable.purpose.value,
        "yes" if variable.secret else "no",
        "yes" if variable.required else "no",
        variable.scopes,
        variable.rotated,
    )


def _documented_rows() -> list[Row]:
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| `")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def _assignments() -> list[str]:
    return [line for line in EXAMPLE.read_text().splitlines() if _ASSIGNMENT.match(line)]
