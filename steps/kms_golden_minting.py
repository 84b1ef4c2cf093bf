"""Which versions of a key have no golden ciphertext yet and get one, each opened before it is kept.

The version that encrypts now gets one, where drift has nothing against it. So does every enabled one that was there when the key was
first checked: what it encrypted earlier must stay readable. One that somebody makes later gets its golden when it encrypts and is
expected: a golden alone makes no version a known one. What was retired is not made again while it does not encrypt.
"""

import hmac
from hashlib import sha256

from domain.kms_budget import MINTED_A_RUN
from domain.kms_drift import Encrypted
from domain.kms_goldens import MINTED, NewGolden
from domain.kms_keys import Inventory, KeyVersionFacts, VersionState
from domain.kms_names import is_same_key, shown_version
from steps.kms_golden_work import Work
from steps.kms_operations import FaultSeen, ask
from steps.kms_question import PLAINTEXT_BYTES, KeyQuestion

# A version that the description calls enabled may be switched off a moment later; the next run reads it again.
_SWITCHED_OFF = frozenset({"kms.version_disabled", "kms.version_scheduled", "kms.version_destroyed"})


def mint(work: Work, chosen: Encrypted, told: Inventory | None) -> None:
    """Make a golden for each version that wants one; only some in each run, since a key may have many."""
    wanting = [chosen.version] if _is_without(work.question, chosen) else []
    wanting += [one.id for one in _earlier(work.question, chosen, told)]
    for version in wanting[:MINTED_A_RUN]:
        if not work.is_cut:
            _mint(work, Encrypted(chosen.key, version), "" if version == chosen.version else version)


def _is_without(question: KeyQuestion, chosen: Encrypted) -> bool:
    minted = (one for one in question.known.goldens if one.source == MINTED and one.version == chosen.version)
    return bool(chosen.version) and not any(is_same_key(one.key, chosen.key) for one in minted)


def _earlier(question: KeyQuestion, chosen: Encrypted, told: Inventory | None) -> list[KeyVersionFacts]:
    """Return the enabled versions beside the chosen one that were there at the first check and never had a golden."""
    if told is None or not question.names_versions or not is_same_key(told.key, chosen.key):
        return []
    first = {
        version: at for (key, version), at in question.known.past.first_kept.items() if is_same_key(key, chosen.key)
    }
    began = min(first.values(), default=None)
    return [
        one for one in told.versions
        if one.state is VersionState.ENABLED and one.id not in {*first, chosen.version}
        and (began is None or (one.created_at is not None and one.created_at <= began))
    ]  # fmt: skip


def _mint(work: Work, wanted: Encrypted, named: str) -> None:
    """Make a golden of that key and version; `named` is the version where it is not the one that encrypts by itself."""
    asking, tally = work.question.asking, work.tally
    plaintext, context = work.question.random(PLAINTEXT_BYTES), work.question.known.context("golden")
    try:
        key = work.open_key(wanted.key)
        sealed = ask(asking, tally, "encrypt", lambda: key.encrypt(plaintext, context, named))
        unsealed = ask(asking, tally, "golden", lambda: key.decrypt(sealed.ciphertext, context))
    except FaultSeen as seen:
        if not (named and seen.fault in _SWITCHED_OFF):
            work.fail(seen)
        return
    version = sealed.version or unsealed.version or wanted.version
    if not is_same_key(sealed.key, wanted.key) or version != wanted.version:
        # The version changed since the canary; the next run sees which one it is now.
        return
    if not hmac.compare_digest(unsealed.plaintext, plaintext):
        work.fail(FaultSeen("kms.other_plaintext", version=shown_version(version)))
        return
    work.keep(NewGolden(wanted.key, version, MINTED, sealed.ciphertext, sha256(plaintext).hexdigest(), context))
