"""The application's own canary: what it encrypts, how it refuses, and what is no ciphertext although it says so."""

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInput, OpsError, Rejected, Unavailable
from domain.exchanges import Exchange
from domain.kms_faults import FAULTS
from domain.kms_sections import ApplicationCanary
from tests.conftest import StandIns
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.kms_application import APPLICATION_FAULTS, SIGNATURES, KmsApplication, fallen_back

ENVELOPE = "kms:v1:"
CANARY = ApplicationCanary(encrypt="/crypto/canary/encrypt", decrypt="/crypto/canary/decrypt", envelope=ENVELOPE)
TEXT = bytes(range(200, 232))
CONTEXT = {"environment": "rehearsal", "service": "shop"}
REHEARSAL = Conduct(HostRule(rehearsal=True), lambda _: None)
REAL = Conduct(HostRule(rehearsal=False), lambda _: None)


@pytest.fixture
def evidence() -> list[Exchange]:
    return []


@pytest.fixture
def application(stand_ins: StandIns, evidence: list[Exchange]) -> Iterator[KmsApplication]:
    conduct = replace(REHEARSAL, record=evidence.append)
    with closing(KmsApplication(f"{stand_ins.url}/backend", CANARY, token_of(stand_ins), conduct)) as application:
        yield application


def token_of(stand_ins: StandIns) -> str:
    return str(stand_ins.control("GET", "/backend/credentials")["BACKEND_TOKEN"])


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_what_it_encrypts_is_a_ciphertext_and_opens_again(application: KmsApplication) -> None:
    ciphertext = application.encrypt(TEXT, CONTEXT)

    assert fallen_back(TEXT, ciphertext, ENVELOPE) == ""
    assert application.decrypt(ciphertext, CONTEXT) == TEXT


