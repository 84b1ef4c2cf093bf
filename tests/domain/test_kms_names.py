"""What a key and its versions are called for people: short, the same each time, and never a full key id."""

import pytest

from domain.kms_names import is_key_id, is_same_key, opens_alike, shown_key, shown_version

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
MATERIAL = "0b" * 32
GOOGLE = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
REPLICATED = "arn:aws:kms:eu-west-1:111122223333:key/mrk-" + "a1" * 16


def test_a_number_is_shown_and_an_id_of_key_material_is_hashed() -> None:
    assert shown_version("12") == "12"
    assert shown_version("") == ""
    assert len(shown_version(MATERIAL)) == 12
    assert shown_version(MATERIAL) not in MATERIAL


def test_what_is_shown_already_stays_as_it_is() -> None:
    once = shown_version(MATERIAL)

    assert shown_version(once) == once


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("projects/p/locations/l/keyRings/r/cryptoKeys/prod-app", "prod-app"),
        (f"arn:aws:kms:eu-west-1:111122223333:key/{KEY_ID}", "1234abcd..."),
        ("arn:aws:kms:eu-west-1:111122223333:key/mrk-" + "a1" * 16, "a1a1a1a1..."),
        ("arn:aws:kms:eu-west-1:111122223333:alias/team/app", "alias/team/app"),
        (KEY_ID, "1234abcd..."),
    ],
)
def test_a_key_is_shown_by_its_last_name_without_account_and_project(key: str, shown: str) -> None:
    assert shown_key(key) == shown


def test_an_id_of_a_key_is_told_from_an_id_of_its_material() -> None:
    assert is_key_id(KEY_ID)
    assert not is_key_id(MATERIAL)
    assert not is_key_id("3")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (GOOGLE, True),
        (GOOGLE.replace("projects/p/", "projects/123456/"), True),
        (GOOGLE.replace("projects/p/", "projects/q/"), False),
        (GOOGLE.replace("cryptoKeys/k", "cryptoKeys/k2"), False),
        ("arn:aws:kms:eu-west-1:1:key/k", False),
    ],
)
def test_a_key_is_known_by_its_projects_name_or_number(other: str, *, same: bool) -> None:
    assert is_same_key(GOOGLE, other) is same
    assert is_same_key(other, GOOGLE) is same


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        (REPLICATED, True),
        (REPLICATED.replace("eu-west-1", "us-east-1"), True),
        (REPLICATED.replace("111122223333", "444455556666"), False),
        (REPLICATED.replace("a1" * 16, "b2" * 16), False),
        (f"arn:aws:kms:us-east-1:111122223333:key/{KEY_ID}", False),
    ],
)
def test_a_key_and_its_copy_in_another_region_open_the_same(other: str, *, alike: bool) -> None:
    assert opens_alike(REPLICATED, other) is alike
    assert is_same_key(REPLICATED, other) is (other == REPLICATED)
