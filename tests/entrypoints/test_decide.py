"""What people decide about a month, from the command line: recorded as a run each, or refused in three sentences."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from domain.reconciliation import Finding, PastMonth
from domain.verdicts import Verdict
from domain.windows import Month
from ledger.auditing import verify_audit
from ledger.investigations import investigations_of, open_investigations
from ledger.opening import Ledger, open_ledger
from ledger.reconciliations import record_revision
from ledger.runs import runs
from ledger.sign_offs import sign_off_of
from ledger.waivers import waivers
from tests.entrypoints.conftest import Cli, Said

CONFIG = """
[environments.prod]
kind = "prod"
in_scope = ["slack", "pagerduty/payments"]
"""
OCTOBER = Month(2024, 10)
WAIVE = ("waive", "reconciliation", "slack", "--month", "2024-10", "--environment", "prod", "--by", "ada")
ABOUT = ("--month", "2024-10", "--environment", "prod", "--by", "ada")
INVESTIGATE = ("investigate", *ABOUT, "--integration", "slack")


@pytest.fixture
def ledger(opsflows: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The ledger of the home that the commands work in, with a configuration of one environment beside it."""
    config = tmp_path / "opsflows.toml"
    config.write_text(CONFIG)
    monkeypatch.setenv("OPSFLOWS_CONFIG", str(config))
    opened = open_ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}")
    yield opened
    opened.close()


def day(ledger: Ledger, ahead: int) -> date:
    return ledger.now().date() + timedelta(days=ahead)


def reconciled(ledger: Ledger, digest: str = "0123456789abcdef", *, is_final: bool = True) -> None:
    rows = {
        name: PastMonth("2024-10", finding, 1000, 30)
        for name, finding in (("slack", Finding.BREACH), ("pagerduty/payments", Finding.OK))
    }
    record_revision(ledger, "run-1", "prod", OCTOBER, digest, "{}", rows, Verdict.HOLD, is_final=is_final)


def refused(said: Said) -> str:
    """The first of the three sentences with which nothing was done."""
    assert (said.code, len(said.sentences), said.out) == (2, 3, "")
    return said.sentences[0]


def test_a_waiver_is_recorded_as_a_run_and_listed(opsflows: Cli, ledger: Ledger) -> None:
    until = day(ledger, 30)

    said = opsflows(*WAIVE, "--until", str(until), "--reason", "a known gap", "--ticket", "OPS-1")
    listed = opsflows("waivers")

    line = f"prod reconciliation slack 2024-10, until {until}, by ada: a known gap (OPS-1)"
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0] == f"Waived: {line}."
    assert said.out.splitlines()[-1].startswith("Audit bundle: ")
    assert listed.out == f"{line}\n"
    [run] = runs(ledger)
    assert (run.flow, run.actor, run.reason, run.ticket, run.verdict) == (
        "waive",
        "ada",
        "a known gap",
        "OPS-1",
        "GREEN",
    )


def test_nothing_is_waived_in_a_new_ledger(opsflows: Cli, ledger: Ledger) -> None:
    assert opsflows("waivers").out == "Nothing is waived.\n"


def test_a_waiver_is_withdrawn(opsflows: Cli, ledger: Ledger) -> None:
    opsflows(*WAIVE, "--until", str(day(ledger, 30)), "--reason", "a known gap")

    said = opsflows(*WAIVE, "--withdraw", "--reason", "repaired")

    assert said.out.startswith("reconciliation slack 2024-10 in prod is waived no more, by ada.\n")
    assert waivers(ledger) == ()


def test_a_refused_waiver_leaves_a_run_and_no_waiver(opsflows: Cli, ledger: Ledger) -> None:
    said = opsflows(*WAIVE, "--until", str(day(ledger, 400)), "--reason", "a known gap")

    assert refused(said) == f"A waiver until {day(ledger, 400)} would last longer than 366 days."
    assert waivers(ledger) == ()
    assert [run.verdict for run in runs(ledger)] == ["BAD INPUT"]


def test_a_waiver_needs_its_last_day(opsflows: Cli, ledger: Ledger) -> None:
    said = opsflows(*WAIVE, "--reason", "a known gap")

    assert refused(said) == "A waiver without a day was asked for."


@pytest.mark.parametrize(
    ("environment", "name", "sentence"),
    [
        ("prod", "sentry", "'sentry' is not in scope of prod."),
        ("prod", "Slack", "'Slack' is not a usable name."),
        ("moon", "slack", "'moon' is not an environment."),
    ],
)
def test_what_is_not_there_is_not_waived_and_not_investigated(
    opsflows: Cli, ledger: Ledger, environment: str, name: str, sentence: str
) -> None:
    until = str(day(ledger, 9))

    waived = opsflows(
        "waive",
        "reconciliation",
        name,
        "--month",
        "2024-10",
        "--environment",
        environment,
        "--until",
        until,
        "--reason",
        "x",
    )
    looked = opsflows(
        "investigate", "--month", "2024-10", "--environment", environment, "--integration", name, "--due", until
    )

    assert (refused(waived), refused(looked)) == (sentence, sentence)
    assert runs(ledger) == []


def test_an_instance_is_waived_by_its_name(opsflows: Cli, ledger: Ledger) -> None:
    opsflows(
        "waive", "reconciliation", "pagerduty/payments", "--month", "2024-10", "--environment", "prod", "--until", str(day(ledger, 9)),
        "--reason", "merged",
    )  # fmt: skip

    assert [one.name for one in waivers(ledger, "prod")] == ["pagerduty/payments 2024-10"]


