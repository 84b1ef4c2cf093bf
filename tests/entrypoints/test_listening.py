"""Where opsflows up listens: on this machine's loopback and nowhere else, whatever the environment says."""

import ipaddress
from pathlib import Path

from tests.program import Standing, needs_proc

_LISTENING = "0A"


def pids_in(home: Path) -> list[str]:
    """Return the processes that were started in this home."""
    marker = f"OPSFLOWS_HOME={home}".encode()
    return [entry.name for entry in Path("/proc").glob("[0-9]*") if marker in _bytes(entry / "environ").split(b"\0")]


def addresses_of(pid: str) -> set[str]:
    """Return the addresses at which a process listens."""
    own = {_inode(entry) for entry in Path(f"/proc/{pid}/fd").glob("*")}
    rows = [line.split() for name in ("tcp", "tcp6") for line in _bytes(Path(f"/proc/{pid}/net/{name}")).decode().splitlines()[1:]]  # fmt: skip
    return {_address(row[1].partition(":")[0]) for row in rows if row[3] == _LISTENING and row[9] in own}


def _address(written: str) -> str:
    """Return an address as people write it; the kernel's are hex, each word of four bytes the wrong way round."""
    raw = bytes.fromhex(written)
    return str(ipaddress.ip_address(b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))))


def _inode(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]")
    except OSError:
        return ""


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


@needs_proc
def test_nothing_listens_beyond_this_machine(standing: Standing) -> None:
    assert standing.api

    found = {address for pid in pids_in(standing.home.path) for address in addresses_of(pid)}

    assert found
    assert {address for address in found if not _is_loopback(address)} == set()


def _is_loopback(address: str) -> bool:
    """An IPv4 address may be written as IPv6 has it (::ffff:127.0.0.1)."""
    read = ipaddress.ip_address(address)
    return (getattr(read, "ipv4_mapped", None) or read).is_loopback
