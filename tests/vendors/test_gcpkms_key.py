"""A Google Cloud KMS key as a smoke check uses it, against the stand-in: what opens, what does not, and which fault each refusal is."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import permutations
from types import SimpleNamespace
from typing import Any, cast

import pytest

from domain.diagnosis import FALLBACK, NETWORK
from domain.errors import BadInput, NotYet, OpsError, Rejected, Unavailable
from domain.exchanges import Effect
from domain.kms_faults import FAULTS
from domain.kms_keys import VersionState
from tests.conftest import StandIns
from tests.vendors.google_cloud import GRPC, REST, GoogleCloud, cloud_of
from vendors.dialing import closed_port
from vendors.gcpkms import INTEGRATION
from vendors.gcpkms_key import PROVIDER_GCP, GoogleKey, bound_data
from vendors.gcpkms_signatures import SIGNATURES
from vendors.gcpkms_versions import KeyVersions
from vendors.google import GoogleLine, crc32c
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.kms import KmsKey
from vendors.kms_providers import KEY_PROVIDERS

TEXT = b"thirty-two bytes of the tests..."
CONTEXT = {"environment": "rehearsal", "service": "payments"}
OTHER_CONTEXT = {**CONTEXT, "service": "orders"}
NAMED = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
MONTH = timedelta(days=30)

Break = Callable[[GoogleCloud], object]


@pytest.fixture(params=[GRPC, REST])
def cloud(request: pytest.FixtureRequest, stand_ins: StandIns) -> GoogleCloud:
    found = cloud_of(stand_ins, INTEGRATION, request.param)
    found.act("set_indexing_delay", seconds=0)
    return found


@pytest.fixture
def key(cloud: GoogleCloud) -> Iterator[KmsKey]:
    with closing(connected(cloud)) as key:
        yield key


def connected(cloud: GoogleCloud, name: str = "", conduct: Conduct | None = None) -> KmsKey:
    values = cloud.values
    named = name or PROVIDER_GCP.default_key(values)
    return PROVIDER_GCP.connect(named, values, cloud.address, conduct or cloud.conduct)


def fault_of(attempt: Callable[[], object]) -> tuple[str, OpsError]:
    """Return the id of the fault that the attempt ends in, with its error."""
    with pytest.raises(OpsError) as caught:
        attempt()
    return PROVIDER_GCP.faults[caught.value.symptom], caught.value


def round_trip(key: KmsKey) -> bytes:
    return key.decrypt(key.encrypt(TEXT, CONTEXT).ciphertext, CONTEXT).plaintext


def test_a_text_goes_there_and_back_and_the_answer_says_what_encrypted(cloud: GoogleCloud, key: KmsKey) -> None:
    sealed = key.encrypt(TEXT, CONTEXT)

    opened = key.decrypt(sealed.ciphertext, CONTEXT)

    assert (sealed.key, sealed.version) == (cloud.values["key"], "1")
    assert (opened.plaintext, opened.by_primary, opened.version) == (TEXT, True, "")
    assert cloud.verbs == ["encrypt", "decrypt"]  # one request each
    assert TEXT.decode() not in f"{sealed!r} {opened!r} {cloud.evidence!r}"


def test_a_moved_primary_is_seen_in_the_answer_and_old_ciphertexts_open(cloud: GoogleCloud, key: KmsKey) -> None:
    old = key.encrypt(TEXT, CONTEXT)
    cloud.act("add_version")

    cloud.act("choose_primary", version=2)

    assert key.encrypt(TEXT, CONTEXT).version == "2"
    opened = key.decrypt(old.ciphertext, CONTEXT)
    assert (opened.plaintext, opened.by_primary) == (TEXT, False)


def test_an_older_version_encrypts_where_it_is_named(cloud: GoogleCloud, key: KmsKey) -> None:
    cloud.act("add_version")
    cloud.act("choose_primary", version=2)

    sealed = key.encrypt(TEXT, CONTEXT, "1")

    opened = key.decrypt(sealed.ciphertext, CONTEXT)
    assert (sealed.key, sealed.version) == (cloud.values["key"], "1")
    assert (opened.plaintext, opened.by_primary) == (TEXT, False)
    cloud.act("set_version_state", version=1, state="DISABLED")
    assert fault_of(lambda: key.encrypt(TEXT, CONTEXT, "1"))[0] == "kms.version_disabled"


class OtherVersionLine:
    """A line to a KMS that encrypts with version 2, whatever it is asked for."""

    def exchange(self, *_: object, read: Callable[[object], object], **__: object) -> object:
        sealed = b"sealed"
        return read(
            SimpleNamespace(
                name=f"{NAMED}/cryptoKeyVersions/2", ciphertext=sealed, ciphertext_crc32c=crc32c(sealed),
                verified_plaintext_crc32c=True, verified_additional_authenticated_data_crc32c=True,
            )
        )  # fmt: skip


def test_a_ciphertext_of_another_version_than_the_named_one_is_not_used() -> None:
    key = GoogleKey(KeyVersions(NAMED, cast("GoogleLine", OtherVersionLine())))

    assert key.encrypt(TEXT, CONTEXT).version == "2"
    fault, error = fault_of(lambda: key.encrypt(TEXT, CONTEXT, "1"))
    assert (fault, error.symptom) == ("kms.unavailable", "gcpkms.other_version")


def test_another_context_a_changed_byte_and_another_key_open_nothing(cloud: GoogleCloud, key: KmsKey) -> None:
    ciphertext = key.encrypt(TEXT, CONTEXT).ciphertext
    changed = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])
    other = connected(cloud, cloud.act("add_key", name="other")["key"])

    with closing(other):
        faults = [
            fault_of(lambda: key.decrypt(ciphertext, OTHER_CONTEXT)),
            fault_of(lambda: key.decrypt(ciphertext, {})),
            fault_of(lambda: key.decrypt(changed, CONTEXT)),
            fault_of(lambda: key.decrypt(b"", CONTEXT)),
            fault_of(lambda: other.decrypt(ciphertext, CONTEXT)),
        ]

    assert {(fault, error.symptom, type(error)) for fault, error in faults} == {
        ("kms.not_opened", "kms.not_opened", Rejected)
    }


def test_a_context_is_the_same_bytes_in_any_order_and_none_is_nothing() -> None:
    orders = {bound_data(dict(order)) for order in permutations(CONTEXT.items())}

    assert orders == {b'{"environment":"rehearsal","service":"payments"}'}
    assert bound_data({}) == b""


def test_what_an_application_encrypted_without_further_data_opens_with_an_empty_context(
    cloud: GoogleCloud, key: KmsKey
) -> None:
    theirs = b64decode(cloud.act("encrypt_for_application", text="theirs")["ciphertext"])

    assert key.decrypt(theirs, {}).plaintext == b"theirs"
    assert key.decrypt(key.encrypt(TEXT, {}).ciphertext, {}).plaintext == TEXT


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        ("DISABLED", "kms.version_disabled"),
        ("DESTROY_SCHEDULED", "kms.version_scheduled"),
        ("DESTROYED", "kms.version_destroyed"),
    ],
)
def test_a_version_that_is_off_is_named_by_its_state_and_number(
    state: str, fault: str, cloud: GoogleCloud, key: KmsKey
) -> None:
    sealed = key.encrypt(TEXT, CONTEXT)

    cloud.act("set_version_state", version=1, state=state)
    faults = [fault_of(lambda: key.encrypt(TEXT, CONTEXT)), fault_of(lambda: key.decrypt(sealed.ciphertext, CONTEXT))]

    assert [found for found, _ in faults] == [fault, fault]
    assert all(isinstance(error, Rejected) and "version 1 " in error.happened for _, error in faults)
    assert cloud.values["key"] not in f"{faults!r}"


PRECONDITIONS: tuple[tuple[str, type[OpsError]], ...] = (
    ("{key}/cryptoKeyVersions/1 is not enabled, current state is: PENDING_GENERATION.", NotYet),
    ("key version is not enabled, current state is: IMPORT_FAILED", Rejected),
    ("The external key manager is not reachable.", Rejected),
)


@pytest.mark.parametrize(("message", "kind"), PRECONDITIONS, ids=["pending", "failed", "other"])
def test_another_state_makes_the_key_unusable(
    message: str, kind: type[OpsError], cloud: GoogleCloud, key: KmsKey
) -> None:
    cloud.refuse("Encrypt", "FAILED_PRECONDITION", message.format(key=cloud.values["key"]))

    fault, error = fault_of(lambda: key.encrypt(TEXT, CONTEXT))

    assert (fault, type(error)) == ("kms.key_unusable", kind)


def test_a_key_without_a_primary_and_an_unknown_key_are_told_apart(cloud: GoogleCloud) -> None:
    empty, unknown = cloud.act("add_key", name="empty", empty=True)["key"], f"{cloud.values['key']}x"

    faults = {}
    for name in (empty, unknown):
        with closing(connected(cloud, name)) as key:
            faults[name], _ = fault_of(lambda key=key: key.encrypt(TEXT, CONTEXT))  # type: ignore[misc]

    assert faults == {empty: "kms.no_primary", unknown: "kms.key_unusable"}


@pytest.mark.parametrize("permission", ["cryptoKeys.get", "cryptoKeyVersions.list"])
def test_who_may_use_the_key_and_not_look_at_it_lacks_nothing_that_applications_need(
    permission: str, cloud: GoogleCloud, key: KmsKey
) -> None:
    cloud.act("remove_permission", permission=f"cloudkms.{permission}")

    assert fault_of(key.inventory)[0] == "kms.config"
    assert round_trip(key) == TEXT


@pytest.mark.parametrize("permission", ["useToEncrypt", "useToDecrypt"])
def test_a_permission_that_was_taken_is_seen_even_where_the_other_one_is_left(
    permission: str, cloud: GoogleCloud, key: KmsKey
) -> None:
    cloud.act("remove_permission", permission=f"cloudkms.cryptoKeyVersions.{permission}")

    fault, error = fault_of(lambda: round_trip(key))

    assert (fault, type(error)) == ("kms.permission", Rejected)
    assert permission.removeprefix("useTo").lower() in error.happened


def test_a_caller_that_google_does_not_know_is_no_matter_of_the_key(cloud: GoogleCloud) -> None:
    with closing(connected(cloud.having(manage_key=""))) as key:
        fault, _ = fault_of(lambda: key.encrypt(TEXT, CONTEXT))

    assert fault == "kms.identity"


ON_THE_WAY: tuple[tuple[dict[str, Any], str], ...] = (
    ({"throttle_s": 17}, "kms.throttled"),
    ({"drop": True}, "kms.unreachable"),
    ({"status": 500}, "kms.unavailable"),
    ({"status": 503}, "kms.unavailable"),
    ({"status": 499}, "kms.unavailable"),
)


@pytest.mark.parametrize(("order", "fault"), ON_THE_WAY, ids=[str(order) for order, _ in ON_THE_WAY])
def test_what_passes_by_itself_may_be_repeated(
    order: dict[str, Any], fault: str, cloud: GoogleCloud, key: KmsKey
) -> None:
    cloud.fault(rpc="Encrypt", **order)

    found, error = fault_of(lambda: key.encrypt(TEXT, CONTEXT))

    assert (found, type(error)) == (fault, Unavailable)
    assert FAULTS[fault].is_repeated
    assert cloud.calls("Encrypt") == 1


def test_the_time_that_google_names_is_kept_for_who_repeats(cloud: GoogleCloud, key: KmsKey) -> None:
    cloud.fault(rpc="Encrypt", throttle_s=17)

    _, error = fault_of(lambda: key.encrypt(TEXT, CONTEXT))

    assert error.retry_after == timedelta(seconds=17)


def test_an_answer_that_takes_too_long_and_a_port_without_a_listener_are_unreachable(cloud: GoogleCloud) -> None:
    cloud.fault(rpc="Encrypt", delay_s=30)
    hasty = Conduct(HostRule(rehearsal=True), cloud.evidence.append, exchange_limit=timedelta(seconds=0.3))
    scheme = cloud.address.partition(":")[0]

    with closing(connected(cloud, conduct=hasty)) as slow, closed_port() as port:
        absent = PROVIDER_GCP.connect(cloud.values["key"], cloud.values, f"{scheme}://127.0.0.1:{port}", hasty)
        faults = [fault_of(lambda: slow.encrypt(TEXT, CONTEXT))[0], fault_of(lambda: absent.encrypt(TEXT, CONTEXT))[0]]
        absent.close()

    assert faults == ["kms.unreachable", "kms.unreachable"]


def confirming(**seen: bool) -> Break:
    """Return what lets Google confirm no other checksum than these; all else of the answer is in order."""

    def arrange(cloud: GoogleCloud) -> None:
        name = f"{cloud.values['key']}/cryptoKeyVersions/1"
        cloud.fault(rpc="Encrypt", status=200, body=json.dumps({"name": name, "ciphertextCrc32c": "0", **seen}))

    return arrange


DAMAGES: dict[str, Break] = {
    "ciphertext coming": lambda cloud: cloud.fault(rpc="Encrypt", corrupt=True),
    "plaintext coming": lambda cloud: cloud.fault(rpc="Decrypt", corrupt=True),
    "both going, checksums lost": lambda cloud: cloud.act("ignore_checksums"),
    "plaintext going, checksum lost": confirming(verifiedAdditionalAuthenticatedDataCrc32c=True),
    "context going, checksum lost": confirming(verifiedPlaintextCrc32c=True),
    "plaintext going": lambda cloud: cloud.refuse(
        "Encrypt", "INVALID_ARGUMENT", "The checksum in field plaintext_crc32c did not match the data in field plaintext."
    ),
    "ciphertext going": lambda cloud: cloud.refuse(
        "Decrypt", "INVALID_ARGUMENT", "The checksum in field ciphertext_crc32c did not match the data in field ciphertext."
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_damaged_on_the_way_is_never_used(damage: str, cloud: GoogleCloud, key: KmsKey) -> None:
    DAMAGES[damage](cloud)

    fault, error = fault_of(lambda: round_trip(key))

    assert (fault, type(error)) == ("kms.corrupted", Unavailable)
    assert cloud.values["key"] not in str(error)


def test_a_key_that_does_not_encrypt_so_is_a_matter_of_the_configuration(cloud: GoogleCloud, key: KmsKey) -> None:
    cloud.refuse("Encrypt", "INVALID_ARGUMENT", "The CryptoKey has another purpose.")

    assert fault_of(lambda: key.encrypt(TEXT, CONTEXT))[0] == "kms.config"


@pytest.mark.parametrize("name", ["", "alias/payments", "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"])  # fmt: skip
def test_a_name_that_is_no_keys_is_refused_before_anything_is_sent(name: str, stand_ins: StandIns) -> None:
    cloud = cloud_of(stand_ins, INTEGRATION)

    with pytest.raises(BadInput) as caught:
        PROVIDER_GCP.connect(name, cloud.values, cloud.address, cloud.conduct)

    assert PROVIDER_GCP.faults[caught.value.symptom] == "kms.config"


def test_the_inventory_tells_of_every_version_its_end_and_the_next_rotation(cloud: GoogleCloud, key: KmsKey) -> None:
    for _ in range(3):
        cloud.act("add_version")
    cloud.act("choose_primary", version=2)
    cloud.act("set_version_state", version=1, state="DISABLED")
    cloud.act("set_version_state", version=3, state="DESTROY_SCHEDULED", destroy_in_s=MONTH.total_seconds())
    cloud.act("set_version_state", version=4, state="DESTROYED")
    cloud.act("set_rotation", period_s=timedelta(days=90).total_seconds(), next_in_s=3_600)
    now = datetime.now(UTC)

    found = key.inventory()

    assert (found.key, found.primary) == (cloud.values["key"], "2")
    assert [(version.id, version.state) for version in found.versions] == [
        ("1", VersionState.DISABLED),
        ("2", VersionState.ENABLED),
        ("3", VersionState.DESTROY_SCHEDULED),
        ("4", VersionState.DESTROYED),
    ]
    ends = [version.destroy_at for version in found.versions]
    assert ends[:2] == [None, None]
    assert ends[2] is not None
    assert ends[3] is not None
    assert ends[3] < now < ends[2] - MONTH + timedelta(minutes=1)
    assert found.rotates_at is not None
    assert now < found.rotates_at < now + timedelta(hours=1, minutes=1)


def test_a_key_that_google_does_not_rotate_says_so_and_one_without_a_primary_names_none(cloud: GoogleCloud) -> None:
    with closing(connected(cloud, cloud.act("add_key", name="empty", empty=True)["key"])) as key:
        found = key.inventory()

    assert (found.primary, found.versions, found.rotates_at) == ("", (), None)


@pytest.mark.filterwarnings("ignore:Unrecognized CryptoKeyVersionState")
@pytest.mark.parametrize("state", ["IMPORT_FAILED", 99])
def test_a_state_that_nobody_can_use_or_knows_is_other(state: object, cloud: GoogleCloud, key: KmsKey) -> None:
    name = f"{cloud.values['key']}/cryptoKeyVersions/1"
    listed = {"cryptoKeyVersions": [{"name": name, "state": state}], "totalSize": 1}
    cloud.fault(rpc="ListCryptoKeyVersions", status=200, body=json.dumps(listed))

    (version,) = key.inventory().versions

    assert version.state is VersionState.OTHER


def test_whatever_google_or_the_way_to_it_refuses_is_one_of_the_faults() -> None:
    verbs = {"encrypt", "decrypt", "get_crypto_key", "list_versions"}
    rows = {row.id for row in (*SIGNATURES, *FALLBACK[Effect.READS]) if not row.verbs or row.verbs & verbs}

    assert {*rows, *NETWORK} - set(PROVIDER_GCP.faults) == set()
    assert set(PROVIDER_GCP.faults.values()) - set(FAULTS) == set()
    assert KEY_PROVIDERS["gcp"] is PROVIDER_GCP
