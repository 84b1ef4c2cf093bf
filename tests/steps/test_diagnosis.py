"""An ambiguous refusal is cleared up by asking the vendor's other published homes, and nothing else is asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from domain.errors import OpsError, Rejected, Unavailable
from domain.names import Target
from domain.probes import Outcome
from steps.clock import Clock
from steps.diagnosis import investigator
from steps.probing import Job, carry_out
from tests.steps.rehearsal_context import QUICK, Scene
from tests.vendors.rehearsal import connected_by_name, trusting
from vendors import datadog, opsgenie, pagerduty
from vendors.capabilities import Integration, Probe

REFUSAL = Rejected("It answered 403.", "The key is wrong, or of another site.", "Compare.", "x.key_unknown")


@dataclass(slots=True)
class Relocated:
    """A vendor with several homes, of which `known_at` know the credential, and `down` do not answer."""

    homes: tuple[str, ...] = ("eu", "us3")
    known_at: frozenset[str] = frozenset()
    down: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)
    probes: tuple[Probe, ...] = ()

    def close(self) -> None:
        """Nothing is open."""

    def other_homes(self, symptom: str) -> tuple[str, ...]:
        return self.homes if symptom == "x.key_unknown" else ()

    def is_known_at(self, home: str) -> bool:
        self.asked.append(home)
        if home in self.down:
            raise Unavailable("It is down.", "Nothing happened.", "Wait.")
        return home in self.known_at


@dataclass(frozen=True, slots=True)
class Single:
    """A vendor with one home."""

    probes: tuple[Probe, ...] = ()

    def close(self) -> None:
        """Nothing is open."""


def test_a_refusal_names_the_home_that_knows_the_credential() -> None:
    client = Relocated(known_at=frozenset({"us3"}))

    found = investigator(client, ask_other_homes=True)(REFUSAL)

    assert isinstance(found, Rejected)
    assert found.symptom == "wrong_home"
    assert found.happened == REFUSAL.happened
    assert "us3 knows it" in found.means
    assert "us3" in found.next_step


@pytest.mark.parametrize(
    ("client", "error"),
    [
        (Relocated(), REFUSAL),
        (Relocated(known_at=frozenset({"eu"})), Rejected("No.", "No.", "No.", "x.other")),
        (Relocated(homes=()), REFUSAL),
        (Single(), REFUSAL),
    ],
    ids=["nobody knows it", "another symptom", "not the vendor's own host", "one home"],
)
def test_a_refusal_that_asking_does_not_explain_stays_as_it_is(client: Relocated | Single, error: OpsError) -> None:
    assert investigator(client, ask_other_homes=True)(error) is error


def test_what_is_not_a_refusal_is_not_asked_about() -> None:
    client = Relocated(known_at=frozenset({"eu"}))
    error = Unavailable("It answered 503.", "Nothing happened.", "Wait.", "x.key_unknown")

    assert investigator(client, ask_other_homes=True)(error) is error
    assert client.asked == []


def test_a_home_that_does_not_answer_does_not_stand_in_the_way() -> None:
    client = Relocated(known_at=frozenset({"us3"}), down=frozenset({"eu"}))

    found = investigator(client, ask_other_homes=True)(REFUSAL)

    assert client.asked == ["eu", "us3"]
    assert found.symptom == "wrong_home"


def test_asking_can_be_switched_off() -> None:
    client = Relocated(known_at=frozenset({"eu"}))

    assert investigator(client, ask_other_homes=False)(REFUSAL) is REFUSAL
    assert client.asked == []


@pytest.mark.parametrize(
    ("row", "connect", "moves", "configured", "home"),
    [
        (datadog.INTEGRATION, datadog.connect, ("move_org", {"site": "us5.datadoghq.com"}), {"DD_SITE": "datadoghq.eu"}, "us5.datadoghq.com"),
        (pagerduty.INTEGRATION, pagerduty.connect, ("set_region", {"region": "eu"}), {"PAGERDUTY_REGION": "us"}, "eu"),
        (opsgenie.INTEGRATION, opsgenie.connect, ("move_account", {"region": "eu"}), {"OPSGENIE_REGION": "us"}, "eu"),
    ],
    ids=["datadog", "pagerduty", "opsgenie"],
)  # fmt: skip
def test_a_vendors_own_other_home_is_found_to_know_the_credential(
    rehearsal: Scene,
    *,
    row: Integration,
    connect: Callable[..., Any],
    moves: tuple[str, dict[str, str]],
    configured: dict[str, str],
    home: str,
) -> None:
    action, fields = moves
    rehearsal.act(row.name, action, **fields)

    with (
        trusting(rehearsal.stand_ins.ca_file),
        connected_by_name(rehearsal.stand_ins, row, connect, **configured) as client,
    ):
        investigate = investigator(client, ask_other_homes=True)
        result = carry_out(Job(Target(row.name), client.probes[0], "0" * 32, investigate), QUICK, Clock())

    assert (result.outcome, result.symptom) == (Outcome.FAIL, "wrong_home")
    assert f"{home} knows it" in result.means
