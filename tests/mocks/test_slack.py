"""Slack's stand-in refuses, pages and deletes as Slack does."""

from typing import Any

import httpx
import pytest

from tests.conftest import StandIns

Credentials = dict[str, str]


@pytest.fixture
def held(stand_ins: StandIns) -> Credentials:
    credentials: Credentials = stand_ins.control("GET", "/slack/credentials")
    stand_ins.control("POST", "/slack/actions/set_indexing_delay", {"seconds": 0})
    return credentials


def call(stand_ins: StandIns, method: str, token: str, **arguments: Any) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {token}"}
    answer: dict[str, Any] = httpx.get(
        f"{stand_ins.url}/slack/api/{method}", params=arguments, headers=headers
    ).json()  # fmt: skip
    return answer


def history(stand_ins: StandIns, held: Credentials, **arguments: Any) -> dict[str, Any]:
    arguments = {"channel": held["SLACK_CHANNEL"], **arguments}
    return call(stand_ins, "conversations.history", held["SLACK_BOT_TOKEN"], **arguments)


def posted(held: Credentials, *texts: str) -> None:
    for text in texts:
        assert httpx.post(held["SLACK_WEBHOOK_URL"], json={"text": text}).text == "ok"


def test_a_message_shows_in_the_history_after_a_while(stand_ins: StandIns, held: Credentials) -> None:
    stand_ins.control("POST", "/slack/actions/set_indexing_delay", {"seconds": 60})

    posted(held, "hello")

    assert history(stand_ins, held)["messages"] == []
    stand_ins.control("POST", "/clock", {"offset_s": 61})
    (message,) = history(stand_ins, held)["messages"]
    assert (message["text"], message["subtype"]) == ("hello", "bot_message")


@pytest.mark.parametrize(
    ("action", "status", "says"),
    [
        ("revoke_webhook", 404, "no_service"),
        ("uninstall_app", 404, "no_service"),
        ("archive_channel", 410, "channel_is_archived"),
        ("delete_channel", 404, "channel_not_found"),
    ],
)
def test_a_webhook_without_its_app_or_channel_is_refused(
    action: str, status: int, says: str, stand_ins: StandIns, held: Credentials
) -> None:
    stand_ins.control("POST", f"/slack/actions/{action}")

    answer = httpx.post(held["SLACK_WEBHOOK_URL"], json={"text": "hello"})

    assert (answer.status_code, answer.text) == (status, says)


@pytest.mark.parametrize(
    ("part", "status", "says"), [(-3, 404, "no_team"), (-2, 404, "no_service"), (-1, 403, "invalid_token")]
)
def test_each_wrong_part_of_a_webhook_has_its_own_refusal(part: int, status: int, says: str, held: Credentials) -> None:
    steps = held["SLACK_WEBHOOK_URL"].split("/")
    steps[part] = "WRONG"

    answer = httpx.post("/".join(steps), json={"text": "hello"})

    assert (answer.status_code, answer.text) == (status, says)


@pytest.mark.parametrize(
    ("body", "says"),
    [(b"", "invalid_payload"), (b"{", "invalid_payload"), (b"[]", "invalid_payload"), (b"{}", "no_text")],
)
def test_a_payload_without_a_message_is_refused(body: bytes, says: str, held: Credentials) -> None:
    answer = httpx.post(held["SLACK_WEBHOOK_URL"], content=body)

    assert (answer.status_code, answer.text) == (400, says)


def test_a_second_webhook_lives_beside_the_first_until_that_is_revoked(stand_ins: StandIns, held: Credentials) -> None:
    second = stand_ins.control("POST", "/slack/actions/mint_webhook")["url"]
    both = [httpx.post(url, json={"text": "hello"}).status_code for url in (held["SLACK_WEBHOOK_URL"], second)]

    stand_ins.control("POST", "/slack/actions/revoke_webhook", {"url": held["SLACK_WEBHOOK_URL"]})

    after = [httpx.post(url, json={"text": "hello"}).status_code for url in (held["SLACK_WEBHOOK_URL"], second)]
    assert (both, after) == ([200, 200], [404, 200])
    assert {message["bot_id"] for message in history(stand_ins, held)["messages"]} == {
        url.split("/")[-2] for url in (held["SLACK_WEBHOOK_URL"], second)
    }


