"""A key's versions in rotation, against the stand-in: marked by labels of the key, and never destroyed while they are needed."""

import base64
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, OpsError, OutcomeUnknown, Rejected
from domain.exchanges import Exchange
from domain.manifests import Fit
from domain.names import marker
from tests.conftest import StandIns
from tests.vendors.google_cloud import CODES, GRPC, REST, GoogleCloud, after_a_cut, cloud_of
from tests.vendors.rotating import held_open, listed
from vendors.gcpkms import INTEGRATION, SIGNATURES
from vendors.gcpkms_rotation import LIMITS, PAGE_CIPHERTEXTS, ROTATIONS, connect_pointer, marked_versions
from vendors.gcpkms_versions import KeyVersions, connect_versions
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.rotation import Pointer, Rotator

SEND, _ = ROTATIONS
MARKER, NEXT_MARKER = marker("r1f2e3d4c5b", 1), marker("r1f2e3d4c5b", 2)
CHANGES: dict[str, tuple[str, Callable[[Rotator], object]]] = {
    "label_key": ("UpdateCryptoKey", lambda rotator: rotator.create(MARKER, "")),
    "create_version": ("CreateCryptoKeyVersion", lambda rotator: rotator.create(MARKER, "")),
    "disable_version": ("UpdateCryptoKeyVersion", lambda rotator: rotator.disable("1")),
    "enable_version": ("UpdateCryptoKeyVersion", lambda rotator: rotator.enable("2")),
    "destroy_version": ("DestroyCryptoKeyVersion", lambda rotator: rotator.revoke("3")),
}

over_both = pytest.mark.parametrize("cloud", [GRPC, REST], indirect=True)


@pytest.fixture
def cloud(request: pytest.FixtureRequest, stand_ins: StandIns) -> GoogleCloud:
    cloud = cloud_of(stand_ins, INTEGRATION, getattr(request, "param", GRPC))
    cloud.act("set_indexing_delay", seconds=0)  # a moved primary is used at once
    return cloud


@pytest.fixture
def rotator(cloud: GoogleCloud) -> Iterator[Rotator]:
    with closing(cloud.rotator(SEND)) as rotator:
        yield rotator


@pytest.fixture
def pointer(cloud: GoogleCloud) -> Iterator[Pointer]:
    with closing(connect_pointer(cloud.values, cloud.address, cloud.conduct)) as pointer:
        yield pointer


@pytest.fixture
def versions(cloud: GoogleCloud) -> Iterator[KeyVersions]:
    values = cloud.values
    with closing(connect_versions(values["key"], values["manage_key"], cloud.address, cloud.conduct)) as versions:
        yield versions


def refused(cloud: GoogleCloud, value: str) -> str:
    with pytest.raises(Rejected) as caught:
        cloud.having(key_version=value).check(SEND)
    return caught.value.symptom


def encrypted(cloud: GoogleCloud, file: Path, *, as_text: bool = False) -> None:
    """Put what the application encrypts now into a file."""
    ciphertext: str = cloud.act("encrypt_for_application", text=file.name)["ciphertext"]
    file.write_bytes(ciphertext.encode() + b"\n" if as_text else base64.b64decode(ciphertext))


@over_both
def test_a_new_version_carries_the_marker_works_and_is_not_the_primary(
    cloud: GoogleCloud, rotator: Rotator, pointer: Pointer
) -> None:
    minted = rotator.create(MARKER, "")

    assert (minted.vendor_id, minted.value) == ("2", f"{cloud.values['key']}/cryptoKeyVersions/2")
    shown = {one.vendor_id: one for one in rotator.list_credentials("").credentials}
    assert {number: one.name for number, one in shown.items()} == {"1": "", "2": MARKER}
    assert (shown["2"].fits(minted.value), shown["1"].fits(minted.value)) == (Fit.EXACT, Fit.NO)
    assert shown["1"].fits(cloud.values["key_version"]) is Fit.EXACT
    cloud.having(key_version=minted.value).check(SEND)
    assert (pointer.points_to(cloud.values["key_version"]), pointer.points_to(minted.value)) == (True, False)


