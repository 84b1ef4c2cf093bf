"""A run that an earlier release scheduled keeps its parameters when the deployment is made anew: this release must take them.

Rows are added when a release schedules runs with other parameters, and never changed or removed.
"""

from typing import Any

import pytest

from deployments.catalog import CATALOG
from domain.names import DAY1_WIRING, KMS_SMOKE, RECONCILE, ROTATE_DUE, STEP_ROTATION

# Release -> deployment -> parameters as it scheduled them.
_SCHEDULED: list[tuple[str, str, dict[str, Any]]] = [
    ("rotations", STEP_ROTATION, {"rotation": "r0123456789a"}),
    ("reconciliation", RECONCILE, {"month": "2026-10", "environment": "prod", "reason": "made up for a missed schedule"}),
    (
        "operating", RECONCILE,
        {"month": "2026-10", "environment": "prod", "reason": "made up for a missed schedule", "mode": "apply"},
    ),
    ("operating", ROTATE_DUE, {"mode": "apply"}),
    ("kms", KMS_SMOKE, {"targets": "pay", "environment": "prod", "reason": "asked again after a failure"}),
    ("kms", KMS_SMOKE, {"targets": "pay,shop", "environment": "prod", "reason": "asked again after a failure"}),
    ("kms", KMS_SMOKE, {"targets": "all"}),
    ("operating", KMS_SMOKE, {"targets": ["pay", "shop"], "environment": "prod", "reason": "asked again after a failure"}),
    (
        "day 1",
        DAY1_WIRING,
        {
            "environment": "staging", "wiring_mode": "real_all", "mode": "apply", "operator": "ada", "ticket": "OPS-1",
            "reason": "question 3 answered", "may_page": [], "skip_rehearsal": "",
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("deployment", "parameters"),
    [row[1:] for row in _SCHEDULED],
    ids=[f"{number} {release}" for number, (release, *_) in enumerate(_SCHEDULED)],
)
def test_a_run_of_an_earlier_release_is_taken(deployment: str, parameters: dict[str, Any]) -> None:
    flow = next(entry.flow for entry in CATALOG if f"{entry.flow.name}/{entry.name}" == deployment)

    taken = flow.validate_parameters(parameters)

    assert set(taken) >= set(parameters)


@pytest.mark.parametrize(
    ("said", "meant"), [("all", []), ("pay", ["pay"]), ("pay,shop", ["pay", "shop"]), (["pay"], ["pay"])], ids=str
)
def test_targets_that_were_one_text_are_the_same_targets(said: object, meant: list[str]) -> None:
    flow = next(entry.flow for entry in CATALOG if f"{entry.flow.name}/{entry.name}" == KMS_SMOKE)

    assert flow.validate_parameters({"targets": said})["targets"] == meant
