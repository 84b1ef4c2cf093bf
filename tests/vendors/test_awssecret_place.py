"""A secret's labels as a sink: written, read back, written again; versions are found by their values."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from domain.errors import BadInput, OutcomeUnknown
from tests.conftest import StandIns
from tests.vendors.rotating import Account, account_of
from vendors.awssecret import INTEGRATION
from vendors.awssecret_place import AwsSecretPlace, open_place
from vendors.sinks import Place

NEW = "a-new-value-chosen-here"


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    return account_of(stand_ins, INTEGRATION)


@pytest.fixture
def place(account: Account) -> Iterator[AwsSecretPlace]:
    values = account.values
    with closing(
        open_place(values["secret_id"], values["region"], values["manage_key"], account.address, account.conduct)
    ) as place:
        yield place


@pytest.fixture
def old(account: Account) -> str:
    return account.values["secret_value"]


def written(account: Account) -> list[str]:
    return [
        request["rpc"]
        for request in account.requests()
        if request["rpc"] not in {"GetSecretValue", "ListSecretVersionIds"}
    ]


def test_a_new_value_becomes_current_and_the_old_one_stays_previous(
    account: Account, place: AwsSecretPlace, old: str
) -> None:
    writable: Place = place
    entries = {"AWSPREVIOUS": old, "AWSCURRENT": NEW}
    assert not writable.holds(entries)

    writable.write(entries)

    assert writable.holds(entries)
    assert written(account) == ["PutSecretValue"]  # AWS moved AWSPREVIOUS by itself
    assert NEW not in repr((place, account.evidence))


def test_the_same_once_more_changes_nothing(account: Account, place: AwsSecretPlace, old: str) -> None:
    entries = {"AWSCURRENT": NEW, "AWSPREVIOUS": old}
    place.write(entries)
    before = account.act("show_labels")

    place.write(entries)

    assert account.act("show_labels") == before
    assert written(account) == ["PutSecretValue"]


def test_a_version_that_holds_the_value_is_labelled_instead_of_a_second_one(
    account: Account, place: AwsSecretPlace, old: str
) -> None:
    first = account.act("show_labels")["AWSCURRENT"]
    place.write({"AWSCURRENT": NEW})

    place.write({"AWSCURRENT": old, "AWSPREVIOUS": NEW})

    assert account.act("show_labels")["AWSCURRENT"] == first
    assert place.holds({"AWSCURRENT": old, "AWSPREVIOUS": NEW})
    assert written(account) == ["PutSecretValue", "UpdateSecretVersionStage"]


def test_an_empty_entry_loses_its_label_and_other_labels_stay(
    account: Account, place: AwsSecretPlace, old: str
) -> None:
    account.act("put_version", value="blue-value", labels=["BLUE"])
    place.write({"AWSCURRENT": NEW, "AWSPREVIOUS": old})

    for _ in range(2):
        place.write({"AWSCURRENT": NEW, "AWSPREVIOUS": ""})

    assert sorted(account.act("show_labels")) == ["AWSCURRENT", "BLUE"]
    assert place.holds({"AWSCURRENT": NEW, "AWSPREVIOUS": ""})
    assert not place.holds({"AWSCURRENT": NEW, "AWSPREVIOUS": old})


def test_a_previous_value_that_no_version_holds_gets_one_of_its_own(account: Account, place: AwsSecretPlace) -> None:
    place.write({"AWSCURRENT": NEW, "AWSPREVIOUS": "an-earlier-value"})

    assert place.holds({"AWSCURRENT": NEW, "AWSPREVIOUS": "an-earlier-value"})


def test_a_lost_answer_is_healed_by_writing_again(account: Account, place: AwsSecretPlace) -> None:
    account.fault(drop=True, deliver=True, rpc="PutSecretValue")
    with pytest.raises(OutcomeUnknown):
        place.write({"AWSCURRENT": NEW})

    place.write({"AWSCURRENT": NEW})

    assert place.holds({"AWSCURRENT": NEW})
    assert written(account) == ["PutSecretValue"]


def test_a_new_versions_id_says_nothing_of_the_value(account: Account, place: AwsSecretPlace) -> None:
    ids = set()
    for _ in range(2):
        account.stand_ins.control("POST", "/reset")
        place.write({"AWSCURRENT": NEW})
        ids.add(account.act("show_labels")["AWSCURRENT"])

    assert len(ids) == 2


@pytest.mark.parametrize("entries", [{"AWSCURRENT": ""}, {"AWSCURRENT": NEW, "AWSPENDING": NEW}], ids=str)
def test_what_aws_or_a_rotation_would_trip_over_is_refused_before_anything_is_sent(
    entries: dict[str, str], account: Account, place: AwsSecretPlace
) -> None:
    with pytest.raises(BadInput):
        place.write(entries)

    assert account.requests() == []
