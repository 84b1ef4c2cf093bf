"""One probe, from sending to cleaned up, within a bound for each phase. The only place that repeats a vendor call."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_any, stop_before_delay
from tenacity.stop import stop_base
from tenacity.wait import wait_base, wait_random_exponential

from domain.diagnosis import NOT_DELIVERED
from domain.errors import NotYet, OpsError, OutcomeUnknown, Unavailable
from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult, Receipt
from steps.clock import Clock
from vendors.capabilities import Probe
from vendors.dialing import finish_by


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each phase of a probe may take, and how it repeats.

    Nothing exceeds the sum of the three phases: a probe cannot hang.
    """

    send: timedelta = timedelta(seconds=75)
    confirm: timedelta = timedelta(seconds=120)
    clean_up: timedelta = timedelta(seconds=30)
    attempts: int = 3
    first_wait: timedelta = timedelta(milliseconds=500)
    first_poll: timedelta = timedelta(milliseconds=100)
    longest_wait: timedelta = timedelta(seconds=5)

    def within(self, seconds: float) -> "Pace":
        """Return the same pace with no phase longer than that."""
        limit = timedelta(seconds=seconds)
        return replace(
            self, send=min(self.send, limit), confirm=min(self.confirm, limit), clean_up=min(self.clean_up, limit)
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One probe to carry out. `investigate` turns a failure into what is behind it.

    Without `cleans_up` the event stays for a person to see; the ledger's intent stays open until it is cleaned.
    """

    target: Target
    probe: Probe
    nonce: str
    investigate: Callable[[OpsError], OpsError] = field(default=lambda error: error)
    cleans_up: bool = True


def carry_out(job: Job, pace: Pace, clock: Clock) -> ProbeResult:
    """Send, confirm and clean up; return what it came to. Raises nothing a vendor can cause."""
    result = ProbeResult(job.target, job.probe.name, job.nonce, Outcome.FAIL, CleanUp.NOTHING_SENT)
    started = time.monotonic()
    at = clock.now()
    attempts = _Attempts()
    try:
        receipt, lost = _sent(job, at, pace, clock, attempts)
    except OpsError as error:
        return _failed(replace(result, attempts=attempts.count), job.investigate(error), started)
    result = replace(result, sent=_since(started), attempts=attempts.count)
    failure: OpsError | None = None
    try:
        receipt, outcome = _confirmed(job, receipt, pace, clock)
        if outcome is Outcome.PASS:
            result = replace(result, confirmed=_since(started))
        else:
            failure = lost
    except OpsError as error:
        outcome, failure = Outcome.FAIL, lost or job.investigate(error)
    cleaned = _cleaned(job, receipt, pace, clock) if job.cleans_up else CleanUp.KEPT
    result = replace(result, clean_up=cleaned)
    if failure is None and cleaned is CleanUp.LEFT:
        failure = _left_behind(job)
    if failure is not None:
        return _failed(result, failure, started)
    return replace(result, outcome=outcome, cleaned=_since(started), took=_since(started))


def clean_up_left(job: Job, sent_at: datetime, pace: Pace, clock: Clock) -> CleanUp:
    """Clean up what an earlier run left open, found by its nonce alone.

    What the vendor does not show once its indexing bound has passed never arrived, and is not looked for for ever.
    """
    receipt = Receipt(job.nonce, sent_at)
    return CleanUp.TAGGED if _never_arrived(job, receipt, pace, clock) else _cleaned(job, receipt, pace, clock)


def repeat_until(
    call: Callable[[], object], bound: timedelta, pace: Pace, clock: Clock, *, polls: bool, attempts: int | None = None
) -> None:
    """Call until it raises nothing, within `bound`; re-raise the last error.

    Repeats what is Unavailable, after the time the vendor named, and, when it polls, what is NotYet.
    """
    kinds = (Unavailable, NotYet) if polls else (Unavailable,)
    stop: stop_base = stop_before_delay(bound)
    if attempts is not None:
        stop = stop_any(stop, stop_after_attempt(attempts))
    wait = _Wait(pace.first_poll if polls else pace.first_wait, pace.longest_wait)
    with finish_by(time.monotonic() + bound.total_seconds()):
        Retrying(retry=retry_if_exception_type(kinds), stop=stop, wait=wait, sleep=clock.sleep, reraise=True)(call)


class _Wait(wait_base):
    """The time the vendor names, else a growing one with jitter."""

    def __init__(self, first: timedelta, longest: timedelta) -> None:
        self._growing = wait_random_exponential(
            multiplier=first.total_seconds(), max=longest.total_seconds(), min=first.total_seconds() / 2
        )

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if isinstance(error, OpsError) and error.retry_after is not None:
            # A limit that resets "now" is still a limit: never ask without a pause.
            return max(error.retry_after.total_seconds(), self._growing(retry_state))
        return self._growing(retry_state)


class _Attempts:
    def __init__(self) -> None:
        self.count = 0


def _sent(
    job: Job, at: datetime, pace: Pace, clock: Clock, attempts: _Attempts
) -> tuple[Receipt, OutcomeUnknown | None]:
    """Return the receipt; with the error where the answer was lost, so that the read-back decides."""
    kept: list[Receipt] = []

    def send() -> None:
        attempts.count += 1
        kept.append(job.probe.send(job.nonce, at))

    try:
        repeat_until(send, pace.send, pace, clock, polls=False, attempts=pace.attempts)
    except OutcomeUnknown as lost:
        return Receipt(job.nonce, at), lost
    return kept[-1], None


def _confirmed(job: Job, receipt: Receipt, pace: Pace, clock: Clock) -> tuple[Receipt, Outcome]:
    if not job.probe.confirm or not job.probe.can_confirm(receipt):
        return receipt, Outcome.SENT_NOT_CONFIRMED
    bound = min(pace.confirm, job.probe.indexing_bound)
    ends = time.monotonic() + bound.total_seconds()
    for read_back in job.probe.confirm:
        look = _Look(read_back, receipt)
        try:
            repeat_until(look, timedelta(seconds=max(0.0, ends - time.monotonic())), pace, clock, polls=True)
        except NotYet as unseen:
            raise _explained(job, look.receipt, bound) from unseen
        except Unavailable as cut_short:
            # Our own bound may end the last look half-way; what the looks before it saw still stands.
            if look.was_unseen and cut_short.symptom == "network.timeout":
                raise _explained(job, look.receipt, bound) from cut_short
            raise
        receipt = look.receipt
    return receipt, Outcome.PASS


@dataclass(slots=True)
class _Look:
    """One read-back, asked again and again: what it knows so far, and whether it ever answered 'not there'."""

    read_back: Callable[[Receipt], Receipt]
    receipt: Receipt
    was_unseen: bool = False

    def __call__(self) -> None:
        try:
            self.receipt = self.read_back(self.receipt)
        except NotYet:
            self.was_unseen = True
            raise


def _explained(job: Job, receipt: Receipt, bound: timedelta) -> OpsError:
    """Return why the event stayed unseen: the vendor's own word where it gives one."""
    words = {
        "system": job.target.integration,
        "probe": job.probe.name,
        "nonce": job.nonce,
        "seconds": f"{bound.total_seconds():.0f}",
    }
    missing = OpsError(
        NOT_DELIVERED.saw.format(**words), NOT_DELIVERED.means, NOT_DELIVERED.next_step, NOT_DELIVERED.id
    )
    try:
        return job.probe.explain(receipt) or missing
    except OpsError:
        return missing


def _never_arrived(job: Job, receipt: Receipt, pace: Pace, clock: Clock) -> bool:
    if not job.probe.confirm or clock.now() - receipt.sent_at <= job.probe.indexing_bound:
        return False
    try:
        with finish_by(time.monotonic() + pace.clean_up.total_seconds()):
            job.probe.confirm[0](receipt)
    except NotYet:
        return True
    except OpsError:
        return False
    return False


def _cleaned(job: Job, receipt: Receipt, pace: Pace, clock: Clock) -> CleanUp:
    if not job.probe.clean_up:
        return CleanUp.TAGGED
    ends = time.monotonic() + pace.clean_up.total_seconds()
    came_to = CleanUp.DONE
    for clean in job.probe.clean_up:
        done: list[CleanUp] = []

        def act(clean: Callable[[Receipt], CleanUp] = clean, done: list[CleanUp] = done) -> None:
            done.append(clean(receipt))

        try:
            repeat_until(act, timedelta(seconds=max(0.0, ends - time.monotonic())), pace, clock, polls=True)
        except OpsError:
            return CleanUp.LEFT
        came_to = CleanUp.TAGGED if CleanUp.TAGGED in {came_to, done[-1]} else done[-1]
    return came_to


def _left_behind(job: Job) -> OpsError:
    return OpsError(
        f"The {job.probe.name} event with nonce {job.nonce} was delivered, but could not be cleaned up.",
        "A test event stays open at the vendor and may be taken for a real one.",
        "The next run tries again by the nonce; or resolve it by hand.",
        "probe.left_behind",
    )


def _failed(result: ProbeResult, error: OpsError, started: float) -> ProbeResult:
    took = _since(started)
    times = "1 attempt" if result.attempts == 1 else f"{result.attempts} attempts"
    tried = f" ({times}, {took.total_seconds():.1f} s)" if result.attempts else ""
    return replace(
        result,
        outcome=Outcome.FAIL,
        took=took,
        symptom=error.symptom,
        happened=f"{error.happened.removesuffix('.')}{tried}.",
        means=error.means,
        next_step=error.next_step,
    )


def _since(started: float) -> timedelta:
    return timedelta(seconds=time.monotonic() - started)
