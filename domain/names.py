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
ROTATE = "rotate-credentials/rotate-credentials"
RESPOND = "respond-to-compromise/respond-to-compromise"
ROTATE_DUE = "rotate-due/rotate-due"
STEP_ROTATION = "step-rotation/step-rotation"
CREDENTIAL_AGES = "credential-ages/credential-ages"
ROTATION_DRILL = "rotation-drill/rotation-drill"
RECONCILE = "reconcile-events/reconcile-events"
DECIDE = "decide-on-a-month/decide-on-a-month"
COLLECT_COUNTS = "collect-counts/collect-counts"
CHECK_YESTERDAY = "check-yesterday/check-yesterday"
KMS_SMOKE = "kms-smoke/kms-smoke"
KMS_REVIEW = "kms-review/kms-review"
WATCH_RUNS = "watch-runs/watch-runs"

# The work pools: whoever works for the second one reaches what rotation changes (sinks, clusters, managing credentials).
WORK_POOL = "opsflows"
ROTATION_POOL = "opsflows-rotation"

# The step number of questions that a rotation asks; day 1's steps begin at 1, verifications have 0.
ROTATION_STEP = -1

# What the vendor's own pointer is called among the places that serve a value; no sink has this name.
AT_VENDOR = "vendor"

# What every credential that we make carries at the vendor, before rotation id and attempt.
MARKER_PREFIX = "opsflows-"

# As Prefect takes them in the name of a block, where dashes separate the parts.
_PART = re.compile(r"[a-z0-9]+")


def deployment_of(flow: str) -> str:
    """Return the one deployment of a flow, "flow/deployment"."""
    return SWEEPER if SWEEPER.startswith(f"{flow}/") else f"{flow}/{flow}"


class Purpose(StrEnum):
    """What a credential is for."""

    SEND = "send"
    READ = "read"
    MANAGE = "manage"
    # Verifies what comes in: a secret that the other side signs with (docs/adr/0012).
    RECEIVE = "receive"


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
            BadInput: a part is empty or holds anything but a-z and 0-9.
        """
        integration, _, instance = text.partition("/")
        return cls(_part(integration, text), _part(instance or DEFAULT_INSTANCE, text))


@dataclass(frozen=True, slots=True, order=True)
class Credential:
    """One credential: what opens one vendor in one environment for one purpose. Its name is its block's."""

    target: Target
    environment: str
    purpose: Purpose

    def __str__(self) -> str:
        return block_name(self.target, self.environment, self.purpose)

    @classmethod
    def parse(cls, text: str) -> "Credential":
        """Read `datadog-default-prod-send`.

        Raises:
            BadInput: it has not four parts, or the last is no purpose.
        """
        parts = text.split("-")
        if len(parts) != _CREDENTIAL_PARTS or parts[-1] not in set(Purpose):
            raise BadInput(
                f"{text!r} is not the name of a credential.",
                f"A name is vendor, instance, environment and purpose ({', '.join(Purpose)}), joined by dashes.",
                "Write it like datadog-default-prod-send; opsflows credentials lists the known ones.",
            )
        vendor, instance, environment, purpose = parts
        return cls(Target(_part(vendor, text), _part(instance, text)), _part(environment, text), Purpose(purpose))


_CREDENTIAL_PARTS = 4


def version_name(credential: Credential, rotation: str, attempt: int) -> str:
    """Return the name of the write-once document of one minted value, e.g. `datadog-default-prod-send--r1f2e3d4c5b-1`."""
    return f"{credential}--{rotation}-{attempt}"


def marker(rotation: str, attempt: int) -> str:
    """Return what stands at the vendor on what this attempt of this rotation makes; no other attempt makes the same."""
    return f"{MARKER_PREFIX}{rotation}-{attempt}"


def block_name(target: Target, environment: str, purpose: Purpose) -> str:
    """Return `<vendor>-<instance>-<environment>-<purpose>`, e.g. `pagerduty-payments-prod-send`."""
    return f"{target.integration}-{target.instance}-{_part(environment, environment)}-{purpose}"


def _part(part: str, whole: str) -> str:
    if not _PART.fullmatch(part):
        raise BadInput(
            f"{whole!r} is not a usable name.",
            "A part of a credential's name holds lower-case letters and digits only.",
            "Write it like slack, or pagerduty/payments.",
        )
    return part
