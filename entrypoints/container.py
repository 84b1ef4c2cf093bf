"""`python -m entrypoints.container PROGRAM ...`: the image's first process. Secrets come as files and go on as variables.

Prefect and PostgreSQL's clients read variables only; files are what docker-compose.yml and other orchestrators mount.
A secret that is not mounted is left out: each service is given its own and no other. Keys and tokens stay files, copied
into memory for this user alone: mounted files have the host's owner, and a key that others can read is refused.

A Prefect server that others reach and that asks for no login is not started: whoever reaches it reads every credential.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from domain.errors import BadInput
from entrypoints.project import write_private
from ledger.fingerprints import KEY_FILE
from vendors.hosts import is_loopback

SECRETS = Path("/run/secrets")
PRIVATE = Path("/run/opsflows")
VERSION = Path(__file__).resolve().parents[1] / "VERSION"
# LISTEN=TO, separated by spaces: an address of this container that leads to another one's.
RELAYS = "OPSFLOWS_RELAYS"
AUTH = "PREFECT_SERVER_API_AUTH_STRING"

# File below /run/secrets that stays one -> the variable that says where it is; tokens are named by an option instead.
_FILES = {"fingerprint_key": KEY_FILE, "board_token": "", "metrics_token": ""}
# File below /run/secrets -> the variables that carry it.
_VARIABLES = {
    # Read by the clients of both databases, so that no address holds a password.
    "postgres_password": ("PGPASSWORD",),
    "prefect_encryption_key": ("PREFECT_SERVER_ENCRYPTION_KEY",),
    "prefect_auth": (AUTH, "PREFECT_API_AUTH_STRING"),
}
_SERVER = ("prefect", "server", "start")
_HOST_OPTION = "--host"


def variables(secrets: Path = SECRETS, version: Path = VERSION, private: Path = PRIVATE) -> Mapping[str, str]:
    """Return what the mounted secrets and the image's version say, by variable; keys and tokens go to `private`.

    Raises:
        BadInput: a secret is mounted, but cannot be read or is empty; names the file, shows nothing of it.
    """
    mounted = {name: file for name in _VARIABLES if (file := secrets / name).exists()}
    said = {variable: _read(file) for name, file in mounted.items() for variable in _VARIABLES[name]}
    for name, variable in _FILES.items():
        if (secrets / name).exists():
            write_private(private / name, _read(secrets / name) + "\n")
            said |= {variable: str(private / name)} if variable else {}
    if version.exists():
        said["OPSFLOWS_VERSION"] = _read(version)
    return said


def refuse_an_open_server(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Raise BadInput where the command starts a Prefect server that others reach and that asks for no login."""
    if tuple(command[: len(_SERVER)]) != _SERVER or environment.get(AUTH):
        return
    host = _host(command) or environment.get("PREFECT_SERVER_API_HOST") or "127.0.0.1"
    if is_loopback(host):
        return
    raise BadInput(
        f"A Prefect server that listens at {host} was to be started without a login.",
        "Whoever reaches it would read and change every credential, so it was not started.",
        f"Mount the secret prefect_auth (opsflows setup --compose makes it) or set {AUTH}, or let it listen at 127.0.0.1.",
    )


def relay_commands(relays: str) -> list[list[str]]:
    """Return a command for each `LISTEN=TO` (host:port both): what connects to the one reaches the other, when it is there.

    Raises:
        BadInput: one is not written so.
    """
    return [_relay(row) for row in relays.split()]


def main() -> None:
    command = sys.argv[1:] or ["opsflows", "--help"]
    try:
        os.environ.update(variables())
        refuse_an_open_server(command, os.environ)
        for relay in relay_commands(os.environ.get(RELAYS, "")):
            subprocess.Popen(relay)  # noqa: S603 (it ends with the container)
    except BadInput as error:
        sys.stderr.write(f"{error.happened}\n{error.means}\n{error.next_step}\n")
        sys.exit(2)
    os.execvp(command[0], command)  # noqa: S606 (the program that the image was told to run)


def _host(command: Sequence[str]) -> str:
    """Return what the last --host says, as its program reads it; empty without one."""
    spread = [
        word for part in command for word in (part.split("=", 1) if part.startswith(f"{_HOST_OPTION}=") else [part])
    ]
    said = [value for option, value in pairwise(spread) if option == _HOST_OPTION]
    return said[-1] if said else ""


def _relay(row: str) -> list[str]:
    listen, _, to = row.partition("=")
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or not to.rpartition(":")[2].isdecimal():
        raise BadInput(
            f"{RELAYS} has {row!r}, which says no way from one address to another.",
            "The service was not started, since what it needs could not be reached.",
            "Write it as 127.0.0.1:4010=stand-ins:5010; several are separated by spaces.",
        )
    return ["socat", f"TCP-LISTEN:{port},bind={host},reuseaddr,fork", f"TCP:{to}"]


def _read(file: Path) -> str:
    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{file} cannot be read ({getattr(error, 'strerror', None) or 'not text'}).",
            "The service was not started, since it would run without its secret.",
            "Let opsflows setup --compose write the secrets again, or give the container's user leave to read them.",
        ) from None
    if not text:
        raise BadInput(
            f"{file} is empty.",
            "The service was not started, since it would run without its secret.",
            "Delete the file it is mounted from, and let opsflows setup --compose write it.",
        )
    return text


if __name__ == "__main__":
    main()
