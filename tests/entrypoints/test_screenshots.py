"""What an operator sees of the demo's run in Prefect's own pages, in a real browser; on request the README's picture."""

import os
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from domain.checklist import CHECKLIST
from tests.entrypoints.browsing import browser_page
from tests.program import ROOT, Standing

PICTURE = ROOT / "docs" / "images" / "day-1-run.png"


@pytest.fixture
def page(standing: Standing) -> Iterator[Page]:
    """The page of the demo's run, its artifacts open."""
    (run,) = standing.ask(
        "POST",
        "/flow_runs/filter",
        {"flow_runs": {"name": {"like_": "day 1 rehearsal"}}, "limit": 1, "sort": "START_TIME_ASC"},
    )
    with browser_page() as page:
        page.goto(f"{standing.ui}/v2/runs/flow-run/{run['id']}?tab=Artifacts")
        yield page


def test_the_run_shows_its_name_its_verdict_and_its_steps(page: Page) -> None:
    body = page.locator("body")

    expect(body).to_contain_text("day 1 rehearsal")
    expect(body).to_contain_text(f"{len(CHECKLIST)} Task runs")
    expect(body).to_contain_text("GREEN (rehearsal)")
    expect(body).to_contain_text("day-1-rehearsal")
    expect(page.locator("canvas").first).to_be_visible()
    if os.environ.get("OPSFLOWS_WRITE_SCREENSHOTS") == "1":
        page.screenshot(path=PICTURE)
    page.get_by_role("tab", name="Task Runs").click()

    expect(body).to_contain_text(re.compile(r"\d\d A swapped Slack webhook is picked up"))
