"""What is written points to what is there: links, commands, keys, variables, folders."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import click
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from domain.config import Config, Environment
from domain.rotation_sections import CredentialRotation, RotationDefaults
from domain.sink_sections import AwsSecretSink, EnvFileSink, GithubActionsSink, GoogleSecretSink, KubernetesSink
from entrypoints.cli import cli
from tests.architecture.sources import PACKAGES, ROOT, sources

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("README.md")])
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_COMMAND = re.compile(r"\bopsflows (?=[a-z])([^`\n;|(]+?)(?=\bopsflows |[`\n;|(]|$)")
_PUNCTUATION = ".,:'\")"
# Words that follow our name in sentences of the code and are no commands.
_PROSE = frozenset(
    {
        "a",
        "and",
        "chain",
        "chooses",
        "credential",
        "deletes",
        "does",
        "has",
        "in",
        "is",
        "itself",
        "ledger",
        "made",
        "makes",
        "or",
        "that",
        "verification",
        "writes",
        "wrote",
    }
)
# Of a line alone, so that "make sure" in a sentence is none.
_MAKE = re.compile(r"^(?:[`]| *)make ([a-z]+)(?=[`\n ])", re.MULTILINE)
_SHELL = re.compile(r"```(?:sh|shell|bash|console)\n(.*?)```", re.DOTALL)
_PICTURE = re.compile(r"!?\[([^\]]+)\]\(([^)\s]*images/[^)\s]+)\)")
_WORDS_OF_A_PICTURE = 4
_OPTION = re.compile(r"--[a-z][a-z-]+")
_OURS = re.compile(r"\bOPSFLOWS_[A-Z_]+\b")
_NOT_OURS = "prefect deployment run"


def where(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=where)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text()) if "://" not in link and not link.startswith("mailto:")]

    assert [link for link in links if not _leads_somewhere(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=where)
def test_every_command_on_a_page_exists(page: Path) -> None:
    code = _CODE.findall(page.read_text())
    named = [line for part in code for line in _COMMAND.findall(part) if _first_word(line) not in _PROSE]

    assert {line: fault for line in named if (fault := _fault_of(line))} == {}


@pytest.mark.parametrize("page", PAGES, ids=where)
def test_every_make_target_on_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    named = {name for code in _CODE.findall(page.read_text()) for name in _MAKE.findall(code)}

    assert named - targets == set()


@pytest.mark.parametrize("page", [page for page in PAGES if _SHELL.search(page.read_text())], ids=where)
def test_every_block_of_shell_parses(page: Path) -> None:
    said = {}
    for block in _SHELL.findall(page.read_text()):
        # Three dots stand for what is left out.
        checked = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        if checked.returncode:
            said[block] = checked.stderr

    assert said == {}


def test_every_picture_is_shown_and_every_one_shown_is_there_and_said_in_words() -> None:
    kept = {file.resolve() for file in (ROOT / "docs" / "images").iterdir()}
    shown = {(page, alt, path) for page in PAGES for alt, path in _PICTURE.findall(page.read_text())}

    assert {(page.parent / path).resolve() for page, _, path in shown} == kept
    assert [f"{where(page)}: {path}" for page, alt, path in shown if len(alt.split()) < _WORDS_OF_A_PICTURE] == []


def test_every_picture_is_one_that_a_test_makes() -> None:
    tests = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))

    assert [file.name for file in (ROOT / "docs" / "images").iterdir() if file.name not in tests] == []


def test_every_command_that_the_code_tells_people_to_run_exists() -> None:
    named = {
        line: source.where
        for source in sources(*PACKAGES)
        for text in _texts(source.tree)
        for line in _COMMAND.findall(text)
        if _first_word(line) not in _PROSE
    }

    assert len(named) > len(PACKAGES)
    assert {f"{place}: {line}": fault for line, place in named.items() if (fault := _fault_of(line))} == {}


def test_nobody_is_told_to_start_a_deployment_with_prefects_own_program() -> None:
    """It starts a server of its own where a shell knows none, and the container of the commands has it not at all."""
    told = [source.where for source in sources(*PACKAGES) if any(_NOT_OURS in text for text in _texts(source.tree))]

    assert told + [where(page) for page in PAGES if _NOT_OURS in page.read_text()] == []


@pytest.mark.parametrize("key", [name for name in Environment.model_fields if name != "alerts"])
def test_every_key_of_an_environment_is_explained(key: str) -> None:
    assert f"\n| `{key}` |" in CONFIGURATION


def test_every_section_and_every_key_is_explained_with_its_default() -> None:
    unexplained = [
        f"[{section}] {key} = {default}"
        for section, key, default in _keys_of_sections()
        if f"\n| `{key}` | {default} |" not in CONFIGURATION or f"`[{section}]`" not in CONFIGURATION
    ]

    assert unexplained == []
    alerts = Environment.model_fields["alerts"].annotation
    assert isinstance(alerts, type)
    assert issubclass(alerts, BaseModel)
    assert [key for key in alerts.model_fields if f"\n| `alerts.{key}` |" not in CONFIGURATION] == []


def test_every_key_of_a_credential_is_explained_in_its_section_with_its_default() -> None:
    [part] = [part for part in CONFIGURATION.split("\n## ") if part.startswith("`[credentials.<name>]`")]

    explained = re.findall(r"\n\| `(\w+)` \| (.+?) \|", part)

    assert explained == [(key, _shown_default(key, row)) for key, row in CredentialRotation.model_fields.items()]


@pytest.mark.parametrize("kind", [EnvFileSink, KubernetesSink, GithubActionsSink, GoogleSecretSink, AwsSecretSink])
def test_every_key_of_a_kind_of_sink_is_explained_in_its_section_with_its_default(kind: type[BaseModel]) -> None:
    [name] = get_args(kind.model_fields["kind"].annotation)
    [part] = [part for part in re.split(r"\n###? ", CONFIGURATION) if part.startswith(f"`{name}`\n")]

    explained = dict(re.findall(r"\n\| `(\w+)` \| (.+?) \|", part))

    assert explained == {key: _shown_default(key, row) for key, row in kind.model_fields.items()}


def test_every_variable_of_ours_is_explained_and_no_other() -> None:
    read = {name for source in sources(*PACKAGES) for name in _OURS.findall(source.text)}

    assert set(_OURS.findall(CONFIGURATION)) == read


def test_the_page_of_the_tree_shows_every_folder() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()

    assert [name for name in PACKAGES if f"\n| `{name}/` |" not in page] == []


def test_every_file_of_ours_that_a_page_names_is_there() -> None:
    folders = "|".join((*PACKAGES, "tests", "docs", "benchmarks"))
    named = re.compile(rf"`((?:{folders})/[a-z0-9_./-]*)`")

    found = {(where(page), name) for page in PAGES for name in named.findall(page.read_text())}
    gone = {
        (page, name) for page, name in found if "/x." not in name and "_x." not in name and not (ROOT / name).exists()
    }

    assert gone == set()


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = unquote(link).partition("#")
    target = (page.parent / name) if name else page
    if not target.exists():
        return False
    return not anchor or anchor in {_anchor(line) for line in target.read_text().splitlines() if line.startswith("#")}


def _anchor(heading: str) -> str:
    """Return a heading's anchor, as GitHub makes it."""
    text = re.sub(r"[^\w\s-]", "", heading.lstrip("#").strip().lower())
    return text.replace(" ", "-")


