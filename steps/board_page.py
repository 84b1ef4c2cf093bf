"""The wiring board as one page that needs nothing else: no script, no font, no picture; every text is escaped.

A look is a sign and a word, so that nobody needs colour. The style is allowed by its digest, and no other style or script is.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from jinja2 import Environment
from markupsafe import Markup, escape

from domain.board import Board, Look
from domain.errors import OpsError
from steps.page_styles import digest, style, templates

REFRESH_SECONDS = 60
_TEMPLATE = "board_page.html.jinja"
_AWAY_TEMPLATE = "board_away.html.jinja"
_CSS = style("paper.css", "board_page.css")
_PART_ENDS = re.compile(r"(?<=\w)([/._-])(?=\w)")
SIGN: Mapping[Look, str] = MappingProxyType(
    {Look.HOLD: "▲", Look.NOT_KNOWN: "?", Look.NOT_YET: "○", Look.WAITING: "◐", Look.GREEN: "✓", Look.ASIDE: "·"}
)
MEANING: Mapping[Look, str] = MappingProxyType(
    {
        Look.HOLD: "something failed, is overdue, or waits for a person past the moment",
        Look.NOT_KNOWN: "it could not be seen, or was seen too long ago to say anything of now",
        Look.NOT_YET: "it was never looked at",
        Look.WAITING: "nothing is wrong; a moment is waited for, or someone will be needed",
        Look.GREEN: "it was seen to work, and nothing is overdue",
        Look.ASIDE: "shown only: left out, made by hand, or not in scope",
    }
)


def page(board: Board, *, prefect_ui: str, docs: str, only: str = "", refresh: int = REFRESH_SECONDS) -> str:
    """Return the HTML. `prefect_ui` and `docs` are addresses that links begin with, empty where there are no links to be."""
    return _ENVIRONMENT.get_template(_TEMPLATE).render(
        board=board, verdict=verdict_words(board), prefect=prefect_ui, docs=docs, only=only, refresh=refresh, css=_CSS
    )


def away_page(error: OpsError, at: datetime, refresh: int = REFRESH_SECONDS) -> str:
    """Return the HTML that stands in place of the board while the ledger cannot be read: never an earlier page."""
    return _ENVIRONMENT.get_template(_AWAY_TEMPLATE).render(error=error, at=at, refresh=refresh, css=_CSS)


def verdict_words(board: Board) -> str:
    """Return the verdict in its world: `GREEN (rehearsal)`, `HOLD`."""
    return f"{board.verdict.value} ({board.world})" if board.world else board.verdict.value


def style_digest() -> str:
    """Return what a Content-Security-Policy names our style by."""
    return digest(_CSS)


def _parts(text: str) -> Markup:
    """Return a name, escaped, that may be broken where its parts end rather than anywhere."""
    return Markup(_PART_ENDS.sub(r"\1<wbr>", str(escape(text))))  # noqa: S704 (escaped first)


def _look_class(look: Look) -> str:
    return look.value.lower().replace(" ", "")


def _environment() -> Environment:
    pages = templates()
    pages.filters |= {
        "parts": _parts,
        "look_class": _look_class,
        "minute": lambda at: f"{at:%Y-%m-%d %H:%M} UTC",
        "second": lambda at: f"{at:%Y-%m-%d %H:%M:%S} UTC",
    }
    pages.globals |= {"SIGN": SIGN, "MEANING": MEANING}
    return pages


_ENVIRONMENT = _environment()
