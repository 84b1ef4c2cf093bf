"""A name is stored identity: read strictly, written the same way always."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import names
from domain.errors import BadInput
from domain.names import Purpose, Target, block_name

PARTS = st.from_regex(r"[a-z0-9]+", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("slack", Target("slack", "default")),
        ("slack/default", Target("slack", "default")),
        ("pagerduty/payments", Target("pagerduty", "payments")),
        ("splunk/auditeu2", Target("splunk", "auditeu2")),
    ],
)
def test_a_target_is_read_with_or_without_its_instance(text: str, expected: Target) -> None:
    assert Target.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "/", "/payments", "Slack", "slack ", " slack", "slack\n", "pager-duty", "a_b", "_a", "a_", "a/b/c", "släck", "a/B", "²"],
)  # fmt: skip
def test_a_name_that_could_not_be_part_of_a_block_name_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as refusal:
        Target.parse(text)

    assert repr(text) in refusal.value.happened
    assert refusal.value.next_step


@given(st.text() | st.text(alphabet="ab1_/- \n"))
def test_any_text_is_a_target_or_bad_input(text: str) -> None:
    try:
        target = Target.parse(text)
    except BadInput:
        return

    assert Target.parse(str(target)) == target


@given(PARTS, PARTS)
def test_what_is_written_is_read_again(integration: str, instance: str) -> None:
    target = Target(integration, instance)

    assert Target.parse(str(target)) == target


def test_a_block_is_named_by_vendor_instance_environment_and_purpose() -> None:
    assert block_name(Target("pagerduty", "payments"), "prod", Purpose.SEND) == "pagerduty-payments-prod-send"
    assert block_name(Target("slack"), "staging", Purpose.READ) == "slack-default-staging-read"


@given(PARTS, PARTS, PARTS, st.sampled_from(Purpose))
def test_a_block_name_can_be_taken_apart_again(vendor: str, instance: str, place: str, purpose: Purpose) -> None:
    name = block_name(Target(vendor, instance), place, purpose)

    assert name.split("-") == [vendor, instance, place, purpose.value]


@pytest.mark.parametrize("environment", ["", "Prod", "eu-west", "prod "])
def test_an_environment_that_cannot_be_part_of_a_block_name_is_refused(environment: str) -> None:
    with pytest.raises(BadInput):
        block_name(Target("slack"), environment, Purpose.SEND)


@pytest.mark.parametrize("name", [names.DAY1_WIRING, names.VERIFY_DUE, names.CONFIRM_STEP, names.SWEEPER])
def test_a_deployment_is_named_as_prefect_writes_it(name: str) -> None:
    flow, _, deployment = name.partition("/")

    assert flow
    assert deployment
    assert "/" not in deployment