def _texts(tree: ast.Module) -> Iterator[str]:
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _first_word(line: str) -> str:
    return line.split(maxsplit=1)[0].strip(_PUNCTUATION)


def _context() -> click.Context:
    return click.Context(cli)


def _fault_of(line: str) -> str:
    """Return what is wrong with a command line as people write it, empty where nothing is."""
    words = [word.strip(_PUNCTUATION) for word in line.split()]
    command = cli.get_command(_context(), words[0])
    if command is None:
        return f"there is no command {words[0]}"
    if isinstance(command, click.Group):
        rest = [word for word in words[1:] if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
        inner = command.get_command(click.Context(command), rest[0]) if rest else None
        if inner is None and not command.invoke_without_command and rest:
            return f"{words[0]} has no command {rest[0]}"
        command = inner or command
    known = {option for row in command.params for option in (*row.opts, *row.secondary_opts)} | {"--help"}
    unknown = [option for option in _OPTION.findall(line) if option not in known]
    return f"{command.name} has no option {', '.join(unknown)}" if unknown else ""


def _shown_default(key: str, row: FieldInfo) -> str:
    if row.is_required():
        return "required"
    if key in RotationDefaults.model_fields:
        return "as `[rotation]`"
    return str(row.default).lower() if row.default_factory is None and row.default not in (None, (), "") else "none"


def _keys_of_sections() -> Iterator[tuple[str, str, str]]:
    for section, field in Config.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for key, row in kind.model_fields.items():
                plain = (
                    str(row.default).lower()
                    if row.default_factory is None and row.default not in (None, "")
                    else "none"
                )
                yield section, key, plain
