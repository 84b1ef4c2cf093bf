"""A service that nobody checks any more is told by the sweeper: once, to who is paged, until it is checked again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from domain.config import Config
from domain.kms_checks import Checked, passed
from domain.kms_history import Change
from ledger.alerts import open_alerts
from ledger.due import upcoming
from ledger.kms_checks import record_check
from ledger.kms_schema import KMS_CHECKS
from ledger.opening import Ledger
from steps.alerting import in_words
from steps.kms_alerting import tell
from steps.kms_unwatched import tell_unwatched
from tests.steps.conftest import OpenScene
from tests.steps.rehearsal_context import Scene
from vendors.registry import INTEGRATIONS

MINUTE = timedelta(minutes=1)
KEY = "kms:staging:pay:unwatched"


def watching(scene: Scene, *targets: str) -> Scene:
    """The same place with these targets declared."""
    text = scene.config.model_dump(mode="json", exclude_unset=True)
    kms = {name: {"environment": scene.environment, "base_url": f"https://{name}.example.org"} for name in targets}
    config = Config.model_validate({**text, "kms": kms}, context={"integrations": tuple(INTEGRATIONS)})
    return replace(scene, config=config)


@pytest.fixture
def place(open_in: OpenScene) -> Scene:
    return watching(open_in("staging", alerts={"page": "pagerduty"}, platform_on_call="ada"), "pay")


def swept(scene: Scene) -> list[str]:
    return in_words(tell_unwatched(scene.ledger, {scene.environment: scene.context()}, "sweeper"))


def checked(scene: Scene) -> tuple[Checked, list[Change]]:
    seen = Checked(scene.environment, "pay", (passed("health"),))
    return seen, record_check(scene.ledger, "run", seen)


def alerts(ledger: Ledger) -> list[str]:
    return [one.key for one in open_alerts(ledger)]


@contextmanager
def at(place: Scene, minutes: float) -> Iterator[Scene]:
    with place.later(minutes * MINUTE) as then:
        yield then


def test_a_check_of_the_last_70_minutes_is_enough(place: Scene) -> None:
    checked(place)

    with at(place, 69) as then:
        assert swept(then) == []
        assert alerts(then.ledger) == []


def test_a_target_that_is_not_checked_any_more_pages_once_and_says_since_when(place: Scene) -> None:
    checked(place)

    with at(place, 71) as then:
        [said] = swept(then)
        swept(then)

        [alert] = open_alerts(then.ledger)
        assert said == "ada told through pagerduty: staging: nobody checks the KMS of pay."
        assert (alert.key, alert.urgency, alert.times_sent) == (KEY, "page", 1)
        assert alert.runbook == "docs/runbooks/kms-canary-dead-man.md"
        assert f"It was last checked {place.ledger.now():%Y-%m-%d}" in alert.text


def test_a_check_that_cannot_be_read_is_one_all_the_same(place: Scene) -> None:
    checked(place)
    with place.ledger.writing() as connection:
        connection.execute(update(KMS_CHECKS).values(parts="of a newer version"))

    with at(place, 69) as before, at(place, 71) as then:
        assert swept(before) == []
        assert len(swept(then)) == 1


@pytest.mark.parametrize("clears", ["the check itself", "the next sweep"])
def test_the_next_check_clears_it(place: Scene, clears: str) -> None:
    checked(place)
    with at(place, 71) as late, at(place, 80) as then:
        swept(late)
        assert alerts(late.ledger) == [KEY]

        seen, changes = checked(then)
        by_itself = clears == "the check itself"
        said = tell(then.context(), seen, changes, "/audit/run") if by_itself else swept(then)

        assert said == [f"Alert {KEY} cleared."]
        assert alerts(then.ledger) == []


def test_a_target_that_was_never_checked_pages_an_hour_after_it_was_first_seen(place: Scene) -> None:
    swept(place)

    with at(place, 59) as early:
        assert (swept(early), alerts(early.ledger)) == ([], [])
    for minutes in (61, 76):
        with at(place, minutes) as then:
            swept(then)
            [alert] = open_alerts(then.ledger)
            assert "is declared for an hour and was never checked" in alert.text
    with at(place, 90) as then:
        checked(then)
        assert swept(then) == [f"Alert {KEY} cleared."]
        assert upcoming(then.ledger) == []


def test_a_target_that_is_taken_out_is_not_told_and_has_its_hour_anew_when_it_comes_back(place: Scene) -> None:
    swept(place)

    with at(place, 61) as then:
        swept(then)
        assert swept(watching(then)) == [f"Alert {KEY} cleared."]
    with at(place, 200) as then:
        assert (swept(then), alerts(then.ledger)) == ([], [])


def test_the_rehearsals_targets_are_watched_by_whoever_rehearses(open_in: OpenScene) -> None:
    place = watching(open_in("rehearsal"), "pay")
    checked(place)

    with at(place, 200) as then:
        assert (swept(then), alerts(then.ledger), upcoming(then.ledger)) == ([], [], [])