@over_both
def test_the_primary_is_moved_and_moved_back(cloud: GoogleCloud, rotator: Rotator, pointer: Pointer) -> None:
    old, new = cloud.values["key_version"], rotator.create(MARKER, "").value

    for _ in range(2):
        pointer.point_to(new)
    there = (pointer.points_to(new), pointer.points_to(old))
    pointer.point_to(old)

    assert there == (True, False)
    assert (pointer.points_to(new), pointer.points_to(old)) == (False, True)


@over_both
def test_a_version_is_switched_off_on_and_destroyed_as_often_as_asked(cloud: GoogleCloud, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    for _ in range(2):
        rotator.disable(minted.vendor_id)
    off = (listed(rotator)[MARKER].enabled, refused(cloud, minted.value))
    for _ in range(2):
        rotator.enable(minted.vendor_id)
    cloud.having(key_version=minted.value).check(SEND)
    for _ in range(2):
        rotator.revoke(minted.vendor_id)
    rotator.disable(minted.vendor_id)

    assert off == (False, "gcpkms.version_off")
    assert refused(cloud, minted.value) in SEND.refusals
    assert MARKER not in listed(rotator)
    with pytest.raises(Rejected) as caught:
        rotator.enable(minted.vendor_id)
    assert caught.value.symptom == "gcpkms.version_scheduled"
    cloud.check(SEND)


def test_what_was_never_there_is_not_called_switched_off(cloud: GoogleCloud) -> None:
    assert refused(cloud, f"{cloud.values['key']}/cryptoKeyVersions/77") not in SEND.refusals

    elsewhere = f"{cloud.values['key']}x"
    assert refused(cloud.having(key=elsewhere), f"{elsewhere}/cryptoKeyVersions/1") not in SEND.refusals


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 503}, {"status": 409}], ids=str)
def test_what_a_lost_answer_left_is_found_by_what_was_said_before(
    fault: dict[str, object], cloud: GoogleCloud, rotator: Rotator
) -> None:
    cloud.fault(rpc="CreateCryptoKeyVersion", deliver=True, **fault)

    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, "")

    orphan = after_a_cut(lambda: listed(rotator))[MARKER]
    assert orphan.vendor_id == "2"
    rotator.revoke(orphan.vendor_id)
    assert rotator.create(NEXT_MARKER, "").vendor_id == "3"
    assert listed(rotator)[NEXT_MARKER].vendor_id == "3"


def test_a_version_that_somebody_else_may_have_made_is_not_taken_for_ours(cloud: GoogleCloud, rotator: Rotator) -> None:
    cloud.fault(rpc="CreateCryptoKeyVersion", drop=True, deliver=True)
    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, "")
    cloud.act("add_version")

    found = after_a_cut(lambda: rotator.list_credentials(""))
    assert [one.name for one in found.credentials] == ["", "", ""]


def test_an_answer_lost_on_the_last_label_costs_nothing(cloud: GoogleCloud, rotator: Rotator) -> None:
    def interrupted(last: Exchange) -> None:
        if last.verb == "create_version":
            cloud.fault(rpc="UpdateCryptoKey", status=503)

    assert SEND.connect is not None
    conduct = Conduct(HostRule(rehearsal=True), interrupted)
    with closing(SEND.connect(cloud.values, cloud.address, conduct)) as at_the_last:
        assert at_the_last.create(MARKER, "").vendor_id == "2"

    assert listed(rotator)[MARKER].vendor_id == "2"


def test_nothing_is_made_before_it_was_said(cloud: GoogleCloud, rotator: Rotator) -> None:
    cloud.fault(rpc="UpdateCryptoKey", status=503)

    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, "")

    assert cloud.calls("CreateCryptoKeyVersion") == 0


