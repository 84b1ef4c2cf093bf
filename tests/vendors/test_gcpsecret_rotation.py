"""A secret's versions in rotation, against the stand-in: found by their value, ended under their etag, named by aliases."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from domain.diagnosis import Signature
from domain.errors import OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.manifests import Fit, Mint
from domain.names import marker
from tests.conftest import StandIns
from tests.vendors.google_cloud import CODES, GRPC, REST, GoogleCloud, after_a_cut, cloud_of
from vendors.gcpsecret import INTEGRATION, SIGNATURES
from vendors.gcpsecret_rotation import LIMITS, ROTATIONS, AliasPointer, SecretValues, connect_pointer, new_value
from vendors.gcpsecret_versions import PAGE_VERSIONS
from vendors.rotation import Rotator

SEND, _ = ROTATIONS
MARKER = marker("r1f2e3d4c5b", 1)
CHANGES: dict[str, tuple[str, Callable[[Rotator], object]]] = {
    "add_version": ("AddSecretVersion", lambda rotator: rotator.create(MARKER, new_value())),
    "disable_version": ("DisableSecretVersion", lambda rotator: rotator.disable("1")),
    "enable_version": ("EnableSecretVersion", lambda rotator: rotator.enable("2")),
    "destroy_version": ("DestroySecretVersion", lambda rotator: rotator.revoke("1")),
}

over_both = pytest.mark.parametrize("cloud", [GRPC, REST], indirect=True)


@pytest.fixture
def cloud(request: pytest.FixtureRequest, stand_ins: StandIns) -> GoogleCloud:
    return cloud_of(stand_ins, INTEGRATION, getattr(request, "param", GRPC))


@pytest.fixture
def rotator(cloud: GoogleCloud) -> Iterator[Rotator]:
    with closing(cloud.rotator(SEND)) as rotator:
        yield rotator


@pytest.fixture
def pointer(cloud: GoogleCloud) -> Iterator[AliasPointer]:
    with closing(connect_pointer(cloud.values, cloud.address, cloud.conduct)) as pointer:
        yield pointer


def fitting(rotator: Rotator, value: str) -> list[str]:
    return [one.vendor_id for one in rotator.list_credentials("").credentials if one.fits(value) is Fit.EXACT]


def refused(cloud: GoogleCloud, value: str) -> str:
    with pytest.raises(Rejected) as caught:
        cloud.having(value=value).check(SEND)
    return caught.value.symptom


def test_what_is_chosen_for_it_is_random_and_fits_the_variable() -> None:
    variable = next(row for row in INTEGRATION.variables if row.field == "value")
    chosen = {variable.check(new_value()) for _ in range(20)}

    assert {len(value) for value in chosen} == {43}
    assert len(chosen) == 20
    assert SEND.manifest.found_by_value
    assert SEND.manifest.mint is Mint.BY_CLIENT


@over_both
def test_a_new_version_is_found_by_its_value_and_both_values_are_served(cloud: GoogleCloud, rotator: Rotator) -> None:
    value = new_value()

    minted = rotator.create(MARKER, value)

    assert (minted.vendor_id, minted.value) == ("2", value)
    assert fitting(rotator, value) == ["2"]
    assert fitting(rotator, cloud.values["value"]) == ["1"]
    cloud.check(SEND)
    cloud.having(value=value).check(SEND)
    shown = f"{minted!r} {rotator!r} {rotator.list_credentials('')!r} {cloud.evidence!r}"
    assert value not in shown


@over_both
def test_a_version_is_switched_off_on_and_destroyed_as_often_as_asked(cloud: GoogleCloud, rotator: Rotator) -> None:
    value = new_value()
    vendor_id = rotator.create(MARKER, value).vendor_id

    for _ in range(2):
        rotator.disable(vendor_id)
    off = (fitting(rotator, value), refused(cloud, value))
    for _ in range(2):
        rotator.enable(vendor_id)
    on = fitting(rotator, value)
    for _ in range(2):
        rotator.revoke(vendor_id)
    rotator.disable(vendor_id)

    assert off == ([], "gcpsecret.version_off")
    assert on == [vendor_id]
    assert refused(cloud, value) in SEND.refusals
    assert [one.vendor_id for one in rotator.list_credentials("").credentials] == ["1"]
    with pytest.raises(Rejected) as caught:
        rotator.enable(vendor_id)
    assert caught.value.symptom == "gcpsecret.version_destroyed"
    cloud.check(SEND)


def test_a_version_that_waits_to_be_destroyed_counts_as_gone_and_can_be_switched_on(
    cloud: GoogleCloud, rotator: Rotator
) -> None:
    cloud.act("set_destroy_delay", seconds=86_400)
    value = new_value()
    vendor_id = rotator.create(MARKER, value).vendor_id

    for _ in range(2):
        rotator.revoke(vendor_id)

    assert refused(cloud, value) in SEND.refusals
    assert [one.vendor_id for one in rotator.list_credentials("").credentials] == ["1"]
    rotator.enable(vendor_id)
    cloud.having(value=value).check(SEND)


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 503}, {"status": 409}], ids=str)
def test_what_a_lost_answer_left_is_found_by_the_value_that_was_kept(
    fault: dict[str, object], cloud: GoogleCloud, rotator: Rotator
) -> None:
    value = new_value()
    cloud.act("set_listing_lag", seconds=3600)
    cloud.fault(rpc="AddSecretVersion", deliver=True, **fault)

    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, value)

    assert after_a_cut(lambda: fitting(rotator, value)) == ["2"]


@over_both
@pytest.mark.parametrize("verb", ["disable_version", "enable_version", "destroy_version"])
def test_somebody_elses_change_is_not_overwritten(verb: str, cloud: GoogleCloud, rotator: Rotator) -> None:
    rotator.create(MARKER, new_value())
    rotator.disable("2")
    rpc, call = CHANGES[verb]
    cloud.refuse(rpc, "FAILED_PRECONDITION", "The etag provided in the request does not match the stored etag.")

    with pytest.raises(Unavailable) as caught:
        call(rotator)

    assert caught.value.symptom == "gcpsecret.changed_meanwhile"
    assert json.loads(cloud.requests()[-1]["body"])["etag"]


@pytest.mark.parametrize("verb", CHANGES)
def test_a_change_whose_answer_is_lost_may_have_happened(verb: str, cloud: GoogleCloud, rotator: Rotator) -> None:
    rotator.create(MARKER, new_value())
    rotator.disable("2")
    rpc, call = CHANGES[verb]
    cloud.refuse(rpc, "UNAVAILABLE", status=503)

    with pytest.raises(OutcomeUnknown):
        call(rotator)


@over_both
def test_one_change_moves_both_aliases_and_leaves_the_others(cloud: GoogleCloud, pointer: AliasPointer) -> None:
    old, new = cloud.values["value"], new_value()
    versions = pointer.versions
    versions.move(versions.aliases(), {"pinned": 1})
    versions.add(new)

    pointer.point_to(old)
    first = (versions.aliases().numbers, pointer.points_to(old), pointer.points_to(new))
    for _ in range(2):
        pointer.point_to(new)
    second = (versions.aliases().numbers, pointer.points_to(old), pointer.points_to(new))
    pointer.point_to(old)

    assert first == ({"pinned": 1, "current": 1}, True, False)
    assert second == ({"pinned": 1, "current": 2, "previous": 1}, False, True)
    assert versions.aliases().numbers == {"pinned": 1, "current": 1, "previous": 2}
    assert cloud.calls("UpdateSecret") == 4  # pointing again where it points already is no change


def test_where_there_is_no_alias_yet_it_points_to_nothing(cloud: GoogleCloud, pointer: AliasPointer) -> None:
    assert pointer.points_to(cloud.values["value"]) is False


def test_an_alias_is_not_pointed_to_what_nobody_could_read(pointer: AliasPointer) -> None:
    with pytest.raises(Rejected) as caught:
        pointer.point_to("never-was-there")

    assert caught.value.symptom == "gcpsecret.version_off"


def test_an_account_that_may_only_read_is_told_which_role_it_lacks(cloud: GoogleCloud, rotator: Rotator) -> None:
    cloud.act("remove_permission", permission="secretmanager.versions.add")

    with pytest.raises(Rejected, match="Secret Manager Admin") as caught:
        rotator.create(MARKER, new_value())

    assert caught.value.symptom == "gcpsecret.forbidden"


@pytest.mark.parametrize("answer", [{"status": 500}, {"drop": True}, {"garbage": True}, {"throttle_s": 1}], ids=str)
@pytest.mark.parametrize("rpc", ["ListSecretVersions", "AccessSecretVersion"])
def test_only_a_secret_without_the_value_says_anything_about_it(
    rpc: str, answer: dict[str, object], cloud: GoogleCloud
) -> None:
    cloud.fault(rpc=rpc, **answer)

    with pytest.raises(OpsError) as caught:
        cloud.check(SEND)

    assert caught.value.symptom not in SEND.refusals
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize("row", [row for row in SIGNATURES if row.verbs & set(CHANGES)], ids=lambda row: row.id)
def test_every_signature_of_a_change_is_read_as_its_row_says(
    row: Signature, cloud: GoogleCloud, rotator: Rotator
) -> None:
    rotator.create(MARKER, new_value())
    rotator.disable("2")
    for verb in sorted(row.verbs & set(CHANGES)):
        rpc, call = CHANGES[verb]
        for status in sorted(row.statuses):
            cloud.refuse(rpc, CODES[status], f"so: {row.marker}", status)

            with pytest.raises(row.kind.value) as caught:
                call(rotator)

            assert caught.value.symptom == row.id
            assert "so:" not in str(caught.value)


def test_limits_speak_of_verbs_that_are_sent(cloud: GoogleCloud, rotator: Rotator, pointer: AliasPointer) -> None:
    minted = rotator.create(MARKER, new_value())
    pointer.point_to(minted.value)
    rotator.disable(minted.vendor_id)
    rotator.revoke(minted.vendor_id)

    limited = frozenset[str]().union(*(limit.verbs for limit in LIMITS))
    assert set(cloud.verbs) <= limited


def test_a_long_history_is_read_page_by_page(cloud: GoogleCloud, rotator: Rotator) -> None:
    for _ in range(PAGE_VERSIONS + 1):
        rotator.create(MARKER, new_value())

    first = rotator.list_credentials("")
    last = rotator.list_credentials(first.next_cursor)
    versions = cast("SecretValues", rotator).versions

    newest = PAGE_VERSIONS + 2
    assert [one.vendor_id for one in first.credentials] == [str(newest - place) for place in range(PAGE_VERSIONS)]
    assert [one.vendor_id for one in last.credentials] == ["2", "1"]
    assert versions.holding(cloud.values["value"]) == 1
    created = first.credentials[0].created_at
    assert created is not None
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)
