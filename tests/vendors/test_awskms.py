"""A key of AWS KMS: what each of its refusals is, what it asks for, and where it goes. What works is shown in tests/peers."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.diagnosis import FALLBACK, NETWORK
from domain.errors import BadInput, OpsError, Rejected, Unavailable
from domain.exchanges import Exchange
from domain.kms_faults import FAULTS
from tests.stores.loopback import Loopback, Told, serving
from vendors.aws import AccessKey
from vendors.awskms import PROVIDER_AWS
from vendors.awskms_signatures import SIGNATURES
from vendors.dialing import closed_port, silent_port
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.kms import KmsKey

KEY = AccessKey("AKIA" + "T" * 16, "s" * 40)
ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
ARN = f"arn:aws:kms:eu-central-1:111122223333:key/{ID}"
MRK = "mrk-" + "0" * 32
PAGE = Path(__file__).parents[2] / "docs" / "kms-keys.md"
REHEARSAL, PRODUCTION = HostRule(rehearsal=True), HostRule(rehearsal=False)
SEALED = {"CiphertextBlob": base64.b64encode(b"sealed").decode(), "KeyId": ARN}
DESCRIBED = {"KeyMetadata": {"KeyId": ID, "Arn": ARN, "KeyState": "Enabled", "CreationDate": 1735689600}}


def answer(fields: dict[str, Any], status: int = 200) -> Told:
    return Told(status, json.dumps(fields).encode(), {"content-type": "application/x-amz-json-1.1"})


def refusal(code: str, status: int = 400, message: str = "refused") -> Told:
    return answer({"__type": code, "message": message}, status)


def connected(address: str | None, name: str = ARN, rule: HostRule = REHEARSAL, **values: str) -> KmsKey:
    return PROVIDER_AWS.connect(name, {"manage_key": KEY.text, **values}, address, Conduct(rule, lambda _: None))


@pytest.fixture
def aws() -> Iterator[Loopback]:
    """Give a server whose every answer a test says before it is asked."""
    with serving(lambda _: Told(500)) as server:
        yield server


@pytest.fixture
def key(aws: Loopback) -> Iterator[KmsKey]:
    with closing(connected(aws.url)) as key:
        yield key


def asked(aws: Loopback) -> list[tuple[str, dict[str, Any]]]:
    """Return each operation that was asked for, with its parameters."""
    return [(one.headers["x-amz-target"].rpartition(".")[2], json.loads(one.body)) for one in aws.asked]


def test_no_key_material_can_be_named_to_encrypt_with(aws: Loopback, key: KmsKey) -> None:
    with pytest.raises(BadInput) as caught:
        key.encrypt(b"text", {}, "0b" * 32)

    assert (PROVIDER_AWS.faults[caught.value.symptom], PROVIDER_AWS.names_versions) == ("kms.config", False)
    assert asked(aws) == []


Verb = Callable[[KmsKey], object]
VERBS: dict[str, Verb] = {
    "encrypt": lambda key: key.encrypt(b"text", {"service": "ledger"}),
    "decrypt": lambda key: key.decrypt(b"sealed", {"service": "ledger"}),
    "inventory": lambda key: key.inventory(),
}
CORAL = "com.amazon.coral.service#"
NOT_ALLOWED = (
    "User: arn:aws:sts::111122223333:assumed-role/ThrottlingDisabledException is not authorized to perform: kms:Decrypt"
)

Refusal = tuple[str, Told, type[OpsError], str, str]
REFUSALS: tuple[Refusal, ...] = (
    ("encrypt", refusal("AccessDeniedException"), Rejected, "awskms.denied", "kms.permission"),
    ("decrypt", refusal("AccessDeniedException", message=NOT_ALLOWED), Rejected, "awskms.denied", "kms.permission"),
    ("inventory", refusal("AccessDeniedException"), Rejected, "awskms.inventory_denied", "kms.config"),
    ("encrypt", refusal(f"{CORAL}UnrecognizedClientException"), Rejected, "awskms.caller_unknown", "kms.identity"),
    ("encrypt", refusal("InvalidSignatureException"), Rejected, "awskms.secret_wrong", "kms.identity"),
    (
        "encrypt",
        refusal("InvalidSignatureException", message="Signature expired: 1 is now earlier than 2"),
        Rejected,
        "awskms.clock_behind",
        "kms.identity",
    ),
    ("encrypt", refusal("ExpiredTokenException"), Unavailable, "awskms.role_expired", "kms.identity"),
    ("encrypt", refusal("NotFoundException"), Rejected, "awskms.key_unknown", "kms.key_unusable"),
    ("inventory", refusal("NotFoundException"), Rejected, "awskms.key_unknown", "kms.key_unusable"),
    ("encrypt", refusal("DisabledException"), Rejected, "awskms.disabled", "kms.key_unusable"),
    ("decrypt", refusal("DisabledException"), Rejected, "awskms.disabled", "kms.key_unusable"),
    (
        "encrypt",
        refusal("KMSInvalidStateException", message=f"{ARN} is pending deletion."),
        Rejected,
        "awskms.pending_deletion",
        "kms.key_unusable",
    ),
    ("decrypt", refusal("KMSInvalidStateException"), Rejected, "awskms.state", "kms.key_unusable"),
    ("decrypt", refusal("InvalidCiphertextException"), Rejected, "kms.not_opened", "kms.not_opened"),
    ("decrypt", refusal("IncorrectKeyException"), Rejected, "kms.not_opened", "kms.not_opened"),
    ("encrypt", refusal("ThrottlingException"), Unavailable, "awskms.throttled", "kms.throttled"),
    ("inventory", refusal("ThrottlingException"), Unavailable, "awskms.throttled", "kms.throttled"),
    ("decrypt", refusal("KeyUnavailableException", 500), Unavailable, "awskms.unavailable", "kms.unavailable"),
    ("encrypt", refusal("KMSInternalException", 500), Unavailable, "awskms.internal", "kms.unavailable"),
    ("encrypt", refusal("DependencyTimeoutException", 503), Unavailable, "awskms.dependency", "kms.unavailable"),
    ("encrypt", Told(502, b"<html>Bad gateway</html>"), Unavailable, "http.server_error", "kms.unavailable"),
    ("encrypt", refusal("InvalidKeyUsageException"), Rejected, "awskms.usage", "kms.config"),
    ("encrypt", refusal("ValidationException"), Rejected, "awskms.not_valid", "kms.config"),
    ("encrypt", refusal("SomethingNewException"), Rejected, "http.refused", "kms.config"),
    ("encrypt", Told(200, b"<html>log in</html>"), Unavailable, "network.garbage", "kms.unavailable"),
    ("encrypt", answer({"KeyId": ARN}), Unavailable, "network.garbage", "kms.unavailable"),
    ("encrypt", answer({**SEALED, "KeyId": ID}), Unavailable, "network.garbage", "kms.unavailable"),
    ("encrypt", answer({**SEALED, "CiphertextBlob": "abcde"}), Unavailable, "network.garbage", "kms.unavailable"),
    ("decrypt", answer({"KeyId": ARN}), Unavailable, "network.garbage", "kms.unavailable"),
    ("inventory", answer({"KeyMetadata": {"KeyId": ID}}), Unavailable, "network.garbage", "kms.unavailable"),
)


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: f"{row[0]}-{row[3]}")
def test_a_refusal_is_a_fault_of_its_own_and_is_asked_once(row: Refusal, key: KmsKey, aws: Loopback) -> None:
    verb, told, kind, symptom, fault = row
    aws.spoil(told)

    with pytest.raises(kind) as caught:
        VERBS[verb](key)

    assert (caught.value.symptom, PROVIDER_AWS.faults[symptom]) == (symptom, fault)
    assert len(aws.asked) == 1
    assert ID not in str(caught.value)
    assert "111122223333" not in str(caught.value)


def test_every_symptom_is_a_fault_that_is_known() -> None:
    raised = {row.id for row in SIGNATURES} | {row.id for rows in FALLBACK.values() for row in rows} | set(NETWORK)

    assert raised - set(PROVIDER_AWS.faults) == set()
    assert set(PROVIDER_AWS.faults.values()) - set(FAULTS) == set()


def test_every_row_is_on_the_page_with_its_fault() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    told = {tuple(line.split("`")[1::2][:2]) for line in lines}

    assert {(row.id, PROVIDER_AWS.faults[row.id]) for row in SIGNATURES} - told == set()


def test_the_key_that_encrypted_is_named_when_an_alias_is_decrypted_with(aws: Loopback) -> None:
    aws.spoil(answer(SEALED), answer({"Plaintext": base64.b64encode(b"text").decode(), "KeyId": ARN}))
    context = {"environment": "prod"}

    with closing(connected(aws.url, "alias/ledger", region="eu-central-1")) as key:
        key.encrypt(b"text", context)
        key.decrypt(b"sealed", context)

    assert [
        (operation, sent["KeyId"], sent["EncryptionContext"]) for operation, sent in asked(aws)
    ] == [("Encrypt", "alias/ledger", context), ("Decrypt", ARN, context)]  # fmt: skip


def test_an_inventory_reads_every_page_of_rotations(key: KmsKey, aws: Loopback) -> None:
    rows = [{"KeyMaterialId": "a" * 64}, {"KeyMaterialId": "b" * 64, "RotationDate": 1767225600}]
    aws.spoil(
        answer(DESCRIBED),
        answer({"KeyRotationEnabled": False}),
        answer({"Rotations": rows[:1], "Truncated": True, "NextMarker": "further"}),
        answer({"Rotations": rows[1:], "Truncated": False}),
    )

    inventory = key.inventory()

    assert [version.id for version in inventory.versions] == ["a" * 64, "b" * 64]
    assert [sent.get("Marker") for operation, sent in asked(aws) if operation == "ListKeyRotations"] == [
        None,
        "further",
    ]


@pytest.mark.parametrize("way", [{}, {"NextMarker": "again"}])
def test_rotations_that_have_no_end_are_no_list(way: dict[str, str], key: KmsKey, aws: Loopback) -> None:
    page = answer({"Rotations": [], "Truncated": True, **way})
    aws.spoil(answer(DESCRIBED), answer({"KeyRotationEnabled": False}), *[page] * 20)

    with pytest.raises(Unavailable) as caught:
        key.inventory()

    assert caught.value.symptom == "network.garbage"


@pytest.mark.parametrize(
    "code", ["KMSInvalidStateException", "UnsupportedOperationException", "UnknownOperationException"]
)
def test_where_aws_does_not_tell_rotations_the_key_has_one_version(code: str, key: KmsKey, aws: Loopback) -> None:
    aws.spoil(answer(DESCRIBED), refusal(code), refusal(code))

    [version] = key.inventory().versions

    assert version.id == "1"


def who(account: str) -> Told:
    return Told(
        200,
        f"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>{account}</Account></GetCallerIdentityResult>"
        "</GetCallerIdentityResponse>".encode(),
        {"content-type": "text/xml"},
    )


def test_another_accounts_key_has_one_version_since_aws_lists_no_rotations_of_it(key: KmsKey, aws: Loopback) -> None:
    aws.spoil(
        answer(DESCRIBED),
        answer({"KeyRotationEnabled": True, "RotationPeriodInDays": 90}),
        refusal("AccessDeniedException"),
        who("999988887777"),
    )

    [version] = key.inventory().versions

    # It may have been rotated yesterday.
    assert version.created_at is None


@pytest.mark.parametrize("told", [who("111122223333"), refusal("AccessDeniedException")])
def test_a_right_that_is_missing_on_ones_own_key_is_a_fault(told: Told, key: KmsKey, aws: Loopback) -> None:
    aws.spoil(answer(DESCRIBED), answer({"KeyRotationEnabled": False}), refusal("AccessDeniedException"), told)

    with pytest.raises(Rejected) as caught:
        key.inventory()

    assert caught.value.symptom == "awskms.inventory_denied"


@pytest.mark.parametrize(
    ("name", "environment", "host"),
    [
        (ARN, "false", "kms.eu-central-1.amazonaws.com"),
        (f"arn:aws:kms:eu-west-1:111122223333:key/{MRK}", "false", "kms.eu-west-1.amazonaws.com"),
        ("alias/ledger", "false", "kms.us-west-2.amazonaws.com"),
        ("arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/ledger", "true", "kms-fips.us-gov-west-1.amazonaws.com"),
        (f"arn:aws-cn:kms:cn-north-1:111122223333:key/{ID}", "false", "kms.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_a_key_is_asked_for_in_its_own_region(
    name: str, environment: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", environment)
    seen: list[Exchange] = []
    with closed_port() as port:
        conduct = Conduct(PRODUCTION, seen.append, dial={"*": ("127.0.0.1", port)})
        values = {"manage_key": KEY.text, "region": "us-west-2"}
        with closing(PROVIDER_AWS.connect(name, values, None, conduct)) as key, pytest.raises(Unavailable) as caught:
            key.encrypt(b"text", {})

    assert [exchange.host for exchange in seen] == [host]
    assert PROVIDER_AWS.faults[caught.value.symptom] == "kms.unreachable"


def test_an_encryption_without_an_answer_may_be_repeated() -> None:
    with silent_port() as port:
        conduct = Conduct(REHEARSAL, lambda _: None, exchange_limit=timedelta(seconds=0.1))
        address = f"http://127.0.0.1:{port}"
        key = PROVIDER_AWS.connect(ARN, {"manage_key": KEY.text}, address, conduct)
        with closing(key), pytest.raises(Unavailable) as caught:
            key.encrypt(b"text", {})

    assert PROVIDER_AWS.faults[caught.value.symptom] == "kms.unreachable"


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("", "eu-central-1"),
        ("ledger", "eu-central-1"),
        ("alias/", "eu-central-1"),
        (f"arn:aws:kms:eu-central-1.evil.example:111122223333:key/{ID}", "eu-central-1"),
        (f"arn:aws:s3:eu-central-1:111122223333:key/{ID}", "eu-central-1"),
        (ID, ""),
        (ID, "eu-central-1.evil.example#"),
    ],
)
def test_a_name_without_a_key_or_a_region_is_told_before_anything_is_sent(name: str, region: str) -> None:
    with pytest.raises(BadInput) as caught:
        connected(None, name, PRODUCTION, region=region)

    assert PROVIDER_AWS.faults[caught.value.symptom] == "kms.config"


@pytest.mark.parametrize(
    ("rule", "address"),
    [(REHEARSAL, None), (REHEARSAL, "https://kms.example.com"), (PRODUCTION, "http://kms.example.com")],
)
def test_a_key_is_not_asked_for_where_it_must_not_be(rule: HostRule, address: str | None) -> None:
    with pytest.raises(BadInput):
        connected(address, rule=rule)


def test_an_address_that_the_section_names_is_an_allowed_host() -> None:
    seen: list[Exchange] = []
    endpoint = "vpce-1.kms.eu-central-1.vpce.amazonaws.com"
    with closed_port() as port:
        conduct = Conduct(PRODUCTION, seen.append, dial={"*": ("127.0.0.1", port)})
        key = PROVIDER_AWS.connect(ARN, {"manage_key": KEY.text}, f"https://{endpoint}", conduct)
        with closing(key), pytest.raises(Unavailable):
            key.encrypt(b"text", {})

    assert [exchange.host for exchange in seen] == [endpoint]


def test_the_rehearsal_uses_no_real_identity() -> None:
    with pytest.raises(BadInput) as caught:
        PROVIDER_AWS.connect(ARN, {}, "http://127.0.0.1:9", Conduct(REHEARSAL, lambda _: None))

    assert PROVIDER_AWS.faults[caught.value.symptom] == "kms.identity"


def test_a_worker_without_a_role_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))

    key = PROVIDER_AWS.connect(ARN, {}, None, Conduct(PRODUCTION, lambda _: None))
    with closing(key), pytest.raises(OpsError) as caught:
        key.encrypt(b"text", {})

    assert PROVIDER_AWS.faults[caught.value.symptom] == "kms.identity"
