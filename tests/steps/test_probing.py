"""One probe from sending to cleaned up: what is repeated, what never is, and that nothing can make it hang."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import NotYet, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult, Receipt
from steps.clock import Clock
from steps.probing import Job, Pace, carry_out, clean_up_left
from tests.steps.rehearsal_context import SLACK, Scene
from vendors.capabilities import Probe
from vendors.dialing import EVERY_HOST, silent_port

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
NONCE = "0" * 32
PACE = Pace(
    send=timedelta(milliseconds=500), confirm=timedelta(milliseconds=150), clean_up=timedelta(milliseconds=150), attempts=3,
    first_wait=timedelta(milliseconds=2), first_poll=timedelta(milliseconds=2), longest_wait=timedelta(milliseconds=4),
)  # fmt: skip
# What a machine with other work to do adds; a hang would exceed it by far.
SLACK_OF_A_LOADED_MACHINE_S = 20


def refused(kind: type[OpsError], symptom: str = "x.y", retry_after: timedelta | None = None) -> OpsError:
    return kind("It said no.", "It means no.", "Ask another.", symptom, retry_after)


@dataclass(slots=True)
class Vendor:
    """A vendor that answers what it is told, in turn: an error, or success when there is no more to say."""

    sends: list[OpsError] = field(default_factory=list)
    looks: list[OpsError] = field(default_factory=list)
    cleans: list[OpsError] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def probe(self, **changes: object) -> Probe:
        made = Probe("event", self._send, (self._look,), (self._clean,), timedelta(seconds=30))
        return replace(made, **changes)  # type: ignore[arg-type]  # any field of a probe

    def _send(self, nonce: str, at: datetime) -> Receipt:
        self._answer("send", self.sends)
        return Receipt(nonce, at)

    def _look(self, receipt: Receipt) -> Receipt:
        self._answer("look", self.looks)
        return receipt.with_ids(found="1")

    def _clean(self, _: Receipt) -> CleanUp:
        self._answer("clean", self.cleans)
        return CleanUp.DONE

    def _answer(self, verb: str, said: list[OpsError]) -> None:
        self.asked.append(verb)
        if said:
            raise said.pop(0)


@dataclass(slots=True)
class Waits:
    """A clock that notes how long it is asked to wait, and does not."""

    seconds: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(now=lambda: NOON, sleep=self.seconds.append)


def probed(probe: Probe, *, clock: Clock | None = None, pace: Pace = PACE, **job: object) -> ProbeResult:
    made = Job(Target("slack"), probe, NONCE)
    return carry_out(replace(made, **job), pace, clock or Clock())  # type: ignore[arg-type]  # any field of a job


def test_a_probe_that_is_sent_seen_and_cleaned_up_passes() -> None:
    vendor = Vendor()

    result = probed(vendor.probe())

    assert vendor.asked == ["send", "look", "clean"]
    assert (result.outcome, result.clean_up, result.attempts) == (Outcome.PASS, CleanUp.DONE, 1)
    assert result.sent is not None
    assert result.confirmed is not None
    assert result.sent <= result.confirmed <= (result.cleaned or timedelta(0))


def test_what_did_not_happen_is_repeated() -> None:
    vendor = Vendor(sends=[refused(Unavailable), refused(Unavailable)])

    result = probed(vendor.probe())

    assert (result.outcome, result.attempts) == (Outcome.PASS, 3)


def test_after_the_last_attempt_it_fails_and_says_how_often_and_how_long_it_tried() -> None:
    vendor = Vendor(sends=[refused(Unavailable)] * 9)

    result = probed(vendor.probe())

    assert vendor.asked == ["send"] * 3
    assert (result.outcome, result.clean_up, result.symptom) == (Outcome.FAIL, CleanUp.NOTHING_SENT, "x.y")
    assert result.happened.startswith("It said no (3 attempts, ")
    assert (result.sent, result.confirmed) == (None, None)


def test_a_refused_event_is_not_repeated() -> None:
    vendor = Vendor(sends=[refused(Rejected)])

    result = probed(vendor.probe())

    assert vendor.asked == ["send"]
    assert result.outcome is Outcome.FAIL


def test_the_time_the_vendor_names_is_waited_for() -> None:
    waits = Waits()
    vendor = Vendor(sends=[refused(Unavailable, retry_after=timedelta(seconds=0.3))])

    result = probed(vendor.probe(), clock=waits.clock())

    assert result.outcome is Outcome.PASS
    assert waits.seconds == [0.3]


def test_a_wait_longer_than_the_phase_is_not_begun() -> None:
    waits = Waits()
    vendor = Vendor(sends=[refused(Unavailable, retry_after=timedelta(hours=1))])

    result = probed(vendor.probe(), clock=waits.clock())

    assert (result.outcome, waits.seconds) == (Outcome.FAIL, [])


def test_a_lost_answer_is_looked_for_and_not_sent_again() -> None:
    vendor = Vendor(sends=[refused(OutcomeUnknown)])

    result = probed(vendor.probe())

    assert vendor.asked == ["send", "look", "clean"]
    assert result.outcome is Outcome.PASS


def test_a_lost_answer_whose_event_stays_away_fails_with_what_was_lost() -> None:
    vendor = Vendor(sends=[refused(OutcomeUnknown, "network.timeout")], looks=[refused(NotYet)] * 10_000)

    result = probed(vendor.probe())

    assert vendor.asked.count("send") == 1
    assert (result.outcome, result.symptom) == (Outcome.FAIL, "network.timeout")
    assert vendor.asked[-1] == "clean"


def test_a_lost_answer_that_cannot_be_looked_for_is_a_failure() -> None:
    vendor = Vendor(sends=[refused(OutcomeUnknown, "network.timeout")])

    result = probed(vendor.probe(confirm=()))

    assert (result.outcome, result.symptom) == (Outcome.FAIL, "network.timeout")


def test_an_event_is_looked_for_until_it_is_seen() -> None:
    vendor = Vendor(looks=[refused(NotYet), refused(Unavailable), refused(NotYet)])

    result = probed(vendor.probe())

    assert vendor.asked == ["send", "look", "look", "look", "look", "clean"]
    assert result.outcome is Outcome.PASS


@pytest.mark.parametrize("changes", [{"confirm": ()}, {"can_confirm": lambda _: False}], ids=["nothing", "no receipt"])
def test_what_cannot_be_read_back_is_sent_and_not_confirmed(changes: dict[str, object]) -> None:
    vendor = Vendor()

    result = probed(vendor.probe(**changes))

    assert "look" not in vendor.asked
    assert (result.outcome, result.confirmed) == (Outcome.SENT_NOT_CONFIRMED, None)


def _says_why(_: Receipt) -> OpsError:
    return refused(Rejected, "x.paused")


def _refuses_to_say(_: Receipt) -> OpsError:
    raise refused(Rejected, "x.forbidden")


@pytest.mark.parametrize(
    ("explain", "symptom"),
    [(lambda _: None, "delivery.missing"), (_says_why, "x.paused"), (_refuses_to_say, "delivery.missing")],
    ids=["no word", "a word", "refuses"],
)
def test_an_event_that_stays_away_is_explained_by_the_vendor_where_it_can(
    explain: Callable[[Receipt], OpsError | None], symptom: str
) -> None:
    vendor = Vendor(looks=[refused(NotYet)] * 10_000)

    result = probed(vendor.probe(explain=explain))

    assert (result.outcome, result.symptom) == (Outcome.FAIL, symptom)
    assert result.clean_up is CleanUp.DONE


def test_an_event_that_stays_away_is_named_by_its_nonce() -> None:
    vendor = Vendor(looks=[refused(NotYet)] * 10_000)

    result = probed(vendor.probe())

    assert NONCE in result.happened
    assert "not delivered" in result.means.lower()


def test_a_refused_read_back_fails_at_once_and_is_investigated() -> None:
    vendor = Vendor(looks=[refused(Rejected)])

    result = probed(vendor.probe(), investigate=lambda _: refused(Rejected, "wrong_home"))

    assert vendor.asked == ["send", "look", "clean"]
    assert (result.outcome, result.symptom) == (Outcome.FAIL, "wrong_home")


def test_a_delivered_event_that_cannot_be_cleaned_up_is_no_pass() -> None:
    vendor = Vendor(cleans=[refused(Rejected)])

    result = probed(vendor.probe())

    assert (result.outcome, result.clean_up, result.symptom) == (Outcome.FAIL, CleanUp.LEFT, "probe.left_behind")
    assert NONCE in result.happened


def test_a_clean_up_of_several_steps_is_only_as_good_as_its_weakest() -> None:
    vendor = Vendor()

    result = probed(vendor.probe(clean_up=(lambda _: CleanUp.TAGGED, lambda _: CleanUp.DONE)))

    assert (result.outcome, result.clean_up) == (Outcome.PASS, CleanUp.TAGGED)


def test_what_the_vendor_cannot_delete_stays_tagged() -> None:
    vendor = Vendor()

    result = probed(vendor.probe(clean_up=()))

    assert (result.outcome, result.clean_up) == (Outcome.PASS, CleanUp.TAGGED)


def test_an_event_kept_for_a_person_is_not_cleaned_up() -> None:
    vendor = Vendor()

    result = probed(vendor.probe(), cleans_up=False)

    assert vendor.asked == ["send", "look"]
    assert (result.outcome, result.clean_up) == (Outcome.PASS, CleanUp.KEPT)


def test_what_an_earlier_run_left_is_cleaned_up_by_its_nonce_alone(rehearsal: Scene) -> None:
    client = rehearsal.client(SLACK)
    (probe,) = client.probes
    sent_at = datetime.now(UTC)
    probe.send(NONCE, sent_at)

    cleaned = clean_up_left(Job(SLACK, probe, NONCE), sent_at, rehearsal.context().pace, Clock())

    client.close()
    assert cleaned is CleanUp.DONE
    assert not rehearsal.stands_open("slack", NONCE)


@pytest.mark.parametrize("seconds", [1, 50])
def test_a_pace_within_a_limit_has_no_phase_longer_than_that(seconds: float) -> None:
    pace = Pace().within(seconds)

    assert max(pace.send, pace.confirm, pace.clean_up) == timedelta(seconds=seconds)


@pytest.mark.parametrize("slow", [{"drip_bytes_per_s": 1}, {"delay_s": 600}], ids=["drip", "no answer"])
def test_an_answer_that_never_ends_ends_with_the_phase(rehearsal: Scene, slow: dict[str, float]) -> None:
    rehearsal.fail("slack", **slow)
    client = rehearsal.client(SLACK, exchange_limit=timedelta(minutes=10))
    started = time.monotonic()

    result = carry_out(Job(SLACK, client.probes[0], NONCE), PACE, Clock())

    client.close()
    assert (result.outcome, result.symptom) == (Outcome.FAIL, "network.timeout")
    phases = (PACE.send + PACE.confirm + PACE.clean_up).total_seconds()
    assert time.monotonic() - started < phases + SLACK_OF_A_LOADED_MACHINE_S


def test_a_last_look_that_the_phase_itself_cut_short_is_not_the_networks_fault(rehearsal: Scene) -> None:
    rehearsal.fail("slack", path="services", swallow=True)
    rehearsal.fail("slack", path="conversations.history", times=1)
    rehearsal.fail("slack", path="conversations.history", delay_s=600)
    client = rehearsal.client(SLACK)

    result = carry_out(Job(SLACK, client.probes[0], NONCE), PACE, Clock())

    client.close()
    assert (result.outcome, result.symptom) == (Outcome.FAIL, "delivery.missing")


def test_a_look_that_ran_into_its_own_limit_is_the_networks_fault(rehearsal: Scene) -> None:
    rehearsal.fail("slack", path="conversations.history", delay_s=600)
    client = rehearsal.client(SLACK)

    result = carry_out(Job(SLACK, client.probes[0], NONCE), PACE, Clock())

    client.close()
    assert (result.outcome, result.symptom) == (Outcome.FAIL, "network.timeout")


def test_an_address_that_never_answers_ends_with_the_phase(rehearsal: Scene) -> None:
    with silent_port() as port:
        client = rehearsal.client(SLACK, exchange_limit=timedelta(minutes=10), dial={EVERY_HOST: ("127.0.0.1", port)})

        result = carry_out(Job(SLACK, client.probes[0], NONCE), PACE, Clock())

        client.close()
    assert result.symptom == "network.timeout"
    assert result.took is not None
    assert result.took < PACE.send + PACE.confirm + PACE.clean_up + timedelta(seconds=SLACK_OF_A_LOADED_MACHINE_S)
