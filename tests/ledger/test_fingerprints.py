"""A fingerprint tells whether two values are the same, and nothing else."""

from pathlib import Path

import pytest

from domain.errors import BadInput
from ledger.fingerprints import fingerprinter, read_key


def key_file(folder: Path, key: str, mode: int = 0o600) -> Path:
    file = folder / "fingerprint.key"
    file.write_text(key + "\n")
    file.chmod(mode)
    return file


def test_the_same_value_has_the_same_fingerprint(tmp_path: Path) -> None:
    fingerprint = fingerprinter(key_file(tmp_path, "a1" * 32))

    assert fingerprint("https://hooks.example/T/B/x") == fingerprint("https://hooks.example/T/B/x")
    assert fingerprint("https://hooks.example/T/B/x") != fingerprint("https://hooks.example/T/B/y")


def test_fingerprints_of_two_keys_say_so(tmp_path: Path) -> None:
    first = read_key(key_file(tmp_path, "a1" * 32))
    second = read_key(key_file(tmp_path, "b2" * 32))

    told = {key.fingerprint("value").partition(":") for key in (first, second)}

    assert first.id != second.id
    assert {key_id for key_id, _, _ in told} == {first.id, second.id}
    assert len({digest for _, _, digest in told}) == 2


def test_the_key_and_the_value_stay_out_of_sight(tmp_path: Path) -> None:
    key = read_key(key_file(tmp_path, "canary" * 8))

    assert "canary" not in repr(key)
    assert "canary" not in key.fingerprint("canary")


@pytest.mark.parametrize(
    ("key", "mode", "why"), [("a1" * 32, 0o640, "can be read by others"), ("short", 0o600, "less than 32 characters")]
)
def test_an_unsafe_key_file_is_refused(tmp_path: Path, key: str, mode: int, why: str) -> None:
    file = key_file(tmp_path, key, mode)

    with pytest.raises(BadInput, match=why):
        read_key(file)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"fingerprint\.key cannot be read"):
        read_key(tmp_path / "fingerprint.key")
