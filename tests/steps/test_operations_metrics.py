"""What is served of opsflows itself: every metric that is documented where it is known, and none where it is not."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from domain.errors import Unavailable
from domain.names import SWEEPER, VERIFY_DUE, Credential, Purpose, Target
from ledger.alerts import mark_sent, raise_alert
from ledger.deployment_ends import record_ends
from ledger.held_credentials import see_credential
from ledger.opening import Ledger
from ledger.questions import ask
from steps.operations_metrics import FAMILIES, OperationsMetrics, Watched
from tests.steps.conftest import OpenScene
from tests.steps.rehearsal_context import Scene
from vendors.registry import ROTATIONS

PAGE = (Path(__file__).parents[2] / "docs" / "operations-metrics.md").read_text()


@pytest.fixture
def prod(open_in: OpenScene) -> Scene:
    return open_in("prod")


def served(scene: Scene, ledger: Ledger | None = None) -> dict[str, dict[tuple[str, ...], float]]:
    def opened() -> Ledger:
        if ledger is None:
            raise Unavailable("The database does not answer.", "Nothing is known.", "Wait.")
        return ledger

    registry = CollectorRegistry(auto_describe=False)
    registry.register(OperationsMetrics(Watched(scene.config, ROTATIONS), opened))
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        found[family.name] = {tuple(sample.labels.values()): sample.value for sample in family.samples}
    return found


def test_names_and_labels_are_those_of_the_page() -> None:
    rows = re.findall(r"^\| `(\w+)` \| gauge \| (.+?) \| ", PAGE, re.MULTILINE)
    documented = {
        name: tuple(re.findall(r"`(environment|deployment|urgency|credential|part)`", labels)) for name, labels in rows
    }

    assert documented == {row.name: row.all_labels for row in FAMILIES}


def test_a_ledger_that_is_away_is_said_and_nothing_of_it_is_served(prod: Scene) -> None:
    found = served(prod)

    assert set(found) == {"opsflows_ledger_up", "opsflows_deployment_limit_seconds"}
    assert found["opsflows_ledger_up"] == {(): 0}
    assert found["opsflows_deployment_limit_seconds"]["sweeper",] == 65 * 60


def test_of_a_new_ledger_counts_are_nought_and_moments_absent(prod: Scene) -> None:
    found = served(prod, prod.ledger)

    assert found["opsflows_alerts_open"] == {
        ("prod", "page"): 0,
        ("prod", "ticket"): 0,
        ("-", "page"): 0,
        ("-", "ticket"): 0,
    }
    assert found["opsflows_ledger_readable"] == dict.fromkeys(
        ((part,) for part in ("alerts", "credentials", "deployments", "overlaps", "questions")), 1
    )
    assert {name for name in found if "timestamp" in name} == set()


def test_what_the_ledger_knows_is_served(prod: Scene) -> None:
    now = prod.ledger.now()
    record_ends(prod.ledger, {SWEEPER: now, VERIFY_DUE: None})
    raise_alert(prod.ledger, "a", environment="prod", target="t", text="t.", runbook="r", urgency="page")
    raise_alert(prod.ledger, "b", environment="-", target="t", text="t.", runbook="r")
    mark_sent(prod.ledger, "a")
    ask(prod.ledger, "prod", 21, "slack", "Is it there?", now - timedelta(hours=1))

    credential = Credential(Target("datadog"), "prod", Purpose.SEND)
    see_credential(prod.ledger, credential, "fingerprint")

    found = served(prod, prod.ledger)

    assert found["opsflows_credential_since_timestamp_seconds"][str(credential), "prod"] >= now.timestamp()
    assert found["opsflows_credential_due_timestamp_seconds"][str(credential), "prod"] > now.timestamp()
    assert found["opsflows_deployment_last_good_timestamp_seconds"] == {("sweeper",): pytest.approx(now.timestamp())}
    assert found["opsflows_deployment_ended_well"] == {("sweeper",): 1, ("verify-due",): 0}
    assert found["opsflows_runs_looked_at_timestamp_seconds"][()] >= now.timestamp()
    assert found["opsflows_alerts_open"]["prod", "page"] == 1
    assert found["opsflows_alerts_unsent"] == {("prod",): 0, ("-",): 1}
    assert found["opsflows_questions_overdue"] == {("prod",): 1}
