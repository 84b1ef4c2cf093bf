"""One search for a broken invariant, always the same: with a seed, without a memory of earlier runs."""

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.steps.rotation_invariants import Broken
from tests.steps.rotation_machine import Rotations

SEED = 3
# Long examples are slow, and seldom find what shorter ones do not.
STEPS = 30


def search(examples: int, seeded_with: int = SEED, *phases: Phase) -> None:
    """Search so many examples. Raises Broken, or whatever the engine raised."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        phases=(Phase.explicit, Phase.generate, *phases),
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        # An example is a whole life of two rotations: slow, and large, by nature.
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(seeded_with)(Rotations), settings=chosen)


def broken_by_search(examples: int = 150) -> Broken | None:
    """Return the invariant that the search found broken, None where all hold."""
    try:
        search(examples)
    except Broken as broken:
        return broken
    return None
