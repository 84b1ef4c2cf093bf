"""A compromise responded to on a real Prefect server: planned, told, replaced in turn, concluded; one alert channel always works."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL
from starlette.types import Receive, Scope, Send

from domain.names import Credential
from domain.rotation import Wait
from domain.run_mode import Mode
from flows.respond_to_a_compromise import Isolate, respond_to_a_compromise
from ledger.alerts import open_alerts
from ledger.fingerprints import fingerprinter
from ledger.held_credentials import see_credential, set_vendor_id
from ledger.rotation_rows import rotations
from mocks.app import App, build
from mocks.serving import served_in_thread
from steps.conduct import STAND_INS_URL
from tests.conftest import StandIns
from tests.flows.conftest import Desk

PAGERDUTY = Credential.parse("pagerduty-default-staging-send")
OPSGENIE = Credential.parse("opsgenie-default-staging-send")
CHANNELS = """
[environments.staging]
kind = "staging"
in_scope = ["pagerduty", "opsgenie"]
allowed_hosts = ["127.0.0.1"]

[environments.staging.alerts]
page = "pagerduty"
ticket = "opsgenie"

[environments.staging.addresses]
pagerduty = "{url}/pagerduty"
opsgenie = "{url}/opsgenie"
"""


def _respond(desk: Desk, *scope: str, mode: Mode = Mode.APPLY, **parameters: Any) -> State[Any]:
    given = {"operator": "ana", "ticket": "SEC-1", "reason": "key in a public repository", **parameters}
    since = f"{desk.ledger.now():%Y-%m-%dT%H:%M:%SZ}"
    state: State[Any] = respond_to_a_compromise(
        list(scope), given.pop("compromised_since", since), mode=mode, return_state=True, **given
    )
    return state


def _page(desk: Desk, name: str) -> str:
    """Return a page of the last run's bundle."""
    found = sorted(desk.home.glob(f"audit/respond-to-compromise/*/*/*/*/{name}"), key=lambda one: one.stat().st_mtime)
    return found[-1].read_text()


