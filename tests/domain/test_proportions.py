"""Shares are judged as SciPy's own exact tests judge them, and come to the figures that the rule was chosen by."""

import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from domain.comparing import noise_of
from domain.proportions import (
    Interval,
    believed,
    chance_of,
    clopper_pearson,
    fewest_to_certify,
    sampling_error,
)

TOLERANCE = 0.01
counts = st.integers(1, 3000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(counts, st.sampled_from((0.5, 0.9, 0.95, 0.999)))
def test_the_interval_is_that_of_the_exact_binomial_test(count: tuple[int, int], confidence: float) -> None:
    seen, of = count

    found = clopper_pearson(seen, seen, of, confidence)

    judge = scipy.stats.binomtest(seen, of).proportion_ci(confidence, method="exact")
    assert (found.low, found.high) == pytest.approx((judge.low, judge.high), rel=1e-9, abs=1e-12)


@given(counts, st.integers(0, 3000))
def test_bounds_have_the_interval_from_the_lowests_low_to_the_highests_high(count: tuple[int, int], more: int) -> None:
    fewest, of = count
    most = min(of, fewest + more)

    found = clopper_pearson(fewest, most, of, 0.95)

    assert found.low == clopper_pearson(fewest, fewest, of, 0.95).low
    assert found.high == clopper_pearson(most, most, of, 0.95).high


def test_of_nothing_any_share_may_be_true() -> None:
    assert clopper_pearson(0, 0, 0, 0.95) == Interval(0.0, 1.0)


@given(counts, st.sampled_from((0.003, 0.01, 0.5)))
def test_the_chance_of_so_many_is_the_binomial_tail(count: tuple[int, int], share: float) -> None:
    at_least, of = count

    assert chance_of(at_least, of, share) == pytest.approx(
        float(scipy.stats.binom.sf(at_least - 1, of, share)), rel=1e-6, abs=1e-14
    )


def test_none_or_more_is_certain_and_more_than_all_is_not_to_be() -> None:
    assert chance_of(0, 10, 0.01) == 1.0
    assert chance_of(11, 10, 0.01) == 0.0


def test_the_chance_is_told_of_more_events_than_fit_into_32_bits() -> None:
    assert chance_of(100_000_000, 10_000_000_000, 0.01) == pytest.approx(0.5, abs=0.001)


@given(st.lists(st.floats(0, 1), max_size=40), st.sampled_from((0.01, 0.05, 0.2)))
def test_those_are_believed_whose_adjusted_chance_is_small_enough(chances: list[float], false_share: float) -> None:
    found = believed(chances, false_share)

    adjusted = scipy.stats.false_discovery_control(chances) if chances else []
    # The judge divides where ours multiplies: at the very limit rounding decides.
    clear = [at for at, value in enumerate(adjusted) if abs(value - false_share) > 1e-12]
    assert len(found) == len(chances)
    assert [found[at] for at in clear] == [bool(adjusted[at] <= false_share) for at in clear]


@pytest.mark.parametrize(("of", "chance"), [(50, 0.14), (100, 0.037), (300, 0.013), (1000, 0.0003)])
def test_small_cells_seem_above_the_rule_that_are_well_within(of: int, chance: float) -> None:
    """The share of cells with a true loss of 0.3 % of which more than 1 % is seen to be lost."""
    above = int(of * TOLERANCE) + 1

    assert chance_of(above, of, 0.003) == pytest.approx(chance, rel=0.1)


def test_368_events_without_a_loss_show_less_than_one_percent() -> None:
    assert fewest_to_certify(TOLERANCE, 0.95) == 368
    assert clopper_pearson(0, 0, 368, 0.95).high < TOLERANCE < clopper_pearson(0, 0, 367, 0.95).high


def test_five_of_a_thousand_do_not_tell_yet() -> None:
    found = clopper_pearson(5, 5, 1000, 0.95)

    assert (round(found.low, 4), round(found.high, 4)) == (0.0016, 0.0116)


@pytest.mark.parametrize(("lost", "of"), [(4, 100), (18, 1_000), (121, 10_000), (1_063, 100_000)])
def test_it_takes_so_many_to_show_a_breach_and_not_one_less(lost: int, of: int) -> None:
    assert clopper_pearson(lost, lost, of, 0.95).low > TOLERANCE
    assert clopper_pearson(lost - 1, lost - 1, of, 0.95).low <= TOLERANCE


@pytest.mark.parametrize(("rate", "events"), [(0.5, 90_000), (0.25, 270_000), (0.1, 810_000), (0.01, 8_910_000)])
def test_so_many_sampled_events_let_one_percent_stand_out(rate: float, events: int) -> None:
    assert noise_of(events, rate) <= TOLERANCE * events * rate
    assert noise_of(round(events * 0.98), rate) > TOLERANCE * events * 0.98 * rate


@given(st.integers(0, 10**9), st.floats(0.0001, 0.9999))
def test_a_sampler_that_lets_all_or_nothing_through_has_no_error(events: int, rate: float) -> None:
    assert sampling_error(events, 0.0) == sampling_error(events, 1.0) == 0
    assert sampling_error(events, rate) == pytest.approx(float(scipy.stats.binom.std(events, rate)), rel=1e-6, abs=1e-6)
