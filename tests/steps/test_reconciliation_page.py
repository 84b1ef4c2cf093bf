"""The numbers on the page add up, every text on it is escaped, and it needs nothing from outside."""

import re
import time
from dataclasses import replace

import pytest

from domain.event_counts import Fate
from domain.reconciliation import (
    Explained,
    Finding,
    Investigation,
    LikelyCause,
    Overlay,
    Reconciliation,
    SourceFact,
    Waiver,
    Why,
)
from steps.reconciliation_page import page
from steps.reconciliation_wording import SIGN, by_urgency
from tests.steps.reconciliations import OUTAGE, big, edition_of, provisional_sample, sample
from tests.steps.report_reading import Element, events, read

HOSTILE = """"><script>alert(1)</script><img src=x onerror='alert(2)'>{{ 7*7 }}&"""
# Columns of the table of integrations.
FINDING, EMITTED, RECEIVED, LOST, OVER, TWICE, EXPLAINED, LEFT, SHARE = range(1, 10)


@pytest.fixture(scope="module")
def month() -> Reconciliation:
    return sample()


@pytest.fixture(scope="module")
def shown(month: Reconciliation) -> Element:
    return read(page(month, edition_of(month)))


def section(shown: Element, name: str) -> Element:
    return shown.one("section", id=name)


def integration_rows(shown: Element) -> dict[str, list[str]]:
    return {row[0]: row for row in section(shown, "integrations").rows()}


def test_every_integration_is_one_row_the_worst_first(shown: Element, month: Reconciliation) -> None:
    rows = integration_rows(shown)

    assert list(rows) == [one.target for one in by_urgency(month.targets)]
    assert rows["slack"][: SHARE + 1] == [
        "slack", "▲BREACH", "35,412", "34,326", "1,266", "244", "244", "244 too much", "1,266 lost", "3.58 %3.37 % to 3.82 %",
    ]  # fmt: skip


def test_verdict_and_sentence_are_at_the_top(shown: Element) -> None:
    header = shown.one("header")

    assert header.one(class_="verdict").text == "HOLD"
    assert header.one(id="summary").text.startswith("October 2026, prod: 3 of 7 integrations agree within 1 %")
    assert "slack lost 1,266 events" in header.one(id="summary").text


def test_every_waterfall_adds_up_to_what_its_row_says(shown: Element, month: Reconciliation) -> None:
    rows = integration_rows(shown)
    ordered = by_urgency(month.targets)

    for number, one in enumerate(ordered, 1):
        table = shown.one("table", id=f"fall-{number}")
        running = 0
        for at, row in enumerate(table.all("tr")):
            events_shown = events(row.all("td")[0].text)
            if row.attributes["class"] == "level":
                assert at == 0 or events_shown == running, (one.target, row.text)
                running = events_shown
            else:
                running += events_shown
        assert running == events(re.match(r"[\d,]+", rows[one.target][RECEIVED])[0])  # type: ignore[index]  # it is a number


def test_lost_and_excess_of_the_row_are_explained_plus_unexplained(shown: Element, month: Reconciliation) -> None:
    rows = integration_rows(shown)

    for one in month.targets:
        if one.compared is not None and one.compared.loss.is_exact:
            row = rows[one.target]
            assert events(row[LOST]) == _part(row[EXPLAINED], "lost") + _part(row[LEFT], "lost"), one.target
            assert events(row[OVER]) == _part(row[EXPLAINED], "too much") + _part(row[LEFT], "too much"), one.target


def test_types_add_up_to_their_integration(shown: Element, month: Reconciliation) -> None:
    rows = integration_rows(shown)

    for number, one in enumerate(by_urgency(month.targets), 1):
        details = shown.one("details", id=f"details-{number}")
        *types, total = details.all("table", class_="types")[0].rows()
        if not types:
            continue
        for column in (1, 2, 3):
            assert sum(events(row[column]) for row in types) == events(total[column]), one.target
        assert rows[one.target][EMITTED].startswith(total[1])
        assert rows[one.target][RECEIVED].startswith(total[3])


