"""A sink in Secrets Manager: entries are staging labels, and what each leads to. `AWSCURRENT` is what applications are given.

A version that holds the value already is labelled; only where there is none is a new one put, under a random id: nothing that
leaves this process may be made of the value. AWSCURRENT goes first, because AWS moves AWSPREVIOUS after it by itself. A write
that a crash cut off is found by its values and goes on from there; so it may be repeated. An entry that is empty loses its label.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from domain.diagnosis import error_of
from domain.errors import BadInput
from vendors.aws import AwsLine
from vendors.aws_keys import manage_line
from vendors.aws_versions import CURRENT, PENDING, Labelled, Version, Versions
from vendors.awssecret import SIGNATURES, SYMPTOMS, SYSTEM
from vendors.http import Conduct


@dataclass(frozen=True, slots=True)
class AwsSecretPlace:
    """The labels of one secret; a `Place`."""

    versions: Versions

    def write(self, entries: Mapping[str, str]) -> None:
        """Let each label lead to its value, one after the other; other labels and the versions' values stay.

        Raises:
            BadInput: AWSCURRENT was to be empty, or AWSPENDING is among the entries.
            Rejected, Unavailable, OutcomeUnknown: as the rows of Secrets Manager say; safe to repeat.
        """
        _check(entries)
        for label in sorted(entries, key=lambda name: name != CURRENT):
            self._lead(label, entries[label])

    def holds(self, entries: Mapping[str, str]) -> bool:
        """Say whether each label leads to its value now, and the empty ones nowhere."""
        labelled = self.versions.labelled()
        return all(self._leads(labelled.having(label), value) for label, value in entries.items())

    def close(self) -> None:
        self.versions.line.close()

    def _lead(self, label: str, value: str) -> None:
        labelled = self.versions.labelled()
        before = labelled.having(label)
        if self._leads(before, value):
            return
        if not value:
            self.versions.move(label, away_from=before.version_id if before else "")
            return
        found = self.versions.holding(_but(labelled, before), value)
        if found is None:
            self.versions.put(str(uuid4()), value, label)
        else:
            self.versions.move(label, to=found.version_id, away_from=before.version_id if before else "")

    def _leads(self, version: Version | None, value: str) -> bool:
        if version is None or not value:
            return version is None and not value
        return self.versions.holds(version, value)


def open_place(secret_id: str, region: str, manage_key: str, address: str | None, conduct: Conduct) -> AwsSecretPlace:
    """Return the labels of a secret, written with the managing key, or with the worker's own role where that is empty.

    Raises:
        BadInput: the key is malformed, the host is not allowed here, or in the rehearsal there is no key.
    """
    values = {"region": region, "manage_key": manage_key}
    line: AwsLine = manage_line(SYSTEM, values, address, conduct, SIGNATURES)
    return AwsSecretPlace(Versions(secret_id, line))


def _but(labelled: Labelled, version: Version | None) -> list[Version]:
    """Return every other version that has a label, those that applications read first."""
    known = dict.fromkeys((*labelled.handed_out, *labelled.versions))
    return [row for row in known if row != version]


def _check(entries: Mapping[str, str]) -> None:
    if entries.get(CURRENT) == "":
        raise error_of(SYMPTOMS["awssecret.always_current"], BadInput)
    if PENDING in entries:
        raise error_of(SYMPTOMS["awssecret.label_not_for_sinks"], BadInput, label=PENDING)
