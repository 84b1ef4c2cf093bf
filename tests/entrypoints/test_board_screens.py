"""The board of a rehearsed home in a real browser, on a desk and on a phone, in light and in dark; on request the pictures of docs/board.md."""

import os
import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.entrypoints.browsing import browser_page
from tests.program import ROOT, Standing, eventually

IMAGES = ROOT / "docs" / "images"
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 375, "height": 812}


@pytest.fixture(scope="module")
def board(standing: Standing) -> str:
    """The address of the board that `opsflows up` serves."""
    assert standing.api
    found = re.search(r"^Board +(\S+)$", standing.output, re.MULTILINE)
    assert found
    return f"{found[1]}/"


@pytest.fixture(scope="module")
def page(board: str) -> Iterator[Page]:
    with browser_page() as page:
        yield page


def test_the_rehearsed_integrations_are_shown_and_lead_into_prefect(board: str, page: Page, standing: Standing) -> None:
    _opened(page, board)

    expect(page.locator("h1")).to_contain_text("(rehearsal)")
    # One of those that no test rotates, so that it has one row.
    expect(page.locator("#rehearsal tr", has_text="sentry")).to_contain_text("PASS")
    expect(page.locator("#schedules")).to_contain_text("sweeper")
    page.get_by_role("link", name="run verified in Prefect").first.click()

    expect(page.locator("body")).to_contain_text("day 1 rehearsal")
    assert page.url.startswith(standing.ui)


@pytest.mark.parametrize(
    ("picture", "size", "scheme"),
    [
        ("board.png", DESK, "light"),
        ("board-dark.png", DESK, "dark"),
        ("board-phone.png", PHONE, "light"),
        ("board-phone-dark.png", PHONE, "dark"),
    ],
    ids=["desk light", "desk dark", "phone light", "phone dark"],
)
def test_it_fits_and_asks_nothing_of_any_other_place(
    picture: str, size: dict[str, int], scheme: Literal["light", "dark"], board: str, page: Page
) -> None:
    said: list[str] = []
    asked: set[str] = set()
    # What another test showed before asks on until the page is left.
    page.goto("about:blank")
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.add(request.url.partition("?")[0]))
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    page.emulate_media(color_scheme=scheme)

    _opened(page, board)

    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    assert (said, asked) == ([], {board})
    if os.environ.get("OPSFLOWS_WRITE_SCREENSHOTS") == "1":
        page.screenshot(path=IMAGES / picture)


def _opened(page: Page, board: str) -> None:
    """Open the rehearsal's board once Prefect was seen by it, and the scheduler has made its runs."""
    address = f"{board}?environment=rehearsal&refresh=no"

    def is_seen() -> bool:
        page.goto(address)
        text = page.locator("#schedules").inner_text()
        return "not known" not in text and "no run is scheduled yet" not in text and "none is scheduled" not in text

    eventually(is_seen, within_s=120, every_s=2)