def test_what_is_not_known_is_a_named_state(shown: Element) -> None:
    splunk = integration_rows(shown)["splunk"]

    assert splunk[EMITTED] == "35,348without 3 days"
    assert splunk[RECEIVED] == "32,560without 3 days"
    assert splunk[TWICE] == "not known"
    assert splunk[SHARE].startswith("not known")


def test_an_integration_without_any_data_shows_no_number(month: Reconciliation) -> None:
    bare = replace(
        month.targets[0], finding=Finding.NO_DATA, emitted=None, received=None, compared=None, low=None, high=None, trust=()
    )  # fmt: skip

    shown = read(page(replace(month, targets=(bare,), cells=()), edition_of(month)))

    [row] = integration_rows(shown).values()
    assert row[EMITTED:SHARE] == ["no data"] * 7
    assert row[SHARE] == "not known"
    assert not re.search(r"\d", "".join(row[EMITTED:]))


def test_no_data_and_provisional_are_told_before_any_number(month: Reconciliation) -> None:
    settled = read(page(month, edition_of(month))).one("header")
    early = read(page(provisional_sample(), edition_of(month))).one("header")

    assert "NO DATA. splunk: 17-19 October." in settled.one(class_="nodata").text
    assert settled.all(class_="provisional") == []
    assert "Nothing is decided before 5 December 2026" in early.one(class_="provisional").text


def test_every_finding_has_a_sign_and_a_word(shown: Element) -> None:
    found = shown.all("span", class_="f")

    assert {one.text for one in found} == {f"{SIGN[which]}{which.value}" for which in Finding}


def test_every_day_of_the_map_has_a_text_and_words_for_a_screen_reader(shown: Element) -> None:
    cells = section(shown, "heat").one("table").all("td")

    assert len(cells) == 31 * 7
    assert all(cell.text for cell in cells)
    assert all(cell.one("span", class_="vh").inside for cell in cells)


def test_whatever_is_not_clear_has_cause_next_step_and_owner(shown: Element) -> None:
    told = section(shown, "attention").text

    assert "The webhook answered 404 while its channel was archived" in told
    assert "Ask the owner of the channel to restore it" in told
    assert "Mirela Dobre, until 12 November 2026" in told
    assert "Grant the role the index" in told
    assert "Too few events to tell" in told
    assert "2026-08 splunk: Ana Prates" in told


def test_a_raw_difference_above_the_rule_is_listed_also_where_it_is_explained(shown: Element) -> None:
    rows = {row[0]: row for row in section(shown, "raw").rows()}

    assert set(rows) == {"slack", "pagerduty/payments", "pagerduty", "sentry"}
    assert "rate-limited: error_usage_exceeded (rate limit): 800" in rows["sentry"][3]
    assert "moved by 6 hours" in rows["pagerduty"][3]
    assert "Ilie Munteanu accepts it until 31 December 2026" in section(shown, "raw").text


def test_what_was_read_is_told_with_what_may_cost_events_first(shown: Element) -> None:
    rows = section(shown, "inputs").rows()

    assert [row[0] for row in rows if row[2].startswith("▲")] == [row[0] for row in rows[:3]]
    assert ["of another environment", "12,004"] in [row[:2] for row in rows]
    assert "slack: 712 of 744 seen (95.7 %)" in section(shown, "inputs").text


def test_revision_digest_changes_and_sign_off_are_told(shown: Element, month: Reconciliation) -> None:
    footer = shown.one("footer")

    assert footer.one(id="digest").text == edition_of(month).digest
    assert "received 58,204 is now 58,216" in footer.one(id="changes").text
    assert "Mirela Dobre, 5 November 2026, 09:02 UTC" in footer.text


