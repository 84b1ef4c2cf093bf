"""Which series a PromQL expression reads, and which series there are: those of docs/kms-metrics.md and of the recording rules."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES_FILE = ROOT / "deployments" / "prometheus" / "kms.yml"
_NO_SERIES = re.compile(
    r"""
    "[^"]*" | '[^']*'                                                       # texts
    | \{[^}]*\} | \[[^\]]*\]                                                # matchers and windows
    | \b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)       # lists of labels
    | \b(?:and|or|unless|bool|offset)\b
    """,
    re.VERBOSE,
)
_NAME = re.compile(r"(?<![\w.:])[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])")
_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|", re.MULTILINE)


def rules() -> list[dict[str, Any]]:
    """Return the rules, recordings and alerts, in their order."""
    [group] = yaml.safe_load(RULES_FILE.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recordings() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def series_in(expression: str) -> set[str]:
    """Return the names of all series that the expression reads."""
    # A space stands in for what is taken away before a bracket, or `sum by (x) (y)` would look like a call.
    return set(_NAME.findall(_NO_SERIES.sub(" ", expression))) - _functions(expression)


def documented_series() -> set[str]:
    """Return the names that docs/kms-metrics.md promises; a histogram's are three."""
    rows = _ROW.findall((ROOT / "docs" / "kms-metrics.md").read_text())
    ends = ("_bucket", "_sum", "_count")
    return {f"{name}{end}" for name, kind in rows for end in (ends if kind == "histogram" else ("",))}


def _functions(expression: str) -> set[str]:
    """Return functions and aggregations, which may have a list of labels between their name and their bracket."""
    return set(re.findall(r"\b([a-z_]+)\s*(?:(?:by|without)\s*\([^)]*\)\s*)?\(", expression))
