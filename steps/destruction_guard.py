"""A key version that something of ours still needs is not destroyed, on whichever way a rotation came to it.

What needs a version: a golden ciphertext in force (ledger/kms_goldens.py), until somebody says that nothing does any more; a
wrapped key whose file opsflows.toml names, unless it was retired (steps/wrapped_files.py); and what the vendor itself names (files
that GOOGLE_KMS_CIPHERTEXTS lists). It is asked before each intent to destroy, where
the rotation then waits (`held_back`), and once more in the moment of the request, where nothing is sent (`refuse_needed`,
in steps/live_vendor.py, which every way goes through). An emergency is no exception: switched off, a version opens nothing
and can still be switched on.

A wrapped key is kept as a golden without a version, because a file does not tell. It may need any version but the primary
one, so it holds every other version of its key until the key was seen, just now, to open it with the primary version. One
that was kept before the primary version was made cannot be opened by it, whatever a server says that has not heard of the
change. What the key does not open, and what cannot be read, cannot be told, and holds as well; where the key does not answer,
nothing is destroyed.
Source: docs/adr/0016-kms-checks.md
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from domain.errors import OpsError, Rejected
from domain.kms_goldens import SHOWN_SIGNS, WRAPPED, Golden, Slot
from domain.kms_keys import Inventory
from domain.kms_names import is_same_key
from domain.rotation import Wait
from ledger.kms_goldens import goldens, retired_slots
from ledger.opening import Ledger
from steps.rotation_hands import Hands, Stop
from steps.wrapped_files import Unread, WrappedFile
from vendors.kms import KmsKey, KmsProvider
from vendors.kms_providers import KEY_PROVIDERS
from vendors.rotation import Rotation

_TOLD = 5
_BY_INTEGRATION: Mapping[str, KmsProvider] = MappingProxyType({row.integration: row for row in KEY_PROVIDERS.values()})
_NEXT_STEP = (
    "Encrypt anew what needs it: where it is switched off, enable it at the vendor for that. Where nothing needs it any more, say so "
    "with the command beside it. It is looked at again by itself; do not roll back to an exposed one."
)


def held_back(hands: Hands, vendor_id: str) -> Stop | None:
    """Return that something encrypted with it would be lost, which no emergency is worth; None where nothing would be."""
    needed = hands.vendor.held_open(vendor_id) if hands.manifest.loses_data else ()
    if not needed:
        return None
    words = f"{len(needed)} things need the retiring one, or it cannot be told that they do not: {_told(needed)}."
    return Stop(Wait.BLOCKED_HELD_OPEN, words, next_step=_NEXT_STEP)


def foretold(hands: Hands, vendor_id: str) -> str:
    """Return what will hold it once its overlap is over, as a sentence; empty where nothing will, or that cannot be told yet."""
    if not hands.manifest.loses_data or not vendor_id:
        return ""
    try:
        needed = hands.vendor.held_open(vendor_id)
    except OpsError:
        # Only foretold: when the overlap is over it is asked again, and must be answered then.
        return ""
    return f" After that it stays for what needs it: {_told(needed)}." if needed else ""


def refuse_needed(holding: Iterator[str], vendor_id: str) -> None:
    """Raise where anything holds the version; the last look before the request that destroys it."""
    why = next(holding, "")
    if why:
        raise Rejected(
            f"Version {vendor_id} of the key stays: {why}.",
            "With the version destroyed it could never be decrypted again; nothing was sent.",
            _NEXT_STEP,
            "rotation.still_needed",
        )


def guarded_by(row: Rotation) -> KmsProvider | None:
    """Return the cloud whose key versions this rotation ends; None where it ends something that encrypts nothing."""
    return _BY_INTEGRATION.get(row.integration) if row.manifest.loses_data else None


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """A wrapped key that may need any version. `kept_at` is None where no check has kept it yet."""

    words: str
    lets_go: str
    ciphertext: bytes = field(repr=False)
    context: Mapping[str, str]
    kept_at: datetime | None = None


def goldens_holding(
    ledger: Ledger, key: str, version: str, connect: Callable[[], KmsKey], files: Iterable[WrappedFile | Unread] = ()
) -> Iterator[str]:
    """Yield in words each golden in force, of whichever environment, and each of the files, that needs this version or may need it.

    Raises:
        Unavailable, NotYet: the key does not answer what it opens with; only where there are wrapped keys.
    """
    of_key = [one for one in goldens(ledger) if is_same_key(one.key, key)]
    minted = [one for one in of_key if one.version == version]
    yield from (_words(_told_of(one), "nothing else opens it", _retires(one)) for one in minted)
    found = list(files)
    yield from (f"what {one.section} names: {one.why}" for one in found if isinstance(one, Unread))
    wrapped = _wrapped_keys(ledger, of_key, [one for one in found if isinstance(one, WrappedFile)])
    if wrapped:
        with closing(connect()) as opened:
            inventory = opened.inventory()
            for one in wrapped:
                if why := _why_it_may_need(opened, inventory, one, version):
                    yield _words(one.words, why, one.lets_go)


def _wrapped_keys(ledger: Ledger, of_key: Iterable[Golden], files: Iterable[WrappedFile]) -> list[_Wrapped]:
    """Return those that are kept, and the files that no check has kept yet and nobody retired."""
    names = {one.slot: one.name for one in files}
    unknown = {_slot(one): one for one in of_key if not one.version}
    settled = {*unknown, *retired_slots(ledger)}
    return [
        *(
            _Wrapped(_told_of(one, names.get(slot, "")), _retires(one), one.ciphertext, one.context, one.kept_at)
            for slot, one in unknown.items()
        ),
        *(_unkept(one) for one in files if one.slot not in settled),
    ]


def _unkept(file: WrappedFile) -> _Wrapped:
    slot = file.slot
    words = f"{_file_words(slot.slot, file.name)} ({_whose(slot)}), which no check has kept yet"
    lets_go = f"take it away from wrapped_keys of kms.{slot.target}.keys.{slot.key_name}"
    return _Wrapped(words, lets_go, file.content, file.context)


def _why_it_may_need(key: KmsKey, inventory: Inventory, wrapped: _Wrapped, version: str) -> str:
    """Return why the wrapped key may need the version, empty where it is shown that it does not."""
    made = next((one.created_at for one in inventory.versions if one.id == inventory.primary), None)
    if made is not None and wrapped.kept_at is not None and wrapped.kept_at < made:
        return "" if version == inventory.primary else "it is older than the primary version"
    try:
        by_primary = key.decrypt(wrapped.ciphertext, wrapped.context).by_primary
    except Rejected:
        return "the key does not open it now, so which version it needs cannot be told"
    if by_primary is None:
        return "the key does not tell which version opens it"
    needs_it = by_primary is (version == inventory.primary)
    which = "the primary version" if by_primary else "an older version than the primary one"
    return f"it is opened by {which}" if needs_it else ""


def _told_of(golden: Golden, file: str = "") -> str:
    what = (
        _file_words(golden.slot, file) if golden.source == WRAPPED else f"golden ciphertext of version {golden.version}"
    )
    return f"{what} ({_whose(_slot(golden))})"


def _file_words(slot: str, file: str) -> str:
    return f"wrapped key {slot[:SHOWN_SIGNS]}{f' in {file}' if file else ''}"


def _whose(slot: Slot) -> str:
    return f"{slot.target}, key {slot.key_name}, {slot.environment}"


def _slot(golden: Golden) -> Slot:
    return Slot(golden.environment, golden.target, golden.key_name, golden.slot)


def _retires(golden: Golden) -> str:
    which = f"--file {golden.slot[:SHOWN_SIGNS]}" if golden.source == WRAPPED else golden.version
    named = f"{golden.target} {golden.key_name} {which} --environment {golden.environment}"
    return f"opsflows kms retire-golden {named} --by WHO --reason WHY"


def _words(what: str, why: str, lets_go: str) -> str:
    return f"{what}: {why} (nothing needs it any more: {lets_go})"


def _told(needed: tuple[str, ...]) -> str:
    rest = len(needed) - _TOLD
    return ", ".join(needed[:_TOLD]) + (f", and {rest} more" if rest > 0 else "")
