"""Every query of the dashboard is read by Prometheus, asks for a series that is documented, and says whose it is."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployments.promql import ROOT, documented_series, recordings, series_in
from tests.program import program

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deployments" / "grafana" / "kms.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
# As in docs/kms-metrics.md: which table a series stands in says who serves it.
FROM_THE_APPLICATION = ("crypto_", "process_")


def queries(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def test_prometheus_reads_every_query(tmp_path: Path) -> None:
    found = [query for panel in PANELS for query in queries(panel)]
    records = [{"record": f"panel:query:{at}", "expr": _without_variables(query)} for at, query in enumerate(found)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": records}]}))

    ended = subprocess.run(
        [program("promtool"), "check", "rules", str(file)], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{len(found)} rules found" in ended.stdout


def test_every_query_asks_for_a_series_that_is_documented_or_recorded() -> None:
    asked = {query: series_in(_without_variables(query)) for panel in PANELS for query in queries(panel)}

    known = documented_series() | recordings()
    assert {query: found - known for query, found in asked.items() if not found or found - known} == {}


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    shown = {name for panel in PANELS for query in queries(panel) for name in series_in(_without_variables(query))}

    missing = documented_series() - shown
    # What kms:crypto_health_status and kms:decryption_error_rate_5m are made of, and what a heatmap does not need.
    assert missing == {
        "kms_health_up",
        "crypto_decryption_errors_total",
        "crypto_init_timestamp_seconds",
        "crypto_kms_request_duration_seconds_sum",
        "crypto_kms_request_duration_seconds_count",
        # It is of the machine that checks, and of no target.
        "node_textfile_mtime_seconds",
    }


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_whose_figures_it_shows(panel: dict[str, Any]) -> None:
    names = {name for query in queries(panel) for name in series_in(_without_variables(query))}
    expected = {_whose(name) for name in names - recordings()} or {"from the rules"}

    said = {
        whose for whose in ("from the exporter", "from the application", "from the rules") if whose in panel["title"]
    }

    assert said == expected
    assert panel["description"]


def test_a_panel_asks_the_data_source_and_the_targets_that_were_chosen() -> None:
    variables = {row["name"] for row in DASHBOARD["templating"]["list"]}

    # Of the ledger there is one, whatever target is chosen.
    unfiltered = [query for panel in PANELS for query in queries(panel) if query.count("$environment") < 1]

    assert variables == {"datasource", "environment", "target"}
    assert unfiltered == ["max(kms_ledger_up)"]
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${datasource}"}


def test_ids_are_taken_once_and_no_panel_covers_another() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    places = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(set(numbers)) == len(numbers)
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24


def _without_variables(query: str) -> str:
    return query.replace("$__rate_interval", "5m")


def _whose(name: str) -> str:
    return "from the application" if name.startswith(FROM_THE_APPLICATION) else "from the exporter"
