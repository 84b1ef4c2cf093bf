"""`opsflows confirm` and `opsflows questions`: what only a person can say, with who and when."""

import click

from entrypoints.day_one import quiet_prefect
from entrypoints.person import logged_in_user
from entrypoints.prefect_api import is_there
from entrypoints.stepping import step_now
from ledger.questions import Question, Seen, open_questions
from steps.answering import asks_for_value, rotation_asked_about, still_waiting, take_answer
from steps.audited_run import open_own_ledger


@click.command()
@click.argument("question", type=click.IntRange(min=1))
@click.option("--seen/--not-seen", "seen", required=True, default=None, help="Whether you saw it with your own eyes.")
@click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who saw it (claimed).")
@click.option("--note", default="", help="Anything the next operator should know.")
def confirm(question: int, seen: bool, by: str, note: str) -> None:  # noqa: FBT001 (click passes a flag)
    """Answer a question; the last answer of a step starts the day-1 run that goes on, that of a rotation steps it."""
    ledger = open_own_ledger()
    try:
        answered = take_answer(ledger, question, by, Seen.YES if seen else Seen.NO, note)
        rotation = rotation_asked_about(answered)
        subject = f"rotation {rotation}" if rotation else answered.integration
        click.echo(f"Kept: {subject} in {answered.environment}, {'seen' if seen else 'not seen'} by {by}.")
        waiting = still_waiting(ledger, answered)
        if waiting:
            click.echo(f"Still open: {', '.join(str(other.id) for other in waiting)} (opsflows questions).")
        elif rotation:
            click.echo(step_now(ledger, rotation, f"confirm:{answered.id}"))
        elif answered.step == 0:
            click.echo("Kept for that verification alone; the next one sends a new event and asks again.")
        elif is_there():
            quiet_prefect()
            from tasks.continuing import continue_day_one  # noqa: PLC0415 (Prefect costs a second)

            name = continue_day_one(ledger, answered, by)
            click.echo(f"Goes on in run {name}." if name else _by_hand(answered.environment))
        else:
            click.echo(_by_hand(answered.environment))
    finally:
        ledger.close()


@click.command()
@click.option("--environment", default="", help="Only those of this environment.")
def questions(environment: str) -> None:
    """List the questions that wait for a person, the nearest deadline first."""
    ledger = open_own_ledger()
    try:
        found = open_questions(ledger, environment)
    finally:
        ledger.close()
    for question in found:
        click.echo(
            f"{question.id:>4}  {question.environment} {_asker(question)}, until {question.deadline:%Y-%m-%d %H:%M} UTC\n"
            f"      {question.question}\n      {_commands(question)}"
        )
    if not found:
        click.echo("No question waits for a person.")


def _asker(question: Question) -> str:
    rotation = rotation_asked_about(question)
    if rotation:
        return f"rotation {rotation}"
    return f"{f'step {question.step}' if question.step else 'verification'}, {question.integration}"


def _commands(question: Question) -> str:
    """Return the command that answers; a value is best entered, which answers as well."""
    answer = f"opsflows confirm {question.id} --seen --by NAME"
    if asks_for_value(question):
        return f"opsflows rotation enter {rotation_asked_about(question)} (hidden prompt), or put it into the block and: {answer}"
    return answer


def _by_hand(environment: str) -> str:
    return f"Go on with opsflows wire --environment {environment}."
