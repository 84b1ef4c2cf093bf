"""Whose turn it is: which golden ciphertexts one run decrypts, so that few are asked and each is at least once a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.kms_budget import GOLDENS_A_RUN, GOLDENS_OPENED_DAILY, RUNS_A_DAY
from domain.kms_faults import FAULTS, FaultClass
from ledger.kms_goldens import MINTED, Golden, NewGolden

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Held:
    """One golden as a run finds or makes it. A greater `order` is newer; `tried_at` is None where it never was.

    `fault` is what the last trial came to, empty where it opened.
    """

    golden: NewGolden
    order: int
    tried_at: datetime | None = None
    fault: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return names_of(self.golden)

    @property
    def is_known_lost(self) -> bool:
        return bool(self.fault) and FAULTS[self.fault].fault_class is FaultClass.GOLDEN


def held(golden: Golden) -> Held:
    new = NewGolden(
        golden.key, golden.version, golden.source, golden.ciphertext, golden.plaintext_sha256, golden.context, golden.slot
    )  # fmt: skip
    return Held(new, golden.id, golden.tried_at, golden.fault)


def names_of(golden: NewGolden | Golden) -> tuple[str, ...]:
    """Return what tells a golden from the others of its target's key."""
    return golden.key, golden.version, golden.source, golden.slot


def turns(every: Sequence[Held]) -> list[Held]:
    """Return the newest, those that failed last time, and of the others the longest untried.

    What failed is always asked again, on top of the others' turn: else a run that asks others would take the part for UP, and
    one that is lost for good would keep the others from ever being opened.
    """
    first = newest(every)
    rest = [one for one in every if one is not first]
    failed = [one for one in rest if one.fault]
    others = sorted((one for one in rest if not one.fault), key=lambda one: (one.tried_at or _NEVER, one.order))
    return [*([first] if first else []), *failed, *others[: GOLDENS_A_RUN - 1]]


def newest(every: Sequence[Held]) -> Held | None:
    """Return the last one that was minted, of the version in use; where none was, the last that was kept."""
    minted = [one for one in every if one.golden.source == MINTED]
    return max(minted or every, key=lambda one: one.order, default=None)


def too_many(count: int) -> str:
    """Return in words why so many golden ciphertexts cannot be opened daily, empty where they can."""
    if count <= GOLDENS_OPENED_DAILY:
        return ""
    return (
        f"{count} golden ciphertexts are more than the {GOLDENS_OPENED_DAILY} that {RUNS_A_DAY} runs a day can open once each, so some "
        "wait longer than a day; retire those that nothing needs"
    )
