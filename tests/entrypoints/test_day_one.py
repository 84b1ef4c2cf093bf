"""`opsflows wire` beside a running server: a plan changes nothing and is shown; blockers and notes are kept and told."""

from domain.checklist import CHECKLIST
from tests.entrypoints.conftest import Cli
from tests.program import Beside


def test_a_plan_is_shown_and_changes_nothing(beside: Beside) -> None:
    before = beside.run("wire", "status", "--environment", "rehearsal").out

    planned = beside.run("wire", "--environment", "rehearsal", "--plan")

    rows = [line for line in planned.out.splitlines() if line.startswith("| ") and line.split()[1].isdigit()]
    assert planned.code == 0, planned.err
    assert len(rows) == len(CHECKLIST)
    assert "PLANNED" in planned.out
    assert beside.run("wire", "status", "--environment", "rehearsal").out == before


def test_a_blocked_credential_is_told_with_its_ticket_until_it_is_unblocked(opsflows: Cli) -> None:
    opsflows("wire", "block", "splunk", "--environment", "staging", "--ticket", "OPS-7", "--by", "ada")
    waiting = opsflows("wire", "status", "--environment", "staging")
    opsflows("wire", "unblock", "splunk", "--environment", "staging")
    after = opsflows("wire", "status", "--environment", "staging")

    assert "BLOCKED: splunk under OPS-7" in waiting.out
    assert "by ada" in waiting.out
    assert "BLOCKED" not in after.out


def test_a_note_is_kept_for_an_environment_that_exists(opsflows: Cli) -> None:
    noted = opsflows("wire", "note", "The proxy was bypassed.", "--environment", "staging")
    refused = opsflows("wire", "note", "The proxy was bypassed.", "--environment", "nowhere")

    assert (noted.code, noted.out) == (0, "Noted.\n")
    assert refused.code == 2


def test_going_live_says_what_follows_and_how_to_roll_back(opsflows: Cli) -> None:
    said = opsflows("go-live", "prod", "--date", "2026-03-01", "--by", "ada")

    assert said.code == 0
    assert "verified daily until 2026-03-15, weekly afterwards" in said.out
    assert "OPERATOR_WIRING_PROD_ENABLED=0" in said.out


def test_no_question_waits_in_a_new_home(opsflows: Cli) -> None:
    assert opsflows("questions").out == "No question waits for a person.\n"
