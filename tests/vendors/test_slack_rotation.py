"""Slack's webhook and bot token while they are rotated by hand, against the stand-in."""

import httpx
import pytest

from domain.errors import OpsError, Rejected
from domain.names import Purpose
from tests.conftest import StandIns
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.registry import LIMITS, ROTATIONS

SEND, READ = ROTATIONS["slack", Purpose.SEND], ROTATIONS["slack", Purpose.READ]
CONDUCT = Conduct(HostRule(rehearsal=True), lambda _: None)


def values(stand_ins: StandIns, **changes: str) -> dict[str, str]:
    given = stand_ins.control("GET", "/slack/credentials")
    return {
        "webhook_url": given["SLACK_WEBHOOK_URL"],
        "bot_token": given["SLACK_BOT_TOKEN"],
        "channel": given["SLACK_CHANNEL"],
        **changes,
    }


def check_webhook(stand_ins: StandIns, **changes: str) -> None:
    SEND.check(values(stand_ins, **changes), f"{stand_ins.url}/slack", CONDUCT)


def check_token(stand_ins: StandIns, **changes: str) -> None:
    READ.check(values(stand_ins, **changes), f"{stand_ins.url}/slack", CONDUCT)


def act(stand_ins: StandIns, action: str, **fields: str) -> dict[str, str]:
    answer: dict[str, str] = stand_ins.control("POST", f"/slack/actions/{action}", fields)
    return answer


def test_a_webhook_is_accepted_and_nobody_sees_a_message(stand_ins: StandIns) -> None:
    check_webhook(stand_ins)

    assert len(stand_ins.control("GET", "/slack/requests")) == 1
    assert stand_ins.control("GET", "/slack/inbox") == []


@pytest.mark.parametrize("body", ["no_text", "missing_text", "invalid_payload"])
def test_whichever_way_the_message_is_refused_the_webhook_is_accepted(body: str, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/slack/faults", {"status": 400, "body": body})

    check_webhook(stand_ins)


def test_a_revoked_webhook_is_refused_and_its_successor_is_not(stand_ins: StandIns) -> None:
    old, new = values(stand_ins)["webhook_url"], act(stand_ins, "mint_webhook")["url"]
    check_webhook(stand_ins)
    act(stand_ins, "revoke_webhook", url=old)

    with pytest.raises(Rejected) as caught:
        check_webhook(stand_ins)

    assert caught.value.symptom == "slack.no_service"
    assert caught.value.symptom in SEND.refusals
    assert old not in str(caught.value)
    check_webhook(stand_ins, webhook_url=new)


@pytest.mark.parametrize(
    ("part", "symptom"), [(-3, "slack.no_team"), (-2, "slack.no_service"), (-1, "slack.invalid_token")]
)
def test_a_webhook_that_never_was_is_refused(part: int, symptom: str, stand_ins: StandIns) -> None:
    steps = values(stand_ins)["webhook_url"].split("/")
    steps[part] = "WRONG"

    with pytest.raises(Rejected) as caught:
        check_webhook(stand_ins, webhook_url="/".join(steps))

    assert caught.value.symptom == symptom
    assert symptom in SEND.refusals


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 404, "body": "<html>not here</html>"},
        {"status": 403, "body": "action_prohibited"},
        {"status": 410, "body": "channel_is_archived"},
        {"status": 200, "body": "hello"},
        {"status": 500},
        {"throttle_s": 5},
        {"garbage": True},
        {"drop": True},
    ],
    ids=str,
)
def test_another_answer_says_nothing_about_the_webhook(fault: dict[str, object], stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/slack/faults", fault)

    with pytest.raises(OpsError) as caught:
        check_webhook(stand_ins)

    assert caught.value.symptom not in SEND.refusals


def test_a_bot_token_is_accepted(stand_ins: StandIns) -> None:
    check_token(stand_ins)

    (asked,) = stand_ins.control("GET", "/slack/requests")
    assert asked["path"] == "/api/auth.test"


def test_the_token_before_the_last_is_refused(stand_ins: StandIns) -> None:
    old, new = values(stand_ins)["bot_token"], act(stand_ins, "rotate_token")["bot_token"]

    with pytest.raises(Rejected) as caught:
        check_token(stand_ins, bot_token=old)

    assert caught.value.symptom in READ.refusals
    assert old not in str(caught.value)
    check_token(stand_ins, bot_token=new)


def test_a_second_apps_token_lives_beside_the_first_until_that_is_revoked(stand_ins: StandIns) -> None:
    second = act(stand_ins, "install_app")["bot_token"]
    old = values(stand_ins)["bot_token"]
    check_token(stand_ins)
    check_token(stand_ins, bot_token=second)

    httpx.post(f"{stand_ins.url}/slack/api/auth.revoke", headers={"authorization": f"Bearer {old}"})

    with pytest.raises(Rejected) as caught:
        check_token(stand_ins)
    assert caught.value.symptom == "slack.token_revoked"
    assert caught.value.symptom in READ.refusals
    check_token(stand_ins, bot_token=second)


def test_an_app_whose_token_was_revoked_loses_its_webhooks_with_it(stand_ins: StandIns) -> None:
    token = values(stand_ins)["bot_token"]
    httpx.post(f"{stand_ins.url}/slack/api/auth.revoke", headers={"authorization": f"Bearer {token}"})

    with pytest.raises(Rejected) as caught:
        check_webhook(stand_ins)

    assert caught.value.symptom in SEND.refusals


def test_an_uninstalled_app_has_neither_webhook_nor_token(stand_ins: StandIns) -> None:
    act(stand_ins, "uninstall_app")

    with pytest.raises(Rejected) as webhook:
        check_webhook(stand_ins)
    with pytest.raises(Rejected) as token:
        check_token(stand_ins)

    assert webhook.value.symptom in SEND.refusals
    assert token.value.symptom in READ.refusals


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 200, "body": '{"ok": false, "error": "not_authed"}'},
        {"status": 200, "body": '{"ok": false, "error": "internal_error"}'},
        {"status": 403, "body": "{}"},
        {"status": 500},
        {"throttle_s": 5},
        {"garbage": True},
        {"drop": True},
    ],
    ids=str,
)
def test_another_answer_says_nothing_about_the_token(fault: dict[str, object], stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/slack/faults", fault)

    with pytest.raises(OpsError) as caught:
        check_token(stand_ins)

    assert caught.value.symptom not in READ.refusals


def test_what_slack_limits_is_counted_by_what_it_counts() -> None:
    limited = [(limit.calls, limit.per.total_seconds(), sorted(limit.verbs)) for limit in LIMITS["slack"]]

    assert limited == [
        (1, 1, ["check_webhook", "notify", "send_message"]),
        (50, 60, ["find_message", "list_events", "read_history"]),
        (50, 60, ["delete_message"]),
    ]