def test_markers_that_are_over_leave_the_key_and_other_labels_stay(rotator: Rotator, versions: KeyVersions) -> None:
    gone = marker("r00000000000", 1)
    versions.label({"team": "payments", gone: "after-0"})
    first = rotator.create(MARKER, "")
    rotator.revoke(first.vendor_id)

    rotator.create(marker("rfffffffffff", 1), "")

    assert versions.look().labels == {"team": "payments", marker("rfffffffffff", 1): "is-3"}


@pytest.mark.parametrize(
    ("labels", "numbers", "found"),
    [
        ({MARKER: "after-4"}, [4, 5], {5: MARKER}),
        ({MARKER: "after-4"}, [4], {}),
        ({MARKER: "after-4"}, [4, 5, 6], {}),
        ({MARKER: "after-4", NEXT_MARKER: "is-6"}, [4, 5, 6], {5: MARKER, 6: NEXT_MARKER}),
        ({MARKER: "after-four", NEXT_MARKER: "is-", "team": "is-5"}, [4, 5], {}),
    ],
)
def test_a_marker_is_about_one_version_or_none(
    labels: dict[str, str], numbers: list[int], found: dict[int, str]
) -> None:
    assert marked_versions(labels, numbers) == found


def test_ciphertexts_of_the_old_version_hold_it_until_they_are_encrypted_anew(
    cloud: GoogleCloud, pointer: Pointer, tmp_path: Path
) -> None:
    encrypted(cloud, tmp_path / "invoice.enc")
    encrypted(cloud, tmp_path / "in-base64.enc", as_text=True)
    (tmp_path / "notes.txt").write_text("not one of them")
    with closing(cloud.having(ciphertexts=str(tmp_path)).rotator(SEND)) as rotator:
        new = rotator.create(MARKER, "")
        while_primary = held_open(rotator, "1")
        pointer.point_to(new.value)
        before = held_open(rotator, "1")
        rotator.disable("1")
        off = held_open(rotator, "1")
        with pytest.raises(Rejected, match="2 known ciphertexts") as caught:
            rotator.revoke("1")
        for name in ("invoice.enc", "in-base64.enc"):
            encrypted(cloud, tmp_path / name)
        after = (held_open(rotator, "1"), held_open(rotator, new.vendor_id))
        rotator.revoke("1")

    assert [line.partition(":")[0] for line in before] == ["in-base64.enc", "invoice.enc"]
    assert all("primary one" in line for line in while_primary)
    assert all("re-encrypt" in line for line in [*before, *off])
    assert (caught.value.symptom, "invoice.enc" in str(caught.value)) == ("gcpkms.still_needed", True)
    assert (after[0], len(after[1])) == ([], 2)
    assert refused(cloud, cloud.values["key_version"]) in SEND.refusals


def test_what_cannot_be_told_is_held_too(cloud: GoogleCloud, pointer: Pointer, tmp_path: Path) -> None:
    (tmp_path / "strange.enc").write_bytes(b"\x00\x01 not of this key")
    with closing(cloud.having(ciphertexts=f"{tmp_path}/*.enc").rotator(SEND)) as rotator:
        pointer.point_to(rotator.create(MARKER, "").value)

        assert ["cannot be told" in line for line in held_open(rotator, "1")] == [True]
        with pytest.raises(Rejected):
            rotator.revoke("1")
    assert "DestroyCryptoKeyVersion" not in {entry["rpc"] for entry in cloud.requests()}


def test_many_ciphertexts_are_looked_at_page_by_page(cloud: GoogleCloud, tmp_path: Path) -> None:
    encrypted(cloud, tmp_path / "000.enc")
    for number in range(1, PAGE_CIPHERTEXTS + 1):
        (tmp_path / f"{number:03}.enc").write_bytes((tmp_path / "000.enc").read_bytes())
    with closing(cloud.having(ciphertexts=str(tmp_path)).rotator(SEND)) as rotator:
        first = rotator.held_open("1", "")
        last = rotator.held_open("1", first.next_cursor)

    assert (len(first.items), len(last.items), last.next_cursor) == (PAGE_CIPHERTEXTS, 1, "")


