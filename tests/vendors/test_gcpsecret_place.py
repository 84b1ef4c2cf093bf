"""A secret of Google Secret Manager as a sink, against the stand-in, over both transports."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from domain.errors import OutcomeUnknown, Unavailable
from domain.exchanges import Exchange
from tests.conftest import StandIns
from tests.vendors.google_cloud import GRPC, REST, GoogleCloud, after_a_cut, cloud_of
from vendors.gcpsecret import INTEGRATION
from vendors.gcpsecret_place import GoogleSecretPlace, connect_place
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.sinks import Place

NEW, OLD = "the-new-value", "the-old-value"


@pytest.fixture(params=[GRPC, REST])
def cloud(request: pytest.FixtureRequest, stand_ins: StandIns) -> GoogleCloud:
    return cloud_of(stand_ins, INTEGRATION, request.param)


@pytest.fixture
def place(cloud: GoogleCloud) -> Iterator[GoogleSecretPlace]:
    values = cloud.values
    place = connect_place(values["secret_name"], values["manage_key"], cloud.address, cloud.conduct)
    with closing(place):
        yield place


def aliases(place: GoogleSecretPlace) -> dict[str, int]:
    return dict(place.versions.aliases().numbers)


def test_it_is_a_place(place: GoogleSecretPlace) -> None:
    a_place: Place = place

    assert a_place.holds({"current": NEW}) is False


def test_texts_are_added_once_and_named_by_aliases_in_one_change(cloud: GoogleCloud, place: GoogleSecretPlace) -> None:
    for _ in range(2):
        place.write({"current": NEW, "previous": OLD})

    assert aliases(place) == {"current": 2, "previous": 3}
    assert place.holds({"current": NEW, "previous": OLD})
    assert (cloud.calls("AddSecretVersion"), cloud.calls("UpdateSecret")) == (2, 1)
    assert NEW not in f"{place!r} {cloud.evidence!r}"


def test_a_text_that_is_there_already_gets_its_alias_and_no_second_version(
    cloud: GoogleCloud, place: GoogleSecretPlace
) -> None:
    place.write({"current": cloud.values["value"]})

    assert aliases(place) == {"current": 1}
    assert cloud.calls("AddSecretVersion") == 0


def test_an_empty_text_takes_its_alias_away_and_other_aliases_stay(place: GoogleSecretPlace) -> None:
    place.versions.move(place.versions.aliases(), {"pinned": 1})
    place.write({"current": NEW, "previous": OLD})

    place.write({"current": NEW, "previous": ""})

    assert aliases(place) == {"pinned": 1, "current": 2}
    assert place.holds({"current": NEW, "previous": ""})
    assert not place.holds({"current": NEW, "previous": OLD})


def test_what_an_application_could_not_read_is_not_held(place: GoogleSecretPlace) -> None:
    place.write({"current": NEW})
    version = place.versions.described(2)
    place.versions.change("disable_version", "disable_secret_version", version, lambda _: None)

    assert place.holds({"current": NEW}) is False


def test_a_change_of_somebody_else_is_told_and_the_next_try_takes_it_up(
    cloud: GoogleCloud, place: GoogleSecretPlace
) -> None:
    cloud.refuse(
        "UpdateSecret", "FAILED_PRECONDITION", "The etag provided in the request does not match the stored etag."
    )

    with pytest.raises(Unavailable, match="Somebody changed") as caught:
        place.write({"current": NEW})

    assert caught.value.symptom == "gcpsecret.changed_meanwhile"
    place.write({"current": NEW})
    assert place.holds({"current": NEW})
    assert cloud.calls("AddSecretVersion") == 1


def test_an_alias_that_somebody_moved_between_our_look_and_our_change_is_not_overwritten(
    cloud: GoogleCloud, place: GoogleSecretPlace
) -> None:
    place.write({"current": NEW})
    place.versions.add(OLD)

    def somebody_else(last: Exchange) -> None:
        if last.verb == "get_secret":
            place.versions.move(place.versions.aliases(), {"current": 1})

    conduct = Conduct(HostRule(rehearsal=True), somebody_else)
    values = cloud.values
    ours = connect_place(values["secret_name"], values["manage_key"], cloud.address, conduct)
    with closing(ours), pytest.raises(Unavailable, match="Somebody changed"):
        ours.write({"current": OLD})

    assert aliases(place) == {"current": 1}


def test_a_lost_answer_leaves_nothing_double(cloud: GoogleCloud, place: GoogleSecretPlace) -> None:
    cloud.fault(rpc="AddSecretVersion", drop=True, deliver=True)

    with pytest.raises(OutcomeUnknown):
        place.write({"current": NEW})
    after_a_cut(lambda: place.write({"current": NEW}))

    assert aliases(place) == {"current": 2}


def test_a_damaged_payload_is_neither_served_nor_taken_for_another(
    cloud: GoogleCloud, place: GoogleSecretPlace
) -> None:
    place.write({"current": NEW})
    cloud.fault(rpc="AccessSecretVersion", corrupt=True)

    with pytest.raises(Unavailable) as caught:
        place.holds({"current": NEW})

    assert caught.value.symptom == "gcpsecret.corrupted"
