"""What came of one key's golden ciphertexts so far in a run, and whether it is worth asking on."""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from domain.kms_faults import FAULTS, FaultClass
from domain.kms_golden_turns import Held
from domain.kms_goldens import MINTED, SHOWN_SIGNS, WRAPPED, NewGolden
from domain.kms_keys import Unsealed
from domain.kms_names import shown_version
from steps.kms_operations import FaultSeen, Tally, ask
from steps.kms_question import KeyQuestion, Trial
from vendors.kms import KmsKey

# Every golden that this run adds is newer than any in the ledger.
_ADDED = 1 << 62
# What ends every trial alike, whichever key or version it is of. What is of one key or version leaves the others to be tried.
_OF_THE_LINE = frozenset({"kms.unreachable", "kms.unavailable", "kms.throttled", "kms.identity"})


@dataclass(slots=True)
class Work:
    """One key's goldens. `files` are the names of wrapped keys' files by slot; `is_cut` says that nothing more is to be asked."""

    question: KeyQuestion
    open_key: Callable[[str], KmsKey]
    every: list[Held]
    tally: Tally = field(default_factory=Tally)
    kept: list[NewGolden] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    troubles: list[FaultSeen] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False

    def keep(self, golden: NewGolden) -> None:
        """Take in a new golden that was opened just now."""
        self.every.append(Held(golden, _ADDED + len(self.kept)))
        self.kept.append(golden)
        self.trials.append(Trial(golden))

    def fail(self, seen: FaultSeen) -> None:
        self.troubles.append(seen)
        self.is_cut = self.is_cut or seen.fault in _OF_THE_LINE

    def untried(self, wanted: Iterable[Held]) -> list[Held]:
        tried = {trial.names for trial in self.trials}
        return [one for one in wanted if one.names not in tried]

    def decrypt(self, golden: NewGolden) -> Unsealed:
        """Return what the golden's own key makes of it. Raises FaultSeen."""
        key = self.open_key(golden.key)
        return ask(
            self.question.asking, self.tally, "golden", lambda: key.decrypt(golden.ciphertext, golden.context)
        )  # fmt: skip

    def try_out(self, one: Held) -> Trial:
        """Decrypt the golden, and return what that came to."""
        try:
            self._require_opens(one.golden)
        except FaultSeen as seen:
            self.fail(seen)
            trial = Trial(one.golden, seen.fault, seen.detail)
        else:
            trial = Trial(one.golden)
        self.trials.append(trial)
        return trial

    def name(self, golden: NewGolden) -> str:
        """Return what people know the golden by."""
        if golden.source == MINTED:
            return f"version {shown_version(golden.version)}"
        return self.files.get(golden.slot, f"with SHA-256 {golden.slot[:SHOWN_SIGNS]}...")

    def _require_opens(self, golden: NewGolden) -> None:
        """Raise what is wrong with the golden. A state of the key or version that lets nothing be decrypted is the golden's loss."""
        shown = shown_version(golden.version)
        try:
            opened = self.decrypt(golden)
        except FaultSeen as seen:
            if FAULTS[seen.fault].fault_class is not FaultClass.KEY_STATE:
                raise FaultSeen(seen.fault, seen.detail, seen.version or shown) from seen
            if golden.source == WRAPPED:
                raise FaultSeen("kms.wrapped_key_lost", f"{self.name(golden)} ({seen.detail})") from seen
            raise FaultSeen("kms.golden_lost", seen.detail, shown) from seen
        is_same = hmac.compare_digest(sha256(opened.plaintext).hexdigest(), golden.plaintext_sha256)
        # Of a wrapped key nothing is kept to compare with: what is inside is the application's secret.
        if golden.source == MINTED and not is_same:
            raise FaultSeen("kms.golden_changed", version=shown)
