"""The page about a rotation that stands still says what the rotation itself says, wait by wait."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.names import Credential
from domain.rotation import Kind, RotationRecord, Wait, rotation_id
from ledger.opening import open_ledger
from ledger.rotations import open_rotation
from steps.rotation_words import next_step_of

PAGE = Path(__file__).parents[2] / "docs" / "runbooks" / "rotation-stuck.md"
CREDENTIAL = Credential.parse("datadog-default-prod-send")
# A command, of the group `rotation` with its second word, and its options.
_COMMAND = re.compile(r"opsflows (?:rotation )?[a-z]+")
_OPTION = re.compile(r"--[a-z-]+")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RotationRecord]:
    ledger = open_ledger(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.db")
    yield open_rotation(
        ledger, rotation_id(CREDENTIAL, "test"), CREDENTIAL, Kind.MANUAL, operator="ada", reason="test", ticket="-", due_window="test"
    )  # fmt: skip
    ledger.close()


@pytest.mark.parametrize("wait", [wait for wait in Wait if wait.value])
def test_the_section_of_a_wait_names_the_commands_that_the_rotation_names(wait: Wait, record: RotationRecord) -> None:
    said = next_step_of(wait, record).replace(str(CREDENTIAL), "NAME").replace(record.id, "ID")

    section = PAGE.read_text().split(f"\n## {wait.value}\n")[1].split("\n## ")[0]

    named = [*_COMMAND.findall(said), *_OPTION.findall(said)]
    assert [what for what in named if what not in section] == []
