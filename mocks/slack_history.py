"""How Slack pages a channel's history: by cursor, newest first, with bounds that are exclusive unless asked otherwise."""

import base64
import binascii
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mocks.slack_memory import Message

DEFAULT_PAGE_MESSAGES = 100
LARGEST_PAGE_MESSAGES = 999
_TS = re.compile(r"\d{1,11}(\.\d{1,6})?")


class Refusal(Exception):
    """A method's refusal, in Slack's word for it."""

    def __init__(self, error: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.details = dict(details or {})


@dataclass(frozen=True, slots=True)
class Page:
    """The messages of one page, newest first, and where the next one starts (empty on the last)."""

    timestamps: list[str]
    next_cursor: str


def stretch_of_history(messages: Sequence[Message], arguments: Mapping[str, Any]) -> Sequence[Message]:
    """Return the messages, in the order of their ts, that the bounds let through, with those that have a bound's own ts.

    Raises:
        Refusal: invalid_ts_oldest or invalid_ts_latest.
    """
    oldest, latest = (_bound(arguments, name) for name in ("oldest", "latest"))
    first = 0 if oldest is None else bisect_left(messages, oldest, key=_micros_of)
    beyond = len(messages) if latest is None else bisect_right(messages, latest, key=_micros_of)
    return messages[first:beyond]


def page_of_history(timestamps: list[str], arguments: Mapping[str, Any], largest: int) -> Page:
    """Return the page that the arguments ask for, of at most `largest` messages, however many were wanted.

    With `oldest` alone the first page is the oldest one and cursors walk forward; else the first is the newest.
    Source: https://docs.slack.dev/reference/methods/conversations.history

    Raises:
        Refusal: invalid_ts_oldest, invalid_ts_latest, invalid_limit or invalid_cursor.
    """
    oldest, latest = (_bound(arguments, name) for name in ("oldest", "latest"))
    inclusive = str(arguments.get("inclusive", "")).lower() in {"1", "true"}
    in_order = sorted((ts for ts in timestamps if _within(ts, oldest, latest, inclusive=inclusive)), key=_micros)
    forward = oldest is not None and latest is None
    if not forward:
        in_order.reverse()
    start = _start(in_order, str(arguments.get("cursor") or ""), forward=forward)
    size = min(_size(arguments), largest)
    page, rest = in_order[start : start + size], in_order[start + size :]
    cursor = base64.b64encode(f"next_ts:{page[-1]}".encode()).decode() if rest else ""
    return Page(page[::-1] if forward else page, cursor)


def _bound(arguments: Mapping[str, Any], name: str) -> int | None:
    text = str(arguments.get(name) or "")
    if text in {"", "0"} or (name == "latest" and text == "now"):
        return None
    if not _TS.fullmatch(text):
        raise Refusal(f"invalid_ts_{name}")
    return _micros(text)


def _micros_of(message: Message) -> int:
    return message.micros


def _micros(ts: str) -> int:
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * 1_000_000 + int(fraction.ljust(6, "0") or 0)


def _within(ts: str, oldest: int | None, latest: int | None, *, inclusive: bool) -> bool:
    margin = 1 if inclusive else 0
    micros = _micros(ts)
    return (oldest is None or micros > oldest - margin) and (latest is None or micros < latest + margin)


def _start(in_order: list[str], cursor: str, *, forward: bool) -> int:
    """Return the index after the message that the cursor names, also where that one was deleted since."""
    if not cursor:
        return 0
    try:
        label, _, ts = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refusal("invalid_cursor") from error
    if label != "next_ts" or not _TS.fullmatch(ts):
        raise Refusal("invalid_cursor")
    passed = [t for t in in_order if (_micros(t) <= _micros(ts) if forward else _micros(t) >= _micros(ts))]
    return len(passed)


def _size(arguments: Mapping[str, Any]) -> int:
    text = str(arguments.get("limit") or DEFAULT_PAGE_MESSAGES)
    if not text.isdecimal() or not 0 < int(text) <= LARGEST_PAGE_MESSAGES:
        raise Refusal("invalid_limit")
    return int(text)
