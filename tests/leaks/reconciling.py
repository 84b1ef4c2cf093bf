"""A month that is reconciled, the day before, the daily collection, and what people decide: with answers and with echoes of secrets."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.schemas.objects import State

from domain.windows import Month
from flows.check_yesterday import check_yesterday
from flows.collect_counts import collect_counts
from flows.decide_on_a_month import decide_on_a_month
from flows.reconcile_events import reconcile_events
from steps.deciding import Decision
from tests.leaks.world import NAMES, Place

_ENVIRONMENT = "staging"
# What is asked for is small: how much there is to count changes nothing about secrets.
_SECTIONS = """
[reconciliation]
post_to = {{ {environment} = "slack" }}

[emitted.gateway]
kind = "files"
environment = "{environment}"
place = "{folder}"

[received.{environment}.datadog]
type_field = "event_type"

[received.{environment}.sentry]
type_field = "tag:event_type"

[received.{environment}.pagerduty]
by = "ids"
"""
_WHO: Mapping[str, str] = {"operator": "a test", "ticket": "T-3"}


def sections_of(place: Place) -> str:
    """Return what opsflows.toml says of counting, with a file of events beside it."""
    folder = place.root / "events"
    folder.mkdir(exist_ok=True)
    settled = reconciled_month().window.start + timedelta(days=3)
    lines = [
        json.dumps({"event_id": f"e-{name}", "timestamp": f"{at:%Y-%m-%dT12:00:00Z}", "event_type": "alert", "integration": name})
        for at in (settled, datetime.now(UTC) - timedelta(days=1))
        for name in NAMES
    ]  # fmt: skip
    (folder / "events.jsonl").write_text("\n".join(lines) + "\n")
    return _SECTIONS.format(environment=_ENVIRONMENT, folder=folder)


def reconciled_month() -> Month:
    return Month.of(datetime.now(UTC) - timedelta(days=5)).previous


def reconcile_everything() -> dict[str, str]:
    """Compare a month and yesterday, keep counts, and let somebody accept what differs."""
    return {
        "reconcile plan": _named(_month("plan")),
        "reconcile": _named(_month()),
        "yesterday": _named(check_yesterday(return_state=True)),
        "collect": _named(collect_counts(return_state=True)),
        "waive": _named(_waive()),
    }


def reconcile_under(fault: str) -> dict[str, str]:
    """Do the one of them that meets this fault, of those whose answers are the most dangerous; nothing under the others."""
    meets = _MEETING.get(fault)
    return {} if meets is None else {f"{meets[0]} {fault}": _named(meets[1]())}


def _month(mode: str = "apply") -> State[Any]:
    state: State[Any] = reconcile_events(
        **_WHO, reason="to see what is left behind", month=str(reconciled_month()), environment=_ENVIRONMENT, mode=mode,
        return_state=True,
    )  # fmt: skip
    return state


def _waive() -> State[Any]:
    state: State[Any] = decide_on_a_month(
        **_WHO, reason="known", environment=_ENVIRONMENT, month=str(reconciled_month()), decision=Decision.WAIVE,
        integration="slack", day=f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}", return_state=True,
    )  # fmt: skip
    return state


def _named(state: State[Any]) -> str:
    return f"{state.type.value} {state.name}"


_MEETING: Mapping[str, tuple[str, Callable[[], State[Any]]]] = {
    "echo200": ("reconcile", _month),
    "echo401": ("reconcile", _month),
    "echo403": ("collect", lambda: collect_counts(return_state=True)),
    "echo404": ("yesterday", lambda: check_yesterday(return_state=True)),
}
