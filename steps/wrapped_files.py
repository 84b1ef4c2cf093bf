"""The wrapped keys that opsflows.toml names for one key, as their files are in this moment, whether a check has kept them or not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from domain.errors import BadInput
from domain.kms_goldens import Slot
from domain.kms_names import is_same_key
from domain.kms_sections import KmsKeySection
from domain.names import Target
from ledger.kms_goldens import goldens
from steps.context import Context
from steps.kms_planned import key_of
from vendors.gcpkms_ciphertexts import known_ciphertexts, read_ciphertext
from vendors.kms import KmsProvider


@dataclass(frozen=True, slots=True)
class WrappedFile:
    """One file. Its name is shown, its content leaves for nowhere but the key's provider; `context` is bound to it."""

    slot: Slot
    name: str
    content: bytes = field(repr=False)
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unread:
    """What is named and cannot be read, so that nobody knows what it needs; `section` is where it is named."""

    section: str
    why: str


def wrapped_files(context: Context, provider: KmsProvider, key: str) -> Iterator[WrappedFile | Unread]:
    """Yield every file that a section of this key names, of whichever environment.

    A section that names its key by credentials is of this key where those, or its goldens, say so. Credentials of another
    environment are not read from here; in this one, a section whose credentials tell no key may be of this key.
    """
    for target, service in context.config.kms.items():
        for key_name, section in service.keys.items():
            if not section.wrapped_keys:
                continue
            where, place = f"kms.{target}.keys.{key_name}", (service.environment, target, key_name)
            known = _keys_of(context, provider, place, section)
            if any(is_same_key(one, key) for one in known):
                yield from files_of(place, where, section)
            elif not known and service.environment == context.environment:
                yield Unread(where, f"its credentials, {section.credentials}, do not tell which key it is of")


def _keys_of(
    context: Context, provider: KmsProvider, place: tuple[str, str, str], section: KmsKeySection
) -> frozenset[str]:
    """Return what the section's key is called, as far as that is known here."""
    if section.key:
        return frozenset({section.key})
    environment, target, key_name = place
    own = key_of(context, provider, Target.parse(section.credentials)) if environment == context.environment else ""
    seen = {one.key for one in goldens(context.ledger, environment, target) if one.key_name == key_name}
    return frozenset({own, *seen} - {""})


def files_of(place: tuple[str, str, str], where: str, section: KmsKeySection) -> Iterator[WrappedFile | Unread]:
    """Yield the files that one section names; `place` is its environment, target and key's name, `where` what people call it."""
    if not section.wrapped_keys:
        return
    try:
        files = known_ciphertexts(section.wrapped_keys)
    except (BadInput, OSError):
        yield Unread(where, "wrapped_keys names no file that can be read here")
        return
    for file in files:
        yield _content(place, where, section, file)


def _content(place: tuple[str, str, str], where: str, section: KmsKeySection, file: Path) -> WrappedFile | Unread:
    try:
        content = read_ciphertext(file).content
    except BadInput:
        return Unread(where, f"{file.name} of wrapped_keys cannot be read here, or is larger than any wrapped key")
    return WrappedFile(Slot(*place, sha256(content).hexdigest()), file.name, content, dict(section.context))
