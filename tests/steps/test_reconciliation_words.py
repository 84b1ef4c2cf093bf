"""The sentence says what matters, what is missing has a word, and the Markdown fits whatever the input."""

from dataclasses import replace
from datetime import date

import pytest

from domain.reconciliation import Bounds, Compared, Finding, LikelyCause, Reconciliation, SourceFact, Unresolved
from steps.reconciliation_page import page
from steps.reconciliation_wording import SIGN, days_in_words, interval, percent
from steps.reconciliation_words import (
    LONGEST_MARKDOWN_BYTES,
    difference_in_words,
    markdown,
    slack_text,
    summary,
    worst_days,
)
from tests.steps.reconciliations import big, edition_of, provisional_sample, sample


@pytest.fixture(scope="module")
def month() -> Reconciliation:
    return sample()


def test_the_sentence_names_the_breach_its_days_and_its_cause(month: Reconciliation) -> None:
    told = summary(month)

    assert told.startswith("October 2026, prod: 3 of 7 integrations agree within 1 %; slack lost 1,266 events (3.58 %")
    assert "on 12-13 October, likely cause: the webhook answered 404" in told


def test_the_sentence_names_days_without_data(month: Reconciliation) -> None:
    assert "splunk has no data on 17-19 October" in summary(month)


def test_a_month_that_is_all_well_is_told_in_a_few_words(month: Reconciliation) -> None:
    fine = replace(month, targets=tuple(one for one in month.targets if one.finding is Finding.OK))

    assert summary(fine) == "October 2026, prod: 1 of 1 integration agrees within 1 %."


def test_a_month_that_has_not_settled_says_so_and_nothing_else() -> None:
    told = summary(provisional_sample())

    assert told.startswith("October 2026, prod: nothing is decided before 5 December 2026, 00:00 UTC for datadog")
    assert "agree" not in told


def test_loss_and_excess_are_two_numbers() -> None:
    both = Compared(1_000, 1_010, Bounds(20, 20), Bounds(30, 35), None)

    assert difference_in_words(both, 0.025) == (
        "lost 20 events (2 %) and received 30 to 35 events too many (3.5 %, at least 2.5 %)"
    )


def test_what_arrived_where_nothing_was_expected_has_no_share() -> None:
    assert difference_in_words(Compared(0, 5, Bounds(0, 0), Bounds(5, 5), None), None) == (
        "received 5 events too many, where nothing was expected"
    )


def test_days_without_data_do_not_hide_what_the_other_days_lost(month: Reconciliation) -> None:
    slack = next(one for one in month.targets if one.target == "slack")
    both = replace(slack, finding=Finding.NO_DATA, days_missing=(date(2026, 10, 20),), cause=None)

    told = summary(replace(month, targets=(both,)))

    assert "slack has no data on 20 October; on the other days it lost 1,266 events" in told


def test_a_cause_that_is_a_sentence_fits_into_another(month: Reconciliation) -> None:
    slack = next(one for one in month.targets if one.target == "slack")
    caused = replace(slack, cause=LikelyCause("It happened on 12 October; the other days agree.", "Look."))

    told = summary(replace(month, targets=(caused,)))

    assert told.endswith(", likely cause: it happened on 12 October, the other days agree.")


def test_worst_days_are_named_only_where_there_are_few(month: Reconciliation) -> None:
    assert worst_days(month, "slack") == [date(2026, 10, 12), date(2026, 10, 13)]
    assert worst_days(month, "pagerduty/payments") == []


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ([], ""),
        ([date(2026, 10, 3)], "3 October"),
        ([date(2026, 10, 13), date(2026, 10, 12), date(2026, 10, 5)], "5 and 12-13 October"),
        ([date(2026, 9, 30), date(2026, 10, 1)], "30 September and 1 October"),
    ],
)
def test_days_are_told_as_people_say_them(days: list[date], words: str) -> None:
    assert days_in_words(days) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [(None, "not known"), (0, "0 %"), (0.00001, "under 0.01 %"), (0.0124, "1.24 %"), (0.02, "2 %"), (0.4212, "42.1 %"), (1, "100 %")],
)  # fmt: skip
def test_a_share_that_is_there_never_becomes_zero(share: float | None, words: str) -> None:
    assert percent(share) == words


