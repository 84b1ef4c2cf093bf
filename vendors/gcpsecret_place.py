"""A secret of Google Secret Manager as a sink: aliases name what applications read, each a version that holds its text.

Source: https://cloud.google.com/secret-manager/docs/assign-alias-to-secret-version
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.diagnosis import error_of
from domain.errors import OutcomeUnknown
from vendors.gcpsecret_signatures import SYMPTOMS
from vendors.gcpsecret_versions import SecretVersions, connect_versions
from vendors.http import Conduct


@dataclass(frozen=True, slots=True)
class GoogleSecretPlace:
    """One secret. Entries are texts by alias (`current`, `previous`); an empty text takes its alias away.

    A text's version is found by its payload, or added and read back by its number; then one change moves all aliases, as a
    whole or not at all. Versions are never ended here: what an alias leaves stays readable by its number.
    """

    versions: SecretVersions

    def write(self, entries: Mapping[str, str]) -> None:
        """Let each alias name a version with its text.

        Raises:
            Unavailable: somebody changed the secret meanwhile; nothing was moved, and it may be written again.
        """
        wanted = {alias: self._version_with(text) for alias, text in entries.items() if text}
        seen = self.versions.aliases()
        numbers = {alias: number for alias, number in seen.numbers.items() if alias not in entries} | wanted
        if numbers != seen.numbers:
            self.versions.move(seen, numbers)

    def holds(self, entries: Mapping[str, str]) -> bool:
        """Say whether the aliases name versions with these texts: read by number, since access by alias lags."""
        numbers = self.versions.aliases().numbers
        return all(self._names(numbers.get(alias), text) for alias, text in entries.items())

    def close(self) -> None:
        self.versions.close()

    def _names(self, number: int | None, text: str) -> bool:
        if number is None or not text:
            return number is None and not text
        return self.versions.access(number).is_value(text)

    def _version_with(self, text: str) -> int:
        found = self.versions.holding(text)
        return self._added(text) if found is None else found

    def _added(self, text: str) -> int:
        number = self.versions.add(text)
        if not self.versions.access(number).is_value(text):
            raise error_of(SYMPTOMS["gcpsecret.corrupted"], OutcomeUnknown, secret=self.versions.secret)
        return number


def connect_place(secret: str, key: str, address: str | None, conduct: Conduct) -> GoogleSecretPlace:
    """Return the place `projects/P/secrets/S`, written by the account of the key (empty: the worker itself).

    Raises:
        BadInput: the host is not allowed in this environment.
    """
    return GoogleSecretPlace(connect_versions(secret, key, address, conduct))
