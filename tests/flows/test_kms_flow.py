"""Smoke checks through Prefect: green where a service encrypts with its KMS, a diagnosis and one page where it does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter
from prefect.client.schemas.objects import State

from domain.kms_checks import Checked, faulty, passed
from domain.kms_history import Judged
from domain.names import KMS_SMOKE
from domain.quarters import Quarter
from flows.review_kms import review_kms
from flows.smoke_kms import smoke_kms
from flows.sweep_what_is_due import sweep_what_is_due
from ledger.alerts import open_alerts
from ledger.auditing import verify_audit
from ledger.kms_checks import last_check, record_check, standings
from ledger.kms_goldens import goldens
from ledger.kms_judgements import judge_spell
from ledger.runs import runs
from tasks.kms_again import NOT_SCHEDULED, ask_again, schedule_next
from tasks.preparing import read_own_config
from tests.flows.conftest import Desk

CONFIG = """
[environments.rehearsal]
kind = "rehearsal"
in_scope = ["slack"]
platforms = ["gcpkms"]

[environments.rehearsal.alerts]
page = "slack"
ticket = "slack"

[environments.staging]
kind = "staging"
in_scope = ["slack"]
allowed_hosts = ["127.0.0.1"]

[environments.staging.addresses]
slack = "{url}/slack"

[kms.sample]
environment = "rehearsal"
base_url = "$STAND_INS/backend"
log_command = ["sh", "-c", "echo starting; echo $BACKEND said {long}; echo $OPSFLOWS_HOME; exit 3"]

[kms.sample.application]
encrypt = "/crypto/canary/encrypt"
decrypt = "/crypto/canary/decrypt"
envelope = "kms:v1:"
token = "kms-sample-canary"

[kms.sample.keys.main]
provider = "gcp"
credentials = "gcpkms"
rotation_days = 3650
"""
LIVE = """
[kms.pay]
environment = "staging"
base_url = "{url}/backend"

