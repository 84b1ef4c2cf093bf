"""Every deployment has a page for operators; its schedule, its form and its states are those of the code.

With OPSFLOWS_WRITE_DOCS=1 the parts that come from the code are written anew.
"""

import ast
import inspect
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deployments.catalog import CATALOG, Entry
from domain.rotation import Wait
from tasks.concluding import state_name
from tests.architecture.sources import ROOT, Source, sources

FOLDER = ROOT / "docs" / "operators"
_PART = re.compile(r"(?<=<!-- from the code: )([a-z0-9-]+) -->\n.*?<!-- to here -->", re.DOTALL)
_MEETING = {
    "ENQUEUE": "it waits for the other one to end",
    "CANCEL_NEW": "it is cancelled: the other one does its work",
}
_BY_WHOM = {"page": "pages whoever is on call", "ticket": "becomes a ticket"}
# What concluded() and refused() make of a verdict and an error (tasks/concluding.py).
_ENDS = {"concluded": {"Completed", "Hold"}, "refused": {"Hold", "BadInput"}}
_USUAL = frozenset({"Completed", "Waiting", "Planned", "Hold", "BadInput"})


def name_of(entry: Entry) -> str:
    return entry.name


@pytest.mark.parametrize("entry", CATALOG, ids=name_of)
def test_its_page_shows_when_it_runs_and_its_form_as_the_code_has_them(entry: Entry) -> None:
    file = FOLDER / f"{entry.name}.md"
    wanted = f"{entry.name} -->\n{from_the_code(entry)}<!-- to here -->"
    if os.environ.get("OPSFLOWS_WRITE_DOCS") == "1":
        file.write_text(_PART.sub(lambda _: wanted, file.read_text()))

    found = _PART.search(file.read_text())

    assert found is not None
    assert found[0] == wanted


@pytest.mark.parametrize("entry", CATALOG, ids=name_of)
def test_its_page_names_every_state_in_which_it_ends_and_no_other(entry: Entry) -> None:
    tree = ast.parse(Path(inspect.getfile(entry.flow.fn)).read_text())
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    said = {
        str(word.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Completed", "Failed"}
        for given in node.keywords
        if given.arg == "name"
        for word in ast.walk(given.value)
        if isinstance(word, ast.Constant)
    }
    page = (FOLDER / f"{entry.name}.md").read_text()

    named = set(re.findall(r"^\| `([A-Z]\w+)` \|", page.split("## How it can end")[1], re.MULTILINE))

    must = said.union(*(_ENDS[name] for name in called & _ENDS.keys()))
    assert must - named <= {"Completed"}
    assert named <= said | _USUAL
    # Such a state has the name of what every row waits for.
    assert ("such as BlockedStillUsed" in page) == ("held_by" in called)


@pytest.mark.parametrize("entry", CATALOG, ids=name_of)
def test_every_run_leaves_an_artifact_beside_its_bundle(entry: Entry) -> None:
    modules = {source.where.removesuffix(".py").replace("/", "."): source for source in sources("flows", "tasks")}
    reached: set[tuple[str, str]] = set()
    waiting = {(entry.flow.fn.__module__, "")}

    while waiting:
        reached |= waiting
        waiting = {called for at in waiting for called in _calls(modules, *at)} - reached

    assert {name for _, name in reached} >= {"show_report"}


def test_every_state_that_is_named_after_a_wait_has_its_section_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbooks" / "rotation-stuck.md").read_text()

    assert [
        state_name(wait.value) for wait in Wait if wait.value.startswith("BLOCKED") and wait.value not in runbook
    ] == []


def test_the_index_leads_to_every_page_and_every_page_is_of_a_deployment() -> None:
    index = (FOLDER / "README.md").read_text()
    pages = {file.stem for file in FOLDER.glob("*.md")} - {"README"}

    assert pages == {entry.name for entry in CATALOG}
    assert [name for name in sorted(pages) if f"]({name}.md)" not in index] == []


def from_the_code(entry: Entry) -> str:
    """Return the part of a page that the code decides: when it runs, and the form."""
    when = ", ".join(f"`{tick.cron}` ({tick.timezone})" for tick in entry.schedules)
    meets = _MEETING[entry.collision.value] if entry.limit == 1 else f"up to {entry.limit} run side by side"
    facts = [
        ("In Prefect", f"deployment `{entry.full_name}`, work pool `{entry.pool}`"),
        ("When", f"{when}, and whenever someone starts it" if when else "when someone, or opsflows itself, starts it"),
        ("While another one runs", meets),
        ("A failure", _BY_WHOM[entry.tier]),
    ]
    lines = ["", "| | |", "|---|---|", *(f"| {what} | {words} |" for what, words in facts), "", "## The form", ""]
    schema = entry.flow.parameters.model_dump_for_openapi()
    rows = schema["properties"]
    lines += ["| field | what to enter | allowed | default |", "|---|---|---|---|"]
    for name, row in sorted(rows.items(), key=lambda one: one[1].get("position", 0)):
        default = "required" if name in schema.get("required", []) else _shown(row.get("default"))
        about = " ".join(str(row.get("description", "")).split())
        lines.append(f"| `{name}` | {about} | {_allowed(row, schema)} | {default} |")
    return "\n".join([*lines, "", ""])


def _calls(modules: Mapping[str, Source], module: str, function: str) -> Iterator[tuple[str, str]]:
    """Yield what a function of ours calls, by module and name; what a whole module calls, where no function is named."""
    source = modules.get(module)
    if source is None:
        return
    origins = {
        alias.asname or alias.name: (str(node.module), alias.name)
        for node in source.nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    bodies = [node for node in source.nodes if isinstance(node, ast.FunctionDef) and function in {"", node.name}]
    for node in (inner for body in bodies for inner in ast.walk(body)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield origins.get(node.func.id, (module, node.func.id))


def _allowed(row: dict[str, Any], schema: dict[str, Any]) -> str:
    kind = _resolved(row, schema)
    if kind.get("type") == "array":
        return f"any of: {_allowed(kind['items'], schema)}"
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    bounds = [f"{words} {kind[key]}" for key, words in (("minimum", "from"), ("maximum", "to")) if key in kind]
    if bounds:
        return " ".join(bounds)
    if "pattern" in kind:
        return "text as described; all else is refused"
    if kind.get("type") == "boolean":
        return "yes or no"
    return f"text of up to {kind['maxLength']} characters" if "maxLength" in kind else str(kind.get("type", "text"))


def _resolved(row: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the row with what it refers to put in."""
    refers = [one["$ref"] for one in (row, *row.get("allOf", [])) if "$ref" in one]
    return row | {k: v for ref in refers for k, v in schema["definitions"][ref.rpartition("/")[2]].items()}


def _shown(default: object) -> str:
    if default in ("", [], None):
        return "empty"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
