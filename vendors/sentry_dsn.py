"""A Sentry DSN says which key sends to which project at which host; a wrong one is told apart before anything is sent.

Source: https://develop.sentry.dev/sdk/overview/#parsing-the-dsn
"""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from domain.errors import BadInput
from vendors.fields import NOTHING_SENT

_HINT = "Copy the whole DSN from the project's Settings > Client Keys (DSN): https://<key>@<host>/<project id>."
_API_OF_INGEST = (
    (".ingest.us.sentry.io", "https://us.sentry.io"),
    (".ingest.de.sentry.io", "https://de.sentry.io"),
    (".ingest.sentry.io", "https://sentry.io"),
)


@dataclass(frozen=True, slots=True)
class Dsn:
    """`origin` is scheme, host, port and path prefix, without a slash at the end."""

    public_key: str = field(repr=False)
    origin: str
    host: str
    project_id: str

    @property
    def envelope_url(self) -> str:
        return f"{self.origin}/api/{self.project_id}/envelope/"

    @property
    def api(self) -> str:
        """Return the address of the API in the DSN's region; a self-hosted Sentry answers both at one address."""
        return next((api for ending, api in _API_OF_INGEST if self.host.endswith(ending)), self.origin)


def parse_dsn(value: str) -> Dsn:
    """Read a DSN.

    Raises:
        BadInput: says which part is wrong, never what stands there: the key is part of the text.
    """
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise _wrong("its host and port cannot be read") from None
    prefix, _, project_id = parts.path.rpartition("/")
    fault = _fault(parts, project_id)
    if fault:
        raise _wrong(fault)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    origin = f"{parts.scheme}://{shown}{f':{port}' if port else ''}{prefix.rstrip('/')}"
    return Dsn(parts.username or "", origin, host, project_id)


def dsn(value: str) -> str:
    """Check that the value is a DSN."""
    parse_dsn(value)
    return value


def _fault(parts: SplitResult, project_id: str) -> str:
    """Return what is wrong with the first part that is, or nothing."""
    checks = (
        (parts.scheme in {"http", "https"}, "it does not start with https://"),
        (bool(parts.username), "it has no key before an @"),
        (
            bool(re.fullmatch(r"[0-9a-f]{32}", parts.username or "")),
            f"its key has {len(parts.username or '')} characters, or others than 0-9 and a-f; it should have 32 of these",
        ),
        (bool(parts.hostname), "it has no host after the @"),
        (not (parts.query or parts.fragment), "something follows the project's id"),
        (bool(project_id), "it has no project id after the last slash"),
        (project_id.isdecimal(), "its project id is not a number"),
    )
    return next((fault for good, fault in checks if not good), "")


def _wrong(fault: str) -> BadInput:
    return BadInput(f"the value is not a DSN: {fault}.", NOTHING_SENT, _HINT)
