"""A rotation as an operator does it in Prefect's own pages: planned and applied from the form, its overlap a scheduled run."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.store import save_values
from domain.names import ROTATE, STEP_ROTATION, Target
from tests.entrypoints.browsing import browser_page
from tests.program import ROOT, Beside, Ended, Standing, eventually
from vendors.registry import INTEGRATIONS

IMAGES = ROOT / "docs" / "images"
CREDENTIAL = "opsgenie-default-rehearsal-send"
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@pytest.fixture
def known(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> Standing:
    """An opsflows in whose rehearsal the credential works with the stand-ins that run now."""
    monkeypatch.setenv("PREFECT_API_URL", standing.api)
    found = re.search(r"^Stand-ins +(\S+)$", standing.output, re.MULTILINE)
    assert found
    values = httpx.get(f"{found[1]}/_control/opsgenie/credentials", trust_env=False).json()
    with temporary_settings({PREFECT_API_URL: standing.api}):
        save_values(INTEGRATIONS["opsgenie"], Target("opsgenie"), "rehearsal", values)
    return standing


@pytest.fixture
def adopted(known: Standing) -> Ended:
    """What adopting the credential came to; done before there is a browser, beside whose loop no other may run."""
    return Beside(known).run("adopt", CREDENTIAL, "--by", "ana", "--ticket", "UI-2")


@pytest.fixture
def page(known: Standing) -> Iterator[Page]:
    del known
    with browser_page() as page:
        yield page


def fill_form(page: Page, standing: Standing, *, ticket: str, mode: str) -> None:
    """Open the deployment, choose Custom run, fill what must be filled, and submit."""
    page.goto(f"{standing.ui}/v2/deployments/deployment/{standing.deployment(ROTATE)['id']}")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Custom run").click()
    choose(page, "Select credentials", "opsgenie send", several=True)
    choose(page, "Select environment", "rehearsal")
    choose(page, "Select reason", "test")
    page.get_by_label("operator", exact=True).fill("ana")
    page.get_by_label("ticket", exact=True).fill(ticket)
    if mode != "plan":
        choose(page, "Select mode", mode)
    picture(page, "form.png")
    # Whether it was taken the run says; the page's own word for it is gone after seconds.
    page.get_by_role("button", name="Submit").click()


def choose(page: Page, label: str, option: str, *, several: bool = False) -> None:
    """Choose from a list. Until it has faded out it lies over the others, and a click on the next one only closes it."""
    page.get_by_label(label).click()
    page.get_by_role("option", name=option).click()
    if several:
        page.keyboard.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)


def picture(page: Page, name: str) -> None:
    """Keep a picture for the docs, where that was asked for."""
    if os.environ.get("OPSFLOWS_WRITE_SCREENSHOTS") == "1":
        page.screenshot(path=IMAGES / name)


def ended_run(standing: Standing, ticket: str) -> dict[str, Any]:
    """Return the run of that ticket once it has ended."""

    def look() -> dict[str, Any] | None:
        runs = standing.runs_of(ROTATE, *ENDED)
        return next((run for run in runs if run["parameters"].get("ticket") == ticket), None)

    return eventually(look, within_s=120)


def bundle_of(standing: Standing, ticket: str) -> Path:
    """Return the folder of the audit bundle of the run with this ticket."""
    manifests = standing.home.path.glob("audit/rotate-credentials/*/*/*/*/manifest.json")
    (found,) = (manifest.parent for manifest in manifests if f'"{ticket}"' in manifest.read_text())
    return found


def artifact_of(standing: Standing, run: dict[str, Any], key: str) -> str:
    """Return the id of what the run published under this key."""
    chosen = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}, "key": {"any_": [key]}}}
    (found,) = standing.ask("POST", "/artifacts/filter", chosen)
    return str(found["id"])


def keys_of(standing: Standing, run: dict[str, Any]) -> list[str]:
    """Return what the run published, in the order in which Prefect's pages list it: the newest first."""
    rows = standing.ask("POST", "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    return [row["key"] for row in sorted(rows, key=lambda row: str(row["created"]), reverse=True)]


@pytest.mark.prove
def test_a_plan_from_the_form_changes_nothing_and_says_so(page: Page, standing: Standing) -> None:
    fill_form(page, standing, ticket="UI-1", mode="plan")

    run = ended_run(standing, "UI-1")
    page.goto(f"{standing.ui}/v2/runs/flow-run/{run['id']}?tab=Artifacts")
    body = page.locator("body")
    expect(body).to_contain_text("rotation-plan-rehearsal")
    expect(body).to_contain_text("Planned")
    # The first words of the page say what and for whom; its tags are what run history is narrowed to.
    expect(body).to_contain_text("rotate opsgenie send rehearsal (test, plan)")
    for tag in ("environment:rehearsal", "mode:plan", "reason:test", "tier:ticket"):
        expect(body).to_contain_text(tag)
    assert run["parameters"]["credentials"] == ["opsgenie send"]
    assert run["state"]["name"] == "Planned", run["state"]["message"]
    assert CREDENTIAL in (bundle_of(standing, "UI-1") / "report.md").read_text()


def test_a_rotation_applied_from_the_form_waits_as_a_scheduled_run_and_can_be_read_afterwards(
    adopted: Ended, page: Page, standing: Standing
) -> None:
    fill_form(page, standing, ticket="UI-2", mode="apply")

    run = ended_run(standing, "UI-2")
    report = (bundle_of(standing, "UI-2") / "report.md").read_text()
    found = re.search(r"rotation: (r[0-9a-f]{11})", report)
    body = page.locator("body")
    page.goto(f"{standing.ui}/v2/deployments/deployment/{standing.deployment(STEP_ROTATION)['id']}?tab=Upcoming")
    expect(body).to_contain_text(f"step {CREDENTIAL} (overlap over)")
    page.goto(f"{standing.ui}/v2/runs/flow-run/{run['id']}?tab=Artifacts")
    expect(body).to_contain_text("rotation-report-rehearsal")
    expect(body).to_contain_text("rotations-rehearsal")
    expect(body).to_contain_text("Waiting")
    page.goto(f"{standing.ui}/v2/artifacts/artifact/{artifact_of(standing, run, 'rotations-rehearsal')}")
    expect(body).to_contain_text(CREDENTIAL)
    expect(body).to_contain_text("Old and new both work until")
    page.goto(f"{standing.ui}/v2/artifacts/artifact/{artifact_of(standing, run, 'rotation-report-rehearsal')}")
    # The page holds the text before it draws it.
    expect(page.get_by_role("heading", name="Rotation: WAITING (rehearsal)")).to_be_visible()
    expect(body).to_contain_text(CREDENTIAL)
    picture(page, "rotation-run.png")
    page.goto(f"{standing.ui}/v2/runs")
    expect(body).to_contain_text("rotate opsgenie send rehearsal (test, apply)")
    picture(page, "run-history.png")

    assert (adopted.code, adopted.err) == (0, "")
    assert re.search(rf"^{CREDENTIAL} is \S+, because .+ \(rotation r[0-9a-f]{{11}}\)\.$", adopted.out, re.MULTILINE)
    assert (run["state"]["type"], run["state"]["name"]) == ("COMPLETED", "Waiting"), run["state"]["message"]
    assert found
    assert keys_of(standing, run)[:2] == ["rotation-report-rehearsal", "rotations-rehearsal"]
    assert f"## {CREDENTIAL}" in report
    assert "Old and new both work until" in report
    scheduled = [
        one for one in standing.runs_of(STEP_ROTATION, "SCHEDULED") if one["parameters"] == {"rotation": found[1]}
    ]
    assert [one["name"] for one in scheduled] == [f"step {CREDENTIAL} (overlap over)"]
    assert f"until {scheduled[0]['next_scheduled_start_time'][:16].replace('T', ' ')} UTC" in report
