"""`python -m entrypoints.container PROGRAM ...`: the image's first process. Secrets come as files and go on as variables.

Prefect and PostgreSQL's clients read variables only; files are what docker-compose.yml and other orchestrators mount.
A secret that is not mounted is left out: each service is given its own and no other. The fingerprint key stays a file,
copied into memory for this user alone: mounted files have the host's owner, and a key that others can read is refused.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from domain.errors import BadInput
from entrypoints.project import write_private
from ledger.fingerprints import KEY_FILE

SECRETS = Path("/run/secrets")
PRIVATE = Path("/run/opsflows")
VERSION = Path(__file__).resolve().parents[1] / "VERSION"

_KEY = "fingerprint_key"
# File below /run/secrets -> the variables that carry it.
_VARIABLES = {
    # Read by the clients of both databases, so that no address holds a password.
    "postgres_password": ("PGPASSWORD",),
    "prefect_encryption_key": ("PREFECT_SERVER_ENCRYPTION_KEY",),
    "prefect_auth": ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"),
}


def variables(secrets: Path = SECRETS, version: Path = VERSION, private: Path = PRIVATE) -> Mapping[str, str]:
    """Return what the mounted secrets and the image's version say, by variable; a fingerprint key goes to `private`.

    Raises:
        BadInput: a secret is mounted, but cannot be read or is empty; names the file, shows nothing of it.
    """
    mounted = {name: file for name in _VARIABLES if (file := secrets / name).exists()}
    said = {variable: _read(file) for name, file in mounted.items() for variable in _VARIABLES[name]}
    if (secrets / _KEY).exists():
        write_private(private / _KEY, _read(secrets / _KEY) + "\n")
        said[KEY_FILE] = str(private / _KEY)
    if version.exists():
        said["OPSFLOWS_VERSION"] = _read(version)
    return said


def main() -> None:
    program, *arguments = sys.argv[1:] or ["opsflows", "--help"]
    try:
        os.environ.update(variables())
    except BadInput as error:
        sys.stderr.write(f"{error.happened}\n{error.means}\n{error.next_step}\n")
        sys.exit(2)
    os.execvp(program, [program, *arguments])  # noqa: S606 (the program that the image was told to run)


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
