"""Prefect's own pages in a real browser, as an operator has them open; nothing but this machine can be reached from there."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect, sync_playwright

from tests.program import program

# The pages would otherwise ask the internet for news.
_ARGUMENTS = (
    "--no-sandbox", "--headless", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
_PATIENCE_MS = 60_000


@contextmanager
def browser_page() -> Iterator[Page]:
    """Give an empty page of the size of the README's pictures."""
    browser = program("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(_ARGUMENTS))
        expect.set_options(timeout=_PATIENCE_MS)
        page = chromium.new_page(viewport={"width": 1280, "height": 860})
        page.set_default_timeout(_PATIENCE_MS)
        yield page
        chromium.close()
