"""The image's first process: secrets that are mounted become variables, those that are not are left out."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import BadInput
from entrypoints.container import variables
from entrypoints.setup import make_compose_secrets
from ledger.fingerprints import read_key
from tests.program import ROOT


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """All the secrets that set-up makes, as a container sees them."""
    make_compose_secrets(tmp_path / "compose")
    (tmp_path / "private").mkdir()
    return tmp_path / "compose"


def said(mounted: Path) -> dict[str, str]:
    return dict(variables(mounted, mounted.parent / "VERSION", mounted.parent / "private"))


def texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}


def test_every_mounted_secret_is_a_variable(mounted: Path) -> None:
    auth = (mounted / "prefect_auth").read_text()

    given = said(mounted)

    assert given["PGPASSWORD"] == (mounted / "postgres_password").read_text()
    assert given["PREFECT_SERVER_ENCRYPTION_KEY"] == (mounted / "prefect_encryption_key").read_text()
    assert given["PREFECT_SERVER_API_AUTH_STRING"] == given["PREFECT_API_AUTH_STRING"] == auth


def test_the_fingerprint_key_stays_a_file_that_nobody_else_can_read(mounted: Path) -> None:
    key = Path(said(mounted)["OPSFLOWS_FINGERPRINT_KEY_FILE"])

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert read_key(key).fingerprint("a value").startswith("k")


def test_what_is_not_mounted_is_left_out(mounted: Path) -> None:
    for name in ("postgres_password", "prefect_encryption_key", "fingerprint_key"):
        (mounted / name).unlink()

    assert set(said(mounted)) == {"PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"}


def test_the_images_version_is_told(mounted: Path) -> None:
    (mounted.parent / "VERSION").write_text("image-0123456789ab\n")

    assert said(mounted)["OPSFLOWS_VERSION"] == "image-0123456789ab"


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"], ids=["empty", "blank", "not text"])
def test_a_secret_that_says_nothing_stops_the_start(mounted: Path, content: bytes) -> None:
    (mounted / "prefect_auth").write_bytes(content)

    with pytest.raises(BadInput, match="prefect_auth"):
        said(mounted)


def test_secrets_are_made_once_in_a_folder_for_their_owner_alone(mounted: Path) -> None:
    before = texts(mounted)

    again = make_compose_secrets(mounted)

    assert again == []
    assert texts(mounted) == before
    assert stat.S_IMODE(mounted.stat().st_mode) == 0o700


def test_the_program_takes_the_containers_place() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "entrypoints.container", sys.executable, "-c", "import sys; sys.exit(7)"],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, check=False, timeout=60,
    )  # fmt: skip

    assert ended.returncode == 7
