"""A page of docs/ as HTML in the board's style, for whoever follows a link to a runbook at night."""

from collections.abc import Callable, Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape
from mdit_py_plugins.anchors import anchors_plugin

from steps.page_styles import digest, style, templates

_TEMPLATE = "document_page.html.jinja"
_CSS = style("paper.css", "document_page.css")
_TEMPLATES = templates()
# Links lead to any heading.
_DEEPEST = 6


def document_page(text: str, board: str) -> str:
    """Return the HTML of a page in Markdown, with a link to `board`. Its first line is its title; markup in it is shown as text."""
    body = Markup(_parser()(text))  # noqa: S704 (the parser escapes what is not Markdown, as _markup does)
    title = text.partition("\n")[0].lstrip("# ").replace("`", "")
    return _TEMPLATES.get_template(_TEMPLATE).render(title=title, body=body, css=_CSS, board=board)


def document_style_digest() -> str:
    """Return what a Content-Security-Policy names the style of these pages by."""
    return digest(_CSS)


@cache
def _parser() -> Callable[[str], str]:
    parser = MarkdownIt("commonmark").enable("table").use(anchors_plugin, max_level=_DEEPEST)
    for kind in ("html_block", "html_inline"):
        parser.add_render_rule(kind, _markup)
    rendered: Callable[[str], str] = parser.render
    return rendered


def _markup(_renderer: object, tokens: Sequence[Token], at: int, *_: object) -> str:
    """Return markup as text, and nothing for a comment, which is for those who edit the page."""
    content = tokens[at].content
    return "" if content.strip().startswith("<!--") and content.strip().endswith("-->") else str(escape(content))
