"""A certificate authority that lives as long as the process: nothing it signed is trusted anywhere else."""

import ssl
from collections.abc import Iterable
from pathlib import Path

import trustme

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class ThrowAwayAuthority:
    """Signs one certificate for this machine's loopback names and for the names given."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._authority = trustme.CA(organization_name="stand-ins, for this run only")
        self._certificate = self._authority.issue_cert(*dict.fromkeys((*LOCAL_NAMES, *names)))

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate.configure_cert(context)
        return context

    def write_ca(self, path: Path) -> Path:
        """Write what clients must trust. It holds no key."""
        self._authority.cert_pem.write_to_path(path)
        return path