def test_the_newest_revision_is_signed_off_and_what_nobody_looked_into_is_named(opsflows: Cli, ledger: Ledger) -> None:
    reconciled(ledger)

    said = opsflows("sign-off", *ABOUT, "--note", "read")

    assert said.code == 0
    assert said.out.splitlines()[:2] == [
        "Revision 1 of 2024-10 in prod (digest 0123456789ab) is signed off by ada.",
        "Nobody has looked into slack (BREACH): opsflows investigate.",
    ]
    signed = sign_off_of(ledger, "prod", OCTOBER)
    assert signed is not None
    assert (signed.who, signed.note) == ("ada", "read")


def test_what_nobody_looked_into_is_signed_with_a_word_alone(opsflows: Cli, ledger: Ledger) -> None:
    reconciled(ledger)

    said = opsflows("sign-off", *ABOUT)

    assert refused(said) == "Nobody has looked into slack (BREACH) in prod."
    assert sign_off_of(ledger, "prod", OCTOBER) is None


def test_a_revision_that_was_read_and_is_not_the_newest_any_more_is_not_signed(opsflows: Cli, ledger: Ledger) -> None:
    reconciled(ledger, "d1")
    reconciled(ledger, "d2")

    said = opsflows("sign-off", *ABOUT, "--revision", "1")

    assert refused(said) == "Revision 1 of 2024-10 in prod is not the newest; that is 2."


def test_what_is_provisional_or_was_never_reconciled_is_not_signed(opsflows: Cli, ledger: Ledger) -> None:
    never = opsflows("sign-off", *ABOUT)
    reconciled(ledger, is_final=False)
    provisional = opsflows("sign-off", *ABOUT)

    assert refused(never) == "2024-10 was never reconciled in prod."
    assert refused(provisional).startswith("Revision 1 of 2024-10 in prod is provisional")


def test_an_investigation_is_opened_noted_and_closed(opsflows: Cli, ledger: Ledger) -> None:
    due = day(ledger, 7)

    opened = opsflows(*INVESTIGATE, "--owner", "bob", "--due", str(due), "--note", "a 429?")
    noted = opsflows(*INVESTIGATE, "--note", "the queue was full")
    closed = opsflows(*INVESTIGATE, "--close", "a longer queue")

    assert opened.out.startswith(f"Opened. bob looks into slack in prod, 2024-10, until {due}.\n")
    assert noted.out.startswith("Noted. bob looks into slack")
    assert closed.out.startswith("Closed by ada: slack in prod, 2024-10. a longer queue\n")
    found = investigations_of(ledger, "prod", OCTOBER)["slack"]
    assert (found.is_closed, found.note) == (True, "a 429?\nthe queue was full\na longer queue")
    assert open_investigations(ledger, "prod") == ()


def test_a_month_whose_breach_is_accepted_is_signed_without_a_warning(opsflows: Cli, ledger: Ledger) -> None:
    reconciled(ledger)
    opsflows(*WAIVE, "--until", str(day(ledger, 30)), "--reason", "a known gap")

    said = opsflows("sign-off", *ABOUT)

    assert "Nobody" not in said.out


def test_a_month_whose_breach_is_investigated_is_signed_without_a_warning(opsflows: Cli, ledger: Ledger) -> None:
    reconciled(ledger)
    opsflows(*INVESTIGATE, "--due", str(day(ledger, 7)))

    said = opsflows("sign-off", *ABOUT)

    assert "Nobody" not in said.out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "A new investigation without a day was asked for."),
        (("--close", "done"), "No investigation of slack in prod, 2024-10, is open."),
        (("--due", "2020-01-01"), "An investigation until 2020-01-01 would be overdue already"),
    ],
)
def test_an_investigation_that_cannot_be_is_refused(
    opsflows: Cli, ledger: Ledger, options: tuple[str, ...], sentence: str
) -> None:
    said = opsflows(*INVESTIGATE, *options)

    assert refused(said).startswith(sentence)
    assert open_investigations(ledger, "prod") == ()


def test_an_outcome_and_a_note_are_not_given_at_once(opsflows: Cli, ledger: Ledger) -> None:
    said = opsflows(*INVESTIGATE, "--close", "done", "--note", "more")

    assert said.code == 2
    assert "--close takes the whole outcome" in said.err


@pytest.mark.parametrize(
    ("month", "sentence"), [("2099-01", "2099-01 has not begun."), ("october", "'october' is not a month.")]
)
def test_a_month_that_is_none_or_has_not_begun_is_refused(
    opsflows: Cli, ledger: Ledger, month: str, sentence: str
) -> None:
    about = ("--month", month, "--environment", "prod")
    said = opsflows("investigate", *about, "--integration", "slack", "--due", str(day(ledger, 9)))

    assert refused(said) == sentence


def test_every_decision_is_vouched_for_by_the_chain(opsflows: Cli, ledger: Ledger, tmp_path: Path) -> None:
    reconciled(ledger)
    opsflows(*WAIVE, "--until", str(day(ledger, 30)), "--reason", "a known gap")
    opsflows(*INVESTIGATE, "--due", str(day(ledger, 7)))
    opsflows("sign-off", *ABOUT)

    report = verify_audit(ledger, tmp_path / "home")
    said = opsflows("audit", "verify")

    assert (report.breaks, report.facts, report.bundles) == ((), 5, 3)
    assert (said.code, "3 bundles, 0 rotations' journals and 5 recorded facts recomputed." in said.out) == (0, True)
