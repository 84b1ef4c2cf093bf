"""The report of a month in a real browser: on a desk, on a phone, on paper, in the dark and without colour."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from steps.reconciliation_page import page as report
from tests.entrypoints.browsing import browser_page
from tests.program import ROOT
from tests.steps.reconciliations import edition_of, provisional_sample, sample

IMAGES = ROOT / "docs" / "images"
DESK = {"width": 1280, "height": 2300}
PHONE = {"width": 360, "height": 1560}
# Text and the colour that is really behind it, as WCAG 2 reckons; hidden texts are for screen readers and have no colour.
CONTRASTS = """
() => {
  const parse = text => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return {r, g, b, a}; };
  const part = value => { const share = value / 255; return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4; };
  const light = ({r, g, b}) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.a === 1) return colour;
    }
    return {r: 255, g: 255, b: 255};
  };
  return [...document.querySelectorAll('body *')]
    .filter(one => !one.closest('.vh, svg') && [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .map(one => {
      const [a, b] = [light(parse(getComputedStyle(one).color)), light(behind(one))];
      return {text: one.textContent.trim().slice(0, 40), ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)};
    });
}
"""
BESIDE_THE_PAGE = """
() => [...document.querySelectorAll('body *')]
  .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.vh, .scroll'))
  .map(one => `${one.tagName}.${one.className}: ${one.textContent.trim().slice(0, 40)}`)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the sample month, as a file that someone was sent."""
    month = sample()
    file = tmp_path_factory.mktemp("report") / "reconciliation.html"
    file.write_text(report(month, edition_of(month)), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def complaints() -> list[str]:
    return []


@pytest.fixture(scope="module")
def opened(written: Path, complaints: list[str]) -> Iterator[Page]:
    with browser_page() as page:
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda asked: complaints.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None,
        )
        page.goto(written.as_uri())
        yield page


@pytest.fixture
def page(opened: Page) -> Page:
    """The page on a desk, in the light; whatever the test before changed of that is put back."""
    opened.emulate_media(media="screen", color_scheme="light")
    opened.set_viewport_size(DESK)  # type: ignore[arg-type]  # playwright's own type for two numbers
    opened.evaluate("scrollTo(0, 0)")
    return opened


def test_on_a_desk_it_is_read_without_scrolling_sideways(page: Page) -> None:
    assert _overhang(page) == 0
    assert page.evaluate(BESIDE_THE_PAGE) == []
    _picture(page, "reconciliation.png")


def test_on_a_phone_it_is_read_without_scrolling_sideways(page: Page) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # playwright's own type for two numbers

    assert _overhang(page) == 0
    assert page.evaluate(BESIDE_THE_PAGE) == []
    _picture(page, "reconciliation-phone.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)

    texts = page.evaluate(CONTRASTS)

    assert len(texts) > 500
    assert [one for one in texts if one["ratio"] < 4.5] == []


def test_without_colour_every_finding_and_every_day_still_has_a_text(page: Page) -> None:
    page.add_style_tag(content="html { filter: grayscale(1) }")

    findings = page.locator(".f:visible").all_inner_texts()
    days = page.locator(".heat td").all_inner_texts()

    assert len(findings) > 20
    assert all(len(text.strip()) > 2 for text in findings)
    assert len(days) == 31 * 7
    assert all(text.strip() for text in days)


def test_on_paper_nothing_stays_folded(page: Page) -> None:
    page.emulate_media(media="print")

    folded = page.evaluate(
        "[...document.querySelectorAll('.inside')].filter(one => one.checkVisibility() === false).length"
    )

    assert page.locator("details:not([open])").count() > 0
    assert folded == 0


def test_a_click_on_an_integration_leads_to_its_types(page: Page) -> None:
    page.locator("#row-1 a").click()

    assert page.evaluate("location.hash") == "#details-1"
    assert page.locator("#details-1 table").is_visible()


def test_nothing_was_asked_for_and_nothing_complained(page: Page, complaints: list[str]) -> None:
    page.reload()

    assert complaints == []


def test_a_month_that_has_not_settled_says_so_before_anything_else(page: Page, written: Path, tmp_path: Path) -> None:
    month = provisional_sample()
    early = tmp_path / "early.html"
    early.write_text(report(month, edition_of(month, verdict="WAITING")), encoding="utf-8")

    page.goto(early.as_uri())

    banner, table = page.locator(".banner.provisional").bounding_box(), page.locator("#integrations").bounding_box()
    page.goto(written.as_uri())
    assert banner is not None
    assert table is not None
    assert banner["y"] < table["y"]


def _overhang(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def _picture(page: Page, name: str) -> None:
    if os.environ.get("OPSFLOWS_WRITE_SCREENSHOTS") == "1":
        page.screenshot(path=IMAGES / name)
