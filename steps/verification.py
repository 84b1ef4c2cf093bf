"""Verifies many integrations side by side: every probe a ledger intent first, every outcome written as it comes in."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from domain.diagnosis import substrate_failure
from domain.errors import BadInput, OpsError
from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult, integration_outcome
from steps.clock import Clock
from steps.diagnosis import investigator
from steps.probing import Job, Pace, carry_out, clean_up_left
from vendors.capabilities import Client, Integration, checked_values
from vendors.http import Conduct

# Of many probes that end one after the other, those of this long share a commit; the last ones wait for nothing.
_COMMIT_EVERY = timedelta(milliseconds=50)


class Intents(Protocol):
    """The ledger's memory of probes: written before anything is sent, closed with what it came to."""

    def open(self, probes: Sequence[tuple[str, Target, str]]) -> None: ...

    def close(self, results: Sequence[ProbeResult]) -> None: ...


@dataclass(frozen=True, slots=True)
class Wired:
    """One target with its client, or with the reason why there is none."""

    target: Target
    client: Client | None
    problem: ProbeResult | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """An event that an earlier run may have left at the vendor."""

    nonce: str
    target: Target
    probe: str
    sent_at: datetime


def connect_all(
    given: Mapping[Target, Mapping[str, str] | None],
    integrations: Mapping[str, Integration],
    addresses: Mapping[str, str],
    conduct: Conduct,
    tickets: Mapping[Target, str],
) -> list[Wired]:
    """Connect every target from its values by variable name; sends nothing.

    A target without any value is MISSING, or BLOCKED when a ticket waits for it.

    Raises:
        BadInput: a value is malformed, a set incomplete, or a host not allowed. All faults are named together.
    """
    wired: list[Wired] = []
    faults: list[BadInput] = []
    for target, values in given.items():
        integration = integrations[target.integration]
        if not values or not any(text.strip() for text in values.values()):
            wired.append(Wired(target, None, _absent(target, integration, tickets.get(target))))
            continue
        try:
            checked = checked_values(integration, values)
            client = integration.connect(checked, addresses.get(target.integration), conduct)
        except BadInput as fault:
            faults.append(_naming_the_variable(fault, values))
        else:
            wired.append(Wired(target, client))
    if faults:
        raise BadInput(
            " ".join(fault.happened for fault in faults),
            "Nothing was sent.",
            " ".join(dict.fromkeys(fault.next_step for fault in faults)),
        )
    return wired


def verify_all(
    wired: Iterable[Wired],
    intents: Intents,
    new_nonce: Callable[[], str],
    pace: Pace,
    clock: Clock,
    *,
    workers: int,
    ask_other_homes: bool,
    cleans_up: bool = True,
) -> Iterator[list[ProbeResult]]:
    """Yield results in batches as probes end; each batch is in the ledger before it is seen.

    All intents are committed together before the first request leaves, so that a crash leaves nothing unknown.
    """
    wired = list(wired)
    absent = [one.problem for one in wired if one.problem]
    if absent:
        yield absent
    jobs = [
        Job(one.target, probe, new_nonce(), investigator(one.client, ask_other_homes=ask_other_homes), cleans_up)
        for one in wired
        if one.client
        for probe in one.client.probes
    ]
    if not jobs:
        return
    intents.open([(job.nonce, job.target, job.probe.name) for job in jobs])
    with ThreadPoolExecutor(max_workers=min(workers, len(jobs)), thread_name_prefix="probe") as pool:
        jobs_of = {pool.submit(carry_out, job, pace, clock): job for job in jobs}
        pending: set[Future[ProbeResult]] = set(jobs_of)
        while pending:
            first, pending = wait(pending, return_when=FIRST_COMPLETED)
            close_behind, pending = wait(pending, timeout=_COMMIT_EVERY.total_seconds())
            batch = [_result_of(future, jobs_of[future]) for future in first | close_behind]
            intents.close(batch)
            yield batch


def _result_of(future: "Future[ProbeResult]", job: Job) -> ProbeResult:
    """Return what a probe came to; a fault of ours in one is that one's failure and takes no other with it."""
    fault = future.exception()
    if fault is None:
        return future.result()
    return ProbeResult(
        job.target, job.probe.name, job.nonce, Outcome.FAIL, CleanUp.LEFT, symptom="probe.fault",
        happened=f"The {job.probe.name} probe of {job.target} ended with {type(fault).__name__}.",
        means="That is a fault of opsflows, or an answer that no vendor should give; the other probes went on.",
        next_step="Report it with the audit bundle; the next run cleans up by the nonce.",
    )  # fmt: skip


def clean_up_leftovers(
    left: Sequence[Left], wired: Iterable[Wired], pace: Pace, clock: Clock
) -> list[tuple[Left, CleanUp]]:
    """Clean up by nonce what earlier runs left open; what cannot be cleaned now is LEFT, for the next run."""
    clients = {one.target: one.client for one in wired if one.client}
    outcomes: list[tuple[Left, CleanUp]] = []
    for one in left:
        client = clients.get(one.target)
        probe = next((p for p in client.probes if p.name == one.probe), None) if client else None
        if probe:
            job = Job(one.target, probe, one.nonce)
            outcomes.append((one, clean_up_left(job, one.sent_at, pace, clock)))
    return outcomes


def by_target(results: Iterable[ProbeResult]) -> dict[Target, list[ProbeResult]]:
    """Return the results of each target, in target order."""
    found: dict[Target, list[ProbeResult]] = {}
    for result in sorted(results, key=lambda r: (r.target, r.probe)):
        found.setdefault(result.target, []).append(result)
    return found


def outcomes_by_target(results: Iterable[ProbeResult]) -> dict[Target, Outcome]:
    """Return one outcome per target: the worst of its probes."""
    return {target: integration_outcome(rows) for target, rows in by_target(results).items()}


def common_cause(results: Iterable[ProbeResult]) -> OpsError | None:
    """Return the one cause behind several integrations failing at the network at once, else None."""
    row = substrate_failure([(r.target.integration, r.symptom) for r in results if r.outcome is Outcome.FAIL])
    return OpsError(row.saw, row.means, row.next_step, row.id) if row else None


def _absent(target: Target, integration: Integration, ticket: str | None) -> ProbeResult:
    needed = ", ".join(row.name for row in integration.variables if row.required)
    happened = f"{integration.title} has no credentials here ({needed})."
    if ticket:
        return ProbeResult(
            target, "-", "", Outcome.BLOCKED, CleanUp.NOTHING_SENT,
            symptom="credentials.blocked", happened=happened, means=f"They are waited for under {ticket}.",
            next_step=f"When they arrive: opsflows connect {target} --environment ENV.",
        )  # fmt: skip
    return ProbeResult(
        target, "-", "", Outcome.MISSING, CleanUp.NOTHING_SENT,
        symptom="credentials.missing", happened=happened, means="Nothing was sent.",
        next_step=f"opsflows connect {target} --environment ENV; or, while they are waited for, opsflows wire block {target} --ticket ID.",
    )  # fmt: skip


def _naming_the_variable(fault: BadInput, values: Mapping[str, str]) -> BadInput:
    """Say which variables hold the host that a fault is about; the host rule knows hosts only."""
    hosts = {name: _host(text) for name, text in values.items()}
    holders = [name for name, host in hosts.items() if host and host in fault.happened and name not in fault.happened]
    if not holders:
        return fault
    return BadInput(f"{', '.join(holders)}: {fault.happened}", fault.means, fault.next_step)


def _host(text: str) -> str:
    try:
        return urlsplit(text.strip()).hostname or ""
    except ValueError:
        return ""
