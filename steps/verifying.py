"""Verification within one run: who is asked, what is agreed, and what the ledger remembers of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from domain.config import EnvironmentKind
from domain.errors import BadInput
from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult
from ledger import probes as intents
from ledger.credentials import blockers
from steps.agreement import not_agreed
from steps.context import Context
from steps.verification import Left, clean_up_leftovers, connect_all, verify_all
from vendors.capabilities import Client

# After this an intent's process is taken for dead and its event is cleaned up by the next run.
_INTENT_SLACK = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """The ledger's intents, as verification wants them."""

    context: Context
    expires_after: timedelta

    def open(self, probes: Sequence[tuple[str, Target, str]]) -> None:
        open_intents(self.context, probes, self.expires_after)

    def close(self, results: Sequence[ProbeResult]) -> None:
        close_intents(self.context, results)


def new_nonce() -> str:
    """Return 32 hex digits: long enough never to repeat, and a valid Sentry event id."""
    return uuid4().hex


def open_intents(
    context: Context, probes: Sequence[tuple[str, Target, str]], expires_after: timedelta | None = None
) -> None:
    """Write (nonce, target, probe) before anything is sent, all in one commit."""
    after = expires_after or bound_of(context)
    intents.open_intents(context.ledger, context.run_id, context.environment, probes, after)


def close_intents(context: Context, results: Sequence[ProbeResult]) -> None:
    intents.close_intents(context.ledger, results)


def bound_of(context: Context) -> timedelta:
    """Return after how long a probe of this run is certainly over."""
    pace = context.pace
    return pace.send + pace.confirm + pace.clean_up + _INTENT_SLACK


def verify_in_batches(
    context: Context, targets: Iterable[Target], expires_after: timedelta | None = None
) -> Iterator[list[ProbeResult]]:
    """Yield results as probes end. First what an earlier run left at these vendors is cleaned up by its nonce.

    Raises:
        BadInput: as connect_all, before anything is sent; also for a probe that nobody agreed to.
    """
    targets = list(targets)
    tickets = {target: row.ticket for target, row in blockers(context.ledger, context.environment).items()}
    wired = connect_all(
        {target: _credentials(context, target) for target in targets},
        context.integrations,
        context.addresses,
        context.conduct,
        tickets,
    )
    try:
        refused = not_agreed(context, targets)
        if refused:
            yield refused
        asked = set(targets) - {result.target for result in refused}
        left = [
            Left(row.nonce, row.target, row.probe, row.sent_at)
            for row in intents.left_open(context.ledger, context.environment, asked)
        ]
        if left:
            outcomes = clean_up_leftovers(left, wired, context.pace, context.clock)
            intents.mark_cleaned(context.ledger, [(one.nonce, cleaned) for one, cleaned in outcomes])
        yield from verify_all(
            [one for one in wired if one.target in asked],
            _Remembered(context, expires_after or bound_of(context)),
            context.new_nonce,
            context.pace,
            context.clock.counting_on(),
            workers=context.config.verify.workers,
            ask_other_homes=context.config.diagnosis.ask_other_homes,
            cleans_up=expires_after is None,
        )
    finally:
        for one_wired in wired:
            if one_wired.client is not None:
                one_wired.client.close()


def unusable(context: Context, targets: Iterable[Target]) -> list[ProbeResult]:
    """Return a FAIL for every target whose credentials cannot be used, so that the others are verified all the same."""
    found: list[ProbeResult] = []
    for target in targets:
        try:
            given = {target: _credentials(context, target)}
            wired = connect_all(given, context.integrations, context.addresses, context.conduct, {})
        except BadInput as fault:
            found.append(
                ProbeResult(
                    target,
                    "-",
                    "",
                    Outcome.FAIL,
                    CleanUp.NOTHING_SENT,
                    symptom="credentials.unusable",
                    happened=fault.happened,
                    means=fault.means,
                    next_step=fault.next_step,
                )
            )
        else:
            for one in wired:
                if one.client is not None:
                    one.client.close()
    return found


def verify_targets(
    context: Context, targets: Iterable[Target], expires_after: timedelta | None = None
) -> list[ProbeResult]:
    """Verify and return every result, in target order.

    With `expires_after` the events stay at the vendors for a person to see, and are cleaned up by nonce afterwards.
    """
    batches = verify_in_batches(context, targets, expires_after)
    return sorted((result for batch in batches for result in batch), key=lambda r: (r.target, r.probe))


@contextmanager
def connected(context: Context, target: Target) -> Iterator[Client]:
    """Give a client of one target.

    Raises:
        BadInput: the target has no credentials, or they do not fit.
    """
    wired = connect_all(
        {target: _credentials(context, target)}, context.integrations, context.addresses, context.conduct, {}
    )
    client = wired[0].client
    if client is None:
        problem = wired[0].problem
        raise BadInput(
            problem.happened if problem else f"{target} has no credentials.",
            "Nothing was sent.",
            f"opsflows connect {target} --environment {context.environment}.",
        )
    try:
        yield client
    finally:
        client.close()


def _credentials(context: Context, target: Target) -> Mapping[str, str] | None:
    """Return the target's values by variable name; what is for dev environments alone is refused elsewhere."""
    values = context.credentials(target)
    kind = context.declared.kind
    given = values or {}
    rows = context.integrations[target.integration].variables
    loose = [row.name for row in rows if row.dev_only and given.get(row.name, "0") not in {"", "0"}]
    if loose and kind not in {EnvironmentKind.DEV, EnvironmentKind.REHEARSAL}:
        raise BadInput(
            f"{', '.join(loose)} is set for {target} in {context.environment}, a {kind} environment.",
            "It is for dev environments only: without it checked, anyone on the way could read the credential. Nothing was sent.",
            f"Remove it: opsflows connect {target} --environment {context.environment} --only {loose[0]}.",
        )
    return values