[kms.pay.application]
encrypt = "/crypto/canary/encrypt"
decrypt = "/crypto/canary/decrypt"
envelope = "kms:v1:"
token = "kms-pay-canary"
"""
PLAINTEXT = "kms:rehearsal:sample:application"


@pytest.fixture
def kms_desk(desk: Desk, tmp_path: Path) -> Desk:
    configure(desk, tmp_path)
    return desk


def configure(desk: Desk, folder: Path, more: str = "") -> None:
    text = (CONFIG + more).format(url=desk.stand_ins.url, long="x" * 400)
    (folder / "opsflows.toml").write_text(text)


def check(targets: str = "sample") -> State[Any]:
    state: State[Any] = smoke_kms(targets=targets.split(), operator="ana", reason="test", return_state=True)
    return state


def told(desk: Desk) -> list[str]:
    """Return the texts that arrived at Slack, where pages of this rehearsal go."""
    return [str(one) for one in desk.stand_ins.control("GET", "/slack/requests") if "sample" in str(one)]


def fall_back(desk: Desk) -> None:
    desk.stand_ins.control("POST", "/backend/actions/fall_back", {"how": "plain"})


def mend(desk: Desk) -> None:
    desk.stand_ins.control("POST", "/backend/actions/fall_back", {"how": ""})


def log_of(report: str) -> list[str]:
    """Return the log lines that a report shows, without those that say nothing."""
    shown = report.partition("## The service's last log lines")[2].partition("## ")[0]
    return [line.strip() for line in shown.splitlines() if line.strip()]


def artifacts() -> set[str]:
    with get_client(sync_client=True) as client:
        return {one.key or "" for one in client.read_artifacts()}


def test_a_service_that_encrypts_with_its_kms_is_green_and_has_its_first_golden_ciphertext(kms_desk: Desk) -> None:
    state = check()

    [golden] = goldens(kms_desk.ledger, "rehearsal", "sample")
    [run] = runs(kms_desk.ledger)
    assert (state.name, state.message) == ("Completed", "GREEN (rehearsal): sample: 8 parts passed.")
    assert (golden.key_name, golden.source, golden.fault) == ("main", "minted", "")
    assert (run.flow, run.environment, run.actor, run.verdict) == ("kms-smoke", "rehearsal", "ana", "GREEN")
    assert {"kms-rehearsal-sample", "kms-rehearsal-sample-parts"} <= artifacts()
    assert told(kms_desk) == []
    assert verify_audit(kms_desk.ledger, kms_desk.home).breaks == ()


def reports_of(desk: Desk) -> list[str]:
    """Return the reports in the order in which they were written: the names of runs of one second have none."""
    files = desk.home.glob("audit/kms-smoke/*/*/*/*/report.md")
    return [file.read_text() for file in sorted(files, key=lambda file: file.stat().st_mtime_ns)]


def test_plaintext_behind_a_well_health_page_is_a_hold_told_once_and_over_after_two_passes(kms_desk: Desk) -> None:
    fall_back(kms_desk)
    fallen, again = check(), check()
    paged = told(kms_desk)
    was_open = {alert.key for alert in open_alerts(kms_desk.ledger)}
    mend(kms_desk)
    once, twice = check(), check()

    reports = reports_of(kms_desk)
    assert [state.name for state in (fallen, again, once, twice)] == ["Hold", "Hold", "Hold", "Completed"]
    assert (fallen.message or "").startswith(
        "HOLD (rehearsal): sample application is DOWN. The application's encryption returned the text unencrypted"
    )
    assert (len(paged), was_open) == (1, {PLAINTEXT})
    assert "Stop its writes" in paged[0]
    assert "sample: application passed again" in (once.message or "")
    assert (told(kms_desk), open_alerts(kms_desk.ledger)) == (paged, [])
    assert [log_of(report) for report in reports[:2]] == [["starting", f"said {'x' * 292}..."]] * 2
    assert [log_of(report) for report in reports[2:]] == [[], []]
    assert verify_audit(kms_desk.ledger, kms_desk.home).breaks == ()


def test_a_token_that_is_not_there_is_told_as_that_and_hides_no_other_part(kms_desk: Desk, tmp_path: Path) -> None:
    configure(kms_desk, tmp_path, LIVE)
    without = check("pay")
    Secret(value=kms_desk.stand_ins.control("GET", "/backend/credentials")["BACKEND_TOKEN"]).save("kms-pay-canary")
    given = check("pay")

    kept = last_check(kms_desk.ledger, "staging", "pay")
    assert without.name == "Waiting"
    assert "The Prefect Secret block 'kms-pay-canary' is not there." in (without.message or "")
    assert (given.name, given.message) == ("Completed", "GREEN: pay: 2 parts passed.")
    assert kept is not None
    assert set(standings(kms_desk.ledger, "staging", "pay")) == {"health", "application"}
    # No deployment is there that could ask again.
    reports = reports_of(kms_desk)
    assert [NOT_SCHEDULED in text for text in (without.message or "", *reports, given.message or "")] == [True, True, False, False]  # fmt: skip


def test_the_next_answer_that_a_killed_run_did_not_ask_for_is_asked_for_once_by_the_sweeper(
    kms_desk: Desk, tmp_path: Path
) -> None:
    configure(kms_desk, tmp_path, LIVE)
    config = read_own_config()
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(smoke_kms), KMS_SMOKE.partition("/")[2])
    # The run is killed here: what it saw is kept, and nothing more.
    record_check(kms_desk.ledger, "killed", Checked("staging", "pay", (faulty("health", "health.timeout", "3 s"),)))
    before = ask_again(kms_desk.ledger, config)
    later = replace(kms_desk.ledger, offset=timedelta(minutes=3))

    said = [ask_again(later, config) for _ in range(2)]

    with get_client(sync_client=True) as client:
        coming = client.read_flow_runs(deployment_filter=DeploymentFilter(id={"any_": [deployment]}))
    assert (before, said) == ([], [["staging: pay asked again."]] * 2)
    assert [(one.name, one.parameters["targets"], one.parameters["environment"]) for one in coming] == [
        ("kms smoke pay (asked again)", ["pay"], "staging")
    ]


def test_a_target_that_the_deployed_form_does_not_know_yet_is_asked_again_with_its_whole_environment(
    kms_desk: Desk, tmp_path: Path
) -> None:
    configure(kms_desk, tmp_path, LIVE)
    older = {"type": "object", "properties": {"targets": {"type": "array", "items": {"enum": ["shop"]}}}}
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(
            client.create_flow(smoke_kms), KMS_SMOKE.partition("/")[2], parameter_openapi_schema=older, enforce_parameter_schema=True
        )  # fmt: skip

    is_seen_to = schedule_next(kms_desk.ledger, "staging", ["pay"], kms_desk.ledger.now(), "older form")

    with get_client(sync_client=True) as client:
        coming = client.read_flow_runs(deployment_filter=DeploymentFilter(id={"any_": [deployment]}))
    asked = [one.parameters["targets"] for one in coming if one.name == "kms smoke pay (asked again)"]
    assert (is_seen_to, [] in asked) == (True, True)


def test_the_sweeper_tells_of_a_service_that_nobody_checks_any_more(kms_desk: Desk, tmp_path: Path) -> None:
    configure(kms_desk, tmp_path, LIVE)
    earlier = replace(kms_desk.ledger, offset=-timedelta(minutes=71))
    record_check(earlier, "run", Checked("staging", "pay", (passed("health"),)))

    state = sweep_what_is_due(return_state=True)

    [alert] = open_alerts(kms_desk.ledger)
    assert (state.name, alert.key, alert.urgency) == ("Completed", "kms:staging:pay:unwatched", "page")


@pytest.mark.parametrize(
    ("targets", "name", "says"),
    [
        ("", "NothingDue", "No [kms.<target>] outside the rehearsal is declared in opsflows.toml."),
        ("moon", "BadInput", "moon is no [kms.<target>] of opsflows.toml."),
    ],
)
def test_what_is_not_declared_is_not_checked(kms_desk: Desk, targets: str, name: str, says: str) -> None:
    state = check(targets)

    assert (state.name, (state.message or "")[: len(says)]) == (name, says)
    assert runs(kms_desk.ledger) == []


def test_a_quarter_is_on_hold_until_what_was_down_before_it_is_judged(kms_desk: Desk) -> None:
    for _ in range(2):
        record_check(kms_desk.ledger, "run", Checked("rehearsal", "sample", (passed("health"), faulty("canary/main", "kms.unreachable", "no answer"))))  # fmt: skip
    this = Quarter.before(datetime.now(UTC) + timedelta(days=100))

    waits = review_kms(quarter=str(this), environment="rehearsal", return_state=True)
    judge_spell(kms_desk.ledger, "run", 1, Judged.FALSE_ALARM, who="ana", note="the VPN")
    judged = review_kms(quarter=str(this), environment="rehearsal", return_state=True)

    bundles = list(kms_desk.home.glob("audit/kms-review/*/*/*/*"))
    # By what they came to: both began in one second, and their names say no more.
    reports = {(one / "report.md").read_text().split()[1]: one for one in bundles}
    assert (waits.name, judged.name) == ("Waiting", "Completed")
    assert "opsflows kms judge 1" in (waits.message or "")
    assert "not judged (1 spells" in (reports["WAITING"] / "report.md").read_text()
    assert "1 of 1 judged spells (100 %)" in (reports["GREEN"] / "report.md").read_text()
    assert (reports["GREEN"] / "review.json").exists()
