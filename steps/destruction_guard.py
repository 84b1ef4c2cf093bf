"""A key version that something of ours still needs is not destroyed, on whichever way a rotation came to it.

What needs a version: a golden ciphertext in force (ledger/kms_goldens.py), until somebody says that nothing does any more;
and what the vendor itself names (files that GOOGLE_KMS_CIPHERTEXTS lists). It is asked before each intent to destroy, where
the rotation then waits (`held_back`), and once more in the moment of the request, where nothing is sent (`refuse_needed`,
in steps/live_vendor.py, which every way goes through). An emergency is no exception: switched off, a version opens nothing
and can still be switched on.

A wrapped key is kept as a golden without a version, because a file does not tell. It may need any version but the primary
one, so it holds every other version of its key until the key was seen, just now, to open it with the primary version. One
that was kept before the primary version was made cannot be opened by it, whatever a server says that has not heard of the
change. What the key does not open cannot be told, and holds as well; where the key does not answer, nothing is destroyed.
Source: docs/adr/0016-kms-checks.md
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from types import MappingProxyType

from domain.errors import OpsError, Rejected
from domain.kms_names import is_same_key
from domain.rotation import Wait
from ledger.kms_goldens import WRAPPED, Golden, goldens
from ledger.opening import Ledger
from steps.rotation_hands import Hands, Stop
from vendors.kms import Inventory, KmsKey, KmsProvider
from vendors.kms_providers import KEY_PROVIDERS
from vendors.rotation import Rotation

_TOLD = 5
_NO_VERSION = "''"
_BY_INTEGRATION: Mapping[str, KmsProvider] = MappingProxyType({row.integration: row for row in KEY_PROVIDERS.values()})
_NEXT_STEP = (
    "Encrypt anew what needs it: where it is switched off, enable it at the vendor for that. Where nothing needs the version of a "
    "golden ciphertext any more, say so with the command beside it. It is looked at again by itself; do not roll back to an "
    "exposed one."
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


def goldens_holding(ledger: Ledger, key: str, version: str, connect: Callable[[], KmsKey]) -> Iterator[str]:
    """Yield in words each golden in force, of whichever environment, that needs this version of this key or may need it.

    Raises:
        Unavailable, NotYet: the key does not answer what it opens with; only where there are wrapped keys without a version.
    """
    of_key = [one for one in goldens(ledger) if is_same_key(one.key, key)]
    yield from (_words(one, "nothing else opens it") for one in of_key if one.version == version)
    unknown = [one for one in of_key if not one.version]
    if unknown:
        with closing(connect()) as opened:
            inventory = opened.inventory()
            for one in unknown:
                if why := _why_it_may_need(opened, inventory, one, version):
                    yield _words(one, why)


def _why_it_may_need(key: KmsKey, inventory: Inventory, golden: Golden, version: str) -> str:
    """Return why the golden may need the version, empty where it is shown that it does not."""
    made = next((one.created_at for one in inventory.versions if one.id == inventory.primary), None)
    if made is not None and golden.kept_at < made:
        return "" if version == inventory.primary else "it is older than the primary version"
    try:
        by_primary = key.decrypt(golden.ciphertext, golden.context).by_primary
    except Rejected:
        return "the key does not open it now, so which version it needs cannot be told"
    if by_primary is None:
        return "the key does not tell which version opens it"
    needs_it = by_primary is (version == inventory.primary)
    which = "the primary version" if by_primary else "an older version than the primary one"
    return f"it is opened by {which}" if needs_it else ""


def _words(golden: Golden, why: str) -> str:
    what = "wrapped key" if golden.source == WRAPPED else "golden ciphertext"
    version = f" of version {golden.version}" if golden.version else ""
    whose = f"{golden.target}, key {golden.key_name}, {golden.environment}"
    # An empty word is how a shell is told that a wrapped key has no version.
    named = f"{golden.target} {golden.key_name} {golden.version or _NO_VERSION}"
    lets_go = f"opsflows kms retire-golden {named} --environment {golden.environment} --by WHO --reason WHY"
    return f"{what}{version} ({whose}): {why} (nothing needs it any more: {lets_go})"


def _told(needed: tuple[str, ...]) -> str:
    rest = len(needed) - _TOLD
    return ", ".join(needed[:_TOLD]) + (f", and {rest} more" if rest > 0 else "")
