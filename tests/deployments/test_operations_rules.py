"""The rules on opsflows itself: each fires, resolves, is quiet where it should be, and has its page."""

import re

import pytest
import yaml

from tests.deployments.promql import ROOT, series_in
from tests.deployments.test_kms_routing import receiver_of
from tests.deployments.test_kms_rules import SEVERITIES, promtool

RULES_FILE = ROOT / "deployments" / "prometheus" / "operations-rules.yml"
CASES = sorted((ROOT / "tests" / "deployments" / "operations_rules").glob("*.yml"))
PAGE = (ROOT / "docs" / "operations-metrics.md").read_text()
WRITTEN = yaml.safe_load(RULES_FILE.read_text())["groups"][0]["rules"]
RULES = {rule["alert"]: rule for rule in WRITTEN if "alert" in rule}
RECORDED = {rule["record"]: rule for rule in WRITTEN if "record" in rule}
_RUNBOOK = re.compile(r'^\{\{ or \$externalLabels\.runbook_base "(docs/runbooks)" \}\}/(opsflows-[a-z-]+\.md)$')


def test_every_case_comes_out_as_it_says() -> None:
    ended = promtool("test", "rules", *(file.name for file in CASES), cwd=CASES[0].parent)

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_each_alert_is_seen_to_fire_and_to_be_quiet() -> None:
    seen: dict[str, set[bool]] = {}
    for case in (case for file in CASES for case in yaml.safe_load(file.read_text())["tests"]):
        for look in case["promql_expr_test"]:
            name = re.search(r'alertname="(\w+)"', look["expr"])
            assert name
            seen.setdefault(name[1], set()).add(bool(look["exp_samples"]))

    assert seen == {key: {True, False} for key in RULES}


def test_rules_read_no_series_but_those_that_are_documented() -> None:
    known = {*re.findall(r"^\| `(\w+)` \| gauge \|", PAGE, re.MULTILINE), *re.findall(r"`(opsflows:\w+)`", PAGE)}
    both = {**RULES, **RECORDED}

    assert {name: series_in(rule["expr"]) - known for name, rule in both.items()} == {key: set() for key in both}


@pytest.mark.parametrize("name", RULES)
def test_an_alert_has_its_severity_its_page_and_its_receiver(name: str) -> None:
    rule = RULES[name]

    page = _RUNBOOK.match(rule["annotations"]["runbook_url"])

    assert page
    assert (ROOT / page[1] / page[2]).read_text().startswith(f"# {name}\n")
    assert rule["labels"]["severity"] in SEVERITIES
    assert f"| `{name}` | {rule['labels']['severity']} |" in PAGE
    receivers = {"critical": "kms-page", "warning": "kms-ticket"}
    assert receiver_of(alertname=name, **rule["labels"]) == receivers[rule["labels"]["severity"]]
