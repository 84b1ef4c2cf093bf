"""What things are called: credentials, blocks, deployments. A name once given is stored identity and never changes."""

import re
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import BadInput

REHEARSAL = "rehearsal"
DEFAULT_INSTANCE = "default"

# Deployment names, "flow/deployment" as Prefect writes them; constants so that a step may schedule by name.
DAY1_WIRING = "day1-wiring/day1-wiring"
VERIFY_DUE = "verify-due/verify-due"
CONFIRM_STEP = "confirm-step/confirm-step"
SWEEPER = "sweep-due-moments/sweeper"

_PART = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


class Purpose(StrEnum):
    """What a credential is for."""

    SEND = "send"
    READ = "read"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One integration as one environment has it: `pagerduty/payments`, or `slack` where the instance is the default."""

    integration: str
    instance: str = DEFAULT_INSTANCE

    def __str__(self) -> str:
        return self.integration if self.instance == DEFAULT_INSTANCE else f"{self.integration}/{self.instance}"

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Read `slack` or `pagerduty/payments`.

        Raises:
            BadInput: a part is empty or holds anything but a-z, 0-9 and single underscores.
        """
        integration, _, instance = text.partition("/")
        return cls(_part(integration, text), _part(instance or DEFAULT_INSTANCE, text))


def block_name(target: Target, environment: str, purpose: Purpose) -> str:
    """Return `<vendor>-<instance>-<environment>-<purpose>`, e.g. `pagerduty-payments-prod-send`."""
    return f"{target.integration}-{target.instance}-{_part(environment, environment)}-{purpose}"


def _part(part: str, whole: str) -> str:
    if not _PART.fullmatch(part):
        raise BadInput(
            f"{whole!r} is not a usable name.",
            "A part of a credential's name holds lower-case letters, digits and single underscores only.",
            "Write it like slack, or pagerduty/payments.",
        )
    return part
