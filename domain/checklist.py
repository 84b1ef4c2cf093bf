"""Day 1, the operators' thirty steps: each a row that says what must be so before, what is done, and who proves it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from domain.config import EnvironmentKind
from domain.verdicts import Judgement, Verdict, World

_EVERYWHERE = frozenset(EnvironmentKind)


class Action(Enum):
    """What a step does; the procedures are in steps/wiring.py and steps/resilience.py."""

    CHECK_VERSION = "version"
    CHECK_CREDENTIAL_FILE = "credential file"
    CHECK_PREREQUISITES = "prerequisites"
    REACH_STAND_INS = "stand-ins"
    CHECK_MODE = "mode"
    REHEARSE = "rehearsal"
    FIND_CREDENTIALS = "credentials"
    VERIFY_ONE = "verify one"
    VERIFY_ALL = "verify all"
    CAPTURE_LOG = "log"
    SEEN_BY_PERSON = "seen"
    COMPLETION_RECORD = "completion record"
    STAND_INS_STOPPED = "stand-ins stopped"
    HAND_OFF = "hand-off"
    CUT = "cut"
    RECOVERY = "recovery"
    WEBHOOK_SWAP = "webhook swap"
    CHAIN = "chain"
    SCHEDULE_ACTIVE = "schedule"
    DEVIATIONS = "deviations"


class ProvedBy(Enum):
    """Who can prove a step. In the rehearsal the stand-in's inbox is read in the person's place, and says so."""

    TOOL = "tool"
    PERSON = "person"


class StepState(Enum):
    """Where a step stands. Only DONE counts as passed; NOT_RUN and NOT_APPLICABLE do not count."""

    DONE = "DONE"
    HOLD = "HOLD"
    BLOCKED = "BLOCKED"
    WAITS_FOR_STEP = "WAITS FOR STEP"
    WAITS_FOR_PERSON = "WAITS FOR PERSON"
    NOT_RUN = "NOT RUN"
    NOT_APPLICABLE = "NOT APPLICABLE"


UNCOUNTED = frozenset({StepState.NOT_RUN, StepState.NOT_APPLICABLE})


@dataclass(frozen=True, slots=True)
class Step:
    """One row. `needs` are the steps that must be done before; `kinds` the environments it may run in."""

    number: int
    title: str
    needs: tuple[int, ...]
    action: Action
    proof: str
    proved_by: ProvedBy = ProvedBy.TOOL
    integration: str = ""
    kinds: frozenset[EnvironmentKind] = _EVERYWHERE
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step came to, in one sentence, and what to do about it where something is to do."""

    number: int
    state: StepState
    detail: str
    next_step: str = ""


# Easiest first builds momentum; Splunk last, because its token is often waited for.
ORDER = ("slack", "sentry", "pagerduty", "opsgenie", "datadog", "splunk")
_FIRST_CREDENTIAL, _FIRST_VERIFIED = 7, 13
_NOT_IN_PROD = frozenset(EnvironmentKind) - {EnvironmentKind.PROD}
_REAL = frozenset(EnvironmentKind) - {EnvironmentKind.REHEARSAL}
_VERIFIED = tuple(range(_FIRST_VERIFIED, _FIRST_VERIFIED + len(ORDER)))

CHECKLIST: tuple[Step, ...] = (
    Step(1, "This version is known", (), Action.CHECK_VERSION, "version and ledger id in the record"),
    Step(2, "No credential file lies open", (), Action.CHECK_CREDENTIAL_FILE, ".env.local is absent, or 0600 and not tracked by git"),
    Step(3, "What the flows need is here", (), Action.CHECK_PREREQUISITES, "Python, ledger and a writable home"),
    Step(4, "The stand-ins answer", (), Action.REACH_STAND_INS, "each vendor's stand-in answers its control plane; or a rehearsal already passed"),
    Step(5, "The mode is set", (), Action.CHECK_MODE, "mode and environment belong to one world"),
    Step(6, "The rehearsal passes", (4, 5), Action.REHEARSE, "every integration in scope PASS on the stand-ins, for this version"),
    *(
        Step(_FIRST_CREDENTIAL + at, f"Credentials of {name} are here", (), Action.FIND_CREDENTIALS, "a complete set in the blocks", integration=name)
        for at, name in enumerate(ORDER)
    ),
    *(
        Step(_FIRST_VERIFIED + at, f"{name} is verified", (6, _FIRST_CREDENTIAL + at), Action.VERIFY_ONE, "sent, read back through the vendor's API, cleaned up", integration=name)
        for at, name in enumerate(ORDER)
    ),
    Step(19, "All in scope pass together", _VERIFIED, Action.VERIFY_ALL, "every integration in scope PASS in one run"),
    Step(20, "The log is kept", (), Action.CAPTURE_LOG, "verify-day1-<date>.log in the audit bundle"),
    Step(21, "A person saw each notification", (19,), Action.SEEN_BY_PERSON, "who saw it, and when", ProvedBy.PERSON),
    Step(22, "The completion record is filed", (19, 20, 21), Action.COMPLETION_RECORD, "completion-record.md in the audit bundle"),
    Step(23, "The stand-ins are stopped", (19,), Action.STAND_INS_STOPPED, "nothing answers at the stand-ins' ports", kinds=_REAL,
         why_not="the stand-ins are what is verified here; whoever started them stops them at the end"),
    Step(24, "The next team has taken over", (22,), Action.HAND_OFF, "who took over, and when", ProvedBy.PERSON),
    Step(25, "A cut network ends in a clean failure", _VERIFIED, Action.CUT, "retried, then failed, within the bound; the time is recorded; the cut is local to this process"),
    Step(26, "It recovers from the cut", (25,), Action.RECOVERY, "the same integration passes again"),
    Step(27, "A swapped Slack webhook is picked up", (_FIRST_VERIFIED,), Action.WEBHOOK_SWAP, "a probe passes through a webhook with another fingerprint, nothing redeployed"),
    Step(28, "The alert chain works end to end", _VERIFIED, Action.CHAIN, "Sentry error, PagerDuty incident and Slack message with one nonce", kinds=_NOT_IN_PROD,
         why_not="it would page production's on-call for nothing"),
    Step(29, "The schedule is active", (), Action.SCHEDULE_ACTIVE, "the verify-due deployment exists and its schedule is on"),
    Step(30, "Deviations are noted", (), Action.DEVIATIONS, "what the operators noted (opsflows wire note) is in the bundle"),
)  # fmt: skip


def unmet(step: Step, states: dict[int, StepState]) -> tuple[int, ...]:
    """Return the needed steps that are neither done nor uncounted."""
    met = {StepState.DONE, *UNCOUNTED}
    return tuple(number for number in step.needs if states.get(number) not in met)


def judge_steps(results: Iterable[StepResult], world: World) -> Judgement:
    """Return GREEN only when something counted and every counted step is DONE."""
    counted = [result.state for result in results if result.state not in UNCOUNTED]
    passed = bool(counted) and all(state is StepState.DONE for state in counted)
    return Judgement(Verdict.GREEN if passed else Verdict.HOLD, world)


def counts(results: Iterable[StepResult]) -> str:
    """Return how many steps stand where, e.g. `26 DONE, 1 HOLD, 3 NOT RUN`."""
    found = Counter(result.state for result in results)
    return ", ".join(f"{found[state]} {state.value}" for state in StepState if found[state])
