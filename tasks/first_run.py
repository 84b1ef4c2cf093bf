"""The first run of a home: day 1 rehearsed, so that run history has something to show and to learn from."""

from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from domain.names import DAY1_WIRING, REHEARSAL
from domain.wiring import MOCK
from ledger.opening import Ledger
from ledger.runs import runs


def start_first_run(ledger: Ledger, operator: str) -> str:
    """Start the rehearsal of day 1 where the ledger knows no run yet, and return its id in Prefect; empty where none is under way.

    Asked for again before it ran, it is the same run.
    """
    if runs(ledger, limit=1):
        return ""
    started = run_deployment(
        DAY1_WIRING, timeout=0, as_subflow=False, idempotency_key=f"first-run:{ledger.id}",
        parameters={
            "operator": operator, "ticket": "none", "reason": "the first run of this home", "environment": REHEARSAL,
            "wiring_mode": MOCK, "mode": "apply",
        },
    )  # fmt: skip
    if not isinstance(started, FlowRun) or started.state is None or started.state.is_final():
        return ""
    return str(started.id)
