"""A GitHub App's private key and webhook secret while they are rotated, against the stand-in."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import BadInput, NotYet, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.manifests import Mint
from domain.names import Purpose
from domain.probes import Receipt
from tests.conftest import StandIns
from tests.vendors.rehearsal import eventually
from tests.vendors.rotating import Account, account_of
from vendors.capabilities import Probe
from vendors.github import INTEGRATION, GithubApp, connect
from vendors.github_rotation import LIMITS, ROTATIONS
from vendors.rotation import Rotation

KEY, SECRET = ROTATIONS
NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
NEW = "f" * 64
THREE_DAYS_S = 3 * 24 * 3600


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    account = account_of(stand_ins, INTEGRATION)
    account.act("set_indexing_delay", seconds=0)
    return account


@contextmanager
def probe_of(rotation: Rotation, account: Account) -> Iterator[Probe]:
    with closing(connect(account.values, account.address, account.conduct)) as client:
        (probe,) = rotation.probes(client)
        yield probe


def proven(account: Account) -> Receipt:
    """Carry the webhook's probe out and return what it came to; raises what it raises."""
    with probe_of(SECRET, account) as probe:
        receipt = probe.send(NONCE, datetime.now(UTC))
        for look in probe.confirm:
            receipt = look(receipt)
        return receipt


def point(account: Account, value: str) -> None:
    assert SECRET.point is not None
    with closing(SECRET.point(account.values, account.address, account.conduct)) as pointer:
        pointer.point_to(value)
        assert pointer.points_to(value) is None


def test_the_rows_say_what_each_credential_is() -> None:
    assert [(row.purpose, row.field, row.manifest.mint) for row in ROTATIONS] == [
        (Purpose.SEND, "private_key", Mint.BY_HAND),
        (Purpose.RECEIVE, "webhook_secret", Mint.BY_CLIENT),
    ]
    assert (KEY.manifest.slots, KEY.manifest.usual_age) == (25, timedelta(days=365))
    assert (SECRET.manifest.swaps, SECRET.connect, KEY.point) == (True, None, None)
    assert [(limit.calls, limit.per) for limit in LIMITS] == [(5000, timedelta(hours=1))]


def test_a_new_secret_is_long_and_another_each_time() -> None:
    assert SECRET.new_value is not None
    first, second = SECRET.new_value(), SECRET.new_value()

    assert re.fullmatch(r"[0-9a-f]{64}", first)
    assert first != second


def test_a_key_is_accepted_and_nothing_is_changed_by_asking(account: Account) -> None:
    account.check(KEY)

    assert {row["method"] for row in account.requests()} == {"GET"}


def test_old_and_new_key_are_accepted_side_by_side_and_a_deleted_one_is_refused(account: Account) -> None:
    renewed = account.having(private_key=account.act("mint_private_key")["private_key"])
    account.check(KEY)
    renewed.check(KEY)
    account.act("delete_private_key")

    with pytest.raises(Rejected) as caught:
        account.check(KEY)

    assert caught.value.symptom in KEY.refusals
    assert account.values["private_key"] not in repr(caught.value)
    renewed.check(KEY)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 401, "body": "{\"message\": \"'Expiration time' claim ('exp') is too far in the future\"}"},
        {"status": 401, "body": "{\"message\": \"'Issued at' claim ('iat') must be an Integer\"}"},
        {"status": 401, "body": "{}"},
        {"status": 403, "body": "{}"},
        {"status": 404, "body": '{"message": "Integration not found"}'},
        {"throttle_s": 5},
        {"status": 500},
        {"drop": True},
    ],
    ids=["ahead", "behind", "no token", "403", "another app", "limited", "500", "dropped"],
)
def test_another_answer_says_nothing_about_the_key(fault: dict[str, object], account: Account) -> None:
    account.fault(path="/app$", **fault)

    with pytest.raises(OpsError) as caught:
        account.check(KEY)

    assert caught.value.symptom not in KEY.refusals