def test_a_folder_without_ciphertexts_is_not_the_same_as_nothing_to_lose(cloud: GoogleCloud, tmp_path: Path) -> None:
    with closing(cloud.having(ciphertexts=str(tmp_path)).rotator(SEND)) as rotator:
        minted = rotator.create(MARKER, "")
        for ask in (lambda: rotator.held_open("1", ""), lambda: rotator.revoke(minted.vendor_id)):
            with pytest.raises(BadInput, match="GOOGLE_KMS_CIPHERTEXTS"):
                ask()


def test_a_file_too_large_to_be_a_ciphertext_is_named(cloud: GoogleCloud, tmp_path: Path) -> None:
    (tmp_path / "backup.enc").write_bytes(b"\x00" * 200_000)

    with (
        closing(cloud.having(ciphertexts=str(tmp_path)).rotator(SEND)) as rotator,
        pytest.raises(BadInput, match=r"backup\.enc"),
    ):
        rotator.held_open("1", "")


def test_the_primary_version_is_never_destroyed(rotator: Rotator) -> None:
    with pytest.raises(Rejected) as caught:
        rotator.revoke("1")

    assert caught.value.symptom == "gcpkms.is_primary"


@pytest.mark.parametrize("verb", CHANGES)
def test_a_change_whose_answer_is_lost_may_have_happened(
    verb: str, cloud: GoogleCloud, rotator: Rotator, versions: KeyVersions
) -> None:
    _two_more(versions)
    rpc, call = CHANGES[verb]
    cloud.refuse(rpc, "UNAVAILABLE", status=503)

    with pytest.raises(OutcomeUnknown):
        call(rotator)


@pytest.mark.parametrize("row", [row for row in SIGNATURES if row.verbs & set(CHANGES)], ids=lambda row: row.id)
def test_every_signature_of_a_change_is_read_as_its_row_says(
    row: Signature, cloud: GoogleCloud, rotator: Rotator, versions: KeyVersions
) -> None:
    _two_more(versions)
    for verb in sorted(row.verbs & set(CHANGES)):
        rpc, call = CHANGES[verb]
        for status in sorted(row.statuses):
            cloud.refuse(rpc, CODES[status], f"so: {row.marker}", status)

            with pytest.raises(row.kind.value) as caught:
                call(rotator)

            assert caught.value.symptom == row.id
            assert "so:" not in str(caught.value)


@pytest.mark.parametrize("answer", [{"status": 500}, {"drop": True}, {"garbage": True}, {"throttle_s": 1}], ids=str)
def test_only_googles_own_words_say_anything_about_a_version(answer: dict[str, object], cloud: GoogleCloud) -> None:
    cloud.fault(rpc="Encrypt", **answer)

    with pytest.raises(OpsError) as caught:
        cloud.check(SEND)

    assert caught.value.symptom not in SEND.refusals
    assert not isinstance(caught.value, OutcomeUnknown)


def test_limits_speak_of_verbs_that_are_sent(cloud: GoogleCloud, rotator: Rotator, pointer: Pointer) -> None:
    pointer.point_to(rotator.create(MARKER, "").value)
    rotator.disable("1")
    rotator.revoke("1")
    assert SEND.manifest.loses_data

    limited = frozenset[str]().union(*(limit.verbs for limit in LIMITS))
    assert set(cloud.verbs) <= limited


def _two_more(versions: KeyVersions) -> None:
    """Make version 2, switched off, and version 3."""
    versions.create()
    versions.set_state("disable_version", 2, "DISABLED")
    versions.create()
