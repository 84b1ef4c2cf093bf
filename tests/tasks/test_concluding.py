"""A state is named after what holds the run; what an on-call reads first is the diagnosis and the next step."""

import pytest

from domain.verdicts import Verdict
from steps.rotation_reports import Row, headline
from tasks.concluding import held_by


def row(wait: str, verdict: Verdict = Verdict.HOLD) -> Row:
    return Row(
        f"slack-{wait.lower() or 'lost'}-prod-send", "r1", "PUBLISHED", wait, "", "The old one is used", "Ask who uses it.", verdict
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ([row("BLOCKED_STILL_USED")], "BlockedStillUsed"),
        ([row("BLOCKED_STILL_USED"), row("OVERLAP", Verdict.WAITING)], "BlockedStillUsed"),
        ([row("BLOCKED_STILL_USED"), row("BLOCKED_NO_SLOT")], "Hold"),
        ([row("")], "Hold"),
        ([row("OVERLAP", Verdict.WAITING)], "Hold"),
    ],
    ids=["one", "one and one that waits", "two of two kinds", "one that was lost", "none"],
)
def test_a_state_is_named_after_what_holds_everything_that_is_held(rows: list[Row], name: str) -> None:
    assert held_by(rows) == name


def test_the_diagnosis_comes_before_the_counts() -> None:
    said = headline([row("OVERLAP", Verdict.WAITING), row("BLOCKED_STILL_USED"), row("BLOCKED_NO_SLOT")])

    assert said == (
        "slack-blocked_still_used-prod-send: The old one is used. Ask who uses it. 1 more hold: "
        "1 PUBLISHED (BLOCKED_NO_SLOT), 1 PUBLISHED (BLOCKED_STILL_USED), 1 PUBLISHED (OVERLAP)."
    )
