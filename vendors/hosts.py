"""Where a credential may go: the stand-ins in the rehearsal, the vendor's published hosts elsewhere, nothing else."""

import ipaddress
from dataclasses import dataclass
from fnmatch import fnmatch
from urllib.parse import urlsplit

from domain.errors import BadInput


@dataclass(frozen=True, slots=True)
class HostRule:
    """Where credentials of one environment may go.

    In the rehearsal only loopback (and `allowed`) hosts; elsewhere only the vendor's published hosts and `allowed`.
    """

    rehearsal: bool
    allowed: frozenset[str] = frozenset()

    def check(self, url: str, published: tuple[str, ...]) -> None:
        """Raise BadInput unless this environment's credentials may be sent to the URL's host.

        `published` holds shell patterns (`*.ingest.sentry.io`). Only the host is named in the message: a path can be
        a secret.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        explicitly = host in self.allowed
        if self.rehearsal:
            if is_loopback(host) or explicitly:
                return
            raise BadInput(
                f"The rehearsal was pointed at {host or 'an empty host'}.",
                "Rehearsal credentials go to stand-ins on this machine only.",
                "Start the stand-ins with opsflows mocks, or choose another environment.",
            )
        if not (explicitly or any(fnmatch(host, pattern) for pattern in published)):
            raise BadInput(
                f"{host or 'An empty host'} is not one of the vendor's published hosts.",
                "A real credential is sent to the vendor only; this may be a typing error.",
                f"Correct the address, or allow {host or 'the host'} under allowed_hosts of this environment in opsflows.toml.",
            )
        if parts.scheme != "https" and not (explicitly and is_loopback(host)):
            raise BadInput(
                f"The address of {host} starts with {parts.scheme or 'nothing'}://.",
                "Over plain http the credential could be read on the way.",
                "Write the address with https://.",
            )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
