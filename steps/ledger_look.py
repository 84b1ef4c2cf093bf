"""How an exporter asks the ledger: opened once, anew after something went wrong, part by part, so that one that cannot be read hides no other."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from domain.errors import OpsError
from ledger.opening import Ledger
from steps.kms_families import Sample

# What a row of another version, or a damaged one, brings about.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class LedgerPart:
    """What is read by itself: its name in words, the sample that says whether it could be read, and how it is read."""

    words: str
    readable: str
    labels: tuple[str, ...]
    read: Callable[[Ledger], Iterable[Sample]]


@dataclass(slots=True)
class LedgerLook:
    """Gives every part's samples. `tell` hears what is wrong, once until it is over."""

    parts: Iterable[LedgerPart]
    open_ledger: Callable[[], Ledger]
    tell: Callable[[str], None]
    _ledger: Ledger | None = None
    _told: frozenset[str] = frozenset()

    def __call__(self) -> tuple[Sample, ...] | None:
        """Return every sample of the ledger, None where it does not answer."""
        wrong: list[str] = []
        try:
            ledger = self._ledger = self._ledger or self.open_ledger()
            samples = tuple(one for part in self.parts for one in _samples_of(part, ledger, wrong))
        except OpsError as error:
            self._closed([str(error)])
            return None
        self._closed(wrong)
        return samples

    def _closed(self, wrong: Iterable[str]) -> None:
        """Close the ledger where something is wrong, so that the next look opens it anew, and tell what was not told yet."""
        found = frozenset(wrong)
        if found and self._ledger is not None:
            self._ledger.close()
            self._ledger = None
        for why in sorted(found - self._told):
            self.tell(why)
        self._told = found


def _samples_of(part: LedgerPart, ledger: Ledger, wrong: list[str]) -> Iterator[Sample]:
    try:
        samples = (*part.read(ledger), Sample(part.readable, part.labels, 1))
    except _UNREADABLE as error:
        # The error's own words could hold the row's.
        wrong.append(
            f"What the ledger holds of {part.words} cannot be read ({type(error).__name__}). Its metrics are absent, the others are served. "
            "Compare this opsflows' version with the worker's; if they are the same, look at its rows."
        )
        samples = (Sample(part.readable, part.labels, 0),)
    yield from samples
