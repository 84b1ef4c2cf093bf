"""A restore goes into an empty place or over its own half; killed anywhere, it is seen and repeated, and the ledger comes last."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyrage  # type: ignore[import-untyped]  # it ships no types
import pytest

from domain.errors import BadInput, Unavailable
from ledger.auditing import verify_audit
from ledger.backup_rows import take_snapshot
from ledger.freezing import frozen
from ledger.opening import Ledger, open_ledger
from ledger.unfinished_restore import UNFINISHED, unfinished_restore
from steps.backup import Document, Source, _file
from steps.backup_restoring import (
    Place,
    begin_restore,
    check_empty,
    checked_backup,
    merged_env,
    put_back,
)
from tests.ledger.recording import complete_run

BLOCKS: list[Document] = [{"name": "slack-default-prod-send", "slug": "opsflows-slack-send", "data": {"a": "s3cr3t"}}]


@dataclass(slots=True)
class Stage:
    """A home with a backup of it, and a new place; `server` is what a Prefect server would hold there."""

    old: Path
    file: Path
    identity: Path
    place: Place
    server: dict[str, object]

    def restore(self, place: Place | None = None) -> list[str]:
        there = place or self.place
        manifest = checked_backup(self.file, self.identity)
        check_empty(there, manifest, self.file)
        said = begin_restore(there, manifest, self.file, self.identity)
        put_back(there, manifest, self.file, self.identity)
        return said

    def reopened(self) -> Ledger:
        return open_ledger(self.place.ledger_url)


def _home(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    (folder / "fingerprint.key").write_text("ab" * 32)
    (folder / "env").write_text(
        f"PREFECT_SERVER_ENCRYPTION_KEY=k1\nPREFECT_HOME={folder}/prefect\nOTHER={folder}er/x\n"
    )
    (folder / "drill-stand-ins.json").write_text("{}")
    return folder


def _backup(home: Path, file: Path, recipient: str) -> None:
    config = home.parent / "opsflows.toml"
    config.write_text("[environments.rehearsal]\n")
    ledger = open_ledger(f"sqlite:///{home / 'ledger.db'}")
    bundle = complete_run(ledger, home, "run-1")
    (bundle.folder.parent / ".draft").write_text("never whole")
    keys = {"env": home / "env", "fingerprint.key": home / "fingerprint.key", "compose/postgres_password": config}
    Source(ledger, take_snapshot(ledger), home, keys, config, lambda: BLOCKS).write_to(file, [recipient])
    ledger.close()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    pair = pyrage.x25519.Identity.generate()
    identity, backups = tmp_path / "identity.txt", tmp_path / "backups"
    identity.write_text(str(pair))
    backups.mkdir(mode=0o700)
    old, new, server = _home(tmp_path / "old"), tmp_path / "new", dict[str, object]()
    _backup(old, backups / "one.age", str(pair.to_public()))

    def put_blocks(documents: list[Document]) -> int:
        server["blocks"] = documents
        return len(documents)

    place = Place(
        new, f"sqlite:///{new / 'ledger.db'}", new / "fingerprint.key", tmp_path / "opsflows.toml",
        lambda ledger_id: server.update(ledger=ledger_id), put_blocks,
    )  # fmt: skip
    return Stage(old, backups / "one.age", identity, place, server)


def test_everything_comes_back_where_it_belongs(stage: Stage) -> None:
    said = stage.restore()

    new, ledger = stage.place.home, stage.reopened()
    report, there = verify_audit(ledger, new), frozen(ledger)
    ledger.close()
    assert (report.is_intact, report.bundles) == (True, 1)
    assert there is not None
    assert there.is_after_restore
    assert stage.server == {"ledger": ledger.id, "blocks": BLOCKS}
    assert (new / "fingerprint.key").read_text() == "ab" * 32
    assert (
        new / "env"
    ).read_text() == f"PREFECT_SERVER_ENCRYPTION_KEY=k1\nPREFECT_HOME={new}/prefect\nOTHER={stage.old}er/x\n"
    assert (new / "drill-stand-ins.json").exists()
    assert len(said) == 1
    assert "restored/compose/postgres_password" in said[0]
    assert not list(new.rglob(".draft"))
    assert {file.stat().st_mode & 0o077 for file in new.rglob("*")} == {0}
    assert unfinished_restore(new) == ""


def _no_server(_: object) -> int:
    raise Unavailable("The Prefect server does not answer.", "Nothing was written.", "Start it.")


def _no_claim(_: str) -> None:
    raise Unavailable("The Prefect server does not answer.", "Nothing was written.", "Start it.")


@pytest.mark.parametrize(
    "broken",
    [
        lambda place: replace(place, claim=_no_claim),
        lambda place: replace(place, put_blocks=_no_server),
        lambda place: replace(place, ledger_url="postgresql://nobody@127.0.0.1:1/none"),
    ],
    ids=["at the server's door", "at the blocks", "at the ledger"],
)
def test_a_restore_that_broke_off_is_seen_and_repeated(stage: Stage, broken: Callable[[Place], Place]) -> None:
    manifest = checked_backup(stage.file, stage.identity)
    begin_restore(stage.place, manifest, stage.file, stage.identity)
    with pytest.raises(Unavailable):
        put_back(broken(stage.place), manifest, stage.file, stage.identity)
    seen = unfinished_restore(stage.place.home)
    no_ledger = not (stage.place.home / "ledger.db").exists()

    stage.restore()

    ledger = stage.reopened()
    report = verify_audit(ledger, stage.place.home)
    ledger.close()
    assert (len(seen), no_ledger) == (64, True)
    assert (report.is_intact, unfinished_restore(stage.place.home)) == (True, "")


def test_one_that_was_killed_behind_the_ledger_is_repeated(stage: Stage) -> None:
    stage.restore()
    manifest = checked_backup(stage.file, stage.identity)
    begin_restore(stage.place, manifest, stage.file, stage.identity)  # as if the mark had never been taken away

    stage.restore()

    assert unfinished_restore(stage.place.home) == ""


def test_the_half_of_another_backup_is_not_finished_with_this_one(stage: Stage) -> None:
    stage.place.home.mkdir()
    (stage.place.home / UNFINISHED).write_text(json.dumps({"sha256": "0" * 64}))

    with pytest.raises(BadInput, match="Another backup was begun"):
        stage.restore()


def test_a_ledger_that_went_on_is_never_overwritten(stage: Stage) -> None:
    stage.restore()
    ledger = stage.reopened()
    complete_run(ledger, stage.place.home, "run-2")

    with pytest.raises(BadInput, match="it has gone on"):
        stage.restore()

    assert ledger.id == stage.server["ledger"]
    ledger.close()


def test_somebody_elses_bundle_is_not_mixed_with_ours(stage: Stage) -> None:
    other = stage.place.home / "audit" / "flow" / "report.md"
    other.parent.mkdir(parents=True)
    other.write_text("# GREEN\n")

    with pytest.raises(BadInput, match="is not the backup's"):
        stage.restore()


def test_a_key_that_is_mounted_from_elsewhere_must_be_the_same(stage: Stage, tmp_path: Path) -> None:
    mounted = tmp_path / "mounted.key"
    mounted.write_text("another")

    with pytest.raises(BadInput, match="another one than the backup's"):
        stage.restore(replace(stage.place, key_file=mounted))


def test_a_configuration_that_changed_is_laid_beside(stage: Stage) -> None:
    stage.place.config.write_text("[environments.prod]\n")

    said = stage.restore()

    assert (stage.place.home / "restored" / "opsflows.toml").read_text() == "[environments.rehearsal]\n"
    assert any("was another one then" in one for one in said)


def test_settings_of_the_new_home_stay() -> None:
    merged = merged_env(
        "A=1\nPREFECT_HOME=/new/prefect\n", "A=2\nB=/old/x\nC=/older\nPREFECT_HOME=/old/prefect\n", "/old", "/new"
    )

    assert merged == "A=1\nPREFECT_HOME=/new/prefect\nB=/new/x\nC=/older\n"


def test_a_file_that_became_shorter_while_it_was_read_makes_no_backup(stage: Stage) -> None:
    big = stage.old / "audit" / "big.parquet"
    big.write_bytes(bytes(9 << 20))
    opened = _file("audit/big.parquet", big)
    assert opened is not None

    big.write_bytes(b"short")

    with pytest.raises(Unavailable, match="became shorter"):
        list(opened.chunks)
