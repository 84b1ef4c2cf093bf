"""What a scrape gets: every metric that is documented where it is known, none where it is not, and never late for one that hangs."""

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter

from domain.errors import Unavailable
from domain.kms_checks import Checked, Part, PartOutcome, faulty, not_run, passed
from domain.kms_goldens import MINTED, WRAPPED, NewGolden
from domain.kms_sections import KmsTarget
from ledger.kms_checks import record_check
from ledger.kms_goldens import goldens, keep_golden, record_trial
from ledger.opening import Ledger, open_ledger
from steps.kms_families import FAMILIES
from steps.kms_metrics import KmsMetrics
from tests.conftest import StandIns
from tests.program import program
from vendors.dialing import silent_port

DOCS = Path(__file__).parents[2] / "docs" / "kms-metrics.md"
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/shop"
MATERIAL = "f" * 64
Samples = dict[tuple[str, ...], float]


@pytest.fixture
def ledger(made_ledger: Path, tmp_path: Path) -> Iterator[Ledger]:
    shutil.copy(made_ledger, tmp_path / "ledger.db")
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield ledger
    ledger.close()


@pytest.fixture
def target(stand_ins: StandIns) -> KmsTarget:
    return target_at(f"{stand_ins.url}/backend")


def target_at(base_url: str) -> KmsTarget:
    keys = {"main": {"provider": "gcp", "key": KEY, "rotation_days": 90}}
    return TypeAdapter(KmsTarget).validate_python({"environment": "prod", "base_url": base_url, "keys": keys})


def text_of(metrics: KmsMetrics) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    return generate_latest(registry).decode()


def scraped(metrics: KmsMetrics) -> Samples:
    """Return each sample's value by its name and its labels' texts, in the order of their names; environment and target apart."""
    samples = [one for family in text_string_to_metric_families(text_of(metrics)) for one in family.samples]
    assert {one.labels.pop("environment", "prod") for one in samples} == {"prod"}
    return {(one.name, *(text for name, text in one.labels.items() if name != "target")): one.value for one in samples}


def down() -> Ledger:
    raise Unavailable("The database does not answer.", "Nothing is known.", "Look at it.", "ledger.down")


def metrics_of(target: KmsTarget, open_own: Callable[[], Ledger] = down) -> KmsMetrics:
    return KmsMetrics({"shop": target}, open_own)


def a_check(*, detail: str = "", drift: Part | None = None) -> Checked:
    canary = replace(
        passed("canary/main", detail, version="3"), milliseconds={"encrypt": 20.0, "decrypt": 30.0}, operations=2
    )
    return Checked(
        "prod", "shop",
        (
            passed("health"), canary, replace(passed("golden/main"), operations=2),
            passed("versions/main", **{"destroy_at/2": "2026-12-24T12:00:00+00:00"}),
            drift or passed("drift/main"), passed("rotation/main", age_days="12.5"), not_run("negative/main", "not due"),
        ),
    )  # fmt: skip


def record(ledger: Ledger, checked: Checked, ago: timedelta = timedelta(0)) -> None:
    record_check(replace(ledger, offset=-ago), "kms-run", checked)


def keep(ledger: Ledger, version: str, source: str = MINTED, slot: str = "", fault: str | None = "") -> None:
    keep_golden(ledger, "kms-run", "prod", "shop", "main", NewGolden(KEY, version, source, b"x", "00", {}, slot))
    if fault is not None:
        record_trial(ledger, goldens(ledger)[-1], fault)


