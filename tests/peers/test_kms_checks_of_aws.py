"""The whole check of an AWS key against moto and ministack: each trouble has its own fault. Where neither can have the trouble, AWS's
own words are put in place of an answer on the way to moto."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from domain.kms_checks import Part
from domain.kms_judging import judge_check
from domain.kms_standing import Standing
from domain.verdicts import Verdict, World
from ledger.opening import Ledger, open_ledger
from tests.peers.test_aws_peers import client
from tests.steps.kms_clouds import CheckedService, configured
from tests.stores.loopback import Asked, Loopback, Told, serving

REGION = "eu-central-1"
USER = {
    "AWS_IAM_ACCESS_KEY": json.dumps({"access_key_id": "AKIA" + "U" * 16, "secret_access_key": "s" * 40}),
    "AWS_IAM_USER": "app",
    "AWS_IAM_MANAGE_KEY": json.dumps({"access_key_id": "AKIA" + "M" * 16, "secret_access_key": "s" * 40}),
}
_PASSED_ON = ("content-type", "x-amz-target", "x-amz-date", "authorization")
Open = Callable[..., CheckedService]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


@pytest.fixture
def opened(ledger: Ledger) -> Open:
    """Give a way to a service with one key at an address, and as much of its section as a test says."""

    def open_one(url: str, key: str, **section: object) -> CheckedService:
        told = "\n".join(f"{name} = {json.dumps(value)}" for name, value in section.items())
        config = configured(f"""
[kms.api]
environment = "rehearsal"
slow_ms = 20000
limit_seconds = 20

