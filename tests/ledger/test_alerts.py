"""An alert is sent on entering its state and again each day, by one caller, until the state is over."""

import threading
from collections.abc import Callable
from datetime import timedelta

from ledger.alerts import clear_alert, mark_sent, open_alerts, raise_alert
from ledger.opening import Ledger

Later = Callable[[timedelta], Ledger]


def raised(ledger: Ledger, text: str = "Slack fails since 12:00.", urgency: str = "ticket") -> bool:
    return raise_alert(
        ledger,
        "verify:staging:slack",
        environment="staging",
        target="slack",
        text=text,
        runbook="docs/runbooks/verify.md",
        urgency=urgency,
    )


def test_an_alert_is_sent_on_entering_the_state_and_not_again_the_same_day(ledger: Ledger, later: Later) -> None:
    on_entering = raised(ledger)
    mark_sent(ledger, "verify:staging:slack")

    assert on_entering
    assert not raised(ledger)
    assert not raised(later(timedelta(hours=23)))


def test_it_is_sent_again_each_day_it_lasts(ledger: Ledger, later: Later) -> None:
    raised(ledger)
    mark_sent(ledger, "verify:staging:slack")

    assert raised(later(timedelta(hours=25)))
    mark_sent(later(timedelta(hours=25)), "verify:staging:slack")
    assert not raised(later(timedelta(hours=26)))
    assert open_alerts(ledger)[0].times_sent == 2


def test_what_was_not_marked_as_sent_is_to_be_sent_after_a_while(ledger: Ledger, later: Later) -> None:
    raised(ledger)

    assert not raised(ledger)
    assert raised(later(timedelta(minutes=6)))


def test_of_many_callers_one_is_told_to_send(ledger: Ledger) -> None:
    start = threading.Barrier(5)
    told: list[bool] = []

    def call() -> None:
        start.wait()
        told.append(raised(ledger))

    threads = [threading.Thread(target=call) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(told) == [False, False, False, False, True]


def test_a_cleared_alert_is_over_and_may_be_entered_anew(ledger: Ledger) -> None:
    raised(ledger)
    mark_sent(ledger, "verify:staging:slack")

    cleared, again = clear_alert(ledger, "verify:staging:slack"), clear_alert(ledger, "verify:staging:slack")

    assert (cleared, again) == (True, False)
    assert open_alerts(ledger) == []
    assert raised(ledger)


def test_an_open_alert_tells_the_newest_text(ledger: Ledger) -> None:
    raised(ledger)
    raised(ledger, "Slack fails since 12:00, three times.")

    (alert,) = open_alerts(ledger, "staging")

    assert (alert.text, alert.target, alert.sent_at) == ("Slack fails since 12:00, three times.", "slack", None)
    assert alert.runbook == "docs/runbooks/verify.md"
    assert open_alerts(ledger, "prod") == []


def test_an_alert_is_as_urgent_as_it_was_raised_at_most(ledger: Ledger) -> None:
    raised(ledger)
    (unsaid,) = open_alerts(ledger)
    raise_alert(
        ledger, unsaid.key, environment="staging", target="slack", text="It fails.", runbook="-", urgency="page"
    )

    assert [unsaid.urgency, *(one.urgency for one in open_alerts(ledger))] == ["ticket", "page"]


def test_a_ticket_that_becomes_a_page_is_sent_at_once_until_it_is_out_and_once(ledger: Ledger) -> None:
    raised(ledger)
    mark_sent(ledger, "verify:staging:slack")

    pages = [raised(ledger, urgency="page")]
    # Sending it failed: the sweeper finds it unsent.
    unsent = open_alerts(ledger)[0].sent_at
    mark_sent(ledger, "verify:staging:slack")
    pages += [raised(ledger, urgency="page"), raised(ledger), raised(ledger, urgency="page")]

    assert (pages, unsent) == ([True, False, False, False], None)
    assert open_alerts(ledger)[0].urgency == "page"
