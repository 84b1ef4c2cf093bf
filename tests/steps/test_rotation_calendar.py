"""Where each credential stands: told from ledger and configuration alone, with a word for whatever is not known."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.config import Config, parse_config
from domain.errors import BadInput
from domain.names import Credential, Target
from domain.probes import CleanUp, Outcome, ProbeResult
from domain.rotation import Kind, State, rotation_id
from domain.rotation_calendar import Next, SinkVersion
from domain.verdicts import World
from ledger.held_credentials import note_minted, see_credential
from ledger.opening import Ledger, open_ledger
from ledger.rotations import Flip, Held, claim, open_rotation, write
from ledger.verifications import record_verifications
from steps.calendar_reports import (
    calendar_document,
    calendar_summary,
    calendar_table,
    standing_cells,
    standing_document,
)
from steps.rotation_calendar import Standing, listed_credentials, moments_ahead, standings
from vendors.registry import INTEGRATIONS, ROTATIONS

SEND = Credential.parse("datadog-default-prod-send")
READ = Credential.parse("datadog-default-prod-read")
SLACK = Credential.parse("slack-default-prod-send")
CANARY = Credential.parse("datadog-drill-rehearsal-send")
OLD, NEW = f"{SEND}--r0-0", f"{SEND}--r0-1"
CONFIG = """
[environments.rehearsal]
kind = "rehearsal"
in_scope = ["slack"]
[environments.prod]
kind = "prod"
in_scope = ["datadog", "slack"]
[credentials.datadog-default-prod-send]
every = "quarterly"
sinks = ["app_env", "batch_env"]
[credentials.slack-default-prod-send]
rotate = false
[sinks.app_env]
kind = "env_file"
path = "/srv/app/.env.local"
variable = "DD_API_KEY"
[sinks.batch_env]
kind = "env_file"
path = "/srv/batch/.env.local"
variable = "DD_API_KEY"
"""
At = Callable[..., Ledger]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[At]:
    opened: list[Ledger] = []

    def later(offset: timedelta = timedelta(0)) -> Ledger:
        opened.append(open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", offset=offset))
        return opened[-1]

    yield later
    for ledger in opened:
        ledger.close()


def config(more: str = "") -> Config:
    return parse_config(CONFIG + more, "opsflows.toml", INTEGRATIONS)


def stands(ledger: Ledger, *credentials: Credential) -> list[Standing]:
    return standings(ledger, config(), ROTATIONS, credentials)


def rotating(ledger: Ledger) -> Held:
    """A rotation that has made the new version and given it to one of two sinks."""
    opened = open_rotation(
        ledger, rotation_id(SEND, "w"), SEND, Kind.SCHEDULED, operator="ada", reason="due", ticket="-", due_window="w"
    )  # fmt: skip
    held = claim(ledger, opened.id, "worker")
    assert held is not None
    write(held, "intent", {"verb": "create"}, state=State.CREATING, columns={"old_version": OLD})
    made = {"new_version": NEW, "minted_at": ledger.now()}
    write(held, "outcome", {"verb": "create"}, state=State.CREATED, columns=made)
    write(held, "outcome", {"verb": "prove", "version": NEW}, state=State.VERIFIED)
    write(held, "outcome", {"sink": "app_env"}, facts={"sinks": {"app_env": NEW}})
    return held


def published(held: Held) -> None:
    minted = held.record.minted_at
    write(
        held, "outcome", {"verb": "flip"}, state=State.PUBLISHED, columns={"flipped_at": held.ledger.now()},
        flip=Flip("", NEW, "id", "k:new", minted),
    )  # fmt: skip


def test_what_the_ledger_has_not_seen_has_a_word_for_everything(at: At) -> None:
    [one] = stands(at(), READ)

    assert (one.next, one.at, one.age, one.proof, one.sinks, one.ahead) == (Next.NOT_SEEN, None, None, None, {}, None)
    assert standing_cells(one) == (str(READ), "not seen yet", "every 90 days", "not seen yet", "none", "never proven")
    document = standing_document(one)
    assert document["age"] == {"state": "not seen yet", "days": None, "since": None, "older_than_policy": False}
    assert document["last_proof"] == {"state": "never proven", "at": None, "how": None}


def test_the_next_due_comes_first_and_what_has_no_date_last(at: At) -> None:
    ledger = at()
    for one in (SEND, SLACK):
        see_credential(ledger, one, "k")
    manage = Credential.parse("datadog-default-prod-manage")
    see_credential(ledger, manage, "k")
    note_minted(ledger, manage, ledger.now() - timedelta(days=30))

    found = stands(ledger, SLACK, READ, SEND, manage)

    assert [one.credential for one in found] == [manage, SEND, READ, SLACK]
    assert [one.next for one in found] == [Next.SCHEDULED, Next.SCHEDULED, Next.NOT_SEEN, Next.LEFT_OUT]
    assert standing_cells(found[1])[2] == "every 91 days"


def test_what_grows_too_old_is_said_whatever_keeps_it(at: At) -> None:
    for one in (SEND, SLACK):
        see_credential(at(), one, "k")

    overdue, left_out = stands(at(timedelta(days=100)), SEND, SLACK)

    assert (overdue.next, left_out.next) == (Next.OVERDUE, Next.LEFT_OUT)
    assert standing_cells(overdue)[3].startswith("overdue since ")
    assert standing_cells(left_out)[1:4] == ("100 days", "every 90 days", "left out; older than its policy allows")


def test_an_open_rotation_says_where_it_stands_and_what_each_sink_has(at: At) -> None:
    ledger = at()
    see_credential(ledger, SEND, "k")
    held = rotating(ledger)

    [before] = stands(ledger, SEND)
    published(held)
    [after] = stands(ledger, SEND)

    assert before.sinks == {"app_env": SinkVersion.COMING, "batch_env": SinkVersion.NOT_SEEN}
    assert after.sinks == {"app_env": SinkVersion.CURRENT, "batch_env": SinkVersion.NOT_SEEN}
    assert standing_cells(before)[3] == "rotating now: VERIFIED"
    assert (before.proof, after.proof is not None) == (None, True)
    assert standing_cells(after)[5].endswith(" UTC (prove)")
    # The calendar goes on from the new value.
    assert after.ahead is not None
    assert after.ahead.since == held.record.minted_at


def test_a_verification_that_passed_with_the_value_in_use_is_a_proof_of_what_sends(at: At) -> None:
    ledger = at()
    passed = ProbeResult(Target("datadog"), "metric", "n0", Outcome.PASS, CleanUp.DONE)
    record_verifications(ledger, "run-1", "prod", [passed], World.REAL)
    see_credential(ledger, SEND, "k")
    [earlier] = stands(ledger, SEND)

    record_verifications(at(timedelta(minutes=1)), "run-2", "prod", [passed], World.REAL)
    see_credential(ledger, READ, "k")
    send, read = sorted(stands(ledger, SEND, READ), key=lambda one: one.credential != SEND)

    assert earlier.proof is None
    assert send.proof is not None
    assert send.proof.how == "verification"
    assert read.proof is None


def test_the_calendar_tells_what_falls_due_and_how_many_it_cannot_tell_of(at: At) -> None:
    ledger = at()
    for one in (SEND, SLACK):
        see_credential(ledger, one, "k")
    found, now = stands(ledger, SEND, SLACK, READ), ledger.now()

    moments = moments_ahead(found, now)

    assert {one.credential for one in moments} == {SEND}
    assert len(moments) == 4
    assert [row["due"] for row in calendar_table(moments)] == [1, 1, 1, 1]
    assert calendar_summary(found, moments, now).endswith("Not in the calendar: 1 not seen yet, 1 left out.")
    assert calendar_document(found, moments, now)["not_in_it"] == {"not seen yet": 1, "left out": 1}
    assert calendar_summary([], [], now).startswith("0 rotations fall due until ")


def test_every_environment_but_the_rehearsal_is_listed_and_canaries_with_that(at: At) -> None:
    ledger = at()
    see_credential(ledger, CANARY, "k")

    def listed(*names: str, environment: str = "") -> list[str]:
        return [str(one) for one in listed_credentials(ledger, config(), ROTATIONS, names, environment)]

    assert {name.split("-")[2] for name in listed()} == {"prod"}
    assert listed(environment="rehearsal")[-1] == str(CANARY)
    assert listed(str(CANARY), str(SEND)) == [str(SEND), str(CANARY)]
    assert {name.partition("-")[0] for name in listed("slack", environment="prod")} == {"slack"}
    with pytest.raises(BadInput, match="nothing of sentry"):
        listed("sentry", environment="prod")
    [canary] = stands(ledger, CANARY)
    assert standing_cells(canary)[2:4] == ("every day, by the drill", "by drill")
