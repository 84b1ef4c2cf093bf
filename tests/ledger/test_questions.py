"""A question waits for a person until its deadline, and is answered once."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from domain.errors import BadInput
from ledger.opening import Ledger
from ledger.questions import Question, Seen, answer, answers, ask, open_questions

_DAY = timedelta(days=1)


def asked(ledger: Ledger, integration: str = "slack") -> Question:
    return ask(ledger, "staging", 21, integration, "Do you see it?", ledger.now() + _DAY, "run-1")


def test_a_question_waits_until_it_is_answered(ledger: Ledger) -> None:
    question = asked(ledger)
    waiting = open_questions(ledger, "staging")

    answered = answer(ledger, question.id, "ada", Seen.YES, "in #ops")

    assert waiting == [question]
    assert open_questions(ledger) == []
    assert (answered.who, answered.seen, answered.note) == ("ada", Seen.YES, "in #ops")
    assert answers(ledger, "staging", 21) == {"slack": answered}


def test_asking_again_keeps_the_first_question_and_its_deadline(ledger: Ledger) -> None:
    first = asked(ledger)

    second = ask(ledger, "staging", 21, "slack", "Do you see the new one?", ledger.now() + 2 * _DAY, "run-2")

    assert second == first


def test_an_answered_question_may_be_asked_anew(ledger: Ledger) -> None:
    first = asked(ledger)
    answer(ledger, first.id, "ada", Seen.NO)

    second = asked(ledger)
    answer(ledger, second.id, "ada", Seen.YES)

    assert second.id != first.id
    assert {name: question.seen for name, question in answers(ledger, "staging", 21).items()} == {"slack": Seen.YES}


def test_the_first_answer_stays(ledger: Ledger) -> None:
    question = asked(ledger)
    answer(ledger, question.id, "ada", Seen.NO)

    with pytest.raises(BadInput, match=f"Question {question.id} was answered by ada"):
        answer(ledger, question.id, "eve", Seen.YES)

    assert answers(ledger, "staging", 21)["slack"].seen is Seen.NO


def test_an_unknown_question_is_named(ledger: Ledger) -> None:
    with pytest.raises(BadInput, match="no question 41"):
        answer(ledger, 41, "ada", Seen.YES)


def test_a_question_is_overdue_at_its_deadline(ledger: Ledger, later: Callable[[timedelta], Ledger]) -> None:
    question = asked(ledger)

    assert not question.is_overdue(ledger.now())
    assert question.is_overdue(later(_DAY).now())


def test_of_many_runs_that_ask_at_once_all_get_one_question(ledger: Ledger) -> None:
    start = threading.Barrier(5)
    ids: list[int] = []

    def ask_one() -> None:
        start.wait()
        ids.append(asked(ledger).id)

    threads = [threading.Thread(target=ask_one) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 5
    assert len(set(ids)) == 1
