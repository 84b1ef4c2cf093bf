"""Rotations from the command line: what the ledger alone can tell and take, away from any server; and what is refused."""

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.compromise import moment_of
from domain.names import ROTATION_STEP, Credential
from domain.rotation import Kind, RotationRecord, State, Wait, rotation_id
from domain.run_mode import Mode
from entrypoints.emergency import form_of
from entrypoints.rotate import REASONS
from flows.respond_to_a_compromise import Isolate, respond_to_a_compromise
from flows.rotate_credentials import Reason
from ledger.freezing import frozen
from ledger.held_credentials import note_minted, see_credential
from ledger.opening import Ledger, open_ledger
from ledger.questions import ask
from ledger.rotation_journal import entries
from ledger.rotation_rows import find_rotation, rotations
from ledger.rotations import Flip, Held, claim, open_rotation, stand, write
from steps.emergency import Order
from tests.entrypoints.conftest import Cli, Said

DATADOG = Credential.parse("datadog-default-prod-send")
SLACK = Credential.parse("slack-default-prod-send")
SWEEPER = "The sweeper steps it within a quarter of an hour."


@pytest.fixture
def ledger(opsflows: Cli, tmp_path: Path) -> Iterator[Ledger]:
    """The ledger of the home that the commands work in."""
    opened = open_ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}")
    yield opened
    opened.close()


def rotating(ledger: Ledger, credential: Credential = DATADOG, window: str = "due 2026-01-01") -> Held:
    """A rotation that a worker has just opened and holds."""
    rotation = rotation_id(credential, window)
    open_rotation(
        ledger, rotation, credential, Kind.SCHEDULED, operator="ada", reason="scheduled", ticket="OPS-1", due_window=window
    )  # fmt: skip
    held = claim(ledger, rotation, "worker")
    assert held is not None
    return held


def published(ledger: Ledger, credential: Credential = DATADOG, minted_at: datetime | None = None) -> RotationRecord:
    """A rotation in its overlap."""
    see_credential(ledger, credential, "k1:old")
    held = rotating(ledger, credential)
    write(held, "intent", {"verb": "create"}, state=State.CREATING, columns={"attempt": 1, "old_version": "old"})
    write(
        held, "outcome", {"verb": "create"}, state=State.CREATED,
        columns={"new_version": "new", "new_vendor_id": "key-2", "minted_at": minted_at or ledger.now()},
    )  # fmt: skip
    write(held, "outcome", {"verb": "prove"}, state=State.VERIFIED)
    flip = Flip("", "new", "key-2", "k1:new", minted_at)
    write(
        held, "outcome", {"verb": "flip"}, state=State.PUBLISHED, columns={"flipped_at": ledger.now()}, flip=flip
    )  # fmt: skip
    until = ledger.now() + timedelta(hours=24)
    stand(held, Wait.OVERLAP, "Old and new both work.", "Nothing: it goes on by itself.", until)
    return held.record


def halted(ledger: Ledger) -> RotationRecord:
    held = rotating(ledger)
    stand(held, Wait.HALTED, "5 failures in a row.", "Remove the cause.", ledger.now(), failures=5)
    return held.record


def awaiting_value(ledger: Ledger) -> RotationRecord:
    """A rotation of a credential that is made by hand, which has asked for its value."""
    held = rotating(ledger, SLACK)
    write(held, "decision", {"awaits": "a value"}, state=State.CREATING, columns={"attempt": 1})
    deadline = ledger.now() + timedelta(hours=24)
    ask(ledger, "prod", ROTATION_STEP, f"{held.record.id}:create:1", f"{SLACK}: put it in place", deadline)
    stand(held, Wait.AWAITING_HUMAN_CREATE, "Put it in place.", "opsflows questions", deadline)
    return held.record


def verbs(ledger: Ledger, rotation: str) -> list[str]:
    return [str(entry.said.get("verb", entry.kind)) for entry in entries(ledger, rotation)]


def test_a_new_ledger_has_no_rotation(opsflows: Cli) -> None:
    assert opsflows("rotations").out == "There is no rotation yet.\n"
    assert opsflows("rotations", "--open").out == "No rotation is open.\n"


