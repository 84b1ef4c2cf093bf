"""Every key of `[kms.<target>]` is explained in its section, with its default and in its order."""

import dataclasses
import re

import pytest
from pydantic.fields import FieldInfo

from domain.kms_sections import ApplicationCanary, KmsKeySection, KmsTarget
from tests.architecture.sources import ROOT

CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
_TARGET: dict[str, FieldInfo | object] = {
    one.name: one.default if one.default_factory is dataclasses.MISSING else None
    for one in dataclasses.fields(KmsTarget)
}


@pytest.mark.parametrize(
    ("section", "rows"),
    [
        ("[kms.<target>]", _TARGET),
        ("[kms.<target>.application]", ApplicationCanary.model_fields),
        ("[kms.<target>.keys.<name>]", KmsKeySection.model_fields),
    ],
    # The default names hold where the rows are in memory, and so are others in each process.
    ids=["target", "application", "key"],
)
def test_every_key_of_a_service_is_explained_in_its_section(section: str, rows: dict[str, FieldInfo | object]) -> None:
    [part] = [part for part in re.split(r"\n###? ", CONFIGURATION) if part.startswith(f"`{section}`\n")]

    explained = re.findall(r"\n\| `(\w+)` \| (.+?) \|", part)

    assert explained == [(name, _shown(row)) for name, row in rows.items()]


def _shown(row: FieldInfo | object) -> str:
    if row is dataclasses.MISSING or (isinstance(row, FieldInfo) and row.is_required()):
        return "required"
    default = row.default if isinstance(row, FieldInfo) else row
    no_value = isinstance(row, FieldInfo) and row.default_factory is not None
    return "none" if no_value or default in {None, "", ()} else str(default)
