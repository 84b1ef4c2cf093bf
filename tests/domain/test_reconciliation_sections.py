"""What opsflows.toml says of reconciliation is read as it stands; what cannot be is told with file, key and value."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.config import Config, parse_config
from domain.errors import BadInput
from domain.reconciliation_sections import CounterSnapshots, EventFiles, PrometheusCounters, ReceivedSection

KNOWN = ("slack", "pagerduty", "datadog")
FILE = "opsflows.toml"
ENVIRONMENTS = """
[environments.staging]
kind = "staging"
in_scope = ["slack"]
[environments.prod]
kind = "prod"
in_scope = ["slack", "datadog", "pagerduty/payments"]
"""
FILES = '[emitted.app]\nkind = "files"\nenvironment = "prod"\nplace = "s3://events/prod"\n'
COUNTERS = '[emitted.app]\nkind = "counters"\nenvironment = "prod"\nplace = "/srv/counters"\n'
PROMETHEUS = '[emitted.app]\nkind = "prometheus"\nenvironment = "prod"\naddress = "http://127.0.0.1:9090"\nmetric = "events_total"\n'
RECEIVED = "[received.prod.slack]\n"
INCIDENT = '[[incidents]]\nenvironment = "prod"\nnote = "the vendor was down"\n'
SPAN = "start = 2026-10-12T09:00:00Z\nend = 2026-10-12T11:00:00Z\n"


def read(text: str) -> Config:
    return parse_config(ENVIRONMENTS + text, FILE, KNOWN)


def refused(text: str) -> str:
    with pytest.raises(BadInput) as refusal:
        read(text)
    assert refusal.value.happened.startswith(f"{FILE}: ")
    assert (refusal.value.means, refusal.value.next_step) == ("Nothing was done.", f"Correct {FILE}.")
    return refusal.value.happened


def test_a_file_that_says_nothing_has_the_rule_of_one_percent() -> None:
    rule = read("").reconciliation

    assert (rule.tolerance, rule.confidence, rule.settles_after) == (0.01, 0.95, timedelta(hours=96))
    assert (rule.memory_mib, rule.bad_lines_percent, rule.post_to) == (1024, 1.0, {})


def test_the_rule_is_what_the_file_says() -> None:
    rule = read(
        "[reconciliation]\ntolerance_percent = 0.5\nconfidence_percent = 99\nsettle_hours = 24\nbad_lines_percent = 2\n"
        'memory_mib = 512\nreport_url = "https://reports"\n[reconciliation.post_to]\nprod = "slack"\n'
    ).reconciliation

    assert (rule.tolerance, rule.confidence, rule.settles_after) == (0.005, 0.99, timedelta(days=1))
    assert (rule.bad_lines_percent, rule.memory_mib, rule.report_url) == (2, 512, "https://reports")
    assert rule.post_to == {"prod": "slack"}


def test_each_kind_of_record_is_told_by_its_kind() -> None:
    assert isinstance(read(FILES).emitted["app"], EventFiles)
    assert isinstance(read(COUNTERS).emitted["app"], CounterSnapshots)
    assert isinstance(read(PROMETHEUS).emitted["app"], PrometheusCounters)


def test_events_of_an_environment_carry_its_name_where_nothing_else_is_said() -> None:
    usual, named = (read(FILES + more).emitted["app"] for more in ("", 'environments = ["production", "live"]\n'))

    assert isinstance(usual, EventFiles)
    assert isinstance(named, EventFiles)
    assert (usual.own_environments, named.own_environments) == (("prod",), ("production", "live"))


def test_types_are_told_apart_by_a_field_or_in_an_export() -> None:
    export = EventFiles(environment="prod", place="/srv/export")

    assert [one.splits_types for one in (ReceivedSection(), ReceivedSection(type_field="x"), ReceivedSection(export=export))] == [
        False,
        True,
        True,
    ]  # fmt: skip


def test_a_types_rate_is_its_own_or_that_of_all() -> None:
    text = f'{RECEIVED}type_field = "kind"\nsample_rate = 0.5\n[received.prod.slack.sample_rates]\ndebug = 0.1\n'

    section = read(text).received["prod"]["slack"]

    assert (section.rate_of("debug"), section.rate_of("login")) == (0.1, 0.5)


@pytest.mark.parametrize("minutes", [-1, 24 * 60 + 1])
def test_an_event_counts_no_farther_away_than_a_day(minutes: int) -> None:
    with pytest.raises(ValidationError):
        ReceivedSection(shift_minutes=minutes)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("[reconciliation]\ntolerance_percent = 0\n", "reconciliation.tolerance_percent", "0"),
        ("[reconciliation]\ntolerance_percent = 100\n", "reconciliation.tolerance_percent", "100"),
        ("[reconciliation]\ntolerance_percent = nan\n", "reconciliation.tolerance_percent", "nan"),
        ("[reconciliation]\nconfidence_percent = 49.9\n", "reconciliation.confidence_percent", "49.9"),
        ("[reconciliation]\nconfidence_percent = 100\n", "reconciliation.confidence_percent", "100"),
        ("[reconciliation]\nsettle_hours = -1\n", "reconciliation.settle_hours", "-1"),
        ("[reconciliation]\nsettle_hours = 745\n", "reconciliation.settle_hours", "745"),
        ("[reconciliation]\nsettle_hours = nan\n", "reconciliation.settle_hours", "nan"),
        ("[reconciliation]\nbad_lines_percent = 0\n", "reconciliation.bad_lines_percent", "0"),
        ("[reconciliation]\nmemory_mib = 255\n", "reconciliation.memory_mib", "255"),
        ("[reconciliation]\nreport_url = 7\n", "reconciliation.report_url", "7"),
        (FILES + 'time_zone = "Berlin"\n', "emitted.app.time_zone", "'Berlin'"),
        (FILES + "neighbour_days = 32\n", "emitted.app.neighbour_days", "32"),
        (FILES + "neighbour_days = -1\n", "emitted.app.neighbour_days", "-1"),
        (FILES + "environments = [1]\n", "emitted.app.environments.0", "1"),
        (FILES + "sent = 1\n", "emitted.app.sent", "1"),
        (FILES + "pattern = 1\n", "emitted.app.pattern", "1"),
        (FILES + "manifest = 1\n", "emitted.app.manifest", "1"),
        (FILES + "credentials = 1\n", "emitted.app.credentials", "1"),
        (FILES + "address = 1\n", "emitted.app.address", "1"),
        (FILES + "[emitted.app.columns]\nat = 1\n", "emitted.app.columns.at", "1"),
        (FILES + "[emitted.app.integrations]\nslack = 1\n", "emitted.app.integrations.slack", "1"),
        (COUNTERS + 'time_zone = ""\n', "emitted.app.time_zone", "''"),
        (COUNTERS + "[emitted.app.columns]\nprocess = 1\n", "emitted.app.columns.process", "1"),
        (PROMETHEUS.replace("events_total", "1x"), "emitted.app.metric", "'1x'"),
        (PROMETHEUS.replace("events_total", "x{a}) or vector(1"), "emitted.app.metric", "'x{a}) or vector(1'"),
        (PROMETHEUS + "type_label = 1\n", "emitted.app.type_label", "1"),
        (FILES.replace("files", "kafka"), "emitted.app.kind", "'kafka'"),
        (RECEIVED + 'by = "hashes"\n', "received.prod.slack.by", "'hashes'"),
        (RECEIVED + "sample_rate = 0\n", "received.prod.slack.sample_rate", "0"),
        (RECEIVED + "sample_rate = 1.1\n", "received.prod.slack.sample_rate", "1.1"),
        (RECEIVED + "[received.prod.slack.sample_rates]\nx = 2\n", "received.prod.slack.sample_rates.x", "2"),
        (RECEIVED + "[received.prod.slack.types]\nx = 2\n", "received.prod.slack.types.x", "2"),
        (RECEIVED + "type_field = 1\n", "received.prod.slack.type_field", "1"),
        (RECEIVED + "query = 1\n", "received.prod.slack.query", "1"),
        (RECEIVED + "id_field = 1\n", "received.prod.slack.id_field", "1"),
        (RECEIVED + "retention_days = 0\n", "received.prod.slack.retention_days", "0"),
        (RECEIVED + "wanted = 2\n", "received.prod.slack.wanted", "2"),
        (RECEIVED + 'time_zone = "UTC+25"\n', "received.prod.slack.time_zone", "'UTC+25'"),
        (INCIDENT + SPAN.replace("Z", ""), "incidents.0.start", "datetime.datetime(2026, 10, 12, 9, 0)"),
        (INCIDENT + SPAN + "targets = [1]\n", "incidents.0.targets.0", "1"),
        (INCIDENT.replace("the vendor was down", "") + SPAN, "incidents.0.note", "''"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_told_with_its_key(text: str, key: str, value: str) -> None:
    happened = refused(text)

    assert f"{key}: " in happened
    assert f"(value {value})" in happened


@pytest.mark.parametrize(
    "place",
    [
        "",
        "events",
        "./events",
        "s3://",
        "s3:///prod",
        "gs:///",
        "gs://",
        "https://events",
        "S3://events",
        "$OPSFLOWS_HOME",
        "$OPSFLOWS_HOME/../x",
    ],
)
def test_a_place_is_an_absolute_folder_or_a_bucket(place: str) -> None:
    happened = refused(FILES.replace("s3://events/prod", place))

    assert "emitted.app.place: an absolute folder, " in happened
    assert "s3://bucket/prefix or gs://bucket/prefix" in happened
    assert f"(value {place!r})" in happened


@pytest.mark.parametrize(
    "place", ["/srv/events", "$OPSFLOWS_HOME/events", "s3://events", "s3://events/a/b/", "gs://events/a"]
)
def test_folders_and_buckets_are_places(place: str) -> None:
    section = read(FILES.replace("s3://events/prod", place)).emitted["app"]

    assert isinstance(section, EventFiles)
    assert section.place == place


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles", "Etc/GMT+8"])
def test_a_time_zone_is_one_of_the_database(zone: str) -> None:
    assert read(f'{RECEIVED}time_zone = "{zone}"\n').received["prod"]["slack"].time_zone == zone


@pytest.mark.parametrize("zone", ["", "Europe", "Berlin", "CET/Berlin", "/etc/localtime", "../UTC", "x" * 300, "UTC-8"])
def test_a_name_that_is_no_time_zone_is_told_as_that(zone: str) -> None:
    happened = refused(f'{RECEIVED}time_zone = "{zone}"\n')

    assert "received.prod.slack.time_zone: no time zone has this name; write one like UTC or Europe/Berlin" in happened
    assert f"(value {zone!r})" in happened


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_no_name_of_a_time_zone_is_a_crash(zone: str) -> None:
    try:
        section = ReceivedSection(time_zone=zone)
    except ValueError:
        return
    assert section.time_zone == zone


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (FILES.replace('"prod"', '"live"'), "emitted.app: environment 'live' is none of staging, prod"),
        (FILES + '[emitted.app.integrations]\nchat = "teams"\n', "emitted.app: 'teams' is not in scope of environment 'prod'"),
        (PROMETHEUS + '[emitted.app.integrations]\nx = "pagerduty"\n', "emitted.app: 'pagerduty' is not in scope of environment 'prod'"),
        ("[received.live.slack]\n", "received.live: environment 'live' is none of staging, prod"),
        ("[received.staging.datadog]\n", "received.staging: 'datadog' is not in scope of environment 'staging'"),
        (INCIDENT.replace("prod", "live") + SPAN, "incidents[0]: environment 'live' is none of staging, prod"),
        (INCIDENT + SPAN + 'targets = ["slack", "teams"]\n', "incidents[0]: 'teams' is not in scope of environment 'prod'"),
        ('[reconciliation.post_to]\nprod = "teams"\n', "reconciliation.post_to: 'teams' is not in scope of environment 'prod'"),
        ('[reconciliation.post_to]\nlive = "slack"\n', "reconciliation.post_to: environment 'live' is none of staging, prod"),
        (
            RECEIVED + "[received.prod.slack.sample_rates]\ndebug = 0.1\n",
            "received.prod.slack.sample_rates: types are not told apart without type_field; say sample_rate (value {'debug': 0.1})",
        ),
    ],
)  # fmt: skip
def test_what_is_not_declared_is_told_with_its_key(text: str, fault: str) -> None:
    assert fault in refused(text)


def named(section: str, name: str, *targets: str) -> str:
    """Return a section by another name, with these targets."""
    return section.replace("emitted.app", f"emitted.{name}") + (f"targets = {list(targets)}\n" if targets else "")


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        (FILES + named(PROMETHEUS, "edge"), "datadog, pagerduty/payments, slack"),
        (FILES + named(COUNTERS, "batch", "slack"), "slack"),
        (named(COUNTERS, "batch", "slack", "datadog") + named(PROMETHEUS, "edge", "datadog"), "datadog"),
    ],
)
def test_a_target_that_two_kinds_of_sources_record_would_be_counted_twice(text: str, twice: str) -> None:
    happened = refused(text)

    assert f".targets: {twice} is recorded by emitted." in happened


@pytest.mark.parametrize(
    "text",
    [
        named(FILES, "app", "slack") + named(PROMETHEUS, "edge", "datadog"),
        FILES + named(FILES, "more"),
        COUNTERS + named(COUNTERS, "more"),
        FILES + named(PROMETHEUS, "edge").replace('"prod"', '"staging"'),
    ],
)
def test_sources_that_add_up_may_record_the_same_target(text: str) -> None:
    assert len(read(text).emitted) == 2


def test_every_fault_is_told_at_once() -> None:
    happened = refused(
        FILES.replace('"prod"', '"live"') + "[received.prod.teams]\n" + INCIDENT + SPAN + 'targets = ["x"]\n'
    )

    assert [part in happened for part in ("emitted.app:", "'teams'", "incidents[0]: 'x'")] == [True, True, True]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[reconciliation]\ntoken = 'xoxb-1'\n", "reconciliation.token"),
        (FILES + "password = 'xoxb-1'\n", "emitted.app.password"),
        (FILES + "[emitted.app.columns]\nsecret = 'xoxb-1'\n", "emitted.app.columns.secret"),
        (COUNTERS + "key = 'xoxb-1'\n", "emitted.app.key"),
        (PROMETHEUS + "key = 'xoxb-1'\n", "emitted.app.key"),
        (RECEIVED + "token = 'xoxb-1'\n", "received.prod.slack.token"),
        (INCIDENT + SPAN + "token = 'xoxb-1'\n", "incidents.0.token"),
    ],
)
def test_an_unknown_key_is_named_and_what_stands_under_it_is_not_shown(text: str, key: str) -> None:
    happened = refused(text)

    assert f"{key}: " in happened
    assert "xoxb" not in happened


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-10-12T11:00:00Z", "2026-10-12T09:00:00Z"),
        ("2026-10-12T09:00:00Z", "2026-10-12T09:00:00Z"),
        ("2026-10-12T09:00:00Z", "2026-10-12T10:00:00+02:00"),
    ],
)
def test_an_incident_ends_after_it_began(start: str, end: str) -> None:
    happened = refused(f"{INCIDENT}start = {start}\nend = {end}\n")

    assert "incidents.0: end 2026-10-12 " in happened
    assert " is not after start 2026-10-12 " in happened


def test_an_incident_in_local_time_is_of_the_moment_it_names() -> None:
    incident = read(f"{INCIDENT}start = 2026-10-12T09:00:00+02:00\nend = 2026-10-12T11:00:00+02:00\n").incidents[0]

    assert (incident.start, incident.end) == (
        datetime(2026, 10, 12, 7, tzinfo=UTC),
        datetime(2026, 10, 12, 9, tzinfo=UTC),
    )
    assert incident.targets == ()