def test_a_rotation_is_listed_with_its_state_its_due_moment_and_its_next_action(opsflows: Cli, ledger: Ledger) -> None:
    record = published(ledger)

    said = opsflows("rotations")

    assert said.code == 0
    assert said.out.splitlines() == [
        f"{record.id}  {DATADOG}  PUBLISHED (OVERLAP)",
        "    Old and new both work.",
        f"    due: {record.not_before:%Y-%m-%d %H:%M} UTC",
        "    next: Nothing: it goes on by itself.",
    ]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (("--environment", "staging"), []),
        (("--credential", str(SLACK)), [str(SLACK)]),
        (("--open",), [str(DATADOG), str(SLACK)]),
    ],
    ids=" ".join,
)
def test_rotations_are_chosen_by_environment_credential_and_state(
    opsflows: Cli, ledger: Ledger, options: tuple[str, ...], shown: list[str]
) -> None:
    published(ledger)
    awaiting_value(ledger)

    said = opsflows("rotations", *options)

    assert {word for word in said.out.split() if word in {str(DATADOG), str(SLACK)}} == set(shown)


def test_the_journal_is_printed_in_order(opsflows: Cli, ledger: Ledger) -> None:
    record = published(ledger)

    said = opsflows("rotation", "show", record.id)

    lines = [line for line in said.out.splitlines() if line.lstrip()[:1].isdigit()]
    assert (said.code, said.err) == (0, "")
    assert [int(line.split()[0]) for line in lines] == list(range(1, record.head_seq + 1))
    assert "by ada (scheduled), ticket OPS-1" in said.out


def test_a_halted_rotation_is_resumed_and_the_sweeper_named(opsflows: Cli, ledger: Ledger) -> None:
    record = halted(ledger)

    said = opsflows("rotation", "resume", record.id, "--reason", "the network is back", "--by", "grace")

    after = find_rotation(ledger, record.id)
    assert said.code == 0
    assert said.out.splitlines() == [
        f"Resumed: rotation {record.id} of {DATADOG}.", f"No Prefect server is in sight. {SWEEPER}",
    ]  # fmt: skip
    assert (after.wait, after.failures) == (Wait.NOTHING, 0)
    assert entries(ledger, record.id)[-1].said["operator"] == "grace"


def test_a_published_rotation_is_rolled_back(opsflows: Cli, ledger: Ledger) -> None:
    record = published(ledger)

    said = opsflows("rotation", "rollback", record.id, "--reason", "payments fails", "--by", "grace")

    after = find_rotation(ledger, record.id)
    assert said.code == 0
    assert (after.state, after.back) == (State.ROLLING_BACK, True)
    assert SWEEPER in said.out


def test_a_rotation_that_rolls_back_is_not_rolled_back_again(opsflows: Cli, ledger: Ledger) -> None:
    record = published(ledger)
    opsflows("rotation", "rollback", record.id, "--reason", "payments fails")

    again = opsflows("rotation", "rollback", record.id, "--reason", "payments fails")

    assert again.code == 2
    assert "rolls back already" in again.sentences[0]


def test_a_waiver_is_kept_with_its_reason(opsflows: Cli, ledger: Ledger) -> None:
    record = published(ledger)

    said = opsflows("rotation", "waive", record.id, "--reason", "nobody uses it", "--by", "grace")

    assert said.code == 0
    assert find_rotation(ledger, record.id).facts["waived"] == {
        "operator": "grace", "reason": "nobody uses it", "state": record.state.value,
    }  # fmt: skip


@pytest.mark.parametrize("verb", ["resume", "rollback", "waive"])
def test_an_order_without_a_reason_is_refused(opsflows: Cli, ledger: Ledger, verb: str) -> None:
    record = published(ledger)

    said = opsflows("rotation", verb, record.id)

    assert said.code == 2
    assert "--reason" in said.err
    assert find_rotation(ledger, record.id) == record


@pytest.fixture
def consumers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opsflows: Cli) -> None:
    """A configuration in which the Datadog key has a consumer."""
    config = tmp_path / "opsflows.toml"
    config.write_text(
        f'[environments.prod]\nkind = "prod"\nin_scope = ["slack", "datadog"]\n[credentials.{DATADOG}]\nconsumers = ["gateway"]\n'
    )
    monkeypatch.setenv("OPSFLOWS_CONFIG", str(config))