def test_evidence_names_the_two_calls_and_holds_no_text(application: KmsApplication, evidence: list[Exchange]) -> None:
    ciphertext = application.encrypt(TEXT, CONTEXT)

    application.decrypt(ciphertext, CONTEXT)

    assert [(one.system, one.verb, one.outcome) for one in evidence] == [
        ("application", "encrypt", "ok"),
        ("application", "decrypt", "ok"),
    ]
    assert ciphertext not in repr(evidence)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("plain", "it holds the plaintext in base64, and no envelope"),
        ("prefixed", "it holds the plaintext in base64, behind its envelope"),
    ],
)
def test_plaintext_is_told_from_a_ciphertext_although_it_opens(
    how: str, words: str, application: KmsApplication, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/backend/actions/fall_back", {"how": how})

    written = application.encrypt(TEXT, CONTEXT)

    assert application.decrypt(written, CONTEXT) == TEXT
    assert fallen_back(TEXT, written, ENVELOPE) == words


def test_another_mode_has_another_envelope(application: KmsApplication, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/backend/actions/set_mode", {"mode": "local"})

    written = application.encrypt(TEXT, CONTEXT)

    assert fallen_back(TEXT, written, ENVELOPE) == "it does not begin with its envelope"


@pytest.mark.parametrize("context", [{}, {**CONTEXT, "service": "other"}])
def test_another_context_does_not_open_it(context: dict[str, str], application: KmsApplication) -> None:
    ciphertext = application.encrypt(TEXT, CONTEXT)

    with pytest.raises(Rejected) as refused:
        application.decrypt(ciphertext, context)

    assert refused.value.symptom == "application.not_opened"


def test_a_lost_key_says_that_the_application_cannot_read_what_it_writes(
    application: KmsApplication, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/backend/actions/lose_key")
    ciphertext = application.encrypt(TEXT, CONTEXT)

    with pytest.raises(Rejected) as refused:
        application.decrypt(ciphertext, CONTEXT)

    assert APPLICATION_FAULTS[refused.value.symptom] == "kms.application_wrong"


def test_another_text_than_was_encrypted_is_given_back_as_it_came(
    application: KmsApplication, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/backend/actions/swap_text")

    assert application.decrypt(application.encrypt(TEXT, CONTEXT), CONTEXT) != TEXT


@pytest.mark.parametrize(
    ("order", "symptom", "fault"),
    [
        ({"status": 401}, "application.token", "kms.application_refused"),
        ({"status": 403}, "application.forbidden", "kms.application_refused"),
        ({"status": 404}, "application.no_canary", "kms.application_refused"),
        ({"status": 422}, "http.refused", "kms.application_refused"),
        ({"status": 302, "headers": {"location": "/login"}}, "application.moved", "kms.application_refused"),
        ({"status": 429}, "http.rate_limited", "kms.application_failed"),
        ({"status": 500}, "http.server_error", "kms.application_failed"),
        ({"status": 503}, "http.server_error", "kms.application_failed"),
        ({"garbage": True}, "network.garbage", "kms.application_failed"),
        ({"status": 200, "body": '{"ciphertext": null}'}, "network.garbage", "kms.application_failed"),
        ({"status": 200, "body": "[]"}, "network.garbage", "kms.application_failed"),
        ({"drop": True}, "network.reset", "kms.application_failed"),
    ],
)
def test_a_failure_ends_in_its_row(
    order: dict[str, object], symptom: str, fault: str, application: KmsApplication, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/backend/faults", order)

    with pytest.raises(OpsError) as failed:
        application.encrypt(TEXT, CONTEXT)

    assert (failed.value.symptom, APPLICATION_FAULTS[failed.value.symptom]) == (symptom, fault)
    assert isinstance(failed.value, Rejected if fault == "kms.application_refused" else Unavailable)


def test_a_text_that_is_no_base64_is_no_answer(application: KmsApplication, stand_ins: StandIns) -> None:
    ciphertext = application.encrypt(TEXT, CONTEXT)
    stand_ins.control("POST", "/backend/faults", {"status": 200, "body": '{"plaintext": "not base64!"}'})

    with pytest.raises(Unavailable) as failed:
        application.decrypt(ciphertext, CONTEXT)

    assert failed.value.symptom == "network.garbage"


def test_a_refused_token_is_not_told(stand_ins: StandIns) -> None:
    client = KmsApplication(f"{stand_ins.url}/backend", CANARY, "wr0ng-t0ken", REHEARSAL)
    with closing(client) as application, pytest.raises(Rejected) as refused:
        application.encrypt(TEXT, CONTEXT)

    assert refused.value.symptom == "application.token"
    assert "wr0ng" not in str(refused.value)


def test_a_slow_application_is_given_up_at_the_limit(stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/backend/faults", {"delay_s": 60})
    conduct = replace(REHEARSAL, exchange_limit=timedelta(seconds=0.2))

    client = KmsApplication(f"{stand_ins.url}/backend", CANARY, token_of(stand_ins), conduct)
    with closing(client) as application, pytest.raises(Unavailable) as failed:
        application.encrypt(TEXT, CONTEXT)

    assert APPLICATION_FAULTS[failed.value.symptom] == "kms.application_failed"


@pytest.mark.parametrize(
    ("base_url", "conduct"),
    [
        ("http://shop.example.org", REAL),
        (
            "http://shop.example.org",
            replace(REAL, hosts=HostRule(rehearsal=False, allowed=frozenset({"shop.example.org"}))),
        ),
        (
            "http://shop.example.org",
            replace(REHEARSAL, hosts=HostRule(rehearsal=True, allowed=frozenset({"shop.example.org"}))),
        ),
        ("http://127.0.0.1:8000", REAL),
        ("https://shop.example.org", REHEARSAL),
        ("", REAL),
    ],
)
def test_a_token_goes_neither_over_plain_http_nor_out_of_the_rehearsal(base_url: str, conduct: Conduct) -> None:
    with pytest.raises(BadInput):
        KmsApplication(base_url, CANARY, "token", conduct)


@pytest.mark.parametrize(
    ("base_url", "conduct"),
    [
        ("https://shop.example.org/api", REAL),
        ("http://localhost:8000", replace(REAL, hosts=HostRule(rehearsal=False, allowed=frozenset({"localhost"})))),
    ],
)
def test_the_address_of_the_section_is_allowed_over_tls_and_this_machine_by_name(
    base_url: str, conduct: Conduct
) -> None:
    KmsApplication(base_url, CANARY, "token", conduct).close()


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "schlüssel"])
def test_a_token_that_no_header_can_hold_is_bad_input_without_being_told(token: str, stand_ins: StandIns) -> None:
    with pytest.raises(BadInput) as refused:
        KmsApplication(f"{stand_ins.url}/backend", CANARY, token, REHEARSAL)

    assert token not in str(refused.value)


def test_every_symptom_leads_to_a_row_that_there_is() -> None:
    assert set(APPLICATION_FAULTS.values()) <= set(FAULTS)


def test_the_page_of_the_contract_names_every_row_of_the_canary() -> None:
    page = (Path(__file__).parents[2] / "docs" / "kms-application.md").read_text()

    named = dict(re.findall(r"\| `(application\.\w+)` \| `(kms\.\w+)` \|", page))

    assert named == {row.id: APPLICATION_FAULTS[row.id] for row in SIGNATURES}


_WRITTEN: list[tuple[str, Callable[[bytes], str]]] = [
    ("base64", b64),
    ("base64 without padding", lambda text: b64(text).rstrip("=")),
    ("base64url", lambda text: base64.urlsafe_b64encode(text).decode()),
    ("hex", bytes.hex),
    ("hex in capitals", lambda text: text.hex().upper()),
    ("as it is", lambda text: text.decode("latin-1")),
    ("twice in base64", lambda text: b64(b64(text).encode())),
    ("hex in base64", lambda text: b64(text.hex().encode())),
    ("base64 in lines", lambda text: "\n".join((b64(text)[:20], b64(text)[20:]))),
    ("behind a nonce and before a tag", lambda text: b64(b"n" * 11 + text + b"t" * 16)),
    ("a piece of JSON", lambda text: f'{{"iv": "AAAA", "ct": "{b64(text)}"}}'),
    ("JSON in base64", lambda text: b64(f'{{"text": "{b64(text)}"}}'.encode())),
    ("a key's name before it", lambda text: f"key-7:{b64(text)}"),
]


@pytest.mark.parametrize("begins", ["", ENVELOPE])
@pytest.mark.parametrize("write", [row[1] for row in _WRITTEN], ids=[row[0] for row in _WRITTEN])
@given(text=st.binary(min_size=32, max_size=32))
def test_plaintext_is_found_however_it_is_written(begins: str, write: Callable[[bytes], str], text: bytes) -> None:
    assert fallen_back(text, begins + write(text), ENVELOPE).startswith("it holds the plaintext")


_BODIES: list[Callable[[bytes], str]] = [
    b64,
    lambda sealed: base64.urlsafe_b64encode(sealed).decode().rstrip("="),
    bytes.hex,
    lambda sealed: sealed.decode("latin-1"),
    lambda sealed: f"key-7:{b64(sealed[:12])}.{b64(sealed[12:])}",
]


@pytest.mark.parametrize("write", _BODIES)
@given(randomness=st.randoms(use_true_random=True))
def test_what_is_encrypted_is_never_taken_for_plaintext(write: Callable[[bytes], str], randomness: object) -> None:
    text, sealed = _random_bytes(randomness, 32), _random_bytes(randomness, 60)

    assert fallen_back(text, ENVELOPE + write(sealed), ENVELOPE) == ""


@pytest.mark.parametrize("body", ["", "AAAA", b64(bytes(range(47))), "00" * 47, "ok", "\ud800"])
def test_what_is_too_short_for_the_text_and_its_tag_is_no_ciphertext(body: str) -> None:
    assert fallen_back(TEXT, ENVELOPE + body, ENVELOPE) == "it is shorter than the plaintext with an authentication tag"


@given(told=st.text())
def test_whatever_an_application_writes_is_looked_at_without_a_fault(told: str) -> None:
    assert fallen_back(TEXT, told, ENVELOPE)


def test_a_text_that_may_stand_anywhere_by_chance_is_not_looked_for() -> None:
    with pytest.raises(ValueError, match="fewer than 16 bytes"):
        fallen_back(b"short", ENVELOPE, ENVELOPE)


def _random_bytes(randomness: object, size: int) -> bytes:
    assert hasattr(randomness, "randbytes")
    made: bytes = randomness.randbytes(size)
    return made