[kms.api.keys.main]
provider = "aws"
credentials = "awskey"
region = "{REGION}"
key = "{key}"
{told}
""")
        return CheckedService(ledger, config, {"awskey": url}, {"awskey": USER})

    return open_one


@contextmanager
def on_the_way_to(url: str) -> Iterator[Loopback]:
    """Give a server that passes everything on to a peer."""
    with httpx.Client(trust_env=False, timeout=30) as line:

        def passed_on(asked: Asked) -> Told:
            headers = {name: asked.headers[name] for name in _PASSED_ON if name in asked.headers}
            answer = line.post(url, content=asked.body, headers=headers)
            return Told(answer.status_code, answer.content, {"content-type": "application/x-amz-json-1.1"})

        with serving(passed_on) as loopback:
            yield loopback


def made(url: str, **parameters: Any) -> str:
    return str(client("kms", url).create_key(**parameters)["KeyMetadata"]["Arn"])


def aliased(url: str, arn: str) -> str:
    name = f"alias/{uuid4()}"
    client("kms", url).create_alias(AliasName=name, TargetKeyId=arn)
    return name


def refusal(code: str) -> Told:
    body = json.dumps({"__type": code, "message": "no"}).encode()
    return Told(400, body, {"content-type": "application/x-amz-json-1.1"})


def only(operation: str, told: Told) -> Callable[[Asked, Told], Told]:
    """Return what answers one operation so, and leaves the others as they are."""
    return lambda asked, own: told if asked.headers["x-amz-target"].endswith(f".{operation}") else own


def parts_of(service: CheckedService) -> Mapping[str, Part]:
    return {part.name: part for part in service.check().parts}


def test_a_key_that_is_well_is_green_and_its_golden_opens(moto: str, opened: Open) -> None:
    service = opened(moto, made(moto))

    for _ in range(2):
        checked = service.check()

    assert judge_check(checked, service.changes, World.REHEARSAL, service.known()).verdict is Verdict.GREEN
    assert {part.name: part.outcome.value for part in checked.parts if part.name in {"canary/main", "golden/main"}} == {
        "canary/main": "PASS", "golden/main": "PASS",
    }  # fmt: skip


def test_an_alias_that_was_moved_is_drift_at_once_and_what_was_encrypted_before_still_opens(
    moto: str, opened: Open
) -> None:
    before, after = made(moto), made(moto)
    alias = aliased(moto, before)
    service = opened(moto, alias)
    assert service.wrong() == {}

    client("kms", moto).update_alias(AliasName=alias, TargetKeyId=after)
    checked = service.check()

    assert {part.name: part.fault for part in checked.failed} == {"drift/main": "kms.key_drift"}
    assert judge_check(checked, service.changes, World.REHEARSAL, service.known()).verdict is Verdict.HOLD


def test_another_key_than_the_pinned_one_is_drift_from_the_first_check_on(moto: str, opened: Open) -> None:
    pinned, other = made(moto), made(moto)

    service = opened(moto, aliased(moto, other), pinned=[pinned])

    assert service.wrong() == {"drift/main": "kms.key_drift"}


def test_moto_refuses_a_changed_byte_and_another_context(moto: str, opened: Open) -> None:
    service = opened(moto, made(moto))

    negative = parts_of(service)["negative/main"]

    assert (negative.fault, negative.outcome.value) == ("", "PASS")
    assert "a changed byte, another context" in negative.detail


def disabled(url: str, arn: str) -> None:
    client("kms", url).disable_key(KeyId=arn)


def waiting_for_deletion(url: str, arn: str) -> None:
    client("kms", url).schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)


@pytest.mark.parametrize(
    ("trouble", "version", "words"),
    [
        (disabled, "kms.version_disabled", "disabled"),
        (waiting_for_deletion, "kms.version_scheduled", "waits to be destroyed: in 6 days 2"),
    ],
)
def test_a_key_that_is_off_is_seen_in_its_description_its_canary_and_its_golden(
    ministack: str, opened: Open, trouble: Callable[[str, str], None], version: str, words: str
) -> None:
    arn = made(ministack)
    service = opened(ministack, arn)
    service.check()
    trouble(ministack, arn)

    seen = parts_of(service)

    assert seen["versions/main"].fault == version
    assert words in seen["versions/main"].happened
    assert (seen["canary/main"].fault, seen["golden/main"].fault) == ("kms.key_unusable", "kms.golden_lost")
    assert arn not in " ".join(part.words for part in seen.values())


@pytest.mark.parametrize(
    ("operation", "told", "expected"),
    [
        ("Encrypt", refusal("AccessDeniedException"), {"canary/main": "kms.permission"}),
        ("Decrypt", refusal("AccessDeniedException"), {"canary/main": "kms.permission", "golden/main": "kms.permission"}),
        ("Encrypt", refusal("ThrottlingException"), {"canary/main": "kms.throttled"}),
        ("Encrypt", Told(503, b"busy"), {"canary/main": "kms.unavailable"}),
        ("Decrypt", refusal("KMSInternalException"), {"canary/main": "kms.unavailable", "golden/main": "kms.unavailable"}),
        ("Decrypt", refusal("IncorrectKeyException"), {"canary/main": "kms.not_opened", "golden/main": "kms.golden_lost"}),
    ],
)  # fmt: skip
def test_what_neither_peer_can_refuse_is_caught_in_awss_own_words(
    moto: str, opened: Open, operation: str, told: Told, expected: dict[str, str]
) -> None:
    with on_the_way_to(moto) as aws:
        service = opened(aws.url, made(moto))
        service.check()
        aws.spoil(*[only(operation, told)] * 40)

        wrong = service.wrong()
        checked = service.check()

    assert wrong == expected
    assert judge_check(checked, service.changes, World.REHEARSAL, service.known()).verdict is Verdict.HOLD


def test_one_throttled_call_is_repeated_and_nothing_else_is_said_of_it(moto: str, opened: Open) -> None:
    with on_the_way_to(moto) as aws:
        service = opened(aws.url, made(moto))
        service.check()
        aws.spoil(*[None] * 3, only("Encrypt", refusal("ThrottlingException")))

        wrong = service.wrong()

    assert wrong == {}
    assert all(change.now.standing is Standing.UP for change in service.changes)
