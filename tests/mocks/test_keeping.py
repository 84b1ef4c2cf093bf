"""The state file brings every vendor back as it was, busy or idle."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mocks.app import build, found_stand_ins
from mocks.keeping import UnreadableStateFile
from mocks.world import StandInWorld

VENDORS = [stand_in.name for stand_in in found_stand_ins()]


def busy_world(state: Path) -> StandInWorld:
    """A world in which an error went from Sentry by PagerDuty to Slack, and a clock was moved."""
    world = build(state).world
    credentials = {name: booth.stand_in.credentials(booth.desk, "http://x") for name, booth in world.booths.items()}
    world.offset_s = 3600
    world.act("sentry", "alert_to_pagerduty", {"routing_key": credentials["pagerduty"]["PAGERDUTY_ROUTING_KEY"]}, "")
    world.act("pagerduty", "notify_slack", {"webhook_url": credentials["slack"]["SLACK_WEBHOOK_URL"]}, "")
    dsn = credentials["sentry"]["SENTRY_DSN"]
    key, project = dsn.partition("://")[2].partition("@")[0], dsn.rpartition("/")[2]
    world.deliver("sentry", "POST", f"/api/{project}/store/?sentry_key={key}", {"message": "boom", "tags": {"a": "b"}})
    return world


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_comes_back_with_all_it_knew(vendor: str, tmp_path: Path) -> None:
    before = busy_world(tmp_path / "state.json")

    after = build(tmp_path / "state.json").world

    assert after.booths[vendor].desk.seed == before.booths[vendor].desk.seed
    assert after.booths[vendor].desk.memory == before.booths[vendor].desk.memory


def test_the_moved_clock_comes_back(tmp_path: Path) -> None:
    busy_world(tmp_path / "state.json")

    assert build(tmp_path / "state.json").world.now() > time.time() + 3000


def test_a_message_that_was_answered_is_in_the_file_already(tmp_path: Path) -> None:
    busy_world(tmp_path / "state.json")

    assert "boom" in (tmp_path / "state.json").read_text()


def test_without_a_file_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    build()

    assert list(tmp_path.iterdir()) == []


def test_a_vendors_state_of_another_shape_is_refused_by_name(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    build(state)
    state.write_text(state.read_text().replace('"channels"', '"rooms"'))

    with pytest.raises(UnreadableStateFile, match="a state of slack"):
        build(state)


def test_a_large_state_is_written_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    world = build(state).world
    world.act("slack", "receive_many", {"events": [_message(number) for number in range(20_000)]}, "")
    world.keep()
    world.act("slack", "receive_many", {"events": [_message(20_000)]}, "")

    world.keep()
    meanwhile = state.read_text()
    world.keep(at_once=True)

    assert "event_id=19999" in meanwhile
    assert "event_id=20000" not in meanwhile
    assert "event_id=20000" in state.read_text()


def _message(number: int) -> dict[str, str]:
    at = datetime(2026, 10, 1, tzinfo=UTC) + timedelta(seconds=number)
    return {"id": str(number), "at": at.isoformat(), "type": "sample"}
