"""Which credentials there are, which are due, which are too old: asked of the ledger's dates alone."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.drill import DRILL_POLICY
from domain.errors import BadInput
from domain.manifests import Manifest, Mint
from domain.names import Credential, Purpose
from domain.policies import Policy
from domain.rotation import Kind, rotation_id
from ledger.alerts import open_alerts
from ledger.opening import Ledger, open_ledger
from ledger.rotations import open_rotation
from steps.rotation_choice import chosen_credentials
from steps.rotation_inventory import check_ages, credentials_in, due_now, take_stock
from tests.steps.rehearsal_context import config_of
from vendors.registry import ROTATIONS

SEND = Credential.parse("datadog-default-staging-send")
READ = Credential.parse("datadog-default-staging-read")
MANIFEST = Manifest(Mint.BY_VENDOR, "name", listable=True, can_disable=True)
CONFIG = config_of("http://127.0.0.1:1", "staging", ["datadog", "slack", "pagerduty/payments"])
At = Callable[[timedelta], Ledger]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[At]:
    opened: list[Ledger] = []

    def later(offset: timedelta) -> Ledger:
        opened.append(open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", offset=offset))
        return opened[-1]

    yield later
    for ledger in opened:
        ledger.close()


def _known(ledger: Ledger) -> None:
    take_stock(ledger, [SEND, READ], lambda _: "value", lambda value: f"k:{value}")


def test_every_secret_of_every_target_in_scope_is_a_credential_and_manage_comes_last() -> None:
    found = [str(one) for one in credentials_in(CONFIG, "staging", ROTATIONS)]

    assert {"datadog-default-staging-send", "slack-default-staging-read", "pagerduty-payments-staging-send"} <= set(
        found
    )
    assert not any(name.startswith("sentry") for name in found)
    purposes = [name.rpartition("-")[2] for name in found]
    assert purposes.index("manage") > max(at for at, purpose in enumerate(purposes) if purpose != "manage")


def test_what_is_seen_once_keeps_its_first_date(at: At) -> None:
    first = take_stock(at(timedelta(0)), [SEND], lambda _: "value", str)

    again = take_stock(at(timedelta(days=9)), [SEND], lambda _: "value", str)

    assert [one.first_seen_at for one in again] == [one.first_seen_at for one in first]


def test_a_credential_without_a_value_is_not_recorded(at: At) -> None:
    assert take_stock(at(timedelta(0)), [SEND], lambda _: "", str) == []


def test_a_credential_is_due_early_enough_that_the_old_value_is_gone_at_its_deadline(at: At) -> None:
    policy = Policy(spread=timedelta(0))
    _known(at(timedelta(0)))
    takes = policy.overlap + policy.soak + timedelta(days=2)

    def due(after: timedelta) -> list[Credential]:
        ledger = at(after)
        held = take_stock(ledger, [SEND, READ], lambda _: "value", str)
        return [one.held.credential for one in due_now(ledger, held, lambda _: policy, lambda _: MANIFEST)]

    assert due(policy.max_age - takes - timedelta(hours=1)) == []
    assert sorted(due(policy.max_age - takes + timedelta(hours=1))) == [READ, SEND]


def test_due_moments_are_strewn_and_stay_the_same(at: At) -> None:
    _known(at(timedelta(0)))
    ledger = at(timedelta(days=90))
    held = take_stock(ledger, [SEND, READ], lambda _: "value", str)

    first, again = (due_now(ledger, held, lambda _: Policy(), lambda _: MANIFEST) for _ in range(2))

    assert [(one.held.credential, one.at) for one in first] == [(one.held.credential, one.at) for one in again]
    assert first[0].at != first[1].at
    assert {one.window for one in first} == {f"due {one.at:%Y-%m-%d}" for one in first}


def test_what_has_an_open_rotation_is_not_due_again_and_canaries_are_left_to_the_drill(at: At) -> None:
    _known(at(timedelta(0)))
    ledger = at(timedelta(days=90))
    held = take_stock(ledger, [SEND, READ], lambda _: "value", str)
    _open(ledger, SEND)

    left = due_now(ledger, held, lambda _: Policy(), lambda _: MANIFEST)
    drilled = due_now(ledger, held, lambda _: DRILL_POLICY, lambda _: MANIFEST)

    assert [one.held.credential for one in left] == [READ]
    assert drilled == []


def test_too_old_without_an_open_rotation_is_an_alert_and_with_one_it_is_over(at: At) -> None:
    _known(at(timedelta(0)))
    ledger = at(timedelta(days=91))

    said = check_ages(ledger, lambda _: Policy())
    raised = {alert.key for alert in open_alerts(ledger)}
    _open(ledger, SEND)
    left = check_ages(ledger, lambda _: Policy())

    assert len(said) == 2
    assert raised == {f"age:{SEND}", f"age:{READ}"}
    assert "91 days old" in said[0]
    assert [line.split()[0] for line in left] == [str(READ)]
    assert {alert.key for alert in open_alerts(ledger)} == {f"age:{READ}"}


def test_what_is_not_declared_any_more_has_no_age(at: At) -> None:
    _known(at(timedelta(0)))

    assert check_ages(at(timedelta(days=400)), lambda _: None) == []


def test_a_choice_of_the_form_means_every_instance_unless_one_is_named() -> None:
    found = chosen_credentials(CONFIG, "staging", ["pagerduty send", "datadog send"], "", ROTATIONS)
    named = chosen_credentials(CONFIG, "staging", ["pagerduty send"], "payments", ROTATIONS)

    assert {str(one) for one in found} == {"pagerduty-payments-staging-send", "datadog-default-staging-send"}
    assert [one.purpose for one in named] == [Purpose.SEND]


@pytest.mark.parametrize(("choice", "instance"), [("sentry send", ""), ("pagerduty send", "default")])
def test_what_is_not_in_scope_is_refused_with_what_is(choice: str, instance: str) -> None:
    with pytest.raises(BadInput) as caught:
        chosen_credentials(CONFIG, "staging", [choice], instance, ROTATIONS)

    assert choice in caught.value.happened
    assert "pagerduty-payments-staging-send" in caught.value.next_step


def _open(ledger: Ledger, credential: Credential) -> None:
    open_rotation(
        ledger, rotation_id(credential, "w"), credential, Kind.SCHEDULED, operator="ada", reason="due", ticket="-", due_window="w"
    )  # fmt: skip
