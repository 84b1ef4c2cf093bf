"""What is written about how credentials are rotated is what their manifests say."""

from datetime import timedelta
from pathlib import Path

from domain.manifests import Manifest, Mint
from domain.policies import DEFAULT_AGE
from vendors.registry import EVERY, ROTATIONS
from vendors.rotation import Rotation

PAGE = Path(__file__).parents[2] / "docs" / "integrations" / "README.md"
HEADING = "\n## How each is rotated\n"

Row = tuple[str, ...]
_MADE_BY = {Mint.BY_VENDOR: "the vendor", Mint.BY_CLIENT: "opsflows", Mint.BY_HAND: "a person"}


def test_the_table_of_manifests_is_the_registrys() -> None:
    registered = [_row(rotation) for rotation in ROTATIONS.values()]

    documented = _documented_rows()

    assert documented == registered


def _row(rotation: Rotation) -> Row:
    manifest = rotation.manifest
    return (
        EVERY[rotation.integration].title,
        rotation.purpose.value,
        _MADE_BY[manifest.mint],
        _listed(manifest),
        "-" if manifest.slots is None else str(manifest.slots),
        "yes" if manifest.can_disable else "no",
        "no" if manifest.last_used_lag is None else f"{_hours(manifest.last_used_lag)} late",
        f"{manifest.propagation.total_seconds():.0f} s",
        "-" if manifest.native_expiry is None else f"{manifest.native_expiry.days} days",
        f"{(manifest.usual_age or DEFAULT_AGE).days} days",
    )


def _listed(manifest: Manifest) -> str:
    if not manifest.listable:
        return "one value, replaced" if manifest.swaps else "no"
    if manifest.found_by_value:
        return f"{manifest.listing_lag.total_seconds():.0f} s late, found by its value"
    return f"{manifest.listing_lag.total_seconds():.0f} s late, marked in its {manifest.marker_field}"


def _hours(lag: timedelta) -> str:
    return f"{lag.total_seconds() / 3600:g} h"


def _documented_rows() -> list[Row]:
    section = PAGE.read_text().split(HEADING)[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
