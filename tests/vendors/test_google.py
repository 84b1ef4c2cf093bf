"""The one policy for Google's official clients, over both transports: their exceptions differ, what we make of them does not."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from google.api_core.exceptions import from_grpc_status
from google.auth.exceptions import RefreshError, TransportError
from grpc import StatusCode  # type: ignore[import-untyped]

from domain.errors import BadInput, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.exchanges import Exchange
from tests.conftest import StandIns
from tests.vendors.google_cloud import GRPC, REST, GoogleCloud, after_a_cut, cloud_of
from vendors.dialing import closed_port
from vendors.gcpsecret import INTEGRATION
from vendors.gcpsecret_versions import SecretVersions, connect_versions
from vendors.google_failures import heard_from
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.rate_limits import DEFAULT_RATE_LIMIT_WAIT

VALUE = "a-value-of-the-tests"


@pytest.fixture(params=[GRPC, REST])
def cloud(request: pytest.FixtureRequest, stand_ins: StandIns) -> GoogleCloud:
    return cloud_of(stand_ins, INTEGRATION, request.param)


@pytest.fixture
def versions(cloud: GoogleCloud) -> Iterator[SecretVersions]:
    with closing(connected(cloud)) as versions:
        yield versions


def connected(cloud: GoogleCloud, conduct: Conduct | None = None) -> SecretVersions:
    values = cloud.values
    return connect_versions(
        values["secret_name"], values.get("manage_key", ""), cloud.address, conduct or cloud.conduct
    )


Named = tuple[str, int, type[OpsError], str]
READS: tuple[Named, ...] = (
    ("UNAUTHENTICATED", 401, Rejected, "gcpsecret.unauthenticated"),
    ("PERMISSION_DENIED", 403, Rejected, "gcpsecret.forbidden"),
    ("NOT_FOUND", 404, Rejected, "gcpsecret.secret_unknown"),
    ("INVALID_ARGUMENT", 400, Rejected, "http.refused"),
    ("RESOURCE_EXHAUSTED", 429, Unavailable, "gcpsecret.quota"),
    ("INTERNAL", 500, Unavailable, "http.server_error"),
    ("UNAVAILABLE", 503, Unavailable, "http.server_error"),
)
CHANGES: tuple[Named, ...] = (
    ("ABORTED", 409, OutcomeUnknown, "gcpsecret.change_unclear"),
    ("RESOURCE_EXHAUSTED", 429, Unavailable, "gcpsecret.quota"),
    ("INTERNAL", 500, OutcomeUnknown, "http.server_error"),
    ("UNAVAILABLE", 503, OutcomeUnknown, "http.server_error"),
)


@pytest.mark.parametrize("row", READS, ids=lambda row: row[0])
def test_a_refused_read_is_named_by_its_code(row: Named, cloud: GoogleCloud, versions: SecretVersions) -> None:
    code, status, kind, symptom = row
    cloud.refuse("GetSecret", code, status=status)

    with pytest.raises(kind) as caught:
        versions.aliases()

    assert caught.value.symptom == symptom
    (noted,) = cloud.evidence
    assert (noted.verb, noted.status, noted.outcome) == ("get_secret", status, kind.__name__)
    assert cloud.calls("GetSecret") == 1  # the client's own repeating is off


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: row[0])
def test_a_change_that_was_refused_late_may_have_happened(
    row: Named, cloud: GoogleCloud, versions: SecretVersions
) -> None:
    code, status, kind, symptom = row
    cloud.refuse("AddSecretVersion", code, status=status)

    with pytest.raises(kind) as caught:
        versions.add(VALUE)

    assert caught.value.symptom == symptom
    assert cloud.calls("AddSecretVersion") == 1


@pytest.mark.parametrize("fault", [{"drop": True}, {"garbage": True}], ids=str)
def test_a_lost_answer_to_a_change_leaves_its_outcome_unknown(
    fault: dict[str, bool], cloud: GoogleCloud, versions: SecretVersions
) -> None:
    cloud.fault(rpc="AddSecretVersion", deliver=True, **fault)

    with pytest.raises(OutcomeUnknown):
        versions.add(VALUE)

    assert after_a_cut(lambda: versions.holding(VALUE)) == 2


FOREIGN = ('{"error": "no"}', '{"error": null}', '["no"]', '"no"', '{"error": {"status": "A", "message": "b", "details": "c"}}', "no", "")  # fmt: skip


@pytest.mark.parametrize("cloud", [REST], indirect=True)
@pytest.mark.parametrize("body", FOREIGN)
def test_who_answers_in_googles_place_is_told_by_the_status_alone(
    body: str, cloud: GoogleCloud, versions: SecretVersions
) -> None:
    cloud.fault(rpc="GetSecret", status=403, body=body)

    with pytest.raises(Rejected) as caught:
        versions.aliases()

    assert caught.value.symptom == "gcpsecret.forbidden"


@pytest.mark.parametrize("seconds", [0, 17])
def test_a_limit_lasts_as_long_as_google_says(cloud: GoogleCloud, versions: SecretVersions, seconds: int) -> None:
    cloud.fault(rpc="GetSecret", throttle_s=seconds)
    with pytest.raises(Unavailable) as named:
        versions.aliases()

    cloud.refuse("GetSecret", "RESOURCE_EXHAUSTED", status=429)
    with pytest.raises(Unavailable) as unnamed:
        versions.aliases()

    assert (named.value.retry_after, unnamed.value.retry_after) == (timedelta(seconds=seconds), DEFAULT_RATE_LIMIT_WAIT)


def test_a_call_ends_within_its_limit(cloud: GoogleCloud) -> None:
    cloud.fault(rpc="GetSecret", delay_s=30)
    conduct = Conduct(HostRule(rehearsal=True), cloud.evidence.append, exchange_limit=timedelta(seconds=0.3))

    with closing(connected(cloud, conduct)) as versions, pytest.raises(Unavailable) as caught:
        versions.aliases()

    assert caught.value.symptom == "network.timeout"
    assert cloud.evidence[-1].status is None


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_where_nobody_listens_nothing_was_sent(scheme: str, stand_ins: StandIns) -> None:
    cloud = cloud_of(stand_ins, INTEGRATION)
    with closed_port() as port:
        versions = connect_versions(
            cloud.values["secret_name"], cloud.values["manage_key"], f"{scheme}://127.0.0.1:{port}", cloud.conduct
        )
        with closing(versions), pytest.raises(Unavailable) as caught:  # not OutcomeUnknown, though it is a change
            versions.add(VALUE)

    assert caught.value.symptom == "network.refused"


def unavailable(words: str) -> Exception:
    error: Exception = from_grpc_status(StatusCode.UNAVAILABLE, words)  # type: ignore[no-untyped-call]
    return error


@pytest.mark.parametrize(
    ("told", "symptom", "sent"),
    [
        ("errors resolving kms.invalid:443: [Domain name not found]", "network.dns", False),
        ("failed to connect to all addresses; last error: Connection refused", "network.refused", False),
        ("failed to connect: Ssl handshake failed: CERTIFICATE_VERIFY_FAILED", "network.tls", False),
        ("recvmsg:Connection reset by peer", "network.reset", True),
        ("Getting metadata from plugin failed with error: no route to the metadata server", "network.reset", False),
    ],
)
def test_what_grpc_says_in_words_tells_whether_the_request_had_left(told: str, symptom: str, sent: bool) -> None:  # noqa: FBT001 (a row of the table)
    heard = heard_from(unavailable(told))

    assert (heard.status, heard.symptom, heard.sent) == (None, symptom, sent)


@pytest.mark.parametrize(
    ("error", "symptom"),
    [
        (RefreshError("invalid_grant: Invalid JWT Signature."), ""),  # type: ignore[no-untyped-call]
        (unavailable("Getting metadata from plugin failed: ('invalid_grant: ...')"), ""),
        (RefreshError("the server is busy", retryable=True), "network.reset"),  # type: ignore[no-untyped-call]
        (TransportError("no answer"), "network.reset"),  # type: ignore[no-untyped-call]
    ],
    ids=str,
)
def test_a_caller_whose_identity_is_refused_or_away_sent_nothing(error: Exception, symptom: str) -> None:
    heard = heard_from(error)

    assert (heard.judged_as, heard.code, heard.symptom, heard.sent) == (401, "UNAUTHENTICATED", symptom, False)


def test_google_itself_is_called_over_grpc_as_the_keys_account(stand_ins: StandIns) -> None:
    key = cloud_of(stand_ins, INTEGRATION).values["manage_key"]
    conduct = Conduct(HostRule(rehearsal=False), lambda _: None)

    with closing(connect_versions("projects/p/secrets/s", key, None, conduct)) as versions:
        transport = versions.line._opened().transport

    assert (transport.kind, transport.host) == ("grpc", "secretmanager.googleapis.com:443")
    assert transport._credentials.service_account_email.startswith("secret-manager@")


def test_each_call_asks_for_its_place_first(cloud: GoogleCloud) -> None:
    admitted: list[tuple[str, str]] = []
    conduct = Conduct(
        HostRule(rehearsal=True), cloud.evidence.append, admit=lambda *asked: admitted.append(asked)
    )  # fmt: skip

    with closing(connected(cloud, conduct)) as versions:
        versions.aliases()

    assert admitted == [("gcpsecret", "get_secret")]


def test_the_evidence_holds_where_and_what_and_nothing_secret(cloud: GoogleCloud, versions: SecretVersions) -> None:
    versions.access(versions.add(VALUE))

    hosts = {exchange.host for exchange in cloud.evidence}
    assert hosts == {cloud.address.partition("://")[2].partition("/")[0]}
    assert [(one.verb, one.status, one.outcome) for one in cloud.evidence] == [
        ("add_version", 200, "ok"),
        ("access_version", 200, "ok"),
    ]
    assert VALUE not in f"{cloud.evidence!r} {versions!r}"


@pytest.mark.parametrize(
    "address", ["grpc://secretmanager.googleapis.com", "https://secretmanager.example.com", None], ids=str
)
def test_a_rehearsal_reaches_no_other_machine(address: str | None) -> None:
    noted: list[Exchange] = []

    with pytest.raises(BadInput):
        connect_versions("projects/p/secrets/s", "", address, Conduct(HostRule(rehearsal=True), noted.append))

    assert noted == []


def test_a_real_key_is_never_sent_unencrypted() -> None:
    conduct = Conduct(HostRule(rehearsal=False), lambda _: None)

    with pytest.raises(BadInput, match="grpc"):
        connect_versions("projects/p/secrets/s", "", "grpc://secretmanager.googleapis.com", conduct)


def test_a_regional_secret_is_served_in_its_region() -> None:
    conduct = Conduct(HostRule(rehearsal=False), lambda _: None)

    versions = connect_versions("projects/p/locations/europe-west3/secrets/s", "", None, conduct)

    assert versions.line.host == "secretmanager.europe-west3.rep.googleapis.com"


def test_a_worker_without_an_identity_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.setenv("NO_GCE_CHECK", "True")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")
    versions = connect_versions("projects/p/secrets/s", "", None, Conduct(HostRule(rehearsal=False), lambda _: None))

    with pytest.raises(BadInput, match="no identity of its own"):
        versions.aliases()
