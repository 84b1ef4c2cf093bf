"""A wiring mode is what operators type: read strictly, and never of two worlds at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInput
from domain.names import Target
from domain.wiring import MODE_VARIABLE, Mode, check_environment, parse_mode

SLACK, PAYMENTS, CHECKOUT = Target("slack"), Target("pagerduty", "payments"), Target("pagerduty", "checkout")
IN_SCOPE = (SLACK, PAYMENTS, CHECKOUT)


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("mock", IN_SCOPE),
        ("real_all", IN_SCOPE),
        ("real_slack", (SLACK,)),
        ("real_pagerduty", (PAYMENTS, CHECKOUT)),
        ("real_pagerduty/payments", (PAYMENTS,)),
        ("real_slack,pagerduty/checkout", (SLACK, CHECKOUT)),
    ],
)
def test_a_mode_selects_what_it_names(text: str, selected: tuple[Target, ...]) -> None:
    mode = parse_mode(text, IN_SCOPE)

    assert tuple(target for target in IN_SCOPE if mode.selects(target)) == selected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "''"),
        ("real", "'real'"),
        ("real_", "''"),
        ("Mock", "'Mock'"),
        ("real_slak", "'slak'"),
        ("real_slack,", "''"),
        ("real_slack, sentry", "' sentry'"),
        ("real_datadog,slack", "'datadog'"),
        ("dry_run", "'dry_run'"),
    ],
)
def test_what_is_no_mode_is_refused_with_the_part_that_is_wrong(text: str, named: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse_mode(text, IN_SCOPE)

    assert refusal.value.happened.startswith(f"{MODE_VARIABLE}: {named}")
    assert "pagerduty, pagerduty/checkout, pagerduty/payments, slack" in refusal.value.means


def test_where_nothing_is_in_scope_the_refusal_says_so() -> None:
    with pytest.raises(BadInput, match="none"):
        parse_mode("real_slack", ())


@given(
    st.text()
    | st.text(alphabet="realmock_sc,/ ")
    | st.sampled_from(["real_"]).flatmap(lambda p: st.text().map(p.__add__))
)
def test_any_text_is_a_mode_or_bad_input(text: str) -> None:
    try:
        mode = parse_mode(text, IN_SCOPE)
    except BadInput:
        return

    assert mode.text == text
    assert any(mode.selects(target) for target in IN_SCOPE)


@pytest.mark.parametrize(
    ("mode", "environment"),
    [
        (Mode("mock"), "staging"),
        (Mode("real_all"), "rehearsal"),
        (Mode("real_slack", frozenset({"slack"})), "rehearsal"),
    ],
)
def test_a_mode_of_one_world_does_not_go_with_an_environment_of_the_other(mode: Mode, environment: str) -> None:
    with pytest.raises(BadInput, match=environment):
        check_environment(mode, environment)


@pytest.mark.parametrize(("mode", "environment"), [(Mode("mock"), "rehearsal"), (Mode("real_all"), "prod")])
def test_a_mode_goes_with_an_environment_of_its_world(mode: Mode, environment: str) -> None:
    check_environment(mode, environment)
