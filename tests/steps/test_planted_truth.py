"""A sample month, written as applications do and loaded into the stand-ins: what was planted is found, to the number."""

import gzip
import os
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.event_counts import Fate
from domain.findings import decided
from domain.reconciliation import Bounds, Finding, Why
from domain.reconciliation_sections import ReceivedSection
from domain.verdicts import Verdict
from domain.windows import Month, Window
from steps.emitted_sides import Place
from steps.reconciliation_document import digest
from steps.sample_events import Sample, write_sample
from tests.steps.month_scenes import COLUMNS, MonthScene
from tests.steps.rehearsal_context import Scene
from vendors.registry import COUNTS
from vendors.stand_ins import connect

OCTOBER = Month(2026, 10)
# Of the first ones, one with whom each fault is there.
SEED = 10
OUTAGE = Window(datetime(2026, 10, 11, tzinfo=UTC), datetime(2026, 10, 14, tzinfo=UTC))
NOW = datetime(2026, 11, 20, tzinfo=UTC)
RECEIVED = {
    "slack": ReceivedSection(by="ids", type_field="metadata.event_type", retention_days=3650),
    "pagerduty": ReceivedSection(by="ids", type_field="class"),
    "opsgenie": ReceivedSection(by="ids", type_field="tag.event_type", retention_days=3650),
    "sentry": ReceivedSection(retention_days=3650),
    "datadog": ReceivedSection(type_field="event_type"),
    "splunk": ReceivedSection(type_field="event_type"),
    "statuspage": ReceivedSection(wanted=False),
}


def planted_in(rehearsal: Scene) -> tuple[MonthScene, Sample]:
    scene = MonthScene.of(rehearsal)
    columns = COLUMNS.model_copy(update={"verify": ""})
    gateway = scene.files(pattern="*.jsonl.gz", manifest="manifest.json", columns=columns)
    scene.configure(emitted={"sample": gateway}, received=RECEIVED)
    with closing(connect(rehearsal.stand_ins.url, rehearsal.context().conduct)) as stand_ins:
        sample = write_sample(OCTOBER, SEED, scene.events, stand_ins, OUTAGE)
    return scene, sample


@pytest.fixture
def planted(rehearsal: Scene) -> tuple[MonthScene, Sample]:
    return planted_in(rehearsal)


def test_what_was_planted_is_found_to_the_number(planted: tuple[MonthScene, Sample]) -> None:
    scene, sample = planted
    faults = {name: Counter(rows) for name, rows in sample.planted.items()}

    run = scene.run(COUNTS, OUTAGE, NOW)

    compared: Any = {one.target: one.compared for one in run.reconciliation.targets}
    slack, pagerduty, opsgenie = (run.month(name) for name in ("slack", "pagerduty", "opsgenie"))
    lost = faults["slack"]["lost in an outage on the 12th and 13th"]
    assert (compared["slack"].loss, compared["slack"].excess) == (Bounds(lost, lost), Bounds(0, 0))
    assert (slack.finding, len(slack.missing_ids)) == (Finding.BREACH, min(lost, 100))
    twice = faults["pagerduty"]["sent and received twice"]
    assert (compared["pagerduty"].loss, compared["pagerduty"].duplicates) == (Bounds(0, 0), twice)
    assert [(one.why, one.events) for one in compared["pagerduty"].excess_explained] == [(Why.REPEATS, twice)] * (
        twice > 0
    )
    assert pagerduty.emitted is not None
    assert pagerduty.emitted.repeats == twice
    few = faults["opsgenie"]["lost, here and there"]
    assert compared["opsgenie"].loss == Bounds(few, few)
    assert len(opsgenie.missing_ids) == (few if opsgenie.finding in {Finding.BREACH, Finding.INCONCLUSIVE} else 0)
    sentry, datadog = run.month("sentry"), run.month("datadog")
    assert sentry.received is not None
    assert datadog.emitted is not None
    assert {(fate, n) for fate, _, n in sentry.received.losses} == {
        (Fate.FILTERED, faults["sentry"]["filtered by the vendor"]),
        (Fate.RATE_LIMITED, faults["sentry"]["rate-limited by the vendor"]),
    }
    assert compared["sentry"].loss_residual == Bounds(0, 0)
    assert datadog.emitted.drops == (("queue_full", faults["datadog"]["dropped by the client: queue_full"]),)
    assert datadog.emitted.sampled_out == faults["datadog"]["sampled out by the client"]
    assert (compared["datadog"].loss, compared["datadog"].excess) == (Bounds(0, 0), Bounds(0, 0))
    splunk = run.month("splunk")
    assert splunk.shift is not None
    assert abs(splunk.shift.hours) == 8