def test_an_interval_that_is_not_known_has_a_word() -> None:
    assert interval(None, None) == "not known"
    assert interval(0.001, 0.02) == "0.1 % to 2 %"


def test_markdown_tells_all_that_was_seen_in_the_input_and_what_may_cost_events(month: Reconciliation) -> None:
    told = markdown(month, edition_of(month))

    assert "- lines that are no events: 14 (may cost events; applications, " in told
    assert "- of another environment: 12,004 (applications, " in told
    assert "- late: in a file of another day: 386 (applications, " in told


def test_the_same_thing_in_many_files_is_one_line(month: Reconciliation) -> None:
    facts = tuple(SourceFact("applications", f"{day}.jsonl", "late", 2, is_fault=False) for day in range(40))

    told = markdown(replace(month, facts=facts), edition_of(month))

    assert "- late: 80 (applications, 40 files)\n" in told


def test_markdown_lists_each_integration_with_its_sign(month: Reconciliation) -> None:
    told = markdown(month, edition_of(month))

    for one in month.targets:
        assert f"| {one.target} | {SIGN[one.finding]} {one.finding.value} |" in told
    assert "32,560 (without 3 days)" in told
    assert "## Raw differences above the rule" in told
    assert "filtered: browser-extensions: 527" in told
    assert "Signed off by Mirela Dobre" in told


def test_an_earlier_month_that_nobody_answers_for_is_named_in_every_report(month: Reconciliation) -> None:
    left = replace(month, unresolved=(Unresolved("2026-07", "slack", Finding.BREACH),), carried_over=())

    told, shown = markdown(left, edition_of(left)), page(left, edition_of(left))

    assert "- 2026-07 slack: BREACH, and nobody looks into it." in told
    assert "BREACH, and nobody looks into it." in shown


def test_markdown_says_that_a_number_is_not_known(month: Reconciliation) -> None:
    bare = replace(month.targets[0], emitted=None, received=None, compared=None, low=None, high=None)

    told = markdown(replace(month, targets=(bare,), cells=()), edition_of(month))

    assert "| no data | no data | no data | no data | not known | no data | not known | not known |" in told


def test_markdown_stays_below_the_limit_of_an_artifact(month: Reconciliation) -> None:
    long = "schön " * 5_000
    many = big(targets=200, types=1)
    loud = replace(
        many,
        targets=tuple(replace(one, why=long, cause=LikelyCause(long, long)) for one in many.targets),
        facts=tuple(SourceFact(long, long, long, number, is_fault=True) for number in range(2_000)),
    )

    told = markdown(loud, edition_of(month, changes=(long,) * 500))

    assert len(told.encode()) <= LONGEST_MARKDOWN_BYTES
    assert "The rest does not fit here" in told or "more, in the page and the tables." in told


def test_names_of_others_are_no_markup_of_ours(month: Reconciliation) -> None:
    hostile = "x | y\n# z <img src=a onerror=b> [a](javascript:c) `d`"
    odd = replace(
        month, targets=tuple(replace(one, target=hostile, why=hostile) for one in month.targets[:1]), cells=()
    )

    told = markdown(odd, edition_of(month, verdict=hostile))

    assert "<img" not in told.replace("\\<", "")
    assert "\n# z" not in told
    assert "](javascript" not in told.replace("\\]", "")


def test_the_post_says_what_to_do_and_where_to_look(month: Reconciliation) -> None:
    told = slack_text(month, edition_of(month))

    assert told.startswith("HOLD: October 2026, prod")
    assert "▲ slack: Ask the owner of the channel" in told
    assert "Mirela Dobre looks into it until 12 November 2026" in told
    assert "https://audit.example.com/" in told


def test_nobody_is_called_by_the_name_of_an_integration(month: Reconciliation) -> None:
    odd = replace(month, targets=(replace(month.targets[1], target="<!channel> & co"),))

    told = slack_text(odd, edition_of(month))

    assert "<!channel>" not in told
    assert "&lt;!channel&gt; &amp; co" in told
