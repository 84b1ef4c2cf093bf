"""A KMS alert finds its way by severity, in plain Alertmanager and in kube-prometheus-stack alike; no key stands in a file of ours."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployments.promql import ROOT, alerts
from tests.program import program

PLAIN = ROOT / "deployments" / "alertmanager" / "alertmanager.yml"
VALUES = ROOT / "deployments" / "alertmanager" / "kube-prometheus-stack-values.yml"
PROMETHEUS = ROOT / "deployments" / "prometheus" / "prometheus.yml"
RECEIVERS = {"critical": "kms-page", "warning": "kms-ticket", "info": "nobody"}


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def receiver_of(**labels: str) -> str:
    ended = subprocess.run(
        [program("amtool"), "config", "routes", "test", f"--config.file={PLAIN}", *(f"{k}={v}" for k, v in labels.items())],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return ended.stdout.strip()


def test_alertmanager_accepts_the_configuration() -> None:
    ended = subprocess.run([program("amtool"), "check-config", str(PLAIN)], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("severity", RECEIVERS)
def test_a_severity_has_its_receiver(severity: str) -> None:
    name = next(name for name, rule in alerts().items() if rule["labels"]["severity"] == severity)

    assert receiver_of(alertname=name, **alerts()[name]["labels"]) == RECEIVERS[severity]


def test_lost_data_and_data_in_the_clear_are_a_page_of_their_own() -> None:
    apart = {
        "KMSGoldenDecryptFailing",
        "KMSKeyDrift",
        "KMSPlaintext",
        "KMSCryptoModeNotKMS",
        "KMSVersionDestructionScheduled",
    }
    [ours] = read(PLAIN)["route"]["routes"]
    [critical] = [route for route in ours["routes"] if route["matchers"] == ['severity="critical"']]

    # What amtool calls the first that matches is the one below `critical`; what it says of itself is inherited else.
    [route] = critical["routes"]

    assert set(_names(route["matchers"])) == apart <= set(alerts())
    assert {receiver_of(alertname=name, **alerts()[name]["labels"]) for name in apart} == {"kms-page"}
    assert {"environment", "target", "alertname", "key"} == set(route["group_by"])
    assert {alerts()[name]["labels"]["severity"] for name in apart} == {"critical"}


def test_the_dead_man_has_a_receiver_of_its_own() -> None:
    labels = alerts()["KMSCanaryDeadMan"]["labels"]

    assert receiver_of(alertname="KMSCanaryDeadMan", **labels) == "kms-dead-man"


def test_the_rehearsal_wakes_nobody() -> None:
    labels = alerts()["KMSCanaryDown"]["labels"]

    assert receiver_of(alertname="KMSCanaryDown", environment="rehearsal", **labels) == "nobody"


def test_a_severity_that_nobody_thought_of_is_a_ticket_and_what_is_not_ours_is_left_alone() -> None:
    assert receiver_of(service="kms", severity="urgent") == "kms-ticket"
    assert receiver_of(alertname="Watchdog", severity="critical") == "nobody"


def test_the_helm_values_hold_the_same_routes_receivers_and_inhibitions() -> None:
    assert read(VALUES)["alertmanager"]["config"] == read(PLAIN)


def test_the_helm_values_hold_the_same_base_of_runbooks_and_drop_it_from_alerts() -> None:
    spec = read(VALUES)["prometheus"]["prometheusSpec"]
    plain = read(PROMETHEUS)

    assert spec["externalLabels"] == plain["global"]["external_labels"]
    assert spec["additionalAlertRelabelConfigs"] == plain["alerting"]["alert_relabel_configs"]
    assert [job["job_name"] for job in spec["additionalScrapeConfigs"]] == [
        job["job_name"] for job in plain["scrape_configs"]
    ]


def test_every_file_of_rules_is_loaded_by_prometheus_and_by_the_command_of_the_chart() -> None:
    written = {file.stem: read(file) for file in (ROOT / "deployments").rglob("*.yml") if "groups" in read(file)}
    [command] = re.findall(r"^# +(\(echo .+\)) > rules-values\.yml$", VALUES.read_text(), re.MULTILINE)
    page = (ROOT / "docs" / "kms-alerts.md").read_text()

    made = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=ROOT)

    assert yaml.safe_load(made.stdout) == {"additionalPrometheusRulesMap": written}
    assert {Path(name).stem for name in read(PROMETHEUS)["rule_files"]} == set(written)
    for part in page.split("\n## Loading them into ")[1:]:
        assert [name for name in written if f"{name}.yml`" not in part] == []


def test_every_key_is_read_from_a_file_that_the_values_mount() -> None:
    pagerduty = [
        row for receiver in read(PLAIN)["receivers"] for row in receiver.get("pagerduty_configs", ())
    ]  # fmt: skip
    mounted = read(VALUES)["alertmanager"]["alertmanagerSpec"]["secrets"]

    files = [Path(row["routing_key_file"]) for row in pagerduty]

    assert {file.parent for file in files} == {Path("/etc/alertmanager/secrets") / name for name in mounted}
    assert len(set(files)) == len(files) == 3
    for file in (PLAIN, VALUES, PROMETHEUS):
        assert not re.search(r"(routing_key|service_key|api_url|credentials|password):", file.read_text())


def test_an_inhibition_names_alerts_that_there_are_and_never_holds_back_a_greater_one() -> None:
    order = ("info", "warning", "critical")
    pairs = [
        (source, target)
        for rule in read(PLAIN)["inhibit_rules"]
        for source in _names(rule["source_matchers"])
        for target in _names(rule["target_matchers"])
    ]

    severity = {name: order.index(rule["labels"]["severity"]) for name, rule in alerts().items()}

    assert pairs
    assert [pair for pair in pairs if severity[pair[0]] < severity[pair[1]]] == []
    assert all({"environment", "target"} <= set(rule["equal"]) for rule in read(PLAIN)["inhibit_rules"])


def test_prometheus_accepts_the_example(tmp_path: Path) -> None:
    example = read(PROMETHEUS)
    token = tmp_path / "token"
    token.write_text("a-token")
    for job in example["scrape_configs"]:
        if "authorization" in job:
            job["authorization"]["credentials_file"] = str(token)
    example["rule_files"] = [str(PROMETHEUS.with_name(name)) for name in example["rule_files"]]
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(example))

    ended = subprocess.run(
        [program("promtool"), "check", "config", str(file)], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_scrapes_of_the_values_are_accepted_as_well(tmp_path: Path) -> None:
    jobs = read(VALUES)["prometheus"]["prometheusSpec"]["additionalScrapeConfigs"]
    file = tmp_path / "prometheus.yml"
    # Debian's Prometheus is built without Kubernetes: the pods are left out, what is done with their labels is not.
    known = [{key: row for key, row in job.items() if key != "kubernetes_sd_configs"} for job in jobs]
    file.write_text(yaml.safe_dump({"scrape_configs": known}))

    ended = subprocess.run(
        [program("promtool"), "check", "config", "--syntax-only", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr


def _names(matchers: list[str]) -> list[str]:
    return [name for matcher in matchers for name in re.findall(r"KMS\w+", matcher)]