def test_what_nobody_signed_says_so(month: Reconciliation) -> None:
    first = page(month, edition_of(month, revision=1, changes=(), signed=None, bundle="", prefect=""))

    footer = read(first).one("footer")
    assert "by nobody yet" in footer.text
    assert footer.one(id="changes").text == "this is the first revision"


def test_nothing_is_loaded_from_anywhere_and_nothing_runs(month: Reconciliation) -> None:
    html = page(month, edition_of(month))

    shown = read(html)
    policy = shown.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    linked = [one.attributes["href"] for one in shown.all() if "href" in one.attributes and one.tag != "a"]
    assert policy.startswith("default-src 'none'")
    assert shown.all("script") == []
    assert [one for one in shown.all() if {"src", "srcset", "data", "action"} & set(one.attributes)] == []
    assert linked == ["data:,"]
    assert "@import" not in html
    assert "url(http" not in html
    assert [key for one in shown.all() for key in one.attributes if key.startswith("on")] == []


def test_a_link_that_is_none_stays_text(month: Reconciliation) -> None:
    html = page(month, edition_of(month, bundle="javascript:alert(1)", prefect="audit/2026/10"))

    links = [one.attributes["href"] for one in read(html).one("footer").all("a")]
    assert links == []
    assert "javascript:alert(1)" in read(html).one("footer").text


def test_names_of_others_are_text_everywhere(month: Reconciliation) -> None:
    html = page(_hostile(month), edition_of(month, verdict=HOSTILE, run=HOSTILE, changes=(HOSTILE,)))

    shown = read(html)
    assert shown.all("script") == []
    assert shown.all("img") == []
    assert [key for one in shown.all() for key in one.attributes if key.startswith("on")] == []
    assert "{{ 7*7 }}" in shown.text


def test_long_names_are_cut(month: Reconciliation) -> None:
    long = "x" * 5_000
    odd = replace(month, targets=(replace(month.targets[1], target=long, why=long),), cells=())

    html = page(odd, edition_of(month))

    assert len(html) < 60_000


def test_a_large_month_stays_below_three_megabytes_and_is_made_at_once() -> None:
    month = big(targets=20, types=50)
    edition = edition_of(month)
    started = time.process_time()

    html = page(month, edition)

    assert len(month.cells) == 31_000
    assert len(html.encode()) < 3_000_000
    assert time.process_time() - started < 10


def _part(text: str, word: str) -> int:
    found = re.search(rf"([\d,]+) {word}", text)
    return events(found[1]) if found else 0


def _hostile(month: Reconciliation) -> Reconciliation:
    """Return a month in which every text that comes from outside tries to be markup."""
    slack = next(one for one in month.targets if one.target == "slack")
    assert slack.compared is not None
    assert slack.received is not None
    reason = Explained(Why.VENDOR, HOSTILE, 1)
    target = replace(
        slack, target=HOSTILE, why=HOSTILE, cause=LikelyCause(HOSTILE, HOSTILE), raw_above=True,
        compared=replace(slack.compared, loss_explained=(reason,)),
        received=replace(slack.received, losses=((Fate.FILTERED, HOSTILE, 1),)),
        waiver=Waiver(HOSTILE, HOSTILE, HOSTILE, OUTAGE.start.date()), missing_ids=(HOSTILE,),
        investigation=Investigation(HOSTILE, HOSTILE, HOSTILE, OUTAGE.start.date(), HOSTILE),
    )  # fmt: skip
    cells = tuple(replace(cell, target=HOSTILE, type=HOSTILE) for cell in month.cells if cell.target == "slack")
    return replace(
        month, environment=HOSTILE, targets=(target,), cells=cells, overlays=(Overlay(OUTAGE, HOSTILE, HOSTILE),),
        facts=(SourceFact(HOSTILE, HOSTILE, HOSTILE, 1, is_fault=True),), carried_over=(target.investigation,),  # type: ignore[arg-type]  # set above
    )  # fmt: skip
