"""The sink GitHub Actions against the stand-in, which opens what was sealed."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from domain.errors import BadInput, OutcomeUnknown, Rejected, Unavailable
from tests.conftest import StandIns
from tests.vendors.rotating import Account, account_of
from vendors.github import INTEGRATION, connect
from vendors.github_actions import LARGEST_BYTES, ActionsSecrets
from vendors.sinks import Place

REPOSITORY = "stand-in/application"


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    return account_of(stand_ins, INTEGRATION)


@pytest.fixture
def place(account: Account) -> Iterator[ActionsSecrets]:
    with opened(account) as place:
        yield place


@contextmanager
def opened(account: Account, repository: str = REPOSITORY) -> Iterator[ActionsSecrets]:
    with closing(ActionsSecrets(repository, connect(account.values, account.address, account.conduct))) as place:
        yield place


def read(account: Account, name: str) -> str:
    return str(account.act("read_actions_secret", name=name)["value"])


def test_each_entry_arrives_as_a_workflow_will_read_it_and_may_be_written_again(
    place: ActionsSecrets, account: Account
) -> None:
    for text in ("first", "second", "Größe\n\u2028 {{ }}", "x" * LARGEST_BYTES):
        place.write({"DATABASE_KEY": text, "other_key": "beside it"})

        assert (read(account, "DATABASE_KEY"), read(account, "OTHER_KEY")) == (text, "beside it")


def test_an_empty_entry_is_deleted_whether_it_was_there_or_not_and_others_stay(
    place: ActionsSecrets, account: Account
) -> None:
    place.write({"OLD_KEY": "x", "NEW_KEY": "y"})

    for _ in range(2):
        place.write({"OLD_KEY": "", "NEVER_THERE": ""})

    assert read(account, "NEW_KEY") == "y"
    with pytest.raises(AssertionError, match="OLD_KEY"):
        read(account, "OLD_KEY")


def test_what_was_sent_stays_unconfirmed_since_github_never_shows_it(place: ActionsSecrets, account: Account) -> None:
    as_place: Place = place
    as_place.write({"NAME": "x"})
    asked = len(account.requests())

    assert [as_place.holds({"NAME": text}) for text in ("x", "another", "")] == [None] * 3
    assert len(account.requests()) == asked


def test_the_token_is_of_one_repository_and_one_permission_and_is_dropped(
    place: ActionsSecrets, account: Account
) -> None:
    place.write({"NAME": "x"})

    asked = next(row for row in account.requests() if row["path"].endswith("access_tokens"))
    assert json.loads(asked["body"]) == {"repositories": ["application"], "permissions": {"secrets": "write"}}
    last = account.requests()[-1]
    assert (last["method"], last["path"], last["status"]) == ("DELETE", "/installation/token", 204)
    assert "x" not in {row["body"] for row in account.requests()}


def test_the_token_is_dropped_after_a_failure_too_and_the_failure_is_what_is_told(
    place: ActionsSecrets, account: Account
) -> None:
    account.fault(method="PUT", status=500)
    account.fault(path="/installation/token$", status=500)

    with pytest.raises(OutcomeUnknown):
        place.write({"NAME": "x"})

    assert account.requests()[-1]["path"] == "/installation/token"


def test_a_token_that_could_not_be_dropped_fails_nothing(place: ActionsSecrets, account: Account) -> None:
    account.fault(path="/installation/token$", drop=True)

    place.write({"NAME": "x"})

    assert read(account, "NAME") == "x"


@pytest.mark.parametrize("name", ["", "GITHUB_TOKEN", "github_token", "1NAME", "A-B", "A B", "Ä", "A\n"])
def test_a_name_that_github_does_not_take_is_refused_before_anything_is_sent(
    name: str, place: ActionsSecrets, account: Account
) -> None:
    with pytest.raises(BadInput, match="Nothing was sent"):
        place.write({"FINE": "x", name: "y"})

    assert account.requests() == []


def test_a_value_of_more_than_48_kb_is_refused_before_anything_is_sent(place: ActionsSecrets, account: Account) -> None:
    with pytest.raises(BadInput, match="49153 bytes"):
        place.write({"NAME": "x" * (LARGEST_BYTES + 1)})

    assert account.requests() == []


@pytest.mark.parametrize("repository", ["", "application", "a/b/c", "../b", "a/..", "a/b?x", "a b/c"])
def test_a_repository_is_an_owner_and_a_name(repository: str, account: Account) -> None:
    with opened(account, repository) as place, pytest.raises(BadInput, match="owner/name"):
        place.write({"NAME": "x"})

    assert account.requests() == []


def test_without_an_installation_nothing_is_sent(account: Account) -> None:
    with (
        opened(account.having(installation_id="")) as place,
        pytest.raises(BadInput, match="GITHUB_INSTALLATION_ID"),
    ):
        place.write({"NAME": "x"})

    assert account.requests() == []


@pytest.mark.parametrize(
    ("repository", "symptom"),
    [("stand-in/another", "github.token_not_granted"), ("another/application", "github.repository_unknown")],
)
@pytest.mark.parametrize("value", ["x", ""])
def test_another_repository_is_named_also_where_only_something_is_to_be_deleted(
    repository: str, symptom: str, value: str, account: Account
) -> None:
    with opened(account, repository) as place, pytest.raises(Rejected) as caught:
        place.write({"NAME": value})

    assert caught.value.symptom == symptom


def test_a_permission_that_was_never_granted_is_named(place: ActionsSecrets, account: Account) -> None:
    account.act("grant", permissions={"metadata": "read", "secrets": "read"})

    with pytest.raises(Rejected) as caught:
        place.write({"NAME": "x"})

    assert caught.value.symptom == "github.token_not_granted"
    assert "Secrets: Read and write" in caught.value.means


@pytest.mark.parametrize("body", ['{"key_id": "1", "key": "c2hvcnQ="}', '{"key_id": "1"}', '{"key": 7}', "[]"])
def test_a_key_that_nothing_can_be_sealed_for_seals_nothing(body: str, place: ActionsSecrets, account: Account) -> None:
    account.fault(path="/public-key$", status=200, body=body)

    with pytest.raises(Unavailable):
        place.write({"NAME": "x"})

    assert "PUT" not in {row["method"] for row in account.requests()}
