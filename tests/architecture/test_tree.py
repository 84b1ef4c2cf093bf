"""What the tree promises: names, who may print or wait, what no file may say. The imports are checked next door."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator

import pytest

from deployments.apply import _wanted
from deployments.catalog import CATALOG
from domain.config import Config
from tests.architecture.sources import LAYERS, PACKAGES, ROOT, Source, our_files, sources

_DULL_FILES = frozenset({"utils", "util", "common", "helpers", "helper", "base", "misc"})
_DULL_CLASSES = ("Manager", "Handler", "Processor", "Helper")
# What may wait, and where: the clock that steps are given, and commands that start other programs.
_MAY_SLEEP = ("steps/clock.py", "entrypoints/")
_MAY_SPEAK = ("tasks", "entrypoints")
# A program of its own as well, which other repositories take along without the rest.
_SPEAKING_FILE = "vendors/healthz.py"
_SPEAKING_MODULES = frozenset({"logging", "warnings"})
_SPEAKING_CALLS = frozenset({"print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write", "pprint"})
_WAITING_INSIDE_PREFECT = frozenset({"pause_flow_run", "suspend_flow_run"})
_PATCHING = ("unittest.mock", "MagicMock", "pytest_mock", "freezegun", "mocker.patch")
_BROAD = frozenset({"Exception", "BaseException"})
# Put together here, because this file is searched too.
_NOT_TO_BE_NAMED = ("/" + "root/", "/" + "work/", "index" + "-url", "files." + "pythonhosted", "extra" + "-index")
_SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore)(?!: [A-Z]+[0-9]+|\[[a-z-]+)")


def test_a_flow_file_is_a_verb_phrase_and_shadows_nothing() -> None:
    names = [source.name for source in sources("flows") if source.name != "__init__"]

    taken = set(PACKAGES) | sys.stdlib_module_names
    assert names
    assert [name for name in names if name in taken or "_" not in name] == []


def test_a_package_of_ours_shadows_nothing() -> None:
    assert [name for name in PACKAGES if name in sys.stdlib_module_names] == []


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_a_deployment_is_found_by_module_path(entry: object) -> None:
    entrypoint = _wanted(entry, Config()).entrypoint  # type: ignore[arg-type]  # pytest does not know the type of a parameter

    assert re.fullmatch(r"flows\.[a-z_]+\.[a-z_]+", str(entrypoint).replace(":", ".")), entrypoint


def test_no_file_is_named_after_nothing() -> None:
    assert [source.where for source in sources() if source.name in _DULL_FILES] == []


def test_no_class_is_named_after_nothing() -> None:
    found = [
        f"{source.where}: {node.name}"
        for source in sources()
        for node in source.nodes
        if isinstance(node, ast.ClassDef) and node.name.endswith(_DULL_CLASSES)
    ]

    assert found == []


def test_every_module_says_first_what_is_true_in_it() -> None:
    silent = [source.where for source in sources() if source.text and not ast.get_docstring(source.tree)]

    assert silent == []


def test_only_tasks_and_entrypoints_print_or_log() -> None:
    quiet = [name for name in LAYERS if name not in _MAY_SPEAK]

    spoken = [
        f"{source.where}: {name}"
        for source in sources(*quiet)
        if source.where != _SPEAKING_FILE
        for name in (*_imported(source), *_called(source))
        if name in _SPEAKING_CALLS or name.partition(".")[0] in _SPEAKING_MODULES
    ]

    assert spoken == []


def test_nothing_sleeps_but_the_clock_and_what_starts_programs() -> None:
    asleep = [
        f"{source.where}: {name}"
        for source in sources(*LAYERS)
        if not source.where.startswith(_MAY_SLEEP)
        for name in _mentioned(source)
        if name in {"time.sleep", "asyncio.sleep"} or name.rpartition(".")[2] in _WAITING_INSIDE_PREFECT
    ]

    assert asleep == []


def test_what_is_caught_broadly_is_raised_again() -> None:
    swallowed = [
        f"{source.where}:{handler.lineno}"
        for source in sources()
        for handler in source.nodes
        if isinstance(handler, ast.ExceptHandler) and _is_broad(handler) and not isinstance(handler.body[-1], ast.Raise)
    ]

    assert swallowed == []


def test_nothing_of_ours_is_replaced_by_a_double() -> None:
    words = [
        f"{source.where}: {name}"
        for source in sources()
        for name in (*_imported(source), *_mentioned(source))
        if name.startswith(_PATCHING) or name.rpartition(".")[2] in _PATCHING
    ]

    assert words == []


def test_a_finding_is_silenced_by_its_code_alone() -> None:
    found = [
        f"{source.where}: {comment}" for source in sources() for comment in _comments(source) if _SUPPRESSION.search(comment)
    ]  # fmt: skip

    assert found == []


def test_no_file_names_the_machine_it_was_written_on() -> None:
    named = [
        f"{file.relative_to(ROOT)}: {word}"
        for file in our_files()
        for word in _NOT_TO_BE_NAMED
        if word.encode() in file.read_bytes()
    ]

    assert named == []


def test_every_locked_requirement_has_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()

    entries = [entry for entry in re.split(r"\n(?=\S)", text) if entry and not entry.startswith("#")]
    assert len(entries) > len(LAYERS)
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert [entry.splitlines()[0] for entry in entries if not re.match(r"[a-z0-9._\[\]-]+==", entry)] == []
    assert "://" not in text


def _called(source: Source) -> Iterator[str]:
    return (_dotted(node.func) for node in source.nodes if isinstance(node, ast.Call))


def _mentioned(source: Source) -> Iterator[str]:
    return (_dotted(node) for node in source.nodes if isinstance(node, ast.Name | ast.Attribute))


def _dotted(node: ast.AST) -> str:
    """Return a name as it is written, with `?` for what is no name: `time.sleep`, `?.sleep`."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def _imported(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _comments(source: Source) -> Iterator[str]:
    if not _SUPPRESSION.search(source.text):
        return iter(())
    tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
    return (token.string for token in tokens if token.type == tokenize.COMMENT)


def _is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(one, ast.Name) and one.id in _BROAD for one in caught)
