"""What one smoke check of one target saw, part by part: nothing that was not looked at is called passed.

Parts are named `health`, `application`, and per key `canary/<key>`, `golden/<key>`, `versions/<key>`, `drift/<key>`,
`rotation/<key>`, `negative/<key>`, `replica/<key>`. A name is stored identity: standings, alerts and metrics go by it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from domain.kms_faults import FAULTS, Fault, Severity


class PartKind(StrEnum):
    """What is looked at."""

    HEALTH = "health"
    APPLICATION = "application"
    CANARY = "canary"
    GOLDEN = "golden"
    VERSIONS = "versions"
    DRIFT = "drift"
    ROTATION = "rotation"
    NEGATIVE = "negative"
    REPLICA = "replica"


class PartOutcome(StrEnum):
    """How a part came out. NOT RUN is shown and not counted: not due this time. What is not configured is no part."""

    PASS = "PASS"  # noqa: S105 (a word for people)
    WARN = "WARN"
    FAIL = "FAIL"
    NOT_RUN = "NOT RUN"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was looked at.

    `fault` is the id of a row of domain/kms_faults.py, empty where nothing is wrong. `detail` is what that row's {detail} says, in
    words without a ciphertext, a plaintext or a full key id; `version` its {version}. `milliseconds` are by operation (`encrypt`,
    `decrypt`, `golden`, `read`), `operations` are the cryptographic ones that were paid for, repeats among them. `facts` are texts
    for metrics and reports, such as `primary`, `age_days`, `destroy_at`.
    """

    name: str
    outcome: PartOutcome
    fault: str = ""
    detail: str = ""
    version: str = ""
    milliseconds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    operations: int = 0
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def row(self) -> Fault | None:
        return FAULTS[self.fault] if self.fault else None

    @property
    def happened(self) -> str:
        """Return the row's sentence for this part; for a part without a fault what `detail` says."""
        if self.row is None:
            return self.detail
        return self.row.happened.format(part=self.name, version=self.version or "unknown", detail=self.detail)

    @property
    def words(self) -> str:
        """Return what happened, what it means and what to do; one sentence where nothing is wrong."""
        return f"{self.happened} {self.row.means} {self.row.next_step}" if self.row else self.detail


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of one target."""

    environment: str
    target: str
    parts: tuple[Part, ...]

    @property
    def failed(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.outcome is PartOutcome.FAIL)

    @property
    def operations(self) -> int:
        return sum(part.operations for part in self.parts)


def part_name(kind: PartKind, key: str = "") -> str:
    return f"{kind}/{key}" if key else kind.value


def passed(name: str, detail: str = "", **facts: str) -> Part:
    return Part(name, PartOutcome.PASS, detail=detail, facts=facts)


def not_run(name: str, why: str) -> Part:
    return Part(name, PartOutcome.NOT_RUN, detail=why)


def faulty(name: str, fault: str, detail: str = "", version: str = "") -> Part:
    """Return the part with its fault: a WARN where everything still works, else a FAIL."""
    outcome = PartOutcome.WARN if FAULTS[fault].is_warning else PartOutcome.FAIL
    return Part(name, outcome, fault, detail, version)


def worst(parts: Iterable[Part]) -> Part | None:
    """Return the part that an on-call reads first: a page before a ticket before a warning, of those what waits for no second answer."""
    order = (Severity.PAGE, Severity.TICKET, Severity.WARN)
    wrong = [(part, row) for part in parts if (row := part.row) is not None]
    first = min(wrong, key=lambda one: (order.index(one[1].severity), not one[1].at_once), default=None)
    return first[0] if first else None
