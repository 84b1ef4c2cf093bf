"""A run leaves a trace whatever happens: opened before the first exchange, sealed with its bundle's digest at the end."""

import json
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path

import pytest

from domain.errors import BadInput, Rejected
from domain.verdicts import Judgement, Verdict, World
from ledger.places import AUDIT_URL, DATABASE_URL, HOME
from ledger.runs import Run, runs
from ledger.unfinished_restore import UNFINISHED
from steps.audited_run import AuditedRun, audited_run, open_own_ledger
from steps.version import code_version
from tests.ledger.recording import exchange
from tests.steps.rehearsal_context import Scene


@pytest.fixture
def place(staging: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv(HOME, str(staging.home))
    monkeypatch.delenv(AUDIT_URL, raising=False)
    monkeypatch.delenv(DATABASE_URL, raising=False)
    return staging


def begun(scene: Scene) -> AbstractContextManager[AuditedRun]:
    return audited_run(
        scene.ledger, flow="verify", environment="staging", mode="real_all", actor="ada", reason="by hand",
        ticket="OPS-1", parameters={"integrations": ["slack"]},
    )  # fmt: skip


def only_run(scene: Scene) -> Run:
    (run,) = runs(scene.ledger)
    return run


def report_of(run: AuditedRun) -> str:
    return (run.bundle.folder / "report.md").read_text()


def test_a_run_is_open_in_the_ledger_while_it_works(place: Scene) -> None:
    with begun(place) as run:
        opened = only_run(place)

    assert opened.run_id == run.run_id
    assert (opened.flow, opened.actor, opened.ticket, opened.verdict) == ("verify", "ada", "OPS-1", "")


def test_it_is_sealed_with_its_verdict_and_its_bundles_digest(place: Scene) -> None:
    with begun(place) as run:
        run.conclude(Judgement(Verdict.GREEN, World.REAL), "# GREEN\n")

    sealed = only_run(place)
    manifest = run.bundle.folder / "manifest.json"
    assert (sealed.verdict, sealed.world) == ("GREEN", "real")
    assert sealed.bundle_digest == sha256(manifest.read_bytes()).hexdigest()
    assert json.loads(manifest.read_text())["versions"] == {"opsflows": code_version()}
    assert report_of(run) == "# GREEN\n"


def test_every_exchange_is_a_line_of_evidence(place: Scene) -> None:
    with begun(place) as run:
        run.record(exchange("n1"))
        run.record(exchange("n2"))

    lines = (run.bundle.folder / "evidence.jsonl").read_text().splitlines()
    assert [json.loads(line)["nonce"] for line in lines] == ["n1", "n2"]


def test_a_run_that_says_nothing_is_on_hold(place: Scene) -> None:
    with begun(place) as run:
        pass

    assert only_run(place).verdict == "HOLD"
    assert "without a report" in report_of(run)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (BadInput("It is malformed.", "Nothing was sent.", "Correct it."), "BAD INPUT"),
        (Rejected("It was refused.", "It will be again.", "Ask."), "HOLD"),
    ],
    ids=["bad input", "refused"],
)
def test_an_error_ends_it_with_its_three_sentences(place: Scene, error: BadInput | Rejected, verdict: str) -> None:
    with pytest.raises(type(error)), begun(place) as run:
        raise error

    assert only_run(place).verdict == verdict
    assert str(error) in report_of(run)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), ZeroDivisionError("s3cret")], ids=["interrupted", "a fault of ours"]
)
def test_what_nobody_expected_is_sealed_all_the_same_by_its_name_alone(place: Scene, error: BaseException) -> None:
    with pytest.raises(type(error)), begun(place) as run:
        raise error

    assert only_run(place).verdict == "HOLD"
    assert type(error).__name__ in report_of(run)
    assert "s3cret" not in report_of(run)


def test_a_sealed_bundle_is_copied_to_where_audits_are_kept(
    place: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(AUDIT_URL, f"file://{tmp_path / 'kept'}")

    with begun(place) as run:
        run.conclude(Judgement(Verdict.GREEN, World.REAL), "# GREEN\n")

    copied = tmp_path / "kept" / run.bundle.path
    assert {file.name for file in copied.iterdir()} == {"report.md", "evidence.jsonl", "manifest.json"}


def test_the_ledger_is_the_one_the_environment_names(place: Scene) -> None:
    opened = open_own_ledger()

    assert opened.id == place.ledger.id
    opened.close()


def test_no_ledger_is_opened_while_a_restore_is_unfinished(place: Scene) -> None:
    (place.home / UNFINISHED).write_text('{"sha256": "ab12"}')

    with pytest.raises(BadInput, match="ab12") as caught:
        open_own_ledger()

    assert "opsflows restore FILE" in caught.value.next_step
