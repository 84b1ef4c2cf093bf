"""Statuspage's keys while they are rotated by hand, against the stand-in."""

import pytest

from domain.errors import OpsError, Rejected
from domain.names import Purpose
from tests.conftest import StandIns
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.registry import LIMITS, ROTATIONS

ROTATION = ROTATIONS["statuspage", Purpose.SEND]
CONDUCT = Conduct(HostRule(rehearsal=True), lambda _: None)


def values(stand_ins: StandIns, **changes: str) -> dict[str, str]:
    given = stand_ins.control("GET", "/statuspage/credentials")
    return {"api_key": given["STATUSPAGE_API_KEY"], "page_id": given["STATUSPAGE_PAGE_ID"], **changes}


def check(stand_ins: StandIns, **changes: str) -> None:
    ROTATION.check(values(stand_ins, **changes), f"{stand_ins.url}/statuspage", CONDUCT)


def mint(stand_ins: StandIns) -> str:
    return str(stand_ins.control("POST", "/statuspage/actions/mint_api_key")["api_key"])


def test_a_key_is_accepted_and_nothing_is_changed_by_asking(stand_ins: StandIns) -> None:
    check(stand_ins)

    (asked,) = stand_ins.control("GET", "/statuspage/requests")
    assert asked["method"] == "GET"
    assert stand_ins.control("GET", "/statuspage/inbox") == []


def test_old_and_new_are_accepted_side_by_side(stand_ins: StandIns) -> None:
    minted = mint(stand_ins)

    check(stand_ins)
    check(stand_ins, api_key=minted)


def test_a_deleted_key_is_refused_and_its_successor_is_not(stand_ins: StandIns) -> None:
    old, minted = values(stand_ins)["api_key"], mint(stand_ins)
    stand_ins.control("POST", "/statuspage/actions/revoke_api_key", {"api_key": old})

    with pytest.raises(Rejected) as caught:
        check(stand_ins)

    assert caught.value.symptom in ROTATION.refusals
    assert old not in str(caught.value)
    check(stand_ins, api_key=minted)


@pytest.mark.parametrize(
    "fault", [{"status": 403, "body": "{}"}, {"status": 404, "body": "{}"}, {"throttle_s": 5}, {"status": 500}], ids=str
)
def test_another_answer_says_nothing_about_the_key(fault: dict[str, object], stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/statuspage/faults", fault)

    with pytest.raises(OpsError) as caught:
        check(stand_ins)

    assert caught.value.symptom not in ROTATION.refusals


def test_a_wrong_page_says_nothing_about_the_key(stand_ins: StandIns) -> None:
    with pytest.raises(Rejected) as caught:
        check(stand_ins, page_id="another")

    assert caught.value.symptom not in ROTATION.refusals


def test_every_call_with_a_key_counts_against_its_limit() -> None:
    (limit,) = LIMITS["statuspage"]

    assert (limit.calls, limit.per.total_seconds(), limit.verbs) == (60, 60, frozenset())
