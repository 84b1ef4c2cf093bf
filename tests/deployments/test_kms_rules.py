"""The KMS rules are read by Prometheus' own tools: each alert fires, stays quiet in the grace period and resolves."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployments.promql import ROOT, RULES_FILE, alerts, documented_series, recordings, rules, series_in
from tests.program import program

CASES = sorted((Path(__file__).parent / "kms_rules").glob("*.yml"))
SEVERITIES = {"critical", "warning", "info"}
# What only a name in the grace's own expression would show: every alert whose expression asks for it.
WITH_GRACE = {name for name, rule in alerts().items() if "kms:in_start_grace" in rule["expr"]}
# Alerts on the application's own state; the others rest on the KMS, or on whether somebody looks.
RESTS_ON_THE_APPLICATION = {
    "KMSCryptoModeNotKMS", "KMSModeNotActive", "KMSCryptoNotReady", "KMSCryptoModeFlapping", "KMSHealthChecksFailing",
    "KMSHealthEndpointDown", "KMSHighCryptoErrorRate", "KMSDecryptionErrorsBurst", "KMSDecryptionFailuresPersistent",
    "KMSInitFailure", "KMSServiceUnreachable", "KMSHighLatency", "KMSCanaryDown", "KMSCanaryDownTicket", "KMSCanaryFlapping",
}  # fmt: skip
OF_THE_CHECKS = {
    "KMSGoldenDecryptFailing", "KMSKeyDrift", "KMSCanaryStale", "KMSCanaryDeadMan", "KMSCanarySlow",
    "KMSVersionDestructionScheduled", "KMSRotationOverdue", "KMSPlaintext", "KMSTextfileStale",
}  # fmt: skip
# What is of no target says of which file it is.
WHOSE = {"KMSTextfileStale": ("instance", "file")}
_PAGE = re.compile(r'^\{\{ or \$externalLabels\.runbook_base "(docs/runbooks)" \}\}/(kms-[a-z-]+\.md)$')


def promtool(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=240, cwd=cwd
    )


def cases() -> list[dict[str, Any]]:
    return [case for file in CASES for case in yaml.safe_load(file.read_text())["tests"]]


def looked_for(case: dict[str, Any]) -> dict[str, list[bool]]:
    """Return what a case looks for: per alert whether it is to fire, in the order of time."""
    found: dict[str, list[bool]] = {}
    for look in case.get("promql_expr_test", ()):
        name = re.search(r'alertname="(\w+)"', look["expr"])
        found.setdefault(name[1] if name else "", []).append(bool(look["exp_samples"]))
    return found


def test_prometheus_accepts_the_rules() -> None:
    ended = promtool("check", "rules", str(RULES_FILE))

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{len(rules())} rules found" in ended.stdout


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_every_case_of_the_rules_comes_out_as_it_says(file: Path) -> None:
    ended = promtool("test", "rules", file.name, cwd=file.parent)

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_each_alert_has_a_case_in_which_it_fires_and_resolves() -> None:
    shown = {
        name
        for case in cases()
        for name, seen in looked_for(case).items()
        if case["name"] == f"{name}: fires and resolves" and seen == [False, True, False]
    }

    assert shown == set(alerts())


def test_each_alert_on_the_applications_own_state_has_a_case_of_its_grace() -> None:
    shown = {
        name
        for case in cases()
        for name, seen in looked_for(case).items()
        if case["name"] == f"{name}: is quiet in the grace period" and seen == [True, False, False, True]
    }

    assert shown == WITH_GRACE == RESTS_ON_THE_APPLICATION
    assert set(alerts()) - WITH_GRACE == OF_THE_CHECKS | {"KMSBackendRestarted"}


@pytest.mark.prove
def test_without_the_grace_each_case_of_it_fails(tmp_path: Path) -> None:
    started = next(rule["expr"] for rule in rules() if rule.get("record") == "kms:in_start_grace")

    failed = failing_alerts(tmp_path, RULES_FILE.read_text(), {started: "vector(0)"}, only="grace")

    assert failed >= WITH_GRACE


@pytest.mark.prove
def test_without_their_waiting_the_alerts_that_wait_fail_a_case(tmp_path: Path) -> None:
    failed = failing_alerts(tmp_path, re.sub(r"\n +for: \w+", "", RULES_FILE.read_text()), {})

    assert failed >= {name for name, rule in alerts().items() if "for" in rule}


def test_rules_read_no_series_but_those_that_are_documented() -> None:
    read = {name: series_in(rule["expr"]) for rule in rules() for name in [rule.get("alert") or rule["record"]]}

    known = documented_series() | recordings()
    assert {name: found - known for name, found in read.items() if not found or found - known} == {}


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_to_whom_it_goes_what_it_means_and_where_its_page_is(name: str) -> None:
    rule = alerts()[name]

    page = _PAGE.match(rule["annotations"]["runbook_url"])

    assert rule["labels"] == {"severity": rule["labels"]["severity"], "service": "kms"}
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert {
        label
        for label in WHOSE.get(name, ("environment", "target"))
        if f"$labels.{label}" not in rule["annotations"]["summary"]
    } == set()
    assert page
    assert (ROOT / page[1] / page[2]).read_text().startswith(f"# {name}\n")


def test_each_alert_and_its_severity_is_in_the_table_for_people() -> None:
    page = (ROOT / "docs" / "kms-alerts.md").read_text()

    listed = re.findall(r"^\| `(KMS\w+)` \| (\w+) \| .+ \| ([ELA]) \| (.+) \|$", page, re.MULTILINE)

    assert {name: severity for name, severity, _, _ in listed} == {
        name: rule["labels"]["severity"] for name, rule in alerts().items()
    }
    assert {name for name, _, _, grace in listed if grace != "no"} == WITH_GRACE
    assert set(re.findall(r"^\| `(kms:\w+)` \|", page, re.MULTILINE)) == recordings()


def failing_alerts(folder: Path, text: str, changed: dict[str, str], only: str = "") -> set[str]:
    """Return the alerts that a case misses or sees too much of when the rules are changed."""
    spoiled = yaml.safe_load(text)
    for rule in spoiled["groups"][0]["rules"]:
        rule["expr"] = changed.get(rule["expr"], rule["expr"])
    (folder / "kms.yml").write_text(yaml.safe_dump(spoiled, sort_keys=False))
    copied = [file for file in CASES if file.stem == only or not only]
    for file in copied:
        case = file.read_text().replace("../../../deployments/prometheus/kms.yml", "kms.yml")
        (folder / f"case-{file.name}").write_text(case)
    ended = promtool("test", "rules", *(f"case-{file.name}" for file in copied), cwd=folder)
    return set(re.findall(r'expr: "ALERTS\{alertname=\\"(\w+)\\"', ended.stdout + ended.stderr))
