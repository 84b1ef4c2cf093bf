"""A sink: a place that applications read a credential from."""

from typing import Protocol


class Sink(Protocol):
    """One place, for one credential. `publish` replaces the value there as a whole, or not at all.

    `serves` says whether the value is what an application would read there now; None where that cannot be read.
    """

    def publish(self, value: str) -> None: ...

    def serves(self, value: str) -> bool | None: ...
