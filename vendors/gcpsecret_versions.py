"""The versions of one secret in Google Secret Manager, and the aliases that name some of them.

A version that was just added is read back by its number, the one thing that is consistent at once: listings, `latest` and
aliases may lag by minutes. So what a listing does not show yet is looked for by the next numbers. Checksums are sent and
checked both ways: Google's client does neither. Every change carries the etag of what it changes, so that nobody's change
is overwritten unseen.
Source: https://cloud.google.com/secret-manager/docs/reference/consistency, https://cloud.google.com/secret-manager/docs/etags
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hmac import compare_digest
from typing import Any

from domain.diagnosis import error_of
from domain.errors import OutcomeUnknown, Unavailable
from domain.exchanges import Effect
from vendors.gcpsecret_signatures import SIGNATURES, SYMPTOMS
from vendors.google import GoogleLine, Service, crc32c, moment
from vendors.http import Conduct

PAGE_VERSIONS = 50


@dataclass(frozen=True, slots=True)
class Version:
    """One version as Google describes it. `ends` says that it is destroyed, or waits for its hour to be."""

    number: int
    enabled: bool
    ends: bool
    etag: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Served:
    """What an access by number gave: `payload` is None where the version is not enabled."""

    exists: bool
    payload: bytes | None = field(default=None, repr=False)

    def is_value(self, value: str) -> bool:
        return self.payload is not None and compare_digest(self.payload, value.encode())


@dataclass(frozen=True, slots=True)
class Aliases:
    """Which version each alias names, and the etag of the secret that they were read from."""

    numbers: Mapping[str, int]
    etag: str


@dataclass(frozen=True, slots=True)
class SecretVersions:
    """The versions of one secret, one request per method unless it says why not."""

    secret: str
    line: GoogleLine

    def listed(self, cursor: str = "") -> tuple[tuple[Version, ...], str]:
        """Return one page of versions, newest first, and where the next begins."""
        request = {"parent": self.secret, "page_size": PAGE_VERSIONS, "page_token": cursor}
        return self.line.exchange(
            "list_versions", Effect.READS, "list_secret_versions", request, read=lambda pager: _page(next(iter(pager.pages)))
        )  # fmt: skip

    def unlisted(self, page: tuple[Version, ...]) -> Iterator[int]:
        """Yield the numbers after the newest listed one that do exist: one request each, and one for the first that does not."""
        newest = max((one.number for one in page), default=0)
        while self.access(newest := newest + 1).exists:
            yield newest

    def access(self, number: int) -> Served:
        """Return what the version serves.

        Raises:
            Unavailable: the payload does not fit its checksum, so it was not used.
        """
        return self.line.exchange(
            "access_version", Effect.READS, "access_secret_version", {"name": self._name(number)},
            read=lambda answer: Served(exists=True, payload=self._intact(answer.payload)),
            otherwise={"NOT_FOUND": lambda _: Served(exists=False), "FAILED_PRECONDITION": lambda _: Served(exists=True)},
        )  # fmt: skip

    def holding(self, value: str) -> int | None:
        """Return the newest version that serves this value, None where none does.

        Which version holds a value only its payload tells, so each live one is accessed: there are two or three.
        """
        cursor, first = "", True
        while first or cursor:
            page, cursor = self.listed(cursor)
            fresh = self.unlisted(page) if first else iter(())
            numbers = [*reversed([*fresh]), *(one.number for one in page if not one.ends)]
            first = False
            for number in numbers:
                if self.access(number).is_value(value):
                    return number
        return None

    def add(self, value: str) -> int:
        """Add a version and return its number. Google compares the checksum before it stores anything."""
        data = value.encode()
        request = {"parent": self.secret, "payload": {"data": data, "data_crc32c": crc32c(data)}}
        return self.line.exchange(
            "add_version", Effect.CHANGES, "add_secret_version", request, read=self._added
        )  # fmt: skip

    def described(self, number: int) -> Version:
        request = {"name": self._name(number)}
        return self.line.exchange("get_version", Effect.READS, "get_secret_version", request, read=_version)

    def change(self, verb: str, method: str, version: Version, read: Callable[[Any], None]) -> None:
        """Change the version's state, unless somebody changed it since it was described."""
        request = {"name": self._name(version.number), "etag": version.etag}
        self.line.exchange(verb, Effect.CHANGES, method, request, read=read)

    def aliases(self) -> Aliases:
        request = {"name": self.secret}
        return self.line.exchange(
            "get_secret", Effect.READS, "get_secret", request,
            read=lambda answer: Aliases({str(k): int(v) for k, v in answer.version_aliases.items()}, str(answer.etag)),
        )  # fmt: skip

    def move(self, seen: Aliases, wanted: Mapping[str, int]) -> None:
        """Let the aliases name these versions and no others, unless somebody changed the secret since they were seen."""
        request = {
            "secret": {"name": self.secret, "etag": seen.etag, "version_aliases": dict(wanted)},
            "update_mask": {"paths": ["version_aliases"]},
        }
        self.line.exchange("move_aliases", Effect.CHANGES, "update_secret", request, read=lambda _: None)

    def destroyed(self, answer: Any) -> None:
        """Accept a version that is destroyed, or disabled and about to be, where the secret delays destruction."""
        if not _version(answer).ends:
            raise error_of(SYMPTOMS["gcpsecret.not_destroyed"], OutcomeUnknown, secret=self.secret)

    def close(self) -> None:
        self.line.close()

    def _name(self, number: int) -> str:
        return f"{self.secret}/versions/{number}"

    def _intact(self, payload: Any) -> bytes:
        data = bytes(payload.data)
        if payload.data_crc32c != crc32c(data):
            raise error_of(SYMPTOMS["gcpsecret.corrupted"], Unavailable, secret=self.secret)
        return data

    def _added(self, answer: Any) -> int:
        if not answer.client_specified_payload_checksum:  # the checksum was lost on the way, so nothing was compared
            raise error_of(SYMPTOMS["gcpsecret.corrupted"], OutcomeUnknown, secret=self.secret)
        return _number(answer.name)


def connect_versions(secret: str, key: str, address: str | None, conduct: Conduct) -> SecretVersions:
    """Return the versions of a secret, for whom the key says (empty: the worker itself)."""
    service = Service(_host(secret), _secret_manager)
    line = GoogleLine("gcpsecret", service, conduct, signatures=SIGNATURES, key=key, address=address)
    return SecretVersions(secret, line)


def _host(secret: str) -> str:
    """Return the published host: a regional secret is served in its region alone."""
    regional = re.match(r"projects/[^/]+/locations/([^/]+)/", secret)
    return f"secretmanager.{regional[1]}.rep.googleapis.com" if regional else "secretmanager.googleapis.com"


def _secret_manager() -> Any:
    from google.cloud import secretmanager_v1  # noqa: PLC0415 (heavy, and the registry is imported by everything)

    return secretmanager_v1.SecretManagerServiceClient


def _page(answer: Any) -> tuple[tuple[Version, ...], str]:
    return tuple(_version(row) for row in answer.versions), str(answer.next_page_token)


def _version(row: Any) -> Version:
    return Version(
        number=_number(row.name),
        enabled=row.state.name == "ENABLED",
        ends=row.state.name == "DESTROYED" or bool(row.scheduled_destroy_time),
        etag=str(row.etag),
        created_at=moment(row.create_time),
    )


def _number(name: str) -> int:
    """Return the number in a version's name, which has the project's number where we wrote its id."""
    return int(name.rpartition("/")[2])
