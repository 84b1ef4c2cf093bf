"""A service turns bad, and somebody hears of it: real Prometheus and Alertmanager, our rules and routes sixty times as fast."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from domain.kms_checks import Checked, passed
from domain.kms_sections import KmsTarget
from ledger.kms_checks import record_check
from ledger.opening import open_ledger
from steps.kms_metrics import KmsMetrics
from tests.conftest import StandIns
from tests.deployments.alerting_line import BASE, SPEED, Inbox, alerting_line, divided
from tests.program import eventually
from tests.stores.loopback import Asked, Told, serving

_PLAIN = {"content-type": "text/plain; version=0.0.4"}
_TARGET = 'environment="prod",target="payments"'
_STARTED_S = 3600


@dataclass(slots=True)
class Service:
    """What is told of one service: by the exporter at /exporter, by itself at /application."""

    mode_is_kms: int = 1
    golden_opens: int = 1
    exporter_answers: bool = True
    last_well: float = field(default_factory=time.time)

    def answer(self, asked: Asked) -> Told:
        if asked.path == "/application":
            return Told(200, f"process_start_time_seconds {time.time() - _STARTED_S}\n".encode(), _PLAIN)
        return Told(200, self._exported().encode(), _PLAIN) if self.exporter_answers else Told(503)

    def _exported(self) -> str:
        if self.mode_is_kms:
            self.last_well = time.time()
        return (
            "kms_ledger_up 1\n"
            f"kms_health_up{{{_TARGET}}} {self.mode_is_kms}\n"
            f"kms_crypto_mode_is_kms{{{_TARGET}}} {self.mode_is_kms}\n"
            f"kms_health_last_success_timestamp_seconds{{{_TARGET}}} {self.last_well}\n"
            f"kms_canary_last_run_timestamp_seconds{{{_TARGET}}} {time.time()}\n"
            f'kms_golden_decrypt_ok{{{_TARGET},key="main",version="2",source="minted"}} {self.golden_opens}\n'
        )


def test_a_duration_and_a_limit_in_minutes_are_divided_and_nothing_else() -> None:
    rule = 'time() - rate(x[5m] offset 1h) > 5 * 60 or y{part=~"a|b"} > 0.95 / 3600\nfor: 10m'

    assert divided(rule) == (
        'time() - rate(x[5000ms] offset 60000ms) > 5 * 1 or y{part=~"a|b"} > 0.95 / 3600\nfor: 10000ms'
    )  # fmt: skip


@pytest.mark.prove
def test_a_service_turns_bad_and_those_who_must_hear_of_it_until_it_is_well_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Service()
    with serving(service.answer) as loopback:
        host = loopback.url.removeprefix("http://")
        with alerting_line(tmp_path, f"{host}/exporter", f"{host}/application") as line:
            eventually(lambda: len(loopback.asked) > 20)
            quiet = list(line.inbox.sent)

            # It falls back to another mode.
            began = time.monotonic()
            service.mode_is_kms = 0
            ticket = told(line.inbox, "kms-ticket", "KMSModeNotActive", "firing") - began
            page = told(line.inbox, "kms-page", "KMSCryptoModeNotKMS", "firing") - began
            held_back = eventually(line.held_back)
            well = time.monotonic()
            service.mode_is_kms = 1
            over = told(line.inbox, "kms-page", "KMSCryptoModeNotKMS", "resolved") - well

            # A version is lost, and then nobody looks any more.
            lost = time.monotonic()
            service.golden_opens = 0
            golden = told(line.inbox, "kms-page", "KMSGoldenDecryptFailing", "firing") - lost
            silent = time.monotonic()
            service.exporter_answers = False
            dead_man = told(line.inbox, "kms-dead-man", "KMSCanaryDeadMan", "firing") - silent
            healed_by_silence = line.inbox.find("kms-page", "KMSGoldenDecryptFailing", "resolved")
            service.exporter_answers, service.golden_opens = True, 1
            told(line.inbox, "kms-page", "KMSGoldenDecryptFailing", "resolved")
            told(line.inbox, "kms-dead-man", "KMSCanaryDeadMan", "resolved")

    assert quiet == []
    assert "KMSModeNotActive" in held_back
    assert healed_by_silence is None
    found = line.inbox.find("kms-page", "KMSCryptoModeNotKMS", "firing")
    assert found is not None
    assert found[1]["labels"] == {
        "alertname": "KMSCryptoModeNotKMS",
        "environment": "prod",
        "target": "payments",
        "service": "kms",
        "severity": "critical",
    }
    assert found[1]["annotations"]["runbook_url"] == f"{BASE}/kms-crypto-mode-not-kms.md"
    assert {to for _, to, _ in line.inbox.sent} == {"kms-page", "kms-ticket", "kms-dead-man"}
    took = {
        "another mode, early ticket": ticket,
        "another mode, page": page,
        "well again, page resolved": over,
        "golden ciphertext lost, page": golden,
        "exporter silent, dead-man": dead_man,
    }
    with capsys.disabled():
        sys.stdout.write("".join(f"\n{what}: {s:.1f} s, unscaled about {s * SPEED:.0f} s" for what, s in took.items()))


@pytest.mark.prove
def test_a_backend_that_turns_bad_is_paged_through_the_exporter_itself(
    tmp_path: Path, stand_ins: StandIns, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = f"{stand_ins.url}/backend"
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    record_check(ledger, "run", Checked("prod", "payments", (passed("health"),)))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(KmsMetrics({"payments": KmsTarget("prod", base_url=backend)}, lambda: ledger))

    def exported(_: Asked) -> Told:
        return Told(200, generate_latest(registry), _PLAIN)

    with serving(exported) as exporter:
        scraped = f"{exporter.url.removeprefix('http://')}/metrics"
        with alerting_line(tmp_path, scraped, f"{backend.removeprefix('http://')}/metrics") as line:
            eventually(lambda: len(exporter.asked) > 8)
            quiet = list(line.inbox.sent)

            began = time.monotonic()
            stand_ins.control("POST", "/backend/actions/set_mode", {"mode": "local"})
            page = told(line.inbox, "kms-page", "KMSCryptoModeNotKMS", "firing") - began
            stand_ins.control("POST", "/backend/actions/set_mode", {"mode": "kms"})
            told(line.inbox, "kms-page", "KMSCryptoModeNotKMS", "resolved")
    ledger.close()

    assert quiet == []
    with capsys.disabled():
        sys.stdout.write(f"\nbackend to webhook, exporter's cache of 10 s and five minutes in 5 s: {page:.1f} s")


def told(inbox: Inbox, receiver: str, alert: str, status: str) -> float:
    """Return the moment at which the receiver was told; fail where it was not within 40 seconds."""
    moment, _ = eventually(lambda: inbox.find(receiver, alert, status), within_s=40)
    return moment