@pytest.mark.usefixtures("consumers")
def test_an_operators_word_for_a_consumer_is_kept_without_a_server(opsflows: Cli, ledger: Ledger) -> None:
    record = published(ledger)

    said = opsflows("rotation", "ack", record.id, "--consumer", "gateway", "--by", "grace")

    assert said.code == 0
    assert find_rotation(ledger, record.id).facts["acknowledged"] == {"gateway": "the word of grace"}


@pytest.mark.usefixtures("consumers")
def test_a_consumer_that_the_policy_does_not_name_is_refused(opsflows: Cli, ledger: Ledger) -> None:
    record = published(ledger)

    said = opsflows("rotation", "ack", record.id, "--consumer", "gatewey")

    assert said.code == 2
    assert "Named there: gateway" in said.sentences[2]
    assert "acknowledge" not in verbs(ledger, record.id)


def test_a_freeze_is_begun_shown_and_lifted(opsflows: Cli, ledger: Ledger) -> None:
    before = opsflows("freeze")
    begun = opsflows("freeze", "an incident", "--by", "grace")
    shown = opsflows("freeze")
    lifted = opsflows("freeze", "--lift")

    assert before.out == "It is not frozen.\n"
    assert begun.code == 0
    assert "by grace: an incident" in shown.out
    assert lifted.code == 0
    assert frozen(ledger) is None
    assert opsflows("freeze", "--lift").out == "It was not frozen.\n"


def test_the_first_freeze_stays(opsflows: Cli) -> None:
    opsflows("freeze", "an incident", "--by", "grace")

    second = opsflows("freeze", "another")

    assert second.code == 2
    assert "grace: an incident" in second.sentences[0]


def test_the_question_of_a_rotation_is_told_with_what_answers_it(opsflows: Cli, ledger: Ledger) -> None:
    record = awaiting_value(ledger)

    said = opsflows("questions")

    assert f"prod rotation {record.id}, until" in said.out
    assert f"opsflows rotation enter {record.id}" in said.out
    assert "step -1" not in said.out


def test_an_answer_to_a_rotation_steps_that_rotation_and_not_day_1(opsflows: Cli, ledger: Ledger) -> None:
    record = awaiting_value(ledger)

    said = opsflows("confirm", "1", "--seen", "--by", "grace")

    assert said.out.splitlines() == [
        f"Kept: rotation {record.id} in prod, seen by grace.", f"No Prefect server is in sight. {SWEEPER}",
    ]  # fmt: skip


def test_a_question_of_another_rotation_does_not_hold_an_answered_one_up(opsflows: Cli, ledger: Ledger) -> None:
    awaiting_value(ledger)
    ask(ledger, "prod", ROTATION_STEP, "r00000000000:seen:1", "seen?", ledger.now() + timedelta(hours=1))

    said = opsflows("confirm", "1", "--seen")

    assert "Still open" not in said.out


def test_what_is_exposed_is_told_with_since_when_before_any_server_is_asked(opsflows: Cli, ledger: Ledger) -> None:
    published(ledger, DATADOG, minted_at=datetime(2026, 1, 1, tzinfo=UTC))
    see_credential(ledger, SLACK, "k1:slack")

    said = emergency(opsflows, "--scope", "prod/datadog", "--scope", str(SLACK), "--since", "2026-01-02T00:00:00Z")

    assert f"EXPOSED      {DATADOG}: minted 2026-01-01 00:00 UTC" in said.out
    assert f"EXPOSED      {SLACK}: nobody knows since when it is in use" in said.out
    assert "EXPOSED      datadog-default-prod-manage: not known to the ledger" in said.out
    assert f"the new value of {DATADOG} under way" in said.out
    assert said.code == 1  # there is no server
    assert said.sentences[0].startswith("No Prefect server")


