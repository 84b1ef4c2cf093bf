"""Where day 1 stood, and what of it still holds: a changed credential or a wider scope takes back what they proved."""

from collections.abc import Iterable
from datetime import datetime

from domain.checklist import Action, Step, StepState
from domain.errors import BadInput
from ledger import wiring as progress
from ledger.credentials import fingerprints, see_fingerprints
from steps.walk import LONG_AGO, Walk

_FINISHED = frozenset({StepState.DONE, StepState.NOT_APPLICABLE})
# What one target's change takes back beside its own verification.
_OF_ALL = frozenset({Action.VERIFY_ALL, Action.SEEN_BY_PERSON, Action.COMPLETION_RECORD})


def resume(walk: Walk, steps: Iterable[Step]) -> None:
    """Set where the walk begins: after what earlier runs proved; afresh after a complete day 1, and in a rehearsal."""
    if not walk.targets:
        raise BadInput(
            f"Nothing is in scope in {walk.context.environment}.",
            "A day 1 of nothing would prove nothing. Nothing was sent.",
            f"Name what is in scope: [environments.{walk.context.environment}] in_scope in opsflows.toml.",
        )
    steps = list(steps)
    stored = progress.step_states(walk.context.ledger, walk.context.environment)
    finished = bool(stored) and all(step.number in stored and stored[step.number].state in _FINISHED for step in steps)
    afresh = walk.context.is_rehearsal or finished
    walk.began = walk.context.clock.now() if afresh else min((row.at for row in stored.values()), default=LONG_AGO)
    walk.changed = _changed(walk)
    if afresh:
        return
    for step in steps:
        row = stored.get(step.number)
        if row and row.state is StepState.DONE and row.at >= _must_be_newer_than(walk, step):
            walk.states[step.number] = StepState.DONE


def _must_be_newer_than(walk: Walk, step: Step) -> datetime:
    """Return the moment before which a proof of this step says nothing about today's credentials."""
    own = [at for name, at in walk.changed.items() if step.integration and name.partition("/")[0] == step.integration]
    of_all = list(walk.changed.values()) if step.action in _OF_ALL else []
    return max([*own, *of_all], default=LONG_AGO)


def _changed(walk: Walk) -> dict[str, datetime]:
    """Return, per target, when the newest of its secrets was first seen; now where there are none yet."""
    context = walk.context
    found: dict[str, datetime] = {}
    for target in context.declared.targets:
        values = context.credentials(target) or {}
        rows = context.integrations[target.integration].variables
        marks = {row.name: walk.fingerprint(values[row.name]) for row in rows if row.secret and values.get(row.name)}
        see_fingerprints(context.ledger, context.environment, target, marks, context.run_id)
        seen = [
            one.first_seen_at
            for name, mark in marks.items()
            for one in fingerprints(context.ledger, context.environment, target, name)
            if one.fingerprint == mark
        ]
        found[str(target)] = max(seen, default=context.clock.now())
    return found
