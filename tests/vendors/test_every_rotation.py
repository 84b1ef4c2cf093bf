"""What every secret owes its rotation: one row, a manifest that holds together, refusals that are known symptoms."""

from importlib import import_module
from importlib.util import find_spec

import pytest

from domain.diagnosis import Kind, Signature, Symptom
from domain.manifests import Mint
from domain.names import Purpose
from vendors.capabilities import Variable
from vendors.rate_limits import Limit
from vendors.registry import EVERY, LIMITS, ROTATIONS
from vendors.rotation import Rotation

SECRETS = [(name, row) for name, entry in EVERY.items() for row in entry.variables if row.secret]

each_secret = pytest.mark.parametrize(("name", "variable"), SECRETS, ids=[row.name for _, row in SECRETS])
each_rotation = pytest.mark.parametrize(
    "rotation", ROTATIONS.values(), ids=lambda row: f"{row.integration}-{row.purpose}"
)


@each_secret
def test_a_secret_has_one_rotation_of_its_purpose_and_field(name: str, variable: Variable) -> None:
    rotation = ROTATIONS.get((name, variable.purpose))

    assert rotation is not None
    assert (rotation.integration, rotation.purpose, rotation.field) == (name, variable.purpose, variable.field)


def test_no_rotation_is_of_anything_else() -> None:
    secrets = {(name, variable.purpose) for name, variable in SECRETS}

    assert set(ROTATIONS) <= secrets
    assert all((row.integration, row.purpose) == key for key, row in ROTATIONS.items())


def test_no_two_secrets_of_an_integration_have_one_purpose() -> None:
    purposes: list[tuple[str, Purpose]] = [(name, variable.purpose) for name, variable in SECRETS]

    assert len(purposes) == len(set(purposes))


@each_rotation
def test_what_is_done_by_hand_is_told_in_sentences_and_the_api_does_the_rest(rotation: Rotation) -> None:
    told = (rotation.by_hand.create, rotation.by_hand.revoke)

    if rotation.manifest.by_hand:
        assert rotation.connect is None
        assert all(_are_sentences(text) for text in told)
    else:
        assert (rotation.connect is None) == rotation.manifest.swaps
        assert all(_are_sentences(text) for text in told if text)


@each_rotation
def test_a_manifest_promises_nothing_that_its_kind_cannot_do(rotation: Rotation) -> None:
    manifest = rotation.manifest

    if manifest.by_hand:
        assert not manifest.can_disable
        assert not manifest.listable
        assert manifest.last_used_lag is None
    else:
        # Without a listing by marker or by the value that we chose, what a crash left could not be found.
        assert manifest.swaps or (manifest.listable and (manifest.marker_field or manifest.found_by_value))
        # What holds one value is pointed to the new one, and nothing is made there.
        assert not manifest.swaps or (rotation.point is not None and manifest.mint is Mint.BY_CLIENT)
    assert manifest.slots is None or manifest.slots > 1
    assert manifest.mint in set(Mint)


@each_rotation
def test_a_refusal_is_a_symptom_that_the_vendor_has(rotation: Rotation) -> None:
    known = {row.id for row in _rows(rotation.integration)}

    assert rotation.refusals
    assert rotation.refusals <= known


@each_rotation
def test_a_refusal_is_final(rotation: Rotation) -> None:
    rows = [row for row in _rows(rotation.integration) if row.id in rotation.refusals]

    assert [row.id for row in rows if isinstance(row, Signature) and row.kind is not Kind.REJECTED] == []


@pytest.mark.parametrize("name", EVERY)
def test_every_integration_says_what_its_vendor_limits(name: str) -> None:
    limits = LIMITS[name]  # empty where the vendor publishes no number

    assert all(isinstance(limit, Limit) and limit.calls > 0 and limit.per.total_seconds() > 0 for limit in limits)


def _rows(name: str) -> list[Signature | Symptom]:
    """Return the rows of the vendor's module and of its rotation's."""
    modules = [f"vendors.{name}", f"vendors.{name}_rotation"]
    found = [import_module(module) for module in modules if find_spec(module) is not None]
    rows: list[Signature | Symptom] = []
    for module in found:
        rows += getattr(module, "SIGNATURES", ())
        rows += getattr(module, "SYMPTOMS", {}).values()
    return rows


def _are_sentences(text: str) -> bool:
    return text[:1].isupper() and text.endswith(".") and len(text.split()) > 1
