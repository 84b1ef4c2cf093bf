"""What a probe came to, and what an integration came to by its probes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult, Receipt, integration_outcome

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def results(*outcomes: Outcome) -> list[ProbeResult]:
    return [ProbeResult(Target("slack"), "message", "n", outcome, CleanUp.DONE) for outcome in outcomes]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_one_probe_decides_alone(outcome: Outcome) -> None:
    assert integration_outcome(results(outcome)) is outcome


@given(st.lists(st.sampled_from(Outcome), min_size=1))
def test_an_integration_passes_only_when_every_probe_passed(outcomes: list[Outcome]) -> None:
    passed = integration_outcome(results(*outcomes)) is Outcome.PASS

    assert passed == (set(outcomes) == {Outcome.PASS})


@given(st.permutations(list(Outcome)))
def test_the_order_of_probes_decides_nothing(outcomes: list[Outcome]) -> None:
    assert integration_outcome(results(*outcomes)) is Outcome.FAIL


@pytest.mark.parametrize(
    ("outcomes", "worst"),
    [
        ((Outcome.PASS, Outcome.SENT_NOT_CONFIRMED), Outcome.SENT_NOT_CONFIRMED),
        ((Outcome.SENT_NOT_CONFIRMED, Outcome.FAIL), Outcome.FAIL),
        ((Outcome.BLOCKED, Outcome.MISSING), Outcome.MISSING),
        ((Outcome.PASS, Outcome.NOT_AGREED), Outcome.NOT_AGREED),
    ],
)
def test_the_worst_probe_names_the_integration(outcomes: tuple[Outcome, ...], worst: Outcome) -> None:
    assert integration_outcome(results(*outcomes)) is worst


def test_a_receipt_learns_and_the_earlier_one_stays_as_it_was() -> None:
    sent = Receipt("n1", NOON).with_ids(dedup_key="opsflows-n1")

    found = sent.with_ids(incident_id="P1")

    assert dict(sent.ids) == {"dedup_key": "opsflows-n1"}
    assert dict(found.ids) == {"dedup_key": "opsflows-n1", "incident_id": "P1"}
    assert (found.nonce, found.sent_at) == ("n1", NOON)


def test_a_phase_that_was_not_reached_has_no_duration_rather_than_none_at_all() -> None:
    (result,) = results(Outcome.FAIL)

    assert (result.sent, result.confirmed, result.cleaned, result.took) == (None, None, None, None)
