"""Checks of what operators type, shared by the vendors' variables. No message ever repeats a value."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from domain.errors import BadInput

NOTHING_SENT = "Nothing was sent."


def matching(pattern: str, what: str, hint: str) -> Callable[[str], str]:
    """Return a check that the whole value fits `pattern`; `what` completes 'is not ...'."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise BadInput(f"the value ({len(value)} characters) is not {what}.", NOTHING_SENT, hint)
        return value

    return check


def one_of(choices: tuple[str, ...], hint: str) -> Callable[[str], str]:
    """Return a check that the value is one of the published ones."""

    def check(value: str) -> str:
        if value not in choices:
            raise BadInput(f"the value is none of {', '.join(choices)}.", NOTHING_SENT, hint)
        return value

    return check


def web_address(hint: str) -> Callable[[str], str]:
    """Return a check that the value is an http(s) URL with a host and without user, query or fragment."""

    def check(value: str) -> str:
        try:
            parts = urlsplit(value)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.username or parts.query or parts.fragment:
            raise BadInput("the value is not a web address like https://host:port/path.", NOTHING_SENT, hint)
        return value.rstrip("/")

    return check
