"""A bundle holds what was seen, for its owner alone, and is sealed once."""

import hashlib
import json
import stat
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from domain.errors import BadInput, OutcomeUnknown, Rejected
from ledger.bundles import Bundle, bundle_path
from tests.ledger.recording import exchange

_AT = datetime(2026, 5, 4, 23, 30, tzinfo=UTC)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(tmp_path / "home", flow="day1-wiring", run_id="run-1", at=_AT)


def seal(bundle: Bundle) -> str:
    return bundle.seal(
        verdict="GREEN (rehearsal)",
        actor="ada",
        reason="day 1",
        ticket="OPS-1",
        environment="rehearsal",
        mode="mock",
        parameters={"limit": 3},
        versions={"opsflows": "0.1.0"},
    )


def test_a_bundle_lies_under_its_flow_and_utc_day(bundle: Bundle, tmp_path: Path) -> None:
    assert bundle.folder == tmp_path / "home/audit/day1-wiring/2026/05/04/run-1"
    assert bundle.folder.is_dir()


def test_the_day_is_utc_whatever_the_zone_of_the_moment() -> None:
    kiritimati = _AT.astimezone(timezone(timedelta(hours=14)))

    assert bundle_path("verify", kiritimati, "run-1") == "verify/2026/05/04/run-1"


def test_everything_in_the_home_is_the_owners_alone(bundle: Bundle, tmp_path: Path) -> None:
    bundle.record([exchange()])
    bundle.write("report.md", "# GREEN\n")
    seal(bundle)

    found = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "home").rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "home").rglob("*") if path.is_dir()}

    assert found == {0o600}
    assert folders == {0o700}


def test_evidence_is_one_line_per_exchange(bundle: Bundle) -> None:
    bundle.record([exchange("n1"), exchange("n2")])
    bundle.record([])
    bundle.record([exchange("n3")])

    lines = [json.loads(line) for line in (bundle.folder / "evidence.jsonl").read_text().splitlines()]
    assert [line["nonce"] for line in lines] == ["n1", "n2", "n3"]
    assert lines[0] == {
        "at": "2026-05-04T12:00:00+00:00",
        "system": "slack",
        "verb": "send",
        "host": "hooks.slack.com:443",
        "status": 200,
        "ms": 31,
        "request_id": "req-1",
        "nonce": "n1",
        "outcome": "ok",
        "vendor_date": "2026-05-04T12:00:00+00:00",
    }


def test_threads_write_whole_lines(bundle: Bundle) -> None:
    def write() -> None:
        for number in range(50):
            bundle.record([exchange(f"n{number}")] * 3)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lines = (bundle.folder / "evidence.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == 4 * 50 * 3


def test_the_manifest_vouches_for_every_file(bundle: Bundle) -> None:
    bundle.record([exchange()])
    bundle.write("report.md", "draft")
    bundle.write("report.md", "# GREEN\n")
    bundle.write("verify-day1-20260504.log", "slack PASS\n")

    digest = seal(bundle)

    told = (bundle.folder / "manifest.json").read_bytes()
    manifest = json.loads(told)
    assert hashlib.sha256(told).hexdigest() == digest
    assert set(manifest["files"]) == {"evidence.jsonl", "report.md", "verify-day1-20260504.log"}
    assert manifest["files"]["report.md"] == {"sha256": hashlib.sha256(b"# GREEN\n").hexdigest(), "bytes": 8}
    told_of_run = ("run", "verdict", "actor", "reason", "ticket", "parameters", "versions", "environment", "mode")
    assert [manifest[name] for name in told_of_run] == [
        *("run-1", "GREEN (rehearsal)", "ada", "day 1", "OPS-1"),
        *({"limit": 3}, {"opsflows": "0.1.0"}, "rehearsal", "mock"),
    ]


def test_a_run_that_asked_nobody_has_empty_evidence(bundle: Bundle) -> None:
    seal(bundle)

    assert (bundle.folder / "evidence.jsonl").read_text() == ""


def test_nothing_is_added_after_the_seal(bundle: Bundle) -> None:
    seal(bundle)

    with pytest.raises(Rejected, match="it is sealed"):
        bundle.record([exchange()])
    with pytest.raises(Rejected, match="it is sealed"):
        bundle.write("later.md", "and it was all fine")
    with pytest.raises(Rejected, match="it is sealed"):
        seal(bundle)

    assert {path.name for path in bundle.folder.iterdir()} == {"evidence.jsonl", "manifest.json"}


def test_a_run_has_one_bundle(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="there is one already"):
        Bundle.open(tmp_path / "home", flow="day1-wiring", run_id="run-1", at=_AT)


@pytest.mark.parametrize("name", ["../evidence.jsonl", ".hidden", "a/b", "", "manifest.json", "evidence.jsonl"])
def test_a_name_that_leads_elsewhere_is_refused(bundle: Bundle, name: str) -> None:
    with pytest.raises(BadInput):
        bundle.write(name, "text")


def test_a_home_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")

    with pytest.raises(BadInput, match="cannot be written"):
        Bundle.open(tmp_path / "home", flow="day1-wiring", run_id="run-1", at=_AT)


def test_a_sealed_bundle_is_copied_to_where_audits_are_kept(bundle: Bundle, tmp_path: Path) -> None:
    bundle.record([exchange()])
    seal(bundle)

    bundle.copy_to((tmp_path / "bucket" / "audits").as_uri())
    bundle.copy_to("")

    copy = tmp_path / "bucket" / "audits" / bundle.path
    assert {path.name for path in copy.iterdir()} == {"evidence.jsonl", "manifest.json"}
    assert (copy / "manifest.json").read_bytes() == (bundle.folder / "manifest.json").read_bytes()


def test_a_copy_that_fails_says_where_the_bundle_is(bundle: Bundle, tmp_path: Path) -> None:
    seal(bundle)
    (tmp_path / "bucket").write_text("a file")

    with pytest.raises(OutcomeUnknown, match="was not copied") as failed:
        bundle.copy_to((tmp_path / "bucket").as_uri())

    assert str(bundle.folder) in failed.value.means


def test_an_unknown_kind_of_place_is_refused_without_repeating_the_url(bundle: Bundle) -> None:
    seal(bundle)

    with pytest.raises(OutcomeUnknown, match="was not copied") as failed:
        bundle.copy_to("nowhere://user:canary@host/audits")

    assert "canary" not in str(failed.value)
