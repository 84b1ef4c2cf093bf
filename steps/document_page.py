"""A page of docs/ as HTML in the board's style, for whoever follows a link to a runbook at night."""

from collections.abc import Callable
from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup
from mdit_py_plugins.anchors import anchors_plugin

from steps.page_styles import digest, environment, style

_TEMPLATE = "document_page.html.jinja"
_CSS = style("paper.css", "document_page.css")
_TEMPLATES = environment()
# Links lead to any heading.
_DEEPEST = 6


def document_page(text: str) -> str:
    """Return the HTML of a page in Markdown. Its first line is its title; markup in it is shown as text."""
    body = Markup(_parser()(text))  # noqa: S704 (the parser escapes what is not Markdown)
    title = text.partition("\n")[0].lstrip("# ")
    return _TEMPLATES.get_template(_TEMPLATE).render(title=title, body=body, css=_CSS)


def document_style_digest() -> str:
    """Return what a Content-Security-Policy names the style of these pages by."""
    return digest(_CSS)


@cache
def _parser() -> Callable[[str], str]:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    rendered: Callable[[str], str] = parser.use(anchors_plugin, max_level=_DEEPEST).render
    return rendered
