"""A month is written down once for each thing it says: a revision with its digest, and what differs from the one before."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from domain.reconciliation import Finding, Reconciliation
from domain.reconciliation_sections import ReceivedSection
from domain.verdicts import Judgement, Verdict, World
from ledger.investigations import open_investigation
from ledger.places import AUDIT_URL, DATABASE_URL, HOME
from ledger.reconciliations import newest_revision, revisions
from ledger.sign_offs import sign_off
from ledger.waivers import waive
from steps.audited_run import AuditedRun, audited_run
from steps.month_report import DOCUMENT, METRICS, PAGE, Links, Written, day_report, verdict_of, write_report
from steps.reconciliation_document import digest_of
from tests.steps.conftest import OpenScene
from tests.steps.month_scenes import OCTOBER, SETTLED, THREE_DAYS, MonthScene, Vendor, every_day, listed, recorded

JUDGED = Judgement(Verdict.GREEN, World.REAL)


@pytest.fixture
def prod(open_in: OpenScene, monkeypatch: pytest.MonkeyPatch) -> MonthScene:
    scene = MonthScene.of(open_in("prod", "slack"))
    scene.configure(received={"slack": ReceivedSection(by="ids", type_field="kind")})
    monkeypatch.setenv(HOME, str(scene.scene.home))
    monkeypatch.delenv(AUDIT_URL, raising=False)
    monkeypatch.delenv(DATABASE_URL, raising=False)
    return scene


@pytest.fixture
def run(prod: MonthScene) -> Iterator[AuditedRun]:
    with audited_run(
        prod.scene.ledger, flow="reconcile-events", environment="prod", mode="apply", actor="ada", reason="by hand",
        parameters={},
    ) as run:  # fmt: skip
        yield run


def month(scene: MonthScene, more: int = 0, lost: int = 0, now: datetime = SETTLED) -> Reconciliation:
    names = every_day(THREE_DAYS, 100 + more)
    for day in THREE_DAYS.days():
        scene.writes(str(day), [recorded(*one) for one in names if str(one[1]).startswith(str(day))])
    vendor = Vendor("ids", [listed(*one) for one in names[lost:]])
    return scene.run({"slack": vendor.counting()}, now=now).reconciliation


def write(run: AuditedRun, reconciliation: Reconciliation) -> Written:
    return write_report(run, reconciliation, JUDGED, Links("bundle", "prefect"))


def test_the_same_input_twice_is_one_revision(prod: MonthScene, run: AuditedRun) -> None:
    first, again = write(run, month(prod)), write(run, month(prod))

    assert (first.edition.revision, again.edition.revision) == (1, 1)
    assert first.edition.digest == again.edition.digest
    assert again.edition.changes == ()


def test_one_more_event_is_a_second_revision_with_the_difference_in_words(prod: MonthScene, run: AuditedRun) -> None:
    write(run, month(prod))

    second = write(run, month(prod, more=1))

    assert second.edition.revision == 2
    assert any("slack" in words and "300" in words and "303" in words for words in second.edition.changes)
    assert [one.number for one in revisions(prod.scene.ledger, "prod", OCTOBER)] == [1, 2]


def test_every_form_of_the_report_is_in_the_bundle(prod: MonthScene, run: AuditedRun) -> None:
    written = write(run, month(prod))

    there = {path.name for path in run.bundle.folder.iterdir()}
    assert {PAGE, DOCUMENT, METRICS} <= there
    assert {".csv", ".parquet"} <= {name[name.rindex(".") :] for name in there}
    document = json.loads((run.bundle.folder / DOCUMENT).read_text())
    assert digest_of(document) == written.edition.digest


def test_a_lost_event_is_named_in_the_document(prod: MonthScene, run: AuditedRun) -> None:
    write(run, month(prod, lost=30))

    (target,) = json.loads((run.bundle.folder / DOCUMENT).read_text())["targets"]
    assert target["finding"] == "BREACH"
    assert len(target["missing_ids"]) == 30


def test_a_signature_is_of_the_revision_that_was_read(prod: MonthScene, run: AuditedRun) -> None:
    write(run, month(prod))
    sign_off(prod.scene.ledger, "prod", OCTOBER, 1, "ada", "read it", run_id=run.run_id)

    signed, changed = write(run, month(prod)), write(run, month(prod, more=1))

    assert signed.edition.signed is not None
    assert signed.edition.signed.who == "ada"
    assert changed.edition.signed is None


def test_what_people_decide_makes_no_new_revision_and_leaves_the_signature(prod: MonthScene, run: AuditedRun) -> None:
    ledger = prod.scene.ledger
    day = ledger.now().date() + timedelta(days=9)
    write(run, month(prod, lost=30))
    sign_off(ledger, "prod", OCTOBER, 1, "ada", "read it", run_id=run.run_id)
    open_investigation(ledger, "prod", OCTOBER, "slack", "bob", day, "a full queue?")
    waive(ledger, "prod", "reconciliation slack 2026-10", "ada", "known", day)

    waived = month(prod, lost=30, now=ledger.now())
    again = write(run, waived)

    assert waived.targets[0].finding is Finding.WAIVED
    assert (again.edition.revision, again.edition.signed is not None) == (1, True)
    assert revisions(ledger, "prod", OCTOBER)[0].verdict is Verdict.HOLD


def test_what_is_final_and_what_is_not_is_recorded(prod: MonthScene, run: AuditedRun) -> None:
    settled = month(prod)
    provisional = replace(settled, targets=tuple(replace(one, finding=Finding.PROVISIONAL) for one in settled.targets))

    write(run, provisional)
    before = newest_revision(prod.scene.ledger, "prod", OCTOBER)
    write(run, settled)
    after = newest_revision(prod.scene.ledger, "prod", OCTOBER)

    assert before is not None
    assert after is not None
    assert (before.is_final, before.verdict, after.is_final, after.number) == (False, Verdict.WAITING, True, 2)


def test_a_day_is_told_with_what_was_faulty_in_its_files(prod: MonthScene) -> None:
    reconciliation = month(prod, lost=30)
    prod.writes("2026-10-01", [recorded(*one) for one in every_day(THREE_DAYS, 1)[:1]] + [b"{"])
    again = prod.run({"slack": Vendor("ids").counting()}).reconciliation

    said = day_report(reconciliation, Judgement(verdict_of(reconciliation), World.REAL))
    faulty = day_report(again, JUDGED)

    assert said.startswith("# 2026-10-01, prod: HOLD")
    assert "- slack: BREACH." in said
    assert "What was read:" not in said
    assert "events-2026-10-01.jsonl: 1 lines that are no events" in faulty
