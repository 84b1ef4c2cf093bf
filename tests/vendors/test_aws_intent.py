"""What the tag on a user says of the key that is about to be made, and which key it names."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.names import marker
from vendors.aws_intent import WINDOW, Intent, intents_of, marker_of

AT = datetime(2026, 11, 26, 1, 40, tzinfo=UTC)
MARKER, SECOND = marker("r1f2e3d4c5b", 1), marker("r1f2e3d4c5b", 2)
ABOUT = Intent(MARKER, AT, frozenset({"AKIAOLD"}))

key_ids = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=16, max_size=128)


def said(*intents: Intent) -> tuple[Intent, ...]:
    """Return the intents as a user's tags give them back."""
    return intents_of({intent.marker: intent.text for intent in intents})


@settings(max_examples=20)
@given(number=st.integers(1, 10**6), second=st.integers(0, 2**33), beside=st.frozensets(key_ids, max_size=1))
def test_a_tag_says_back_what_was_written_in_what_aws_takes(number: int, second: int, beside: frozenset[str]) -> None:
    intent = Intent(marker("r1f2e3d4c5b", number), datetime.fromtimestamp(second, UTC), beside)

    assert said(intent) == (intent,)
    assert len(intent.text) <= 256
    assert set(intent.text + intent.marker) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _.:/=+-@"
    )


def test_once_the_key_is_known_it_alone_is_named() -> None:
    made = ABOUT.came_to("AKIANEW")

    assert said(made) == (made,)
    assert made.names("AKIANEW", None, AT)
    assert not made.names("AKIATHEIRS", AT, None)


def test_what_is_known_goes_before_what_fits() -> None:
    second = Intent(SECOND, AT, frozenset()).came_to("AKIANEW")

    assert marker_of(said(ABOUT, second), "AKIANEW", AT, None) == SECOND
    assert marker_of(said(ABOUT, second), "AKIAOTHER", AT, None) == MARKER
    assert marker_of(said(second), "AKIAOTHER", AT, None) == ""


@pytest.mark.parametrize(
    ("intent", "keys", "now", "over"),
    [
        (ABOUT.came_to("AKIANEW"), {"AKIANEW": AT}, AT, False),
        (ABOUT.came_to("AKIANEW"), {"AKIAOLD": AT}, AT, True),
        (ABOUT, {"AKIAOLD": AT}, AT + WINDOW, False),
        (ABOUT, {"AKIAOLD": AT}, None, False),
        (ABOUT, {"AKIAOLD": AT}, AT + WINDOW + timedelta(seconds=1), True),
        (ABOUT, {"AKIAOLD": AT, "AKIALOST": AT}, AT + timedelta(days=1), False),
        (Intent(MARKER), {"AKIAOLD": AT}, None, True),
    ],
    ids=["lives", "was deleted", "may still come", "of no known age", "came to nothing", "was lost", "names nothing"],
)
def test_a_tag_goes_only_when_it_names_nothing_any_more(
    intent: Intent, keys: dict[str, datetime | None], now: datetime | None, *, over: bool
) -> None:
    assert intent.is_over(keys, now) is over


@pytest.mark.parametrize(
    ("key_id", "created_at", "used_at", "named"),
    [
        ("AKIANEW", AT, None, True),
        ("AKIANEW", AT + WINDOW, None, True),
        ("AKIANEW", AT + WINDOW + timedelta(seconds=1), None, False),
        ("AKIANEW", AT - timedelta(seconds=1), None, False),
        ("AKIANEW", None, None, False),
        ("AKIANEW", AT, AT, False),
        ("AKIAOLD", AT, None, False),
    ],
    ids=["at once", "at the end", "too late", "too early", "at no known time", "used by somebody", "there before"],
)
def test_a_key_whose_answer_was_lost_is_told_by_when_it_was_made_and_that_nobody_has_it(
    key_id: str, created_at: datetime | None, used_at: datetime | None, *, named: bool
) -> None:
    assert ABOUT.names(key_id, created_at, used_at) is named


@pytest.mark.parametrize(
    ("name", "text"), [(MARKER, ""), (MARKER, "yes"), (MARKER, "at noon beside AKIAOLD"), ("team", "made AKIANEW")]
)
def test_a_tag_that_is_not_ours_names_nothing(name: str, text: str) -> None:
    assert intents_of({name: text}) == ()


def test_without_a_moment_nothing_is_named() -> None:
    (intent,) = said(Intent(MARKER, None, frozenset()))

    assert not intent.names("AKIANEW", AT, None)