def test_the_zone_that_is_advised_makes_the_moved_hours_right(planted: tuple[MonthScene, Sample]) -> None:
    scene, _ = planted
    said = scene.run(COUNTS, OUTAGE, NOW).month("splunk")
    assert said.cause is not None
    assert 'time_zone = "Etc/GMT-8"' in said.cause.next_step
    splunk = RECEIVED["splunk"].model_copy(update={"time_zone": "Etc/GMT-8"})
    scene.configure(received={**RECEIVED, "splunk": splunk})

    run = scene.run(COUNTS, OUTAGE, NOW)

    month = run.month("splunk")
    assert month.compared is not None
    assert (month.finding, month.shift) == (Finding.OK, None)
    assert (month.compared.loss.high, month.compared.excess.high) == (0, 0)
    assert {cell.finding for cell in run.cells("splunk")} == {Finding.OK}


def test_what_the_files_hold_besides_is_counted_and_shown(planted: tuple[MonthScene, Sample]) -> None:
    scene, sample = planted

    facts = scene.run(COUNTS, OUTAGE, NOW).reconciliation.facts

    told: Counter[str] = Counter()
    for fact in facts:
        told[fact.what] += fact.events
    assert told["lines that are no events"] == 2
    lines = [gzip.decompress(file.read_bytes()) for file in scene.events.glob("*.gz")]
    assert told["of environment staging"] == sum(whole.count(b'"staging"') for whole in lines) > 0
    assert told["late: in the file of another day"] == sample.planted["datadog"]["written into the next day's file"]
    assert not [fact for fact in facts if fact.is_fault]


def test_the_same_input_says_the_same(planted: tuple[MonthScene, Sample]) -> None:
    scene, _ = planted

    first, again = (scene.run(COUNTS, OUTAGE, NOW).reconciliation for _ in range(2))

    assert digest(first) == digest(again)


def test_a_run_that_was_interrupted_goes_on_without_reading_twice(planted: tuple[MonthScene, Sample]) -> None:
    scene, _ = planted
    whole = digest(scene.run(COUNTS, OUTAGE, NOW).reconciliation)
    other = MonthScene(scene.scene, scene.events, Place(scene.place.home, scene.place.home / "anew"))

    def interrupted(_name: str, done: int, _of: int, _rows: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        other.run(COUNTS, OUTAGE, NOW, interrupted)
    counted = {file: file.read_bytes() for file in sorted(scene.events.glob("*.gz"))[:2]}
    for file, content in counted.items():
        # As large and as old as before, with no events in it: whoever reads it again finds nothing.
        unchanged_outside(file, bytes(len(content)))
    (read,) = other.read(other.question(COUNTS, OUTAGE, NOW))
    for file, content in counted.items():
        unchanged_outside(file, content)

    assert not [fact for fact in read.facts if fact.is_fault]
    assert digest(other.run(COUNTS, OUTAGE, NOW).reconciliation) == whole


def unchanged_outside(file: Path, content: bytes) -> None:
    seen = file.stat()
    file.write_bytes(content)
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def test_a_month_that_has_not_settled_is_provisional_and_waits(planted: tuple[MonthScene, Sample]) -> None:
    scene, _ = planted

    run = scene.run(COUNTS, OUTAGE, OUTAGE.end + timedelta(hours=1))

    assert {one.finding for one in run.reconciliation.targets} == {Finding.PROVISIONAL}
    assert decided(run.reconciliation.targets) is Verdict.WAITING


def test_a_settled_month_whose_vendor_does_not_answer_has_no_data_and_is_held(
    planted: tuple[MonthScene, Sample],
) -> None:
    scene, _ = planted
    scene.scene.fail("slack", status=403)

    run = scene.run(COUNTS, OUTAGE, NOW)

    assert (run.month().finding, run.month().received, run.month().missing_ids) == (Finding.NO_DATA, None, ())
    assert run.month("datadog").finding is not Finding.NO_DATA
    assert decided(run.reconciliation.targets) is Verdict.HOLD
