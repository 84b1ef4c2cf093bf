"""The image's first process: mounted secrets become variables, an open server is refused, relays are started."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import BadInput
from entrypoints.container import refuse_an_open_server, relay_commands, variables
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


@pytest.mark.parametrize("name", ["board_token", "metrics_token"])
def test_a_token_stays_a_file_that_nobody_else_can_read(mounted: Path, name: str) -> None:
    said_variables = said(mounted)

    token = mounted.parent / "private" / name
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert token.read_text().strip() == (mounted / name).read_text()
    assert "" not in said_variables


def test_what_is_not_mounted_is_left_out(mounted: Path) -> None:
    for file in [file for file in mounted.iterdir() if file.is_file() and file.name != "prefect_auth"]:
        file.unlink()

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


START = ["prefect", "server", "start"]


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--host", "0.0.0.0"], {}),
        (["--port", "4200", "--host=10.0.0.5"], {}),
        (["--host", "127.0.0.1", "--host", "::"], {}),
        ([], {"PREFECT_SERVER_API_HOST": "0.0.0.0"}),
        (["--host", "ops.example.org"], {"PREFECT_SERVER_API_AUTH_STRING": ""}),
    ],
    ids=["all addresses", "with an equals sign", "the last one counts", "by variable", "an empty login"],
)
def test_a_server_that_others_reach_is_refused_without_a_login(
    arguments: list[str], environment: dict[str, str]
) -> None:
    with pytest.raises(BadInput, match="without a login"):
        refuse_an_open_server([*START, *arguments], environment)


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        ([*START, "--host", "0.0.0.0"], {"PREFECT_SERVER_API_AUTH_STRING": "admin:x"}),
        (START, {}),
        ([*START, "--host", "localhost"], {}),
        (["prefect", "server", "services", "start"], {}),
        (["prefect", "worker", "start", "--pool", "opsflows"], {"PREFECT_SERVER_API_HOST": "0.0.0.0"}),
    ],
    ids=["with a login", "on loopback", "on localhost", "services listen nowhere", "a worker is no server"],
)
def test_everything_else_is_started(command: list[str], environment: dict[str, str]) -> None:
    refuse_an_open_server(command, environment)


def test_the_real_entry_refuses_it_in_three_sentences() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "entrypoints.container", *START, "--host", "0.0.0.0"],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 3
    assert "opsflows setup --compose" in ended.stderr


def test_a_relay_leads_from_one_address_to_another() -> None:
    commands = relay_commands("127.0.0.1:4010=stand-ins:5010 0.0.0.0:5011=127.0.0.1:4011")

    assert commands == [
        ["socat", "TCP-LISTEN:4010,bind=127.0.0.1,reuseaddr,fork", "TCP:stand-ins:5010"],
        ["socat", "TCP-LISTEN:5011,bind=0.0.0.0,reuseaddr,fork", "TCP:127.0.0.1:4011"],
    ]
    assert relay_commands("") == []


@pytest.mark.parametrize("row", ["4010", "127.0.0.1:4010", "4010=a:1", "127.0.0.1:x=a:1", "127.0.0.1:4010=a"])
def test_what_says_no_way_stops_the_start(row: str) -> None:
    with pytest.raises(BadInput, match="OPSFLOWS_RELAYS"):
        relay_commands(row)
