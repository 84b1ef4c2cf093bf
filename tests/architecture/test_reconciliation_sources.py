"""The page on sources explains every key with its default, and its example is one."""

import re
import tomllib
from textwrap import dedent

import pytest
from pydantic import BaseModel, TypeAdapter

from domain.reconciliation_sections import (
    CounterColumns,
    CounterSnapshots,
    EmittedSection,
    EventColumns,
    EventFiles,
    PrometheusCounters,
)
from tests.architecture.sources import ROOT

PAGE = (ROOT / "docs" / "reconciliation-sources.md").read_text()
_ROW = re.compile(r"\n\| `(\w+)` \| ([^|]*) \|")
# Defaults that are said in words, because they are none, several, or another section's.
_IN_WORDS = {"columns", "integrations", "environments", "sent", "credentials", "address", "targets", "manifest"}


def part(kind: str) -> str:
    [text] = [text for text in re.split(r"\n### ", PAGE) if text.startswith(f"`{kind}`\n")]
    return text.split("\n## ")[0]


def shown(model: type[BaseModel]) -> dict[str, str]:
    return {
        key: "required" if row.is_required() else str(row.default) or "none" for key, row in model.model_fields.items()
    }


@pytest.mark.parametrize("model", [EventFiles, CounterSnapshots, PrometheusCounters])
def test_every_key_of_a_source_is_explained_with_its_default(model: type[BaseModel]) -> None:
    kind = {EventFiles: "files", CounterSnapshots: "counters", PrometheusCounters: "prometheus"}[model]
    text, _, columns = part(kind).partition("\n`columns`:")
    before, _, _ = text.partition("\n| key")
    as_for_files = set(re.findall(r"`(\w+)`", before.partition("\n")[2]))

    explained = dict(_ROW.findall(text))

    wanted = {key: default for key, default in shown(model).items() if key not in as_for_files - {"files"}}
    assert explained.keys() == wanted.keys()
    assert {key: explained[key] for key in wanted.keys() - _IN_WORDS} == {
        key: wanted[key] for key in wanted.keys() - _IN_WORDS
    }
    assert bool(columns) is ("columns" in wanted)


@pytest.mark.parametrize(("kind", "model"), [("files", EventColumns), ("counters", CounterColumns)])
def test_every_column_is_explained_with_its_usual_name(kind: str, model: type[BaseModel]) -> None:
    _, _, columns = part(kind).partition("\n`columns`:")

    assert dict(_ROW.findall(columns)) == shown(model)


def test_the_example_is_what_opsflows_reads() -> None:
    [text] = re.findall(r"\n    (\[emitted\.gateway\] .*?)\n### ", PAGE, re.DOTALL)

    sections = tomllib.loads(dedent(f"    {text}"))["emitted"]

    read = {name: TypeAdapter[object](EmittedSection).validate_python(section) for name, section in sections.items()}
    assert [type(section) for section in read.values()] == [EventFiles, CounterSnapshots, PrometheusCounters]
