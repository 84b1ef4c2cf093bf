"""A waiver holds from the day it was given to the day it names, unless someone withdraws or replaces it."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from domain.errors import BadInput
from ledger.opening import Ledger
from ledger.waivers import LONGEST, waive, waivers, waivers_on, withdraw_waiver

SLACK = "reconciliation slack"


def day(ledger: Ledger, ahead: int = 0) -> date:
    return ledger.now().date() + timedelta(days=ahead)


def accept(
    ledger: Ledger, subject: str = SLACK, ahead: int = 10, who: str = "ada", reason: str = "a known gap"
) -> None:
    waive(ledger, "prod", subject, who, reason, day(ledger, ahead), "OPS-1")


def names(ledger: Ledger, on: date, environment: str = "prod", kind: str = "reconciliation") -> list[str]:
    return list(waivers_on(ledger, environment, kind, on))


def test_nothing_is_waived_until_somebody_waives_it(ledger: Ledger) -> None:
    assert names(ledger, day(ledger)) == []

    made = waive(ledger, "prod", SLACK, "ada", "a known gap", day(ledger, 10), "OPS-1")

    assert waivers_on(ledger, "prod", "reconciliation", day(ledger)) == {"slack": made}
    assert (made.who, made.reason, made.ticket, made.until) == ("ada", "a known gap", "OPS-1", day(ledger, 10))


@pytest.mark.parametrize(("ahead", "waived"), [(-1, []), (0, ["slack"]), (10, ["slack"]), (11, [])])
def test_it_holds_from_its_day_to_its_last_day(ledger: Ledger, ahead: int, waived: list[str]) -> None:
    accept(ledger)

    assert names(ledger, day(ledger, ahead)) == waived


def test_it_holds_for_its_environment_and_kind_alone(ledger: Ledger) -> None:
    accept(ledger)

    assert names(ledger, day(ledger), environment="dev") == []
    assert names(ledger, day(ledger), kind="verification") == []


def test_a_name_may_have_an_instance(ledger: Ledger) -> None:
    accept(ledger, "reconciliation pagerduty/payments")

    assert names(ledger, day(ledger)) == ["pagerduty/payments"]


def test_waiving_again_takes_the_place_of_the_earlier(ledger: Ledger) -> None:
    accept(ledger, ahead=10)

    accept(ledger, ahead=3, who="bob")

    assert [(one.who, one.until) for one in waivers(ledger)] == [("bob", day(ledger, 3))]


def test_what_is_withdrawn_holds_no_more_and_can_be_waived_again(ledger: Ledger) -> None:
    accept(ledger)

    withdraw_waiver(ledger, "prod", SLACK, "bob", "it was repaired")
    after = names(ledger, day(ledger))
    accept(ledger)

    assert after == []
    assert names(ledger, day(ledger)) == ["slack"]


def test_what_is_not_waived_cannot_be_withdrawn(ledger: Ledger) -> None:
    with pytest.raises(BadInput, match="Nothing is waived for reconciliation slack in prod"):
        withdraw_waiver(ledger, "prod", SLACK, "bob")


def test_one_whose_day_has_passed_is_listed_and_waives_nothing(
    ledger: Ledger, later: Callable[[timedelta], Ledger]
) -> None:
    accept(ledger, ahead=3)
    then = later(timedelta(days=5))

    assert names(then, day(then)) == []
    assert [one.subject for one in waivers(then, "prod")] == [SLACK]
    accept(then)
    assert names(then, day(then)) == ["slack"]


@pytest.mark.parametrize("ahead", [-1, 0, LONGEST.days + 1])
def test_an_end_that_is_over_or_too_far_is_refused(ledger: Ledger, ahead: int) -> None:
    with pytest.raises(BadInput) as refused:
        accept(ledger, ahead=ahead)

    assert str(day(ledger, ahead)) in refused.value.happened
    assert "Nothing is waived." in refused.value.means
    assert refused.value.next_step.startswith("Name a day ")
    assert waivers(ledger) == ()


@pytest.mark.parametrize("ahead", [1, LONGEST.days])
def test_the_nearest_and_the_farthest_end_are_taken(ledger: Ledger, ahead: int) -> None:
    accept(ledger, ahead=ahead)

    assert [one.until for one in waivers(ledger)] == [day(ledger, ahead)]


@pytest.mark.parametrize(
    "said", [{"who": " "}, {"reason": ""}, {"subject": "reconciliation"}, {"subject": "reconciliation "}], ids=str
)
def test_a_waiver_of_nothing_by_nobody_or_for_no_reason_is_refused(ledger: Ledger, said: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        accept(ledger, **said)  # type: ignore[arg-type]  # one of the texts

    assert waivers(ledger) == ()
