"""The encrypting service's stand-in encrypts, counts, and can go wrong in every way that a bare health page does not show."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mocks.backend_console import ACTIONS
from tests.conftest import StandIns

ROOT = Path(__file__).parents[2]
TEXT = bytes(range(32))
CONTEXT = {"environment": "prod", "service": "shop"}


@dataclass(frozen=True, slots=True)
class Service:
    """The service as its canary, its watchers and a saboteur see it."""

    stand_ins: StandIns
    client: httpx.Client

    def healthz(self) -> httpx.Response:
        return self.client.get("/healthz")

    def ask(self, verb: str, body: object) -> httpx.Response:
        return self.client.post(f"/crypto/canary/{verb}", json=body)

    def encrypt(self, text: bytes = TEXT, context: object = None) -> httpx.Response:
        return self.ask(
            "encrypt",
            {"plaintext": base64.b64encode(text).decode(), "context": CONTEXT if context is None else context},
        )

    def decrypt(self, ciphertext: str, context: object = None) -> httpx.Response:
        return self.ask("decrypt", {"ciphertext": ciphertext, "context": CONTEXT if context is None else context})

    def ciphertext(self) -> str:
        return str(self.encrypt().json()["ciphertext"])

    def act(self, action: str, **fields: Any) -> Any:
        return self.stand_ins.control("POST", f"/backend/actions/{action}", fields)

    def figures(self) -> dict[str, float]:
        """Return the samples by name; of those with labels the sum over the buckets is left out."""
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        rows = (sample for family in families for sample in family.samples if "le" not in sample.labels)
        return {row.name + "".join(f" {text}" for text in row.labels.values()): row.value for row in rows}


@pytest.fixture
def service(stand_ins: StandIns) -> Iterator[Service]:
    token = stand_ins.control("GET", "/backend/credentials")["BACKEND_TOKEN"]
    with httpx.Client(
        base_url=f"{stand_ins.url}/backend", headers={"authorization": f"Bearer {token}"}, trust_env=False
    ) as client:
        yield Service(stand_ins, client)


def test_a_healthy_service_says_kms_and_ready_and_more_besides(service: Service) -> None:
    page = service.healthz()

    assert (page.status_code, page.headers["content-type"]) == (200, "application/json")
    assert page.json().items() > {"status": "ok", "crypto_mode": "kms", "crypto_ready": True}.items()


def test_what_it_encrypts_begins_with_its_envelope_and_opens_in_its_context_alone(service: Service) -> None:
    ciphertext = service.ciphertext()

    opened, elsewhere = service.decrypt(ciphertext), service.decrypt(ciphertext, {**CONTEXT, "service": "other"})
    assert ciphertext.startswith("kms:v1:")
    assert base64.b64decode(opened.json()["plaintext"]) == TEXT
    assert (elsewhere.status_code, elsewhere.json()) == (422, {"error": "not_opened"})


def test_one_text_is_never_encrypted_to_one_ciphertext(service: Service) -> None:
    assert service.ciphertext() != service.ciphertext()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ({"context": CONTEXT}, 400),
        ({"plaintext": "no base64!", "context": CONTEXT}, 400),
        ({"plaintext": "AAAA"}, 400),
        ({"plaintext": "AAAA", "context": {"service": 1}}, 400),
        ({"plaintext": "AAAA" * 2000, "context": CONTEXT}, 413),
    ],
)
def test_a_request_that_does_not_fit_is_refused_in_a_word(body: object, status: int, service: Service) -> None:
    answer = service.ask("encrypt", body)

    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_nobody_encrypts_without_the_token(service: Service) -> None:
    answer = httpx.post(f"{service.stand_ins.url}/backend/crypto/canary/encrypt", json={}, trust_env=False)

    assert (answer.status_code, answer.json()) == (401, {"error": "unauthorized"})


@pytest.mark.parametrize(("how", "begins"), [("plain", ""), ("prefixed", "kms:v1:")])
def test_a_silent_fallback_writes_plaintext_while_the_page_stays_well(how: str, begins: str, service: Service) -> None:
    well = service.healthz().json()

    service.act("fall_back", how=how)

    assert service.ciphertext() == begins + base64.b64encode(TEXT).decode()
    assert base64.b64decode(service.decrypt(service.ciphertext()).json()["plaintext"]) == TEXT
    assert service.healthz().json() == well


def test_another_mode_is_said_and_has_an_envelope_of_its_own(service: Service) -> None:
    service.act("set_mode", mode="local")

    assert service.healthz().json()["crypto_mode"] == "local"
    assert service.ciphertext().startswith("local:v1:")


def test_what_is_not_ready_says_so_and_encrypts_nothing(service: Service) -> None:
    service.act("set_ready", ready=False)

    assert service.healthz().json().items() > {"status": "degraded", "crypto_ready": False}.items()
    assert service.encrypt().status_code == 503
    assert service.figures()["crypto_encryption_errors_total"] == 1


def test_a_lost_key_shows_to_who_decrypts_alone(service: Service) -> None:
    service.act("lose_key")

    answer = service.decrypt(service.ciphertext())

    assert (answer.status_code, answer.json()) == (422, {"error": "not_opened"})
    assert service.healthz().json()["crypto_ready"] is True
    assert service.figures()["crypto_decryption_errors_total"] == 1


def test_a_swapped_text_is_as_long_as_the_right_one(service: Service) -> None:
    service.act("swap_text")

    opened = base64.b64decode(service.decrypt(service.ciphertext()).json()["plaintext"])

    assert (len(opened), opened == TEXT) == (len(TEXT), False)


def test_a_cached_page_is_well_for_ever_and_dated_when_it_was_made(service: Service) -> None:
    service.act("cache_health", age_s=600)
    service.act("set_mode", mode="local")

    page = service.healthz()

    assert page.json()["crypto_mode"] == "kms"
    assert (page.headers["age"], page.headers["x-cache"]) == ("600", "HIT")
    assert page.headers["date"] != httpx.get(f"{service.stand_ins.url}/slack/x", trust_env=False).headers["date"]
    service.act("cache_health", on=False)
    assert (service.healthz().json()["crypto_mode"], "age" in service.healthz().headers) == ("local", False)


def test_the_page_can_come_with_any_status(service: Service) -> None:
    service.act("set_status", status=503)

    assert service.healthz().status_code == 503


def test_its_metrics_are_those_that_the_page_of_metrics_names(service: Service) -> None:
    page = (
        (ROOT / "docs" / "kms-metrics.md")
        .read_text()
        .partition("## From the application itself")[2]
        .partition("\n## ")[0]
    )
    documented = dict(re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|", page, re.MULTILINE))

    answer = service.client.get("/metrics")

    assert dict(re.findall(r"^# TYPE (\w+) (\w+)$", answer.text, re.MULTILINE)) == documented
    assert answer.headers["content-type"].startswith("text/plain; version=")


def test_counters_and_latencies_are_as_high_as_somebody_wants(service: Service) -> None:
    service.act("count", name="init_failures", n=3)
    service.act("observe", operation="decrypt", seconds=2, times=5)

    figures = service.figures()
    assert figures["crypto_init_failures_total"] == 3
    assert figures["crypto_kms_request_duration_seconds_count decrypt"] == 5
    assert figures["crypto_kms_request_duration_seconds_sum decrypt"] == 10


def test_it_has_run_for_an_hour_until_it_restarts_and_then_counts_from_nothing(service: Service) -> None:
    before = service.figures()
    service.act("count", name="kms_unreachable")

    started_at = service.act("restart")["started_at"]

    after = service.figures()
    assert (after["crypto_kms_unreachable_total"], after["process_start_time_seconds"]) == (0, started_at)
    assert after["crypto_init_timestamp_seconds"] == started_at
    assert started_at - before["process_start_time_seconds"] >= 3600


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("fall_back", {"how": "somehow"}), ("count", {"name": "sheep"}), ("observe", {"operation": "sign"}),
        ("set_ready", {"ready": "false"}), ("lose_key", {"lost": 0}), ("swap_text", {"swapped": None}), ("cache_health", {"on": "no"}),
    ],
)  # fmt: skip
def test_an_action_that_does_not_fit_is_refused_and_changes_nothing(
    action: str, fields: dict[str, object], service: Service
) -> None:
    answer = httpx.post(f"{service.stand_ins.url}/_control/backend/actions/{action}", json=fields, trust_env=False)

    assert answer.status_code == 400
    assert service.healthz().json()["crypto_ready"] is True


def test_the_page_of_the_contract_names_every_action() -> None:
    page = (ROOT / "docs" / "kms-application.md").read_text().partition("| action |")[2]

    assert re.findall(r"^\| `(\w+)`", page, re.MULTILINE) == list(ACTIONS)


def test_a_reset_makes_it_healthy_and_keeps_its_token(service: Service) -> None:
    ciphertext = service.ciphertext()
    service.act("lose_key")
    service.act("set_status", status=500)

    service.stand_ins.control("POST", "/backend/reset")

    assert service.healthz().status_code == 200
    assert json.loads(service.decrypt(ciphertext).text)["plaintext"]
