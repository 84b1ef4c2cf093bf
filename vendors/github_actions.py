"""The sink GitHub Actions: secrets of one repository, which workflows read when they start. A `Place`.

GitHub never shows a secret again, so what was sent stays unconfirmed.
Source: https://docs.github.com/en/rest/actions/secrets, https://docs.github.com/en/rest/guides/encrypting-secrets-for-the-rest-api
"""

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from domain.errors import BadInput, OpsError
from domain.exchanges import Effect
from vendors.fields import NOTHING_SENT
from vendors.github import GithubApp
from vendors.http import Answer, succeeded

# "Secrets are limited to 48 KB in size." Source: https://docs.github.com/en/actions/reference/security/secrets
LARGEST_BYTES = 48 * 1024
_REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,39}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_NAME = re.compile(r"(?!GITHUB_)[A-Z_][A-Z0-9_]*", re.IGNORECASE)
_GONE = 404
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class ActionsSecrets:
    """The Actions secrets of `repository` ("owner/name"), written as the installation in it of `app`."""

    repository: str
    app: GithubApp

    def write(self, entries: Mapping[str, str]) -> None:
        """Seal and send each secret, one after the other; an empty one is deleted.

        Raises:
            BadInput: the place, a name or a value is none that GitHub takes; nothing was sent.
            Rejected, Unavailable, OutcomeUnknown: some may have been written; writing all again is safe.
        """
        _check_place(self.repository, self.app.installation_id)
        for name, value in entries.items():
            _check(name, value)
        with self._token() as token:
            # Asked for also where nothing is sealed: it shows that the repository is there, before a 404 means 'gone already'.
            key = self._public_key(token)
            for name, value in entries.items():
                if value:
                    sealed = {"encrypted_value": _sealed(value, str(key["key"])), "key_id": str(key["key_id"])}
                    self._change(token, "write_secret", "PUT", name, sealed)
                else:
                    self._change(token, "delete_secret", "DELETE", name, None)

    def holds(self, entries: Mapping[str, str]) -> None:
        """Return None: GitHub tells that a secret exists and when it was written, and not what it holds."""
        del entries

    def close(self) -> None:
        self.app.close()

    @contextmanager
    def _token(self) -> Iterator[str]:
        """Give a token for this repository alone, and drop it at the end; one that is not dropped lives for an hour."""
        token = self.app.installation_token(self.repository.partition("/")[2])
        try:
            yield token
        finally:
            # What became of the secrets matters more; the failed exchange stands in the evidence.
            with suppress(OpsError):
                self.app.as_installation(
                    token, "drop_token", Effect.CHANGES, "DELETE", "/installation/token", accepted=succeeded
                )

    def _public_key(self, token: str) -> Mapping[str, Any]:
        path = f"{self._path}/public-key"
        answer = self.app.as_installation(token, "read_public_key", Effect.READS, "GET", path, accepted=_is_public_key)
        return answer.fields()

    def _change(self, token: str, verb: str, method: str, name: str, payload: object) -> None:
        path = f"{self._path}/{quote(name, safe='')}"
        done = _gone if payload is None else succeeded
        self.app.as_installation(token, verb, Effect.CHANGES, method, path, accepted=done, payload=payload)

    @property
    def _path(self) -> str:
        return f"/repos/{self.repository}/actions/secrets"


def _check_place(repository: str, installation_id: str) -> None:
    if not _REPOSITORY.fullmatch(repository):
        raise BadInput(
            f"{repository!r} is not a repository.",
            NOTHING_SENT,
            "Write it as owner/name, as in the address of its page.",
        )
    if not installation_id:
        raise BadInput(
            "GITHUB_INSTALLATION_ID is not there.",
            f"Secrets of a repository are written as the app's installation in it. {NOTHING_SENT}",
            "Add it with opsflows connect github; docs/integrations/github.md says where it is found.",
        )


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be the name of an Actions secret.",
            f"GitHub takes letters, digits and underscores, no digit at the start, and not GITHUB_. {NOTHING_SENT}",
            "Give the secret another name in opsflows.toml, e.g. GH_ instead of GITHUB_.",
        )
    size = len(value.encode())
    if size > LARGEST_BYTES:
        raise BadInput(
            f"The value for the Actions secret {name} has {size} bytes.",
            f"GitHub takes {LARGEST_BYTES} bytes at most. {NOTHING_SENT}",
            "Give this credential another sink, or a part of it to each of several secrets.",
        )


def _sealed(value: str, public_key: str) -> str:
    # Imported here: it takes 25 ms, and only what writes to GitHub needs it.
    from nacl.encoding import Base64Encoder  # noqa: PLC0415 (as above)
    from nacl.public import PublicKey, SealedBox  # noqa: PLC0415 (as above)

    box = SealedBox(PublicKey(public_key.encode(), Base64Encoder))
    return base64.b64encode(box.encrypt(value.encode())).decode()


def _is_public_key(answer: Answer) -> bool:
    """Accept a key of 32 bytes with its id; for anything else nothing could be sealed."""
    told = answer.fields()
    try:
        size = len(base64.b64decode(str(told.get("key", "")), validate=True))
    except ValueError:
        return False
    return succeeded(answer) and size == _KEY_BYTES and bool(told.get("key_id"))


def _gone(answer: Answer) -> bool:
    return succeeded(answer) or answer.status == _GONE
