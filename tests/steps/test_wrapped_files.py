"""A wrapped key that opsflows.toml names holds its version from the moment in which its file is there; what cannot be read holds it too."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domain.errors import Rejected
from tests.conftest import StandIns
from tests.steps.guarded_versions import (
    ANOTHER_KEY,
    KMS,
    encrypted,
    keep,
    keep_wrapped,
    let_go,
    move_primary,
    names_files,
)
from tests.steps.rotation_places import Place, opened_place


@pytest.fixture(scope="module")
def place(served_stand_ins: StandIns) -> Iterator[Place]:
    with opened_place(served_stand_ins) as opened:
        yield opened
    served_stand_ins.control("POST", "/reset")


def test_a_file_that_no_check_has_kept_yet_holds_its_version_until_it_is_retired(place: Place, tmp_path: Path) -> None:
    with place.stage(KMS) as stage, stage.hands("first") as hands:
        ciphertext = encrypted(stage)
        (tmp_path / "tenants.enc").write_bytes(base64.b64encode(ciphertext))
        names_files(stage, tmp_path)
        number = move_primary(stage, hands)
        unkept = (hands.vendor.held_open("1"), hands.vendor.held_open(number))
        with pytest.raises(Rejected):
            hands.vendor.revoke("1")
        slot = keep_wrapped(stage, ciphertext)
        kept = hands.vendor.held_open("1")
        let_go(stage, slot=slot)

        assert (len(unkept[0]), unkept[1]) == (1, ())
        assert (
            f"wrapped key {slot[:12]} in tenants.enc (pay, key main, prod), which no check has kept yet" in unkept[0][0]
        )
        assert "it is opened by an older version than the primary one" in unkept[0][0]
        assert "take it away from wrapped_keys of kms.pay.keys.main" in unkept[0][0]
        assert f"wrapped key {slot[:12]} in tenants.enc" in kept[0]
        assert f"retire-golden pay main --file {slot[:12]}" in kept[0]
        assert hands.vendor.held_open("1") == ()


def test_a_file_that_the_primary_version_opens_holds_only_that(place: Place, tmp_path: Path) -> None:
    with place.stage(KMS) as stage, stage.hands("first") as hands:
        number = move_primary(stage, hands)
        (tmp_path / "tenants.enc").write_bytes(encrypted(stage))
        names_files(stage, tmp_path)

        assert (hands.vendor.held_open("1"), len(hands.vendor.held_open(number))) == ((), 1)


def unreadable(folder: Path) -> None:
    (folder / "huge.enc").write_bytes(b"x" * 100_001)


def foreign(folder: Path) -> None:
    (folder / "foreign.enc").write_bytes(b"no ciphertext of this key")


@pytest.mark.parametrize(
    ("left_in", "words"),
    [
        (lambda _: None, "what kms.pay.keys.main names: wrapped_keys names no file that can be read here"),
        (
            unreadable,
            "what kms.pay.keys.main names: huge.enc of wrapped_keys cannot be read here, or is larger than any wrapped key",
        ),
        (foreign, "foreign.enc (pay, key main, prod), which no check has kept yet: the key does not open it now"),
    ],
    ids=["no file", "an unreadable file", "what the key does not open"],
)
def test_what_cannot_be_read_or_opened_is_not_nothing(
    place: Place, tmp_path: Path, left_in: Callable[[Path], None], words: str
) -> None:
    with place.stage(KMS) as stage, stage.hands("first") as hands:
        left_in(tmp_path)
        names_files(stage, tmp_path)
        move_primary(stage, hands)

        [held] = hands.vendor.held_open("1")

        assert words in held


@pytest.mark.parametrize(
    ("environment", "key", "holds"),
    [
        ("rehearsal", {"key": "", "credentials": "gcpkms/other"}, True),
        ("prod", {"key": "", "credentials": "gcpkms/other"}, False),
        ("rehearsal", {"key": ANOTHER_KEY}, False),
        ("rehearsal", {"provider": "aws", "key": "alias/app"}, False),
        ("rehearsal", {"wrapped_keys": "none"}, False),
    ],
    ids=["credentials that are not there", "another environment's", "another key's", "another cloud's", "none, in so many words"],
)  # fmt: skip
def test_only_files_that_may_be_of_this_key_hold_it(
    place: Place, tmp_path: Path, environment: str, key: dict[str, str], *, holds: bool
) -> None:
    with place.stage(KMS) as stage, stage.hands("first") as hands:
        names_files(stage, tmp_path, environment, **key)
        move_primary(stage, hands)

        assert bool(hands.vendor.held_open("1")) is holds


def test_a_section_with_another_environments_credentials_is_known_by_its_goldens(place: Place, tmp_path: Path) -> None:
    with place.stage(KMS) as stage, stage.hands("first") as hands:
        keep(stage, "7")
        names_files(stage, tmp_path, key="", credentials="gcpkms/other")

        [held] = hands.vendor.held_open("1")

        assert "kms.pay.keys.main" in held
