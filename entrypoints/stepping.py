"""What was ordered of a rotation stands in the ledger; where a Prefect server is there, a run steps it at once."""

from domain.errors import BadInput
from entrypoints.day_one import quiet_prefect
from entrypoints.prefect_api import require_server
from ledger.opening import Ledger

BY_SWEEPER = "The sweeper steps it within a quarter of an hour."


def step_now(ledger: Ledger, rotation: str, occasion: str) -> str:
    """Start a run that steps the rotation, once per occasion, and return who steps it, as a sentence."""
    try:
        require_server()
    except BadInput:
        return f"No Prefect server is in sight. {BY_SWEEPER}"
    quiet_prefect()
    from tasks.continuing import continue_rotation  # noqa: PLC0415 (Prefect costs a second, the order itself none)

    name = continue_rotation(ledger, rotation, occasion)
    return f"Goes on in run {name}." if name else BY_SWEEPER
