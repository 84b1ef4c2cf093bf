"""Incidents, failing verifications, rotations and KMS spells are known windows; the first alone explain, and the report says what lies in them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.kms_checks import Checked, faulty, not_run, passed
from domain.names import Credential
from domain.reconciliation import Bounds, Compared, Reconciliation
from domain.reconciliation_sections import KnownIncident
from domain.rotation import Kind, State, rotation_id
from domain.windows import Window
from ledger.held_credentials import see_credential
from ledger.kms_checks import record_check
from ledger.rotations import claim, open_rotation, write
from steps.known_windows import known_windows
from steps.reconciliation_document import target_rows
from steps.reconciliation_page import page
from steps.reconciliation_wording import loss_in_windows
from steps.reconciliation_words import markdown
from tests.steps.conftest import OpenScene
from tests.steps.month_scenes import MonthScene
from tests.steps.reconciliations import edition_of, sample


@pytest.fixture
def prod(open_in: OpenScene) -> MonthScene:
    return MonthScene.of(open_in("prod", "slack", "sentry"))


def rotated(prod: MonthScene, name: str) -> None:
    """Rotate the credential as far as its new value is minted; the rotation stays open."""
    ledger, credential = prod.scene.ledger, Credential.parse(name)
    see_credential(ledger, credential, "f0")
    record = open_rotation(
        ledger, rotation_id(credential, "w"), credential, Kind.SCHEDULED, operator="ada", reason="due", ticket="OPS-1",
        due_window="w", emergency=False,
    )  # fmt: skip
    hands = claim(ledger, record.id, "w1")
    assert hands is not None
    for state in (State.CREATING, State.CREATED):
        write(hands, "outcome", {}, state=state, columns={"minted_at": ledger.now()})


def test_a_rotation_of_what_applications_send_with_is_a_window_that_explains_nothing(prod: MonthScene) -> None:
    for name in ("slack-default-prod-send", "sentry-default-prod-read"):
        rotated(prod, name)
    now = prod.scene.ledger.now()

    [found] = known_windows(prod.scene.context(), Window(now - timedelta(hours=1), now + timedelta(hours=1)))

    assert (found.target, found.explains) == ("slack", False)
    assert found.words.startswith("slack-default-prod-send was rotated from ")
    assert found.window.end == now + timedelta(hours=1)


def test_a_rotation_of_another_month_is_no_window(prod: MonthScene) -> None:
    rotated(prod, "slack-default-prod-send")
    now = prod.scene.ledger.now()

    assert known_windows(prod.scene.context(), Window(now - timedelta(days=60), now - timedelta(days=30))) == ()


def test_a_time_in_which_a_services_kms_was_down_is_one_window_of_all_integrations(prod: MonthScene) -> None:
    ledger = prod.scene.ledger
    refused, plain = faulty("canary/main", "kms.no_primary"), faulty("application", "kms.plaintext")
    again = (passed("application"), not_run("canary/main", "not due"))
    for environment, parts in (("prod", (refused, plain)), ("staging", (refused,)), ("prod", again), ("prod", again)):
        record_check(ledger, "run-1", Checked(environment, "pay", parts))
    now = ledger.now()

    [found] = known_windows(prod.scene.context(), Window(now - timedelta(hours=1), now + timedelta(hours=1)))

    assert (found.target, found.explains, found.window.end) == ("", False, now + timedelta(hours=1))
    assert found.words.startswith("the KMS check of pay was DOWN from ")
    assert found.words.endswith(" UTC: application, canary/main")


def test_what_keeps_no_service_from_encrypting_is_no_window(prod: MonthScene) -> None:
    lost = (
        faulty("golden/main", "kms.golden_lost", version="3"),
        faulty("drift/main", "kms.version_drift", version="4"),
    )
    record_check(prod.scene.ledger, "run-1", Checked("prod", "pay", lost))
    now = prod.scene.ledger.now()

    assert known_windows(prod.scene.context(), Window(now - timedelta(hours=1), now + timedelta(hours=1))) == ()


def test_an_incident_that_somebody_named_explains(prod: MonthScene) -> None:
    now = prod.scene.ledger.now()
    prod.configure(incidents=[KnownIncident(environment="prod", start=now, end=now + timedelta(hours=1), note="down")])

    [found] = known_windows(prod.scene.context(), Window(now - timedelta(hours=1), now + timedelta(hours=1)))

    assert (found.target, found.words, found.explains) == ("", "down", True)


def with_loss(loss: Bounds, within: Bounds | None) -> Reconciliation:
    month = sample()
    one = replace(
        month.targets[0], compared=Compared(1_000, 900, loss, Bounds(0, 0), None), loss_in_windows=within
    )  # fmt: skip
    return replace(month, targets=(one, *month.targets[1:]))


@pytest.mark.parametrize(
    ("loss", "within", "words"),
    [
        (Bounds(100, 100), Bounds(80, 80), "80 (80 %) of 100 lost events lie in known windows"),
        (Bounds(100, 120), Bounds(0, 80), "0 to 80 of 100 to 120 lost events lie in known windows"),
        (Bounds(0, 0), Bounds(0, 0), ""),
        (Bounds(100, 100), None, ""),
    ],
)
def test_the_share_of_the_loss_in_known_windows_has_words(loss: Bounds, within: Bounds | None, words: str) -> None:
    assert loss_in_windows(with_loss(loss, within).targets[0]) == words


def test_page_markdown_and_tables_say_how_much_of_the_loss_lies_in_known_windows() -> None:
    month = with_loss(Bounds(100, 100), Bounds(80, 80))
    name = month.targets[0].target

    row = next(one for one in target_rows(month) if one["target"] == name)

    assert (row["loss_in_windows_low"], row["loss_in_windows_high"]) == (80, 80)
    for report in (page(month, edition_of(month)), markdown(month, edition_of(month))):
        assert f"{name}: 80 (80 %) of 100 lost events lie in known windows." in report
