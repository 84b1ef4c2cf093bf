"""Whose turn it is: which golden ciphertexts one run decrypts, so that few are asked and each is at least once a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.kms_budget import GOLDENS_OPENED_DAILY, RUNS_A_DAY
from domain.kms_faults import FAULTS, FaultClass
from domain.kms_goldens import MINTED, Golden, NewGolden
from domain.kms_names import is_same_key

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


def turns(every: Sequence[Held], in_use: tuple[str, str] | None) -> tuple[list[Held], list[Held]]:
    """Return those that each run asks, and those that wait for one turn in it, the longest untried first.

    Each run asks that of the key and version `in_use`, and those that failed last time: else a run that asks others would take the
    part for UP, and one that is lost for good would keep the others from ever being opened. One that could not be tried stays first
    among the waiting; its turn goes on to the next that can be.
    """
    first = newest(every, in_use)
    rest = [one for one in every if one is not first]
    failed = [one for one in rest if one.fault]
    waiting = sorted((one for one in rest if not one.fault), key=lambda one: (one.tried_at or _NEVER, one.order))
    return [*([first] if first else []), *failed], waiting


def newest(every: Sequence[Held], in_use: tuple[str, str] | None) -> Held | None:
    """Return that of the version in use; where there is none the last that was minted, or else the last that was kept."""
    minted = [one for one in every if one.golden.source == MINTED]
    used = [one for one in minted if in_use and _is_of(one.golden, *in_use)]
    return max(used or minted or every, key=lambda one: one.order, default=None)


def _is_of(golden: NewGolden, key: str, version: str) -> bool:
    return golden.version == version and is_same_key(golden.key, key)


def too_many(count: int) -> str:
    """Return in words why so many golden ciphertexts cannot be opened daily, empty where they can."""
    if count <= GOLDENS_OPENED_DAILY:
        return ""
    return (
        f"{count} golden ciphertexts are more than the {GOLDENS_OPENED_DAILY} that {RUNS_A_DAY} runs a day can open once each, so some "
        "wait longer than a day; retire those that nothing needs"
    )
