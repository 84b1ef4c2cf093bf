"""What a search of Splunk streamed: its final rows, if it ran to its end and missed nothing.

Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (search/v2/jobs/export)
"""

import json
from typing import Any

from domain.errors import OpsError, Unavailable
from domain.windows import Window
from vendors.http import Answer

# What a message may be called that says nothing against the rows.
_HARMLESS = frozenset({"INFO", "DEBUG"})
_FAILED = "FATAL"


def has_failed(answer: Answer) -> bool:
    """Tell whether Splunk says that the search did not run, whatever the status."""
    return any(kind == _FAILED for line in _lines(answer) or () for kind in _kinds(line))


def rows_of(answer: Answer, window: Window) -> list[dict[str, Any]]:
    """Return the final rows; those of previews are none.

    Raises:
        Unavailable: a line is cut, a message speaks of a part that is missing, or the last row is not there.
    """
    lines = _lines(answer)
    if lines is None:
        raise contradiction(window, "a line of the answer is cut")
    if any(kind not in _HARMLESS for line in lines for kind in _kinds(line)):
        raise contradiction(window, "the search warns that it may have missed something")
    final = [line for line in lines if not line.get("preview") and "messages" not in line]
    if not final or final[-1].get("lastrow") is not True:
        raise contradiction(window, "the last row of the answer is missing")
    return [line["result"] for line in final if isinstance(line.get("result"), dict)]


def contradiction(window: Window, what: str) -> OpsError:
    """Return the error for an answer that cannot be counted with."""
    return Unavailable(
        f"Splunk's counts from {window.start.isoformat()} to {window.end.isoformat()} do not hold: {what}.",
        "A part of the answer is missing or not settled yet, so that no number of it is taken.",
        "Run the search in Splunk and look at its job's messages; count again when all indexers are there.",
        "splunk.counts_contradict",
    )


def _lines(answer: Answer) -> list[dict[str, Any]] | None:
    """Return the JSON object of every line, None where one is something else."""
    try:
        parsed = [json.loads(line) for line in answer.text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return None
    return parsed if all(isinstance(line, dict) for line in parsed) else None


def _kinds(line: dict[str, Any]) -> list[str]:
    messages = line.get("messages")
    rows = messages if isinstance(messages, list) else []
    return [str(row.get("type", "")).upper() for row in rows if isinstance(row, dict)]
