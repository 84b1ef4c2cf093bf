"""Every integration through every fault: the right kind, the right diagnosis, bounded time, no secret, never a PASS."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from domain.exchanges import Exchange
from domain.names import Target
from domain.probes import Outcome, ProbeResult
from steps.clock import Clock
from steps.probing import Job, Pace, carry_out
from tests.conftest import StandIns
from tests.steps.faults import FAULTS, Fault, dead_end
from vendors.capabilities import checked_values
from vendors.dialing import EVERY_HOST
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.registry import INTEGRATIONS

PACE = Pace(
    send=timedelta(seconds=4), confirm=timedelta(milliseconds=500), clean_up=timedelta(milliseconds=500), attempts=2,
    first_wait=timedelta(milliseconds=10), first_poll=timedelta(milliseconds=50), longest_wait=timedelta(milliseconds=200),
)  # fmt: skip
UNSEEN = timedelta(seconds=2)
SHORT, LONG = timedelta(milliseconds=400), timedelta(seconds=10)
NO_FAULT = Fault("none", "ok", ())
# Splunk's 503 "server is busy" comes without any header, and so does the 429 of PagerDuty's Events API, which is waited
# for as long as any 429 that names no time.
NAMES_NO_TIME = {"splunk": timedelta(0), "pagerduty": timedelta(seconds=60)}
LONGEST_SLEEP_S = 1.5
# The three phases, plus what a loaded machine adds; a hang would exceed it by far.
BOUND = PACE.send + PACE.confirm + PACE.clean_up + timedelta(seconds=30)


@dataclass(slots=True)
class Seen:
    """What one probe under a fault left behind."""

    result: ProbeResult
    exchanges: list[Exchange]
    waits: list[float] = field(default_factory=list)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_ends_in_its_own_kind_and_diagnosis_and_never_in_a_pass(stand_ins: StandIns, fault: Fault) -> None:
    if fault.queued:
        for name in INTEGRATIONS:
            stand_ins.control("POST", f"/{name}/faults", dict(fault.queued))

    every = _put_through(stand_ins, fault)

    assert {name for name, _ in every} == set(INTEGRATIONS)
    for name, seen in every:
        result = seen.result
        assert result.outcome is not Outcome.PASS, name
        assert result.outcome is Outcome.FAIL, (name, result)
        assert seen.exchanges[0].outcome in {fault.kind, fault.or_kind}, (name, seen.exchanges)
        assert result.symptom.startswith(tuple(s.replace("VENDOR", name) for s in fault.symptoms)), (name, result)
        assert result.attempts <= fault.tries, name
        assert result.took is not None, name
        assert result.took < BOUND, name
        shown = json.dumps(asdict(result), default=str) + json.dumps([asdict(e) for e in seen.exchanges], default=str)
        assert not [secret for secret in _secrets(stand_ins, name) if secret in shown], name
        assert result.means, name
        assert result.next_step, name


def test_a_rate_limit_is_waited_for_as_long_as_the_vendor_says_and_then_passes(stand_ins: StandIns) -> None:
    for name in INTEGRATIONS:
        stand_ins.control("POST", f"/{name}/faults", {"times": 1, "throttle_s": 1})

    every = _put_through(stand_ins, NO_FAULT, only_first=True)

    assert [name for name, _ in every] == list(INTEGRATIONS)
    for name, seen in every:
        assert seen.result.outcome is Outcome.PASS, (name, seen.result)
        assert seen.result.attempts == 2, name
        if name in NAMES_NO_TIME:
            assert max(seen.waits) >= NAMES_NO_TIME[name].total_seconds(), name
        else:
            assert 0.5 < max(seen.waits) <= LONGEST_SLEEP_S, name


def test_without_a_fault_every_probe_passes_and_is_cleaned_up(stand_ins: StandIns) -> None:
    every = _put_through(stand_ins, NO_FAULT)

    assert {name for name, _ in every} == set(INTEGRATIONS)
    assert [(name, seen.result) for name, seen in every if seen.result.outcome is not Outcome.PASS] == []


def _put_through(stand_ins: StandIns, fault: Fault, *, only_first: bool = False) -> list[tuple[str, Seen]]:
    """Return what was seen of every probe of every integration; at once, because nearly all of the time is waiting."""

    def one(name: str) -> list[tuple[str, Seen]]:
        values = stand_ins.control("GET", f"/{name}/credentials")
        return [(name, seen) for seen in _probe(stand_ins, name, values, fault, only_first=only_first)]

    with ThreadPoolExecutor(len(INTEGRATIONS)) as threads:
        return [seen for every in threads.map(one, INTEGRATIONS) for seen in every]


def _secrets(stand_ins: StandIns, name: str) -> list[str]:
    values = stand_ins.control("GET", f"/{name}/credentials")
    return [values[row.name] for row in INTEGRATIONS[name].variables if row.secret and values.get(row.name)]


def _probe(
    stand_ins: StandIns, name: str, values: dict[str, str], fault: Fault, *, only_first: bool = False
) -> Iterator[Seen]:
    address = f"{stand_ins.url}/{name}"
    with dead_end(fault.dial) as port:
        dial = {}
        if fault.dial == "dns":
            dial = {EVERY_HOST: ("no-such-host.invalid", 80)}
        elif fault.dial == "tls":
            tls = urlsplit(stand_ins.https_url)
            values = {key: text.replace("http://", "https://") for key, text in values.items()}
            address = address.replace("http://", "https://")
            dial = {EVERY_HOST: ("127.0.0.1", tls.port or 0)}
        elif fault.dial:
            dial = {EVERY_HOST: ("127.0.0.1", port)}
        exchanges: list[Exchange] = []
        conduct = Conduct(
            HostRule(rehearsal=True), exchanges.append, dial=dial,
            connect_limit=SHORT / 2 if fault.never_answers else LONG, exchange_limit=SHORT if fault.never_answers else LONG,
        )  # fmt: skip
        client = INTEGRATIONS[name].connect(checked_values(INTEGRATIONS[name], values), address, conduct)
        # What is never delivered must be seen to be missing at least once, also on a loaded machine.
        pace = Pace() if fault is NO_FAULT else replace(PACE, confirm=UNSEEN) if fault.kind == "ok" else PACE
        for probe in client.probes[:1] if only_first else client.probes:
            exchanges.clear()
            waits: list[float] = []

            def wait(seconds: float, waits: list[float] = waits) -> None:
                waits.append(seconds)
                time.sleep(min(seconds, LONGEST_SLEEP_S))

            yield Seen(
                carry_out(Job(Target(name), probe, uuid4().hex), pace, Clock(sleep=wait)), list(exchanges), waits
            )
        client.close()
