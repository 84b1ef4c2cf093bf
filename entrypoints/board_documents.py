"""The pages of docs/ as the board shows them: a runbook laid out for reading, with its pictures, and no other file."""

from collections.abc import Mapping
from types import MappingProxyType

from entrypoints import project
from entrypoints.serving import Answer
from steps.document_page import document_page

DOCS = project.ROOT / "docs"
# What else the pages link to, and how a browser is told to take it.
_KINDS: Mapping[str, str] = MappingProxyType({".png": "image/png", ".yaml": "text/plain; charset=utf-8"})


def document_at(path: str) -> Answer:
    """Return what is at `/docs/...`: a page, or a file that pages link to; nothing that is not below that folder."""
    try:
        file = (DOCS / path.removeprefix("/docs/")).resolve()
        found = file.read_bytes() if file.is_relative_to(DOCS) and file.suffix in {".md", *_KINDS} else None
    except (OSError, ValueError):  # not there, or no name that a file can have: too long, or with a NUL in it
        found = None
    if found is None:
        return Answer("404 Not Found", b"no page of docs/ has this name\n")
    if file.suffix in _KINDS:
        return Answer("200 OK", found, kind=_KINDS[file.suffix])
    # Relative, as all of the board's links are: a proxy may serve it below any path.
    board = "../" * path.count("/", 1)
    text = found.decode(errors="replace")
    return Answer("200 OK", document_page(text, board).encode(), kind="text/html; charset=utf-8")
