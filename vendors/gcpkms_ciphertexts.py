"""The ciphertexts that an operator names: files that must still be decrypted when a key version is gone."""

import base64
import binascii
import glob
from dataclasses import dataclass, field
from pathlib import Path

from domain.errors import BadInput

# What a symmetric key encrypts at most, and what it adds; as base64 a third more. https://cloud.google.com/kms/quotas
LARGEST_FILE_BYTES = 100_000

# Said in so many words, because a key version that is destroyed takes what it encrypted along.
NOTHING = "none"


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """One file. Its name is shown, its content never leaves for anywhere but Google."""

    name: str
    content: bytes = field(repr=False)


def known_ciphertexts(where: str) -> tuple[Path, ...]:
    """Return the files of a folder (*.enc) or of a pattern; no file where an operator said that there is none.

    Raises:
        BadInput: something is named, and no file is there: that is not the same as nothing to lose.
    """
    if where == NOTHING:
        return ()
    pattern = str(Path(where) / "*.enc") if Path(where).is_dir() else where
    found = sorted(Path(name) for name in glob.glob(pattern) if Path(name).is_file())  # noqa: PTH207 (an absolute pattern)
    if not found:
        raise BadInput(
            "GOOGLE_KMS_CIPHERTEXTS names no file that can be read here.",
            "Which ciphertexts still need the old key version is not known; nothing was sent.",
            "Correct the folder or pattern, mount it where the worker runs, or write none if nothing is kept that must be decrypted.",
        )
    return tuple(found)


def read_ciphertext(file: Path) -> Ciphertext:
    """Return the file's content, out of base64 where it is that.

    Raises:
        BadInput: the file cannot be read, or is larger than any ciphertext of a symmetric key.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _unreadable(file, "cannot be read") from error
    if len(content) > LARGEST_FILE_BYTES:
        raise _unreadable(file, "is larger than any ciphertext of a symmetric key")
    try:
        return Ciphertext(file.name, base64.b64decode(b"".join(content.split()), validate=True))
    except binascii.Error:
        return Ciphertext(file.name, content)


def _unreadable(file: Path, why: str) -> BadInput:
    return BadInput(
        f"{file.name}, which GOOGLE_KMS_CIPHERTEXTS names, {why}.",
        "Whether it still needs the old key version is not known; nothing was sent.",
        "Let the worker read it, or name the ciphertexts alone.",
    )