def test_a_deleted_key_is_refused_whatever_our_clock_says(account: Account, stand_ins: StandIns) -> None:
    account.act("mint_private_key")
    account.act("delete_private_key")
    stand_ins.control("POST", "/clock", {"offset_s": 25 * 3600})

    with pytest.raises(Rejected) as caught:
        account.check(KEY)

    assert caught.value.symptom == "github.key_unknown"


def test_the_key_is_proven_by_the_app_that_it_opens_and_sends_nothing(account: Account) -> None:
    with probe_of(KEY, account) as probe:
        assert probe.confirm[0](probe.send(NONCE, datetime.now(UTC))).ids["app_id"] == account.values["app_id"]

    assert {row["method"] for row in account.requests()} == {"GET"}


def test_the_secret_in_use_fits_the_newest_delivery_and_another_one_does_not(account: Account) -> None:
    account.act("deliver")
    account.check(SECRET)

    with pytest.raises(Rejected) as caught:
        account.having(webhook_secret=NEW).check(SECRET)

    assert caught.value.symptom == "github.other_secret"
    assert caught.value.symptom in SECRET.refusals
    assert {row["method"] for row in account.requests()} == {"GET"}


@pytest.mark.parametrize("content_type", ["json", "form"])
@pytest.mark.parametrize("title", ["plain", "Größe 世界", "<a> & </a>", "\\u001b \x1b\x00", "\u2028 \U0001f680", '"\\'])
def test_a_signature_is_read_whatever_the_payload_says(title: str, content_type: str, account: Account) -> None:
    with closing(connect(account.values, account.address, account.conduct)) as client:
        client._as_app("set_hook_secret", "PATCH", "/app/hook/config", payload={"content_type": content_type})
    account.act("deliver", title=title)

    account.check(SECRET)
    with pytest.raises(Rejected):
        account.having(webhook_secret=NEW).check(SECRET)


def test_a_payload_that_cannot_be_written_as_it_was_signed_says_nothing(account: Account) -> None:
    account.act("deliver", title=1.5)

    with pytest.raises(OpsError) as caught:
        account.having(webhook_secret=NEW).check(SECRET)

    assert caught.value.symptom == "github.signature_unreadable"
    assert caught.value.symptom not in SECRET.refusals


def test_an_unsigned_delivery_refuses_every_secret(account: Account) -> None:
    point(account, "")
    account.act("deliver")

    with pytest.raises(Rejected) as caught:
        account.check(SECRET)

    assert caught.value.symptom == "github.unsigned"
    assert caught.value.symptom in SECRET.refusals


@pytest.mark.parametrize("delivered", [False, True], ids=["never", "four days ago"])
def test_without_a_delivery_of_three_days_nothing_is_said_but_what_to_do(
    delivered: object, account: Account, stand_ins: StandIns
) -> None:
    if delivered:
        account.act("deliver")
        stand_ins.control("POST", "/clock", {"offset_s": THREE_DAYS_S + 1})

    for ask in (lambda: account.check(SECRET), lambda: proven(account)):
        with pytest.raises(NotYet) as caught:
            ask()

        assert caught.value.symptom == "github.no_delivery"
        assert "open or label an issue" in caught.value.next_step


def test_without_the_secret_nothing_is_sent(account: Account) -> None:
    with pytest.raises(BadInput, match="GITHUB_WEBHOOK_SECRET"):
        account.having(webhook_secret="").check(SECRET)

    assert account.requests() == []


def test_the_whole_swap_is_accepted_by_a_receiver_of_both_and_can_be_taken_back(account: Account) -> None:
    old, renewed = account.values["webhook_secret"], account.having(webhook_secret=NEW)
    account.act("deliver")
    proven(account)
    account.act("receiver_accepts", secrets=[old, NEW])

    point(account, NEW)
    proven(renewed)

    renewed.check(SECRET)
    with pytest.raises(Rejected, match="another secret"):
        account.check(SECRET)
    point(account, old)
    proven(account)
    account.check(SECRET)
    received = account.act("show_received")["received"]
    assert [row["status_code"] for row in received] == [200] * len(received)


