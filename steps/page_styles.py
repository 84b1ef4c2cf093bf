"""What our pages are made with: templates that escape every text, and styles that are allowed by their digest alone."""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_HERE = Path(__file__).parent


def templates() -> Environment:
    """Return the pages' templates, to which each page adds its filters."""
    return Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def style(*names: str) -> Markup:
    """Return the files' rules, in that order."""
    # Ours, and no text of anybody else.
    return Markup("\n".join((_HERE / name).read_text(encoding="utf-8") for name in names))  # noqa: S704 (files of ours)


def digest(css: Markup) -> str:
    """Return what a Content-Security-Policy names the style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()}"
