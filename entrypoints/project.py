"""The project's own folder, `.opsflows`: who makes it, what is in it, and how every command finds it.

`.opsflows/env` (0600) holds Prefect's home and database and the keys; `.opsflows/ports.json` the ports that were free.
What the process's environment already says wins, so that a container needs neither file.
"""

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from ledger.places import resolve_home

ROOT = Path(__file__).resolve().parents[1]
ENV_FILE = "env"
PORTS_FILE = "ports.json"
FINGERPRINT_KEY_FILE = "fingerprint.key"
STAND_INS_STATE = "stand-ins.json"
_PORT_NAMES = ("prefect", "stand_ins", "stand_ins_tls", "board")


def home() -> Path:
    """Return OPSFLOWS_HOME, or `.opsflows` in the project; absolute.

    Raises:
        BadInput: OPSFLOWS_HOME is a relative path.
    """
    return resolve_home(os.environ, project=ROOT)


def load() -> None:
    """Take over `.opsflows/env` where it exists; does not create it and imports nothing heavy."""
    for name, value in _read_env(home() / ENV_FILE).items():
        os.environ.setdefault(name, value)


def set_up() -> Path:
    """Create the folder, its keys and its settings where they are missing, take them over, and return the folder."""
    folder = home()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    key_file = folder / FINGERPRINT_KEY_FILE
    if not key_file.exists():
        write_private(key_file, os.urandom(32).hex() + "\n")
    env_file = folder / ENV_FILE
    known = _read_env(env_file)
    missing = {name: value for name, value in _settings(folder, key_file).items() if name not in known}
    if missing:
        write_private(env_file, "".join(f"{name}={value}\n" for name, value in {**known, **missing}.items()))
    load()
    ports()
    return folder


def ports() -> dict[str, int]:
    """Return the project's ports by name; those recorded and still free (or ours) stay, so that links keep working."""
    file = home() / PORTS_FILE
    recorded = read_ports()
    found = {name: recorded.get(name) or _free_port() for name in _PORT_NAMES}
    if found != recorded:
        write_private(file, json.dumps(found, indent=2) + "\n")
    return found


def read_ports() -> dict[str, int]:
    """Return the recorded ports, empty where there are none."""
    try:
        recorded = json.loads((home() / PORTS_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): int(port) for name, port in recorded.items()}


def move_port(name: str) -> int:
    """Record and return another free port for `name`, because something else took the recorded one."""
    found = {**ports(), name: _free_port()}
    write_private(home() / PORTS_FILE, json.dumps(found, indent=2) + "\n")
    return found[name]


def is_listening(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def running_stand_ins() -> str:
    """Return where the stand-ins of `make up` are, empty where they do not run."""
    port = read_ports().get("stand_ins")
    return f"http://127.0.0.1:{port}" if port is not None and is_listening(port) else ""


def write_private(file: Path, text: str) -> None:
    """Replace `file` at once by a copy that only its owner can read."""
    draft = file.with_name(f"{file.name}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def _settings(folder: Path, key_file: Path) -> Mapping[str, str]:
    from cryptography.fernet import Fernet  # noqa: PLC0415 (every command imports this module, set-up alone needs a key)

    prefect_home = folder / "prefect"
    return {
        "OPSFLOWS_HOME": str(folder),
        "OPSFLOWS_FINGERPRINT_KEY_FILE": str(key_file),
        "PREFECT_HOME": str(prefect_home),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{prefect_home}/prefect.db",
        # Without it Prefect keeps the key to all blocks in the same database as the blocks.
        "PREFECT_SERVER_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        # With the default, in memory, a restarted server never frees a concurrency slot again.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "34560000",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "30d",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


def _read_env(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
