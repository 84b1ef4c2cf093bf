"""Service-account keys in rotation, against the stand-in: uploaded ones, found again by the subject of their certificate."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials
from requests import Session

from domain.errors import BadInput, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.manifests import Fit
from domain.names import Purpose, marker
from tests.conftest import StandIns
from tests.vendors.google_cloud import GoogleCloud, after_a_cut, cloud_of
from tests.vendors.rotating import listed
from vendors import gcpkms, gcpsecret
from vendors.capabilities import Integration
from vendors.gcpkey import INTEGRATION
from vendors.gcpkey_rotation import LIMITS, ROTATIONS, SLOTS
from vendors.gcpkms_rotation import ROTATIONS as KMS_ROTATIONS
from vendors.gcpsecret_rotation import ROTATIONS as SECRET_ROTATIONS
from vendors.rotation import Rotation, Rotator

SEND, MANAGE = ROTATIONS
MARKER = marker("r1f2e3d4c5b", 1)
NO_ID = "0" * 40
CALLS: dict[str, tuple[str, Callable[[Rotator], object]]] = {
    "list_keys": ("ListServiceAccountKeys", lambda rotator: rotator.list_credentials("")),
    "upload_key": ("UploadServiceAccountKey", lambda rotator: rotator.create(MARKER, "")),
    "disable_key": ("DisableServiceAccountKey", lambda rotator: rotator.disable(NO_ID)),
    "enable_key": ("EnableServiceAccountKey", lambda rotator: rotator.enable(NO_ID)),
    "delete_key": ("DeleteServiceAccountKey", lambda rotator: rotator.revoke(NO_ID)),
}


@pytest.fixture
def cloud(stand_ins: StandIns) -> GoogleCloud:
    return cloud_of(stand_ins, INTEGRATION)


@pytest.fixture
def rotator(cloud: GoogleCloud) -> Iterator[Rotator]:
    with closing(cloud.rotator(SEND)) as rotator:
        yield rotator


def refused(cloud: GoogleCloud, rotation: Rotation = SEND) -> str:
    with pytest.raises(Rejected) as caught:
        cloud.check(rotation)
    return caught.value.symptom


def test_the_key_in_use_is_found_by_its_id_and_googles_own_keys_are_left_out(
    cloud: GoogleCloud, rotator: Rotator
) -> None:  # fmt: skip
    page = rotator.list_credentials("")

    (in_use,) = page.credentials
    assert in_use.fits(cloud.values["key"]) is Fit.EXACT
    assert in_use.fits("no key") is Fit.NO
    assert in_use.fits(cloud.values["manage_key"]) is Fit.NO
    assert (in_use.name, in_use.enabled, page.slots) == ("", True, SLOTS)
    assert in_use.vendor_id.startswith(in_use.hint)


def test_a_new_key_carries_the_marker_and_googles_own_library_signs_with_it(
    cloud: GoogleCloud, rotator: Rotator
) -> None:  # fmt: skip
    minted = rotator.create(MARKER, "")

    shown = listed(rotator)[MARKER]
    assert (shown.vendor_id, shown.fits(minted.value)) == (minted.vendor_id, Fit.EXACT)
    assert shown.created_at is not None
    assert abs(datetime.now(UTC) - shown.created_at) < timedelta(minutes=10)
    written, before = json.loads(minted.value), json.loads(cloud.values["key"])
    assert written["private_key_id"] == minted.vendor_id
    assert {**written, **dict.fromkeys(("private_key", "private_key_id"))} == {
        **before, **dict.fromkeys(("private_key", "private_key_id"))
    }  # fmt: skip
    scopes = ["https://www.googleapis.com/auth/iam"]
    credentials = Credentials.from_service_account_info(written, scopes=scopes)  # type: ignore[no-untyped-call]
    with Session() as session:
        credentials.refresh(Request(session))
    assert credentials.token


def test_a_key_is_switched_off_on_and_deleted_as_often_as_asked(cloud: GoogleCloud, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")
    second = cloud.having(key=minted.value)
    second.check(SEND)

    for _ in range(2):
        rotator.disable(minted.vendor_id)
    off = (listed(rotator)[MARKER].enabled, refused(second))
    for _ in range(2):
        rotator.enable(minted.vendor_id)
    second.check(SEND)
    for _ in range(2):
        rotator.revoke(minted.vendor_id)
    rotator.disable(minted.vendor_id)

    assert off == (False, "gcpkey.key_refused")
    assert refused(second) in SEND.refusals
    assert MARKER not in listed(rotator)
    cloud.check(SEND)


def test_a_key_that_is_gone_cannot_be_switched_on(rotator: Rotator) -> None:
    with pytest.raises(Rejected) as caught:
        rotator.enable(NO_ID)

    assert caught.value.symptom == "gcpkey.key_gone"


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 503}, {"status": 500}, {"status": 409}], ids=str)
def test_what_a_lost_answer_left_is_found_by_the_marker_alone(
    fault: dict[str, object], cloud: GoogleCloud, rotator: Rotator
) -> None:
    cloud.fault(rpc="UploadServiceAccountKey", deliver=True, **fault)

    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, "")

    orphan = after_a_cut(lambda: listed(rotator))[MARKER]
    rotator.revoke(orphan.vendor_id)
    assert MARKER not in listed(rotator)


def test_a_key_that_is_deleted_during_the_listing_carries_no_marker(cloud: GoogleCloud, rotator: Rotator) -> None:
    rotator.create(MARKER, "")
    cloud.refuse("GetServiceAccountKey", "NOT_FOUND", status=404)

    assert MARKER not in listed(rotator)


@pytest.mark.parametrize("action", ["fill", "forbid"])
def test_an_account_that_takes_no_more_keys_says_what_to_look_at(
    action: str, cloud: GoogleCloud, rotator: Rotator
) -> None:  # fmt: skip
    if action == "fill":
        cloud.act("fill_slots")
    else:
        cloud.act("forbid_key_creation")

    with pytest.raises(Rejected, match="10 already") as caught:
        rotator.create(MARKER, "")

    assert caught.value.symptom == "gcpkey.upload_refused"


def test_a_manager_without_the_role_is_told_which_one(cloud: GoogleCloud, rotator: Rotator) -> None:
    cloud.act("remove_permission", account="account-manager")

    for _, call in CALLS.values():
        with pytest.raises(Rejected, match="serviceAccountKeyAdmin") as caught:
            call(rotator)
        assert caught.value.symptom == "gcpkey.keys_forbidden"


def test_a_manage_key_is_rotated_with_itself(cloud: GoogleCloud) -> None:
    with closing(cloud.rotator(MANAGE)) as rotator:
        minted = rotator.create(MARKER, "")
        old = next(one for one in listed(rotator).values() if one.fits(cloud.values["manage_key"]) is Fit.EXACT)
    renewed = cloud.having(manage_key=minted.value)
    renewed.check(MANAGE)

    with closing(renewed.rotator(MANAGE)) as rotator:
        rotator.disable(old.vendor_id)

    assert refused(cloud, MANAGE) in MANAGE.refusals
    assert MANAGE.manifest.opens_management
    with closing(cloud.rotator(MANAGE)) as rotator, pytest.raises(Rejected) as caught:
        rotator.list_credentials("")
    assert caught.value.symptom == "gcpkey.manager_unknown"


@pytest.mark.parametrize(
    ("integration", "rotation"),
    [(gcpsecret.INTEGRATION, SECRET_ROTATIONS[1]), (gcpkms.INTEGRATION, KMS_ROTATIONS[1])],
    ids=["gcpsecret", "gcpkms"],
)
def test_the_other_manage_keys_rotate_in_the_same_way(
    integration: Integration, rotation: Rotation, stand_ins: StandIns
) -> None:
    cloud = cloud_of(stand_ins, integration)
    with closing(cloud.rotator(rotation)) as rotator:
        minted = rotator.create(MARKER, "")
        renewed = cloud.having(manage_key=minted.value)
        renewed.check(rotation)
        rotator.revoke(minted.vendor_id)

    assert rotation.purpose is Purpose.MANAGE
    assert refused(renewed, rotation) == f"{integration.name}.key_refused"


@pytest.mark.parametrize("answer", [{"status": 500}, {"drop": True}, {"garbage": True}, {"throttle_s": 1}], ids=str)
def test_only_googles_own_words_say_anything_about_a_key(answer: dict[str, object], cloud: GoogleCloud) -> None:
    cloud.fault(path="token", **answer)

    with pytest.raises(OpsError) as caught:
        cloud.check(SEND)

    assert caught.value.symptom not in SEND.refusals
    assert not isinstance(caught.value, OutcomeUnknown)


def test_a_missing_manage_key_is_named_and_nothing_is_sent(cloud: GoogleCloud) -> None:
    without = cloud.having(manage_key="")

    for ask in (without.check, without.rotator):
        with pytest.raises(BadInput, match="manage_key"):
            ask(MANAGE)

    assert cloud.requests() == []


def test_over_http_there_is_no_way_to_keys(cloud: GoogleCloud) -> None:
    over_http = f"{cloud.stand_ins.url}/gcpkey"
    assert SEND.connect is not None

    with (
        closing(SEND.connect(cloud.values, over_http, cloud.conduct)) as rotator,
        pytest.raises(BadInput, match="grpc://"),
    ):
        rotator.list_credentials("")


def test_no_value_is_in_a_repr_or_in_the_evidence(cloud: GoogleCloud, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")
    cloud.having(key=minted.value).check(SEND)

    shown = f"{minted!r} {rotator!r} {listed(rotator)!r} {cloud.evidence!r}"
    assert "PRIVATE KEY" not in shown
    assert "MII" not in shown


def test_limits_speak_of_verbs_that_are_sent(cloud: GoogleCloud, rotator: Rotator) -> None:
    rotator.create(MARKER, "")
    rotator.list_credentials("")

    limited = frozenset[str]().union(*(limit.verbs for limit in LIMITS))
    assert set(cloud.verbs) <= limited


@pytest.mark.parametrize("verb", CALLS)
def test_a_quota_lasts_as_long_as_google_says(verb: str, cloud: GoogleCloud, rotator: Rotator) -> None:
    rpc, call = CALLS[verb]
    cloud.fault(rpc=rpc, throttle_s=17)

    with pytest.raises(Unavailable) as caught:
        call(rotator)

    assert caught.value.retry_after == timedelta(seconds=17)
