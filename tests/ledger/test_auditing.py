"""Whatever is changed after it was written, the audit names: which entry, which run, which file, what differs."""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.names import Credential
from domain.rotation import Kind, State, rotation_id
from domain.verdicts import Verdict, World
from ledger import chain
from ledger.auditing import AuditReport, Where, verify_audit
from ledger.bundles import Bundle
from ledger.chain import Checkpoint
from ledger.opening import Ledger, open_ledger
from ledger.rotation_journal import first_hash
from ledger.rotations import claim, open_rotation, write
from ledger.runs import abandon_dead_runs, seal_run
from tests.ledger.recording import complete_run, opened
from tests.ledger.tampering import tamper


@pytest.fixture
def bundles(ledger: Ledger, tmp_path: Path) -> list[Bundle]:
    """Three complete runs: entries 1 and 2, 3 and 4, 5 and 6."""
    return [complete_run(ledger, tmp_path, f"run-{number}") for number in (1, 2, 3)]


def test_what_nobody_touched_is_intact(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    chain.checkpoint(ledger)

    report = verify_audit(ledger, tmp_path)

    assert report.is_intact
    assert report.first is None
    assert (report.entries, report.bundles, report.intact_until) == (6, 3, 6)


def test_an_edited_entry_is_named(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    tamper(ledger, "UPDATE chain SET payload = replace(payload, 'OPS-1', 'OPS-2') WHERE seq = 3")

    report = verify_audit(ledger, tmp_path)

    assert report.first is not None
    assert (report.first.seq, report.first.where, report.intact_until) == (3, Where.CHAIN, 2)
    assert "edited after it was written" in report.first.differs


def test_a_deleted_entry_is_named(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    tamper(ledger, "DELETE FROM chain WHERE seq = 4")

    report = verify_audit(ledger, tmp_path)

    assert report.first is not None
    assert (report.first.seq, report.first.differs) == (4, "entry 4 is missing")


def test_entries_deleted_from_the_end_are_named(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    tamper(ledger, "DELETE FROM chain WHERE seq >= 5")

    report = verify_audit(ledger, tmp_path)

    assert report.first is not None
    assert (report.first.seq, report.first.differs) == (5, "entries 5 to 6 are missing")


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("verdict = 'GREEN!'", "verdict"),
        ("world = 'nothing answered'", "world"),
        ("actor = 'eve'", "actor"),
        ("parameters = '{}'", "parameters"),
        ("opened_at = sealed_at", "opened_at"),
        ("sealed_at = NULL", "sealed_at"),
        ("bundle_digest = ''", "bundle_digest"),
        ("sealed_seq = NULL", "sealed_seq"),
    ],
)
def test_an_edited_run_is_named(
    ledger: Ledger, tmp_path: Path, bundles: list[Bundle], change: str, column: str
) -> None:
    tamper(ledger, f"UPDATE runs SET {change} WHERE run_id = 'run-2'")  # noqa: S608 (the test's own names)

    report = verify_audit(ledger, tmp_path)

    assert [(found.where, found.run_id, found.differs) for found in report.breaks] == [
        (Where.RUN, "run-2", f"its row was edited: {column}")
    ]


def test_a_deleted_run_is_named(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    tamper(ledger, "DELETE FROM runs WHERE run_id = 'run-2'")

    report = verify_audit(ledger, tmp_path)

    assert [str(found) for found in report.breaks] == ["entry 3 (run, run run-2): its row was deleted"]


def test_a_run_that_was_slipped_in_is_named(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    tamper(ledger, "UPDATE runs SET run_id = 'invented' WHERE run_id = 'run-3'")

    report = verify_audit(ledger, tmp_path)

    assert ("invented", "its row has no entry in the chain") in [(one.run_id, one.differs) for one in report.breaks]


def test_an_edited_file_is_named(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    evidence = bundles[1].folder / "evidence.jsonl"
    evidence.write_text(evidence.read_text().replace('"status": 200', '"status": 403'))

    report = verify_audit(ledger, tmp_path)

    assert [str(found) for found in report.breaks] == [
        "entry 4 (bundle, run run-2, evidence.jsonl): its content is not what was sealed"
    ]


def test_an_extra_file_is_named(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    (bundles[0].folder / "later.md").write_text("and it was all fine")

    report = verify_audit(ledger, tmp_path)

    assert [(found.file, found.differs) for found in report.breaks] == [
        ("later.md", "it was added after the bundle was sealed")
    ]


def test_a_file_taken_away_is_named(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    (bundles[0].folder / "report.md").unlink()

    report = verify_audit(ledger, tmp_path)

    assert [(found.file, found.differs) for found in report.breaks] == [("report.md", "it is missing")]


def test_an_edited_manifest_is_named(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    manifest = bundles[2].folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"actor": "ada"', '"actor": "eve"'))

    report = verify_audit(ledger, tmp_path)

    assert [(found.seq, found.file, found.differs) for found in report.breaks] == [
        (6, "manifest.json", "its digest is not the one the ledger sealed")
    ]


def test_a_missing_bundle_is_named(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    shutil.rmtree(bundles[1].folder)

    report = verify_audit(ledger, tmp_path)

    assert [(found.run_id, found.where) for found in report.breaks] == [("run-2", Where.BUNDLE)]
    assert f"missing (audit/{bundles[1].path})" in report.breaks[0].differs


def test_a_bundle_kept_elsewhere_is_found_there(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    elsewhere = (tmp_path / "bucket").as_uri()
    for bundle in bundles:
        bundle.copy_to(elsewhere)
    shutil.rmtree(bundles[1].folder)

    without, with_copies = verify_audit(ledger, tmp_path), verify_audit(ledger, tmp_path, audit_url=elsewhere)

    assert [found.run_id for found in without.breaks] == ["run-2"]
    assert with_copies.is_intact


def test_a_copy_that_was_edited_is_named(ledger: Ledger, tmp_path: Path, bundles: list[Bundle]) -> None:
    elsewhere = tmp_path / "bucket"
    bundles[0].copy_to(elsewhere.as_uri())
    (elsewhere / bundles[0].path / "report.md").write_text("# HOLD\n")

    report = verify_audit(ledger, tmp_path, audit_url=elsewhere.as_uri())

    assert [(found.run_id, found.file) for found in report.breaks] == [("run-1", "report.md")]


def test_runs_without_a_sealed_bundle_are_listed_not_broken(
    ledger: Ledger, later: Callable[[timedelta], Ledger], tmp_path: Path
) -> None:
    opened(ledger, "killed")
    abandon_dead_runs(later(timedelta(hours=1)))
    opened(ledger, "running")

    report = verify_audit(ledger, tmp_path)

    assert report.is_intact
    assert report.unsealed == ("killed", "running")


def test_after_a_break_the_checkpoint_is_named_since_which_all_is_intact(
    ledger: Ledger, tmp_path: Path, bundles: list[Bundle]
) -> None:
    early = chain.checkpoint(ledger)
    complete_run(ledger, tmp_path, "run-4")
    tamper(ledger, "UPDATE chain SET at = '2020-01-01T00:00:00+00:00' WHERE seq = 2")

    report = verify_audit(ledger, tmp_path)

    assert (early.seq, report.intact_until) == (6, 1)
    assert report.intact_since == early


def rewritten(ledger: Ledger) -> None:
    """Change the first entry and compute every hash anew: what the chain alone cannot show."""
    with ledger.reading() as connection:
        links = list(chain.read(connection))
    previous = chain.genesis(ledger.id)
    for link in links:
        payload = link.payload.replace('"ada"', '"eve"')
        fresh = chain.link_hash(link.seq, previous, link.at, payload)
        values = {"previous": previous, "hash": fresh, "payload": payload, "seq": link.seq}
        tamper(
            ledger, "UPDATE chain SET previous = :previous, hash = :hash, payload = :payload WHERE seq = :seq", **values
        )
        previous = fresh
    tamper(ledger, "UPDATE chain_head SET hash = :hash", hash=previous)
    tamper(ledger, "UPDATE runs SET actor = 'eve'")


def test_a_chain_rewritten_as_a_whole_is_shown_by_a_checkpoint_kept_outside(
    ledger: Ledger, tmp_path: Path, bundles: list[Bundle]
) -> None:
    outside = Checkpoint(chain.checkpoint(ledger).seq, chain.checkpoint(ledger).hash)
    tamper(ledger, "DELETE FROM checkpoints")
    rewritten(ledger)

    alone, with_checkpoint = verify_audit(ledger, tmp_path), verify_audit(ledger, tmp_path, outside=[outside])

    assert alone.is_intact
    assert [(found.seq, found.where) for found in with_checkpoint.breaks] == [(6, Where.CHECKPOINT)]


CREDENTIAL = Credential.parse("datadog-default-staging-send")


def opened_rotation(ledger: Ledger, window: str) -> str:
    rotation = rotation_id(CREDENTIAL, window)
    open_rotation(
        ledger, rotation, CREDENTIAL, Kind.ADOPTION, operator="ada", reason="found in use", ticket="OPS-1", due_window=window
    )  # fmt: skip
    return rotation


def closed_rotation(ledger: Ledger, window: str = "first") -> str:
    """A rotation of three journal entries; the chain has one when it is opened and one when it is over."""
    rotation = opened_rotation(ledger, window)
    held = claim(ledger, rotation, "worker")
    assert held is not None
    write(held, "decision", {"adopts": str(CREDENTIAL)}, state=State.ADOPTING)
    write(held, "outcome", {"verb": "adopt", "vendor_id": "key-1"}, state=State.DONE)
    return rotation


def rewritten_journal(ledger: Ledger, rotation: str) -> None:
    """Change what the rotation's journal says and compute every hash anew, its head included."""
    with ledger.reading() as connection:
        query = "SELECT seq, at, payload FROM rotation_journal ORDER BY seq"
        rows = connection.exec_driver_sql(query).all()
    previous = first_hash(ledger.id, rotation)
    for seq, at, payload in rows:
        changed = payload.replace("key-1", "key-2")
        fresh = chain.link_hash(seq, previous, at, changed)
        tamper(
            ledger, "UPDATE rotation_journal SET previous = :previous, hash = :hash, payload = :payload WHERE seq = :seq",
            previous=previous, hash=fresh, payload=changed, seq=seq,
        )  # fmt: skip
        previous = fresh
    tamper(ledger, "UPDATE rotations SET head_hash = :hash", hash=previous)


def test_rotations_that_nobody_touched_are_intact(ledger: Ledger, tmp_path: Path) -> None:
    closed_rotation(ledger)
    opened_rotation(ledger, "second")

    report = verify_audit(ledger, tmp_path)

    assert (report.breaks, report.rotations, report.entries) == ((), 2, 3)


def test_an_edited_journal_entry_is_named(ledger: Ledger, tmp_path: Path) -> None:
    rotation = closed_rotation(ledger)
    tamper(ledger, "UPDATE rotation_journal SET payload = replace(payload, 'key-1', 'key-2') WHERE seq = 3")

    report = verify_audit(ledger, tmp_path)

    assert [(found.seq, found.where, found.rotation) for found in report.breaks] == [(2, Where.ROTATION, rotation)]
    assert str(report.first) == (
        f"entry 2 (rotation {rotation}): journal, entry 3: its content does not give its hash: it was edited after it was written"
    )


@pytest.mark.parametrize(("seq", "missing"), [(2, "entry 2 is missing"), (3, "entry 3 is missing")])
def test_a_deleted_journal_entry_is_named(ledger: Ledger, tmp_path: Path, seq: int, missing: str) -> None:
    closed_rotation(ledger)
    tamper(ledger, "DELETE FROM rotation_journal WHERE seq = :seq", seq=seq)

    report = verify_audit(ledger, tmp_path)

    assert f"journal, entry {seq}: {missing}" in [found.differs for found in report.breaks]


def test_a_deleted_rotation_is_named(ledger: Ledger, tmp_path: Path) -> None:
    rotation = closed_rotation(ledger)
    tamper(ledger, "DELETE FROM rotations")
    tamper(ledger, "DELETE FROM rotation_journal")

    report = verify_audit(ledger, tmp_path)

    assert [str(found) for found in report.breaks] == [f"entry 1 (rotation {rotation}): its row was deleted"]


def test_a_rotation_that_was_slipped_in_is_named(ledger: Ledger, tmp_path: Path) -> None:
    closed_rotation(ledger)
    tamper(ledger, "UPDATE rotations SET id = 'r00000000000'")

    report = verify_audit(ledger, tmp_path)

    assert ("r00000000000", "its row has no entry in the chain") in [
        (one.rotation, one.differs) for one in report.breaks
    ]


def test_the_journal_of_a_closed_rotation_rewritten_as_a_whole_is_shown_by_the_chain(
    ledger: Ledger, tmp_path: Path
) -> None:
    rotation = closed_rotation(ledger)
    rewritten_journal(ledger, rotation)

    report = verify_audit(ledger, tmp_path)

    assert [(found.seq, found.differs) for found in report.breaks] == [
        (2, "its journal is not the one that was sealed when it was closed")
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("operator = 'eve'", "its row was edited: operator"),
        ("reason = 'none'", "its row was edited: reason"),
        ("state = 'ABORTED'", "its row was edited: state"),
        ("credential = 'datadog-default-prod-send'", "its row was edited: credential"),
        ("closed_at = NULL", "the chain closes it as DONE, and its row says otherwise"),
    ],
)
def test_an_edited_rotation_is_named(ledger: Ledger, tmp_path: Path, change: str, said: str) -> None:
    closed_rotation(ledger)
    tamper(ledger, f"UPDATE rotations SET {change}")  # noqa: S608 (the test's own words)

    report = verify_audit(ledger, tmp_path)

    assert said in [found.differs for found in report.breaks]


def test_a_rotation_closed_behind_the_chains_back_is_named(ledger: Ledger, tmp_path: Path) -> None:
    opened_rotation(ledger, "first")
    tamper(ledger, "UPDATE rotations SET closed_at = opened_at")

    report = verify_audit(ledger, tmp_path)

    assert [found.differs for found in report.breaks] == ["it is over, and no entry of the chain closes it"]


@dataclass(frozen=True, slots=True)
class Original:
    folder: Path
    columns: tuple[tuple[str, str, str], ...]


_UNAUDITED = {
    ("runs", "lease_until"),
    ("checkpoints", "at"),
    ("ledger_identity", "created_at"),
    *((table, "only_row") for table in ("chain_head", "ledger_identity")),
}
_AUDITED_OF_ROTATIONS = (
    "id", "credential", "kind", "state", "head_seq", "head_hash", "operator", "reason", "ticket", "due_window",
)  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """A ledger with two complete runs and a checkpoint, to be copied and edited."""
    folder = tmp_path_factory.mktemp("audited")
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}")
    complete_run(ledger, folder, "run-1")
    chain.checkpoint(ledger)
    opened(ledger, "run-2")
    seal_run(ledger, "run-2", Verdict.HOLD, World.REAL, "")
    closed_rotation(ledger)
    opened_rotation(ledger, "second")
    columns: list[tuple[str, str, str]] = []
    with ledger.reading() as connection:
        for table in ("chain", "chain_head", "runs", "checkpoints", "ledger_identity", "rotations", "rotation_journal"):
            query = f"SELECT rowid AS at_row, * FROM {table}"  # noqa: S608 (the test's own names)
            rows = connection.exec_driver_sql(query).mappings().all()
            names = [name for name in rows[0] if _is_audited(table, name)]
            columns += [(table, name, str(row["at_row"])) for row in rows for name in names]
    ledger.close()
    (folder / "ledger.db-wal").unlink(missing_ok=True)
    return Original(folder, tuple(columns))


def _is_audited(table: str, name: str) -> bool:
    if table == "rotations":
        return name in _AUDITED_OF_ROTATIONS
    return name != "at_row" and (table, name) not in _UNAUDITED


def audited_after(folder: Path, statement: str, **values: object) -> AuditReport:
    """Run the statement on the ledger in the folder and audit it; discards the example where nothing was changed."""
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}")
    try:
        assume(tamper(ledger, statement, **values) == 1)
    except sqlite3.IntegrityError:
        assume(condition=False)
    finally:
        ledger.close()
    reopened = open_ledger(f"sqlite:///{folder / 'ledger.db'}")
    try:
        return verify_audit(reopened, folder)
    finally:
        reopened.close()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_single_edit_of_the_recorded_runs_is_found(original: Original, data: st.DataObject) -> None:
    assert_an_edit_is_found(original, data)


@pytest.mark.prove
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_of_many_single_edits_of_the_recorded_runs_is_found(original: Original, data: st.DataObject) -> None:
    assert_an_edit_is_found(original, data)


def assert_an_edit_is_found(original: Original, data: st.DataObject) -> None:
    """Change one value of one recorded row, in a copy, and audit that."""
    table, column, rowid = data.draw(st.sampled_from(original.columns))
    value = data.draw(st.one_of(st.text(max_size=70), st.integers(-5, 9), st.binary(max_size=5), st.none()))

    with TemporaryDirectory() as place:
        folder = Path(shutil.copytree(original.folder, Path(place) / "copy"))
        # `IS NOT` leaves out what is the same value after SQLite's own conversion.
        report = audited_after(
            folder,
            f"UPDATE OR IGNORE {table} SET {column} = :value "  # noqa: S608 (the test's own names)
            f"WHERE rowid = :rowid AND {column} IS NOT CAST(:value AS TEXT) AND {column} IS NOT :value",
            value=value,
            rowid=int(rowid),
        )

    assert not report.is_intact


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_deleted_row_of_the_recorded_runs_is_found(original: Original, data: st.DataObject) -> None:
    deletable = sorted(
        {
            (table, rowid)
            for table, _, rowid in original.columns
            if table in {"chain", "runs", "chain_head", "rotations", "rotation_journal"}
        }
    )
    table, rowid = data.draw(st.sampled_from(deletable))

    with TemporaryDirectory() as place:
        folder = Path(shutil.copytree(original.folder, Path(place) / "copy"))
        statement = f"DELETE FROM {table} WHERE rowid = :rowid"  # noqa: S608 (the test's own names)
        report = audited_after(folder, statement, rowid=int(rowid))

    assert not report.is_intact