@pytest.mark.parametrize(
    ("action", "fields", "error"),
    [
        ("rotate_token", {}, "invalid_auth"),
        ("uninstall_app", {}, "account_inactive"),
        ("leave_channel", {}, "not_in_channel"),
        ("set_scopes", {"scopes": ["chat:write"]}, "missing_scope"),
        ("delete_channel", {}, "channel_not_found"),
    ],
)
def test_a_bot_that_may_not_read_is_told_why_with_status_200(
    action: str, fields: dict[str, Any], error: str, stand_ins: StandIns, held: Credentials
) -> None:
    stand_ins.control("POST", f"/slack/actions/{action}", fields)

    answer = history(stand_ins, held)

    assert (answer["ok"], answer["error"]) == (False, error)


def test_without_a_token_nobody_is_authed(stand_ins: StandIns) -> None:
    assert httpx.post(f"{stand_ins.url}/slack/api/auth.test").json() == {"ok": False, "error": "not_authed"}


def test_a_revoked_token_says_so(stand_ins: StandIns, held: Credentials) -> None:
    call(stand_ins, "auth.revoke", held["SLACK_BOT_TOKEN"])

    assert call(stand_ins, "auth.test", held["SLACK_BOT_TOKEN"])["error"] == "token_revoked"


def test_history_is_paged_newest_first_until_the_cursor_is_gone(stand_ins: StandIns, held: Credentials) -> None:
    posted(held, *"abcde")

    pages: list[list[str]] = []
    cursor = ""
    while not pages or cursor:
        answer = history(stand_ins, held, limit=2, cursor=cursor)
        pages.append([message["text"] for message in answer["messages"]])
        cursor = answer.get("response_metadata", {}).get("next_cursor", "")

    assert pages == [["e", "d"], ["c", "b"], ["a"]]


def test_with_oldest_alone_paging_walks_forward(stand_ins: StandIns, held: Credentials) -> None:
    posted(held, *"abcde")

    first = history(stand_ins, held, oldest="1.0", limit=2)
    cursor = first["response_metadata"]["next_cursor"]
    second = history(stand_ins, held, oldest="1.0", limit=2, cursor=cursor)

    assert [m["text"] for page in (first, second) for m in page["messages"]] == ["b", "a", "d", "c"]


def test_bounds_are_exclusive_unless_asked_otherwise(stand_ins: StandIns, held: Credentials) -> None:
    posted(held, *"abc")
    stamps = [message["ts"] for message in history(stand_ins, held)["messages"]][::-1]
    bounds = {"oldest": stamps[0], "latest": stamps[2]}

    exclusive = [m["text"] for m in history(stand_ins, held, **bounds)["messages"]]
    inclusive = [m["text"] for m in history(stand_ins, held, **bounds, inclusive="true")["messages"]]

    assert (exclusive, inclusive) == (["b"], ["c", "b", "a"])


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("oldest", "yesterday", "invalid_ts_oldest"),
        ("latest", "1e9", "invalid_ts_latest"),
        ("limit", "1000", "invalid_limit"),
        ("limit", "0", "invalid_limit"),
        ("cursor", "%%%", "invalid_cursor"),
    ],
)
def test_a_page_that_cannot_be_is_refused(
    argument: str, value: str, error: str, stand_ins: StandIns, held: Credentials
) -> None:
    assert history(stand_ins, held, **{argument: value})["error"] == error


def test_a_bot_deletes_what_its_own_app_posted_by_webhook(stand_ins: StandIns, held: Credentials) -> None:
    posted(held, "hello")
    where = {"channel": held["SLACK_CHANNEL"], "ts": history(stand_ins, held)["messages"][0]["ts"]}

    answers = [call(stand_ins, "chat.delete", held["SLACK_BOT_TOKEN"], **where) for _ in range(2)]

    assert [answer.get("error", "ok") for answer in answers] == ["ok", "message_not_found"]
    assert history(stand_ins, held)["messages"] == []


def test_a_bot_cannot_delete_what_another_app_posted(stand_ins: StandIns, held: Credentials) -> None:
    other = stand_ins.control("POST", "/slack/actions/install_app")
    posted({"SLACK_WEBHOOK_URL": other["webhook_url"]}, "theirs")
    where = {"channel": held["SLACK_CHANNEL"], "ts": history(stand_ins, held)["messages"][0]["ts"]}

    assert call(stand_ins, "chat.delete", held["SLACK_BOT_TOKEN"], **where)["error"] == "cant_delete_message"
    assert call(stand_ins, "chat.delete", other["bot_token"], **where)["ok"]
