"""A part of a backup that cannot be read is named, and is not taken for a target that is full."""

from pathlib import Path

import pyrage  # type: ignore[import-untyped]  # it ships no types
import pytest

from domain.errors import Unavailable
from ledger.backup_rows import take_snapshot
from ledger.opening import open_ledger
from steps.backup import Source, _bundles, _file

RECIPIENT = str(pyrage.x25519.Identity.generate().to_public())


@pytest.mark.parametrize("lacking", ["opsflows.toml", "env"])
def test_a_file_that_is_not_there_is_named_and_no_backup_is_made(tmp_path: Path, lacking: str) -> None:
    files = {name: tmp_path / name for name in ("opsflows.toml", "env")}
    for file in files.values():
        file.write_text("")
    files[lacking].unlink()
    target = tmp_path / "backups"
    target.mkdir(mode=0o700)
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    snapshot = take_snapshot(ledger)
    source = Source(ledger, snapshot, tmp_path, {"env": files["env"]}, files["opsflows.toml"], list)

    with pytest.raises(Unavailable) as raised:
        source.write_to(target / "one.age", [RECIPIENT])

    snapshot.close()
    ledger.close()
    assert (raised.value.symptom, str(files[lacking]) in raised.value.happened) == ("backup.unread", True)
    assert list(target.iterdir()) == []


def test_a_bundles_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    # What stands for a file that is refused: root may open every file, and nobody a folder.
    with pytest.raises(Unavailable, match=f"{tmp_path} cannot be read"):
        _file("audit/one", tmp_path)


def test_a_folder_of_bundles_that_cannot_be_listed_is_named_and_one_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert list(_bundles(tmp_path)) == []
    (tmp_path / "audit").write_text("no folder")

    with pytest.raises(Unavailable, match="audit cannot be read"):
        list(_bundles(tmp_path))
