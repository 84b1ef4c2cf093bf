"""A credential is due early enough that its old value is gone at the deadline, and never all of them at once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.manifests import Manifest, Mint
from domain.names import Credential, Purpose, Target
from domain.policies import MARGIN, Policy, age_in_words, age_said, due_at, earliest_retirement, is_too_old

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = Manifest(Mint.BY_VENDOR, "name", listable=True)
SLOW = Manifest(Mint.BY_VENDOR, "name", listable=True, can_disable=True, last_used_lag=timedelta(hours=3))
CREDENTIALS = [Credential(Target("datadog", f"team{n}"), "prod", Purpose.SEND) for n in range(40)]


@given(
    days=st.integers(30, 400), overlap=st.integers(1, 72), soak=st.integers(0, 72), spread=st.integers(0, 14),
    which=st.sampled_from(CREDENTIALS), manifest=st.sampled_from((PLAIN, SLOW)),
)  # fmt: skip
def test_a_rotation_begun_when_due_is_over_before_the_deadline_with_the_margin_to_spare(
    *, days: int, overlap: int, soak: int, spread: int, which: Credential, manifest: Manifest
) -> None:
    policy = Policy(
        max_age=timedelta(days=days), overlap=timedelta(hours=overlap), soak=timedelta(hours=soak), spread=timedelta(days=spread)
    )  # fmt: skip

    due = due_at(which, SINCE, policy, manifest)

    gone = earliest_retirement(due, policy, manifest) + policy.soak_for(manifest)
    assert gone + MARGIN <= SINCE + policy.max_age
    assert due >= SINCE + policy.max_age - (gone - due) - MARGIN - policy.spread


def test_due_moments_are_strewn_and_the_same_for_one_credential_each_time() -> None:
    policy = Policy()

    moments = [due_at(one, SINCE, policy, PLAIN) for one in CREDENTIALS]

    assert moments == [due_at(one, SINCE, policy, PLAIN) for one in CREDENTIALS]
    assert len(set(moments)) == len(moments)
    assert max(moments) - min(moments) > policy.spread / 2


def test_what_cannot_be_switched_off_has_no_soak() -> None:
    assert Policy().soak_for(PLAIN) == timedelta(0)
    assert Policy().soak_for(SLOW) == timedelta(hours=24)


def test_the_overlap_is_a_day_at_least_and_longer_by_the_vendors_lag() -> None:
    assert Policy().overlap_for(PLAIN) == timedelta(hours=24)
    assert Policy().overlap_for(SLOW) == timedelta(hours=27)


def test_a_credential_is_too_old_after_its_deadline_and_not_at_it() -> None:
    deadline = SINCE + Policy().max_age

    assert not is_too_old(SINCE, deadline, Policy())
    assert is_too_old(SINCE, deadline + timedelta(seconds=1), Policy())


@pytest.mark.parametrize(
    ("said", "days"), [("monthly", 30), ("quarterly", 91), ("yearly", 365), ("1 day", 1), ("90 days", 90)]
)
def test_an_age_is_said_in_words_or_in_days(said: str, days: int) -> None:
    assert age_said(said) == timedelta(days=days)


@pytest.mark.parametrize("said", ["", "90", "0 days", "3651 days", "1.5 days", "-1 days", "Quarterly", "weekly"])
def test_any_other_word_for_an_age_is_refused_with_those_there_are(said: str) -> None:
    with pytest.raises(ValueError, match="one of monthly, quarterly, yearly, or a number of days"):
        age_said(said)


def test_an_age_is_told_as_people_say_it() -> None:
    assert [age_in_words(timedelta(hours=hours)) for hours in (24, 36, 24 * 90)] == [
        "every day", "every 1.5 days", "every 90 days",
    ]  # fmt: skip


def test_a_drill_that_rotates_daily_needs_no_margin() -> None:
    drill = Policy(
        max_age=timedelta(days=1), overlap=timedelta(hours=1), soak=timedelta(minutes=10), spread=timedelta(0), is_drill=True
    )  # fmt: skip

    due = due_at(CREDENTIALS[0], SINCE, drill, SLOW)

    assert SINCE < due == SINCE + timedelta(days=1) - timedelta(hours=4, minutes=10)