class Watched(App):
    """The stand-ins; before each request it is noted which channels accept the values that stand in the blocks at that moment."""

    def __init__(self, api: str) -> None:
        super().__init__(build().world)
        # One client for all looks: each new one would load the certificate authorities again.
        self.blocks = httpx.Client(base_url=api, trust_env=False)
        for name in ("pagerduty", "opsgenie"):
            self.world.booths[name].desk.indexing_delay_s = 0.0
        self.values: list[str] = []
        self.whole: list[tuple[bool, bool]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/_control"):
            await asyncio.to_thread(self.look)
        await super().__call__(scope, receive, send)

    def look(self) -> None:
        asked = {"include_secrets": True, "block_documents": {"name": {"any_": [str(PAGERDUTY), str(OPSGENIE)]}}}
        answer = self.blocks.post("/block_documents/filter", json=asked).json()
        data = {row["name"]: row["data"] for row in answer}
        self.values = [data[str(PAGERDUTY)]["routing_key"], data[str(OPSGENIE)]["api_key"]]
        self.whole.append((self.values[0] in self.routing_keys(), self.values[1] in self.api_keys()))

    def routing_keys(self) -> set[str]:
        services = self.world.booths["pagerduty"].desk.memory.services.values()
        return {one.routing_key for service in services for one in service.integrations.values()}

    def api_keys(self) -> set[str]:
        there = self.world.booths["opsgenie"].desk.memory.integrations
        return {one.key for one in there if one.enabled}


@pytest.fixture
def watched(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """Both channels' stand-ins, watched, with their credentials in the blocks and bound to their entries at the vendors."""
    watched = Watched(PREFECT_API_URL.value())
    with served_in_thread(watched) as (port, _):
        url = f"http://127.0.0.1:{port}"
        config = tmp_path / "channels.toml"
        config.write_text(CHANNELS.format(url=url))
        monkeypatch.setenv("OPSFLOWS_CONFIG", str(config))
        monkeypatch.setenv(STAND_INS_URL, url)
        Desk(StandIns(url, "", config), desk.ledger, desk.home).store("pagerduty", "opsgenie")
        fingerprint = fingerprinter(desk.home / "fingerprint.key")
        watched.look()
        for credential, value in zip((PAGERDUTY, OPSGENIE), watched.values, strict=True):
            see_credential(desk.ledger, credential, fingerprint(value))
            seed = watched.world.booths[credential.target.integration].desk.seed
            with desk.ledger.writing() as connection:
                set_vendor_id(connection, credential, seed.integration_id)
        yield watched
    watched.blocks.close()


@pytest.mark.prove
def test_with_both_alert_channels_exposed_one_of_them_works_at_any_moment(desk: Desk, watched: Watched) -> None:
    old = list(watched.values)

    state = _respond(desk, str(PAGERDUTY), str(OPSGENIE), may_page=True)

    watched.look()
    assert (state.name, state.is_completed()) == ("Completed", True), state.message
    assert "2 of 2 exposed values were seen to be refused" in (state.message or "")
    assert all(any(channels) for channels in watched.whole)
    assert len(watched.whole) > 20
    assert not set(old) & {*watched.values, *watched.routing_keys(), *watched.api_keys()}
    records = {one.credential: one for one in rotations(desk.ledger)}
    ticket, page = records[OPSGENIE], records[PAGERDUTY]
    assert ticket.served_at is not None
    assert page.creating_at is not None
    assert page.creating_at > ticket.served_at
    asked = [row["path"] for row in watched.world.booths["pagerduty"].journal.listing()]
    assert asked[0].endswith("/v2/enqueue")
    assert open_alerts(desk.ledger) == []
    told = _page(desk, "report.md").partition("## Told")[2]
    assert "a compromise is being responded to" in told
    assert "the response is over" in told
    assert "Not sent" not in told
    assert "not seen refused yet" not in _page(desk, "security.md")
    assert "None" not in _page(desk, "management.md")


def test_a_plan_changes_nothing_and_a_case_goes_on_with_what_it_has(desk: Desk) -> None:
    desk.store("datadog", "slack")
    since = f"{desk.ledger.now():%Y-%m-%dT%H:%M:%SZ}"
    again: dict[str, Any] = {"compromised_since": since}

    scope = ("datadog-default-staging-send", "slack-default-staging-send")

    planned = _respond(desk, *scope, mode=Mode.PLAN, **again)
    before = rotations(desk.ledger)
    first = _respond(desk, *scope, **again)
    ordered = {one.id for one in rotations(desk.ledger)}
    second = _respond(desk, *scope, isolate=Isolate.WHAT_CAN_BE, second_person="bob", **again)

    assert (planned.name, before) == ("Planned", [])
    assert (first.name, second.name) == ("Hold", "Hold")
    records = {str(one.credential): one for one in rotations(desk.ledger)}
    assert {one.id for one in records.values()} == ordered
    assert records["datadog-default-staging-send"].wait is Wait.AWAITING_ADOPTION
    assert records["slack-default-staging-send"].wait is Wait.AWAITING_HUMAN_CREATE
    # Alerts go out through slack, and without datadog's API key no other could be made: neither is switched off first.
    assert not any(one.contain_first for one in records.values())
    timeline, security = _page(desk, "timeline.md"), _page(desk, "security.md")
    assert timeline.count("run opened") == 3
    assert "not seen refused yet" in security
    assert "| 0 s |" not in security
    assert "AWAITING_ADOPTION" in security
    assert [one.key.rpartition(":")[2] for one in open_alerts(desk.ledger) if "compromise" in one.key] == [
        "begun",
        "open",
    ]


def test_nobody_is_isolated_without_a_second_person_and_no_other_moment_than_a_past_one_is_taken(desk: Desk) -> None:
    alone = _respond(desk, "staging", isolate=Isolate.WHAT_CAN_BE)
    later = _respond(desk, "staging", compromised_since="2999-01-01T00:00:00Z")
    nowhere = _respond(desk, "nowhere")

    assert [state.name for state in (alone, later, nowhere)] == ["BadInput"] * 3
    assert rotations(desk.ledger) == []