def test_what_was_minted_after_the_compromise_is_not_replaced(opsflows: Cli, ledger: Ledger) -> None:
    see_credential(ledger, DATADOG, "k1:datadog")
    note_minted(ledger, DATADOG, datetime(2026, 1, 3, tzinfo=UTC))

    said = emergency(opsflows, "--scope", str(DATADOG), "--since", "2026-01-02")

    assert said.code == 0
    assert f"not exposed  {DATADOG}: minted 2026-01-03 00:00 UTC" in said.out
    assert said.out.endswith("Nothing of the scope is exposed; nothing was started.\n")


def test_an_order_that_no_run_can_carry_out_stands_in_the_ledger_and_its_ticket_goes_on_with_its_moment(
    opsflows: Cli, ledger: Ledger
) -> None:
    see_credential(ledger, DATADOG, "k1:datadog")
    emergency(opsflows, "--scope", "prod/datadog", "--since", "2026-01-02")

    said = emergency(opsflows, "--scope", "prod/datadog")

    [record] = rotations(ledger)
    assert (record.credential, record.ticket, record.emergency) == (DATADOG, "SEC-1", True)
    assert "The order stands in the ledger" in said.err
    assert said.out.startswith("Exposed are values that were in use at 2026-01-02 00:00:00 UTC")


@pytest.mark.parametrize("first", [True, False])
def test_an_order_fits_the_form_of_the_deployment_that_responds(first: bool) -> None:  # noqa: FBT001 (pytest passes it)
    order = Order(datetime(2026, 1, 2, tzinfo=UTC), "ana", "compromise: leaked", "SEC-1", first, "bob")

    form = form_of(order, ("prod", "prod/pagerduty/payments", str(DATADOG)), "leaked", mode="plan")

    taken = respond_to_a_compromise.validate_parameters(form)
    assert moment_of(taken["compromised_since"]) == order.compromised_at
    assert (taken["mode"], taken["isolate"]) == (Mode.PLAN, Isolate.WHAT_CAN_BE if first else Isolate.NOTHING)
    assert set(taken) == set(inspect.signature(respond_to_a_compromise.fn).parameters)


@pytest.mark.parametrize("second", [(), ("--second", "Grace")])
def test_containing_first_needs_another_person(opsflows: Cli, second: tuple[str, ...]) -> None:
    said = emergency(opsflows, "--scope", "prod", "--contain-first", "--by", "grace", *second)

    assert said.code == 2
    assert "second person" in said.sentences[0]


def emergency(opsflows: Cli, *arguments: str) -> Said:
    return opsflows("emergency", "--reason", "leaked", "--ticket", "SEC-1", *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("rotate", "datadog"),
        ("rotate", "nonsense", "--environment", "prod"),
        ("rotate", "datadog-default-nowhere-send"),
        ("rotate", "slack-payments-prod-send"),
        ("rotate", "datadog-default-prod-send", "--environment", "staging"),
        ("rotate", "a-b"),
        ("rotate", "datadog-default-prod-send"),
        ("adopt", "datadog-default-nowhere-send"),
        ("adopt", "datadog-default-prod-send"),
        ("rotation", "show", "r00000000000"),
        ("rotation", "resume", "r00000000000", "--reason", "x"),
        ("rotation", "enter", "r00000000000"),
        ("rotations", "--credential", "nonsense"),
        ("freeze", "a reason", "--lift"),
        ("emergency", "--scope", "nowhere", "--reason", "x", "--ticket", "y"),
        ("emergency", "--scope", "prod/nonsense", "--reason", "x", "--ticket", "y"),
        ("emergency", "--scope", "prod", "--since", "2999-01-01", "--reason", "x", "--ticket", "y"),
    ],
    ids=" ".join,
)
def test_input_that_cannot_be_is_answered_in_three_sentences(opsflows: Cli, arguments: tuple[str, ...]) -> None:
    said = opsflows(*arguments)

    assert said.code == 2
    assert len(said.sentences) == 3
    assert "Traceback" not in said.err


def test_a_value_is_not_asked_for_where_none_is_awaited(opsflows: Cli, ledger: Ledger) -> None:
    record = published(ledger)

    said = opsflows("rotation", "enter", record.id)

    assert said.code == 2
    assert "waits for no value" in said.sentences[0]


def test_the_reasons_are_those_of_the_form() -> None:
    assert list(REASONS) == [reason.value for reason in Reason]