def documented() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return type and labels of every metric of ours that the page names."""
    page = DOCS.read_text().partition("## From the application itself")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", page, re.MULTILINE)
    return {name: (kind, _named_labels(labels)) for name, kind, labels in rows}


def _named_labels(text: str) -> tuple[str, ...]:
    # In brackets stand values, not names.
    names = tuple(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", text)))
    return () if text == "no labels" else ("environment", "target", *names)


def test_the_families_are_those_of_the_page_with_its_types_and_labels() -> None:
    ours = {row.name: ("counter" if row.is_counter else "gauge", row.all_labels) for row in FAMILIES}

    assert ours == documented()


def test_where_everything_is_known_every_documented_metric_is_served(target: KmsTarget, ledger: Ledger) -> None:
    for number in range(20):
        record(ledger, a_check(), timedelta(minutes=20 - number))
    drifted = a_check(drift=faulty("drift/main", "kms.version_drift", version="3"))
    record(ledger, replace(drifted, parts=(faulty("health", "health.mode", "local"), *drifted.parts[1:])))
    keep(ledger, "3")

    text = text_of(metrics_of(target, lambda: ledger))

    assert set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE)) == set(documented())
    assert dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE)) == {
        name: kind for name, (kind, _) in documented().items()
    }


def test_promtool_says_nothing_against_it_but_what_was_agreed_on(target: KmsTarget, ledger: Ledger) -> None:
    for number in range(20):
        record(ledger, a_check(), timedelta(minutes=20 - number))
    keep(ledger, "3")

    checked = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text_of(metrics_of(target, lambda: ledger)), capture_output=True, text=True, check=False
    )  # fmt: skip

    # It reads all of it. The names with days, and the label quantile on a gauge, were agreed on.
    said = {line.partition(" ")[0] for line in checked.stderr.splitlines()}
    assert said == {"kms_canary_latency_window_seconds", "kms_rotation_age_days", "kms_rotation_policy_days"}


def test_a_page_is_served_as_it_is_although_the_ledger_is_down(target: KmsTarget) -> None:
    found = scraped(metrics_of(target))

    assert found[("kms_ledger_up",)] == 0
    assert {name for name, *_ in found} == {
        "kms_ledger_up", "kms_health_up", "kms_health_state", "kms_crypto_mode_is_kms", "kms_crypto_ready",
        "kms_health_read_seconds", "kms_health_last_success_timestamp_seconds",
    }  # fmt: skip


def test_exactly_one_state_of_a_page_is_true(target: KmsTarget, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/backend/actions/set_mode", {"mode": "local"})

    found = scraped(metrics_of(target))

    assert [labels[1] for labels, value in found.items() if labels[0] == "kms_health_state" and value] == ["mode"]
    assert (found[("kms_health_up",)], found[("kms_crypto_mode_is_kms",)], found[("kms_crypto_ready",)]) == (0, 0, 1)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1", "http://no..address"])
def test_what_no_page_said_is_absent_and_not_0(base_url: str) -> None:
    found = scraped(metrics_of(target_at(base_url)))

    assert found[("kms_health_state", "unreachable")] == 1
    absent = {"kms_crypto_mode_is_kms", "kms_crypto_ready", "kms_health_last_success_timestamp_seconds"}
    assert not absent & {name for name, *_ in found}


def test_a_target_without_a_page_has_none_of_its_metrics(ledger: Ledger) -> None:
    found = scraped(metrics_of(target_at(""), lambda: ledger))

    assert {name for name, *_ in found} == {
        "kms_ledger_up", "kms_ledger_readable", "kms_rotation_policy_days", "kms_canary_operations_budget", "kms_canary_slow_seconds",
    }  # fmt: skip
    assert found[("kms_canary_slow_seconds",)] == 1


def test_where_a_part_stands_is_what_the_ledger_says(target: KmsTarget, ledger: Ledger) -> None:
    failing = replace(a_check(), parts=(passed("health"), faulty("canary/main", "kms.permission", "encrypt")))
    for minutes in (90, 60, 30, 0):
        record(ledger, failing if minutes < 90 else a_check(), timedelta(minutes=minutes))

    found = scraped(metrics_of(target, lambda: ledger))

    assert (found[("kms_canary_up", "health")], found[("kms_canary_up", "canary/main")]) == (1, 0)
    assert found[("kms_canary_errors_total", "permission", "canary/main")] == 3
    assert found[("kms_unreachable_seconds", "canary/main")] == pytest.approx(90 * 60, abs=60)
    assert found[("kms_unreachable_seconds", "health")] == 0


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        (("kms.throttled", "kms.throttled"), ("throttled", "ticket")),
        (("kms.throttled", "kms.permission"), ("permission", "page")),
        (("kms.permission", "kms.permission", "kms.config"), ("config", "ticket")),
    ],
)
def test_what_is_down_says_by_its_newest_failure_what_is_wrong_and_who_is_told(
    target: KmsTarget, ledger: Ledger, faults: tuple[str, ...], says: tuple[str, str]
) -> None:
    for number, fault in enumerate(faults):
        record(
            ledger,
            Checked("prod", "shop", (passed("health"), faulty("canary/main", fault))),
            timedelta(minutes=9 - number),
        )
    record(ledger, Checked("prod", "shop", (passed("health"), passed("canary/main"))))

    found = scraped(metrics_of(target, lambda: ledger))

    fault_class, severity = says
    down = {labels: value for labels, value in found.items() if labels[0] == "kms_canary_down"}
    assert down == {("kms_canary_down", fault_class, "canary/main", severity): 1}


def test_what_is_down_and_was_not_asked_for_a_day_pages(target: KmsTarget, ledger: Ledger) -> None:
    for hours in (30, 29):
        record(ledger, Checked("prod", "shop", (faulty("negative/main", "kms.throttled"),)), timedelta(hours=hours))
    record(ledger, Checked("prod", "shop", (not_run("negative/main", "not due"),)))

    found = scraped(metrics_of(target, lambda: ledger))

    assert [labels for labels in found if labels[0] == "kms_canary_down"] == [
        ("kms_canary_down", "", "negative/main", "page")
    ]


def test_a_part_that_is_not_checked_any_more_is_absent(target: KmsTarget, ledger: Ledger) -> None:
    record(ledger, a_check(), timedelta(minutes=30))
    record(ledger, Checked("prod", "shop", (passed("health"),)))

    found = scraped(metrics_of(target, lambda: ledger))

    assert {labels[1] for labels in found if labels[0] == "kms_canary_up"} == {"health"}


def test_changes_of_more_than_an_hour_ago_are_no_flapping(target: KmsTarget, ledger: Ledger) -> None:
    up, gone = Checked("prod", "shop", (passed("health"),)), Checked("prod", "shop", (faulty("health", "health.mode"),))
    for number, checked in enumerate([gone, gone, up, up] * 2):
        record(ledger, checked, timedelta(minutes=30 - number))
    metrics, later = metrics_of(target, lambda: ledger), replace(ledger, offset=timedelta(hours=1))

    flapping = [scraped(one)[("kms_canary_flapping", "health")] for one in (metrics, metrics_of(target, lambda: later))]

    assert flapping == [1, 0]


def test_quantiles_are_of_the_last_12_measurements_and_absent_with_fewer(target: KmsTarget, ledger: Ledger) -> None:
    slow = replace(passed("canary/main"), milliseconds={"encrypt": 900.0})
    few = {}
    for number, took in enumerate((5000.0, 900.0, *(float(n + 1) for n in range(11)))):
        if number == 11:
            few = scraped(metrics_of(target, lambda: ledger))
        measured = replace(slow, milliseconds={"encrypt": took})
        record(ledger, Checked("prod", "shop", (measured,)), timedelta(minutes=20 - number))

    found = scraped(metrics_of(target, lambda: ledger))

    window = {labels[-1]: value for labels, value in found.items() if labels[0] == "kms_canary_latency_window_seconds"}
    assert window == {"0.5": 0.006, "0.95": 0.011, "1": 0.9}
    assert found[("kms_canary_latency_seconds", "encrypt", "canary/main")] == 0.011
    assert "kms_canary_latency_window_seconds" not in {name for name, *_ in few}


def test_versions_are_shown_short_and_with_what_waits_for_them(target: KmsTarget, ledger: Ledger) -> None:
    record(ledger, a_check(drift=faulty("drift/main", "kms.version_drift", version="3")))

    found = scraped(metrics_of(target, lambda: ledger))

    assert found[("kms_canary_key_version_info", "main", "3")] == 1
    assert found[("kms_key_version_destroy_timestamp_seconds", "main", "false", "2")] == 1798113600
    assert (found[("kms_canary_drift", "main")], found[("kms_rotation_age_days", "main")]) == (1, 12.5)
    assert found[("kms_rotation_policy_days", "main")] == 90


@pytest.mark.parametrize(("primary", "golden", "needed"), [("2", "3", "true"), ("3", "2", "true"), ("3", "3", "false")])
def test_a_version_is_needed_while_it_is_in_use_or_a_golden_in_force_is_of_it(
    target: KmsTarget, ledger: Ledger, primary: str, golden: str, needed: str
) -> None:
    versions = passed("versions/main", primary=primary, **{"destroy_at/2": "2026-12-24T12:00:00+00:00"})
    record(ledger, Checked("prod", "shop", (versions,)))
    keep(ledger, golden)

    found = scraped(metrics_of(target, lambda: ledger))

    assert ("kms_key_version_destroy_timestamp_seconds", "main", needed, "2") in found


@pytest.mark.parametrize(
    ("fault", "is_drift"), [("kms.key_drift", 1), ("kms.version_drift", 1), ("kms.disagreement", 0), ("", 0)]
)
def test_a_description_that_disagrees_for_a_while_is_no_drift(
    target: KmsTarget, ledger: Ledger, fault: str, is_drift: int
) -> None:
    record(ledger, a_check(drift=faulty("drift/main", fault) if fault else passed("drift/main")))

    assert scraped(metrics_of(target, lambda: ledger))[("kms_canary_drift", "main")] == is_drift


def test_goldens_of_one_version_are_as_well_as_the_worst_of_them(target: KmsTarget, ledger: Ledger) -> None:
    record(ledger, a_check())
    keep(ledger, "3")
    keep(ledger, "3", WRAPPED, "one")
    keep(ledger, "3", WRAPPED, "two", fault="kms.wrapped_key_lost")
    keep(ledger, MATERIAL, fault=None)

    found = scraped(metrics_of(target, lambda: ledger))

    opened = {labels[2:]: value for labels, value in found.items() if labels[0] == "kms_golden_decrypt_ok"}
    assert opened == {("minted", "3"): 1, ("wrapped", "3"): 0}
    last = {labels[2:] for labels in found if labels[0] == "kms_golden_last_decrypt_timestamp_seconds"}
    assert last == {("minted", "3")}


def test_no_full_version_id_leaves(target: KmsTarget, ledger: Ledger) -> None:
    record(ledger, a_check())
    keep(ledger, MATERIAL)

    text = text_of(metrics_of(target, lambda: ledger))

    assert (MATERIAL[:13] in text, KEY in text) == (False, False)


def test_a_days_operations_stand_beside_their_budget(target: KmsTarget, ledger: Ledger) -> None:
    replica = replace(passed("replica/main"), operations=1)
    for hours in (25, 2, 1):
        checked = a_check()
        record(ledger, replace(checked, parts=(*checked.parts, replica)), timedelta(hours=hours))

    found = scraped(metrics_of(target, lambda: ledger))

    assert found[("kms_canary_operations", "main")] == 8
    assert found[("kms_canary_operations_budget", "main")] == 202


def test_what_a_part_did_last_counts_where_it_was_not_due_since(target: KmsTarget, ledger: Ledger) -> None:
    record(ledger, a_check(drift=faulty("drift/main", "kms.key_drift", "another")), timedelta(minutes=30))
    record(ledger, a_check(drift=Part("drift/main", PartOutcome.NOT_RUN)))

    assert scraped(metrics_of(target, lambda: ledger))[("kms_canary_drift", "main")] == 1


def test_a_page_is_asked_once_in_ten_seconds_however_often_it_is_scraped(
    target: KmsTarget, stand_ins: StandIns
) -> None:
    seconds = [0.0]
    metrics = KmsMetrics({"shop": target}, down, monotonic=lambda: seconds[-1])

    asked = []
    for moment in (0.0, 9.9, 10.1):
        seconds.append(moment)
        scraped(metrics)
        asked.append(len(stand_ins.control("GET", "/backend/requests")))

    assert asked == [1, 1, 2]


def test_a_page_that_was_well_keeps_its_moment_when_it_is_not_any_more(target: KmsTarget, stand_ins: StandIns) -> None:
    seconds = [0.0]
    metrics = KmsMetrics({"shop": target}, down, monotonic=lambda: seconds[-1])
    well = scraped(metrics)[("kms_health_last_success_timestamp_seconds",)]
    stand_ins.control("POST", "/backend/actions/set_ready", {"ready": False})
    seconds.append(60.0)

    found = scraped(metrics)

    assert (found[("kms_health_up",)], found[("kms_health_last_success_timestamp_seconds",)]) == (0, well)


def test_what_hangs_is_told_or_absent_and_holds_up_nobody(target: KmsTarget) -> None:
    released = Event()

    def hanging() -> Ledger:
        released.wait(60)
        return down()

    with silent_port() as port:
        targets = {"hangs": target_at(f"http://127.0.0.1:{port}"), "well": target}
        text = text_of(KmsMetrics(targets, hanging, limit_seconds=0.3))

    released.set()
    states = re.findall(r'kms_health_state\{environment="prod",state="(\w+)",target="(\w+)"\} 1.0', text)
    assert states == [("timeout", "hangs"), ("ok", "well")]
    assert "kms_ledger_up 0.0" in text


def test_why_the_ledger_is_down_is_told_once_until_it_answers_again(target: KmsTarget, ledger: Ledger) -> None:
    told: list[str] = []
    seconds = [0.0]
    answers: list[Callable[[], Ledger]] = [down, down, lambda: replace(ledger)]

    def open_own() -> Ledger:
        return answers.pop(0)()

    metrics = KmsMetrics({"shop": target}, open_own, tell=told.append, monotonic=lambda: seconds[-1])

    ups = []
    for moment in (0.0, 20.0, 40.0):
        seconds.append(moment)
        ups.append(scraped(metrics)[("kms_ledger_up",)])

    assert ups == [0, 0, 1]
    assert told == ["The database does not answer. Nothing is known. Look at it."]


def test_what_cannot_be_read_of_one_target_is_told_once_and_hides_no_other(
    target: KmsTarget, ledger: Ledger, tmp_path: Path
) -> None:
    seconds, told = [0.0], list[str]()
    for name in ("broken", "well"):
        record(ledger, replace(a_check(), target=name))
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as written:
        written.execute("UPDATE kms_checks SET parts = replace(parts, 'PASS', 'S3CRET') WHERE target = 'broken'")
        written.commit()
    metrics = KmsMetrics(
        {"broken": target, "well": target}, lambda: replace(ledger), tell=told.append, monotonic=lambda: seconds[-1]
    )

    text_of(metrics)
    seconds.append(20.0)
    text = text_of(metrics)

    assert re.findall(r'kms_ledger_readable\{.*target="(\w+)"\} (\S+)', text) == [("broken", "0.0"), ("well", "1.0")]
    assert set(re.findall(r'kms_canary_up\{.*target="(\w+)"\}', text)) == {"well"}
    assert "kms_ledger_up 1.0" in text
    assert [words.startswith("What the ledger holds of broken (prod) cannot be read (") for words in told] == [True]
    assert "S3CRET" not in told[0]
