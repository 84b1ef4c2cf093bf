"""`opsflows setup`: the first thing every make target runs."""

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import click
from cryptography.fernet import Fernet

from entrypoints import project

COMPOSE = project.ROOT / ".opsflows" / "compose"
# What docker-compose.yml mounts, and what each is when it is made; a password of hex digits needs quoting nowhere.
_MADE: Mapping[str, Callable[[], str]] = {
    "postgres_password": lambda: secrets.token_hex(24),
    "prefect_encryption_key": lambda: Fernet.generate_key().decode(),
    "prefect_auth": lambda: f"admin:{secrets.token_hex(24)}",
    "fingerprint_key": lambda: secrets.token_hex(32),
    "board_token": lambda: secrets.token_hex(32),
    "metrics_token": lambda: secrets.token_hex(32),
    # 32 characters: the length of an AES-256 key, which oauth2-proxy takes as it is.
    "oidc_cookie_secret": lambda: secrets.token_hex(16),
    # Your identity provider gives it; empty until you write it, and only profile oidc reads it.
    "oidc_client_secret": lambda: "",
}
# Mounted as folders: a certificate of your own, and what the rotation worker alone may have (docs/deploying.md).
_FOLDERS = ("tls", "privileged")


@click.command()
@click.option("--compose", "for_compose", is_flag=True, help="Also make the secrets that docker-compose.yml mounts.")
def setup(for_compose: bool) -> None:  # noqa: FBT001 (click passes a flag)
    """Make .opsflows (0700) with keys, settings and free ports; keeps what is there."""
    click.echo(f"Project home: {project.set_up()}")
    if for_compose:
        made = make_compose_secrets()
        click.echo(f"Secrets for docker-compose.yml in {COMPOSE}: {', '.join(made) or 'all there already'}.")


def make_compose_secrets(folder: Path = COMPOSE) -> list[str]:
    """Make each secret that is not there yet, and return the names of those; one that is lost is lost with its data."""
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    for name in _FOLDERS:
        (folder / name).mkdir(mode=0o755, exist_ok=True)
    missing = [name for name in _MADE if not (folder / name).exists()]
    for name in missing:
        project.write_private(folder / name, _MADE[name]())
        # The containers' users are others than yours, and a mounted file keeps its mode; the folder keeps everyone out.
        (folder / name).chmod(0o644)
    return missing