def test_pointing_changes_the_secret_alone_and_may_be_repeated(account: Account) -> None:
    with closing(connect(account.values, account.address, account.conduct)) as client:
        before = hook_of(client)
        point(account, NEW)
        point(account, NEW)

        assert hook_of(client) == before


def test_a_lost_answer_to_pointing_leaves_its_outcome_unknown(account: Account) -> None:
    account.fault(path="/hook/config", drop=True, deliver=True)

    with pytest.raises(OutcomeUnknown):
        point(account, NEW)


def test_a_receiver_that_does_not_know_the_new_secret_is_named_and_the_secret_is_not_refused(account: Account) -> None:
    account.act("deliver")
    point(account, NEW)
    renewed = account.having(webhook_secret=NEW)

    with pytest.raises(Rejected) as caught:
        proven(renewed)

    assert caught.value.symptom == "github.receiver_refused"
    assert caught.value.symptom not in SECRET.refusals
    assert "401" in caught.value.happened
    renewed.check(SECRET)


@pytest.mark.parametrize("status", [500, 502, 302])
def test_a_receiver_that_is_away_says_nothing_about_the_secret(status: int, account: Account) -> None:
    account.act("deliver")
    account.act("receiver_answers", status=status)

    with pytest.raises(Rejected) as caught:
        proven(account)

    assert caught.value.symptom == "github.receiver_away"


def test_a_secret_that_github_does_not_sign_with_is_refused_by_the_redelivery(account: Account) -> None:
    account.act("deliver")

    with pytest.raises(Rejected) as caught:
        proven(account.having(webhook_secret=NEW))

    assert caught.value.symptom in SECRET.refusals


def test_a_redelivery_is_waited_for_until_github_lists_it(account: Account, stand_ins: StandIns) -> None:
    account.act("deliver")
    account.act("set_indexing_delay", seconds=30)

    with probe_of(SECRET, account) as probe:
        receipt = probe.send(NONCE, datetime.now(UTC))
        with pytest.raises(NotYet) as caught:
            probe.confirm[0](receipt)
        stand_ins.control("POST", "/clock", {"offset_s": 31})
        found = eventually(lambda: probe.confirm[0](receipt))
        probe.confirm[1](found)

    assert caught.value.symptom == "github.redelivery_unseen"


def test_a_redelivery_that_never_comes_is_explained(account: Account) -> None:
    account.act("deliver")
    account.fault(path="/attempts$", swallow=True)

    with probe_of(SECRET, account) as probe:
        receipt = probe.send(NONCE, datetime.now(UTC))
        with pytest.raises(NotYet):
            probe.confirm[0](receipt)
        why = probe.explain(receipt)

    assert isinstance(why, Unavailable)
    assert receipt.ids["guid"] in why.happened


def test_a_redelivery_whose_answer_was_lost_is_found_by_its_time_and_an_older_one_is_not(account: Account) -> None:
    first, began = account.act("deliver"), datetime.now(UTC)
    account.fault(path="/attempts$", drop=True, deliver=True)

    with probe_of(SECRET, account) as probe:
        with pytest.raises(OutcomeUnknown):
            probe.send(NONCE, began)
        found = probe.confirm[1](probe.confirm[0](Receipt(NONCE, began)))
        with pytest.raises(NotYet):
            probe.confirm[0](Receipt(NONCE, began + timedelta(seconds=2)))

    assert int(found.ids["delivery"]) > first["id"]


def test_an_earlier_redelivery_of_the_same_event_is_not_taken_for_ours(account: Account) -> None:
    account.act("deliver")
    first = proven(account)
    account.act("set_indexing_delay", seconds=60)

    with probe_of(SECRET, account) as probe:
        receipt = probe.send(NONCE, datetime.now(UTC))
        with pytest.raises(NotYet):
            probe.confirm[0](receipt)

    assert receipt.ids == {"guid": first.ids["guid"], "redelivered": first.ids["delivery"]}


def hook_of(client: GithubApp) -> dict[str, object]:
    return client._as_app("read_hook", "GET", "/app/hook/config").fields()
