"""A bucket of Google Storage, read by Google's own client: pages, generations, stored bytes, and errors named by what to do."""

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from domain.errors import BadInput, OpsError, Rejected, Unavailable
from domain.exchanges import Exchange
from tests.stores.google import Bucket, google_bucket, refused
from tests.stores.loopback import Loopback, Told
from vendors.dialing import closed_port
from vendors.google_storage import SCOPE, GoogleBucket
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.object_stores import PART_BYTES, Check, StoredObject
from vendors.rate_limits import DEFAULT_RATE_LIMIT_WAIT

REHEARSAL = HostRule(rehearsal=True)


@pytest.fixture
def served() -> Iterator[tuple[Bucket, Loopback]]:
    with google_bucket() as served:
        yield served


@pytest.fixture
def kept(served: tuple[Bucket, Loopback]) -> Bucket:
    return served[0]


@pytest.fixture
def loopback(served: tuple[Bucket, Loopback]) -> Loopback:
    return served[1]


@pytest.fixture
def evidence() -> list[Exchange]:
    return []


@pytest.fixture
def bucket(loopback: Loopback, evidence: list[Exchange]) -> Iterator[GoogleBucket]:
    with closing(GoogleBucket("events", Conduct(REHEARSAL, evidence.append), address=loopback.url)) as bucket:
        yield bucket


def the_only(bucket: GoogleBucket) -> StoredObject:
    [one] = bucket.page("", "").objects
    return one


def test_a_bucket_is_listed_in_pages_of_a_thousand(bucket: GoogleBucket, kept: Bucket, loopback: Loopback) -> None:
    for number in range(2500):
        kept.put(f"day/{number:05}.jsonl", b"{}")

    pages = [bucket.page("day/", "")]
    while pages[-1].cursor:
        pages.append(bucket.page("day/", pages[-1].cursor))

    assert [len(page.objects) for page in pages] == [1000, 1000, 500]
    assert len({one.key for page in pages for one in page.objects}) == 2500
    assert {asked.query["maxResults"] for asked in loopback.asked} == {"1000"}


def test_an_empty_bucket_has_an_empty_page(bucket: GoogleBucket) -> None:
    page = bucket.page("", "")

    assert (page.objects, page.cursor) == ((), "")


def test_a_part_is_of_the_listed_generation_and_says_what_the_whole_comes_to(
    bucket: GoogleBucket, kept: Bucket, loopback: Loopback, evidence: list[Exchange]
) -> None:
    body = bytes(range(256)) * (PART_BYTES // 256) + b"the rest"
    kept.put("a/b c.jsonl", body)
    one = the_only(bucket)

    first, second = bucket.part(one, 0), bucket.part(one, PART_BYTES)

    assert first.body + second.body == body
    assert first.whole == second.whole
    assert first.whole is not None
    assert first.whole.check is Check.CRC32C
    query = loopback.asked[-1].query
    assert (query["generation"], query["ifGenerationMatch"]) == (one.version, one.version)
    assert [(row.system, row.verb, row.status, row.outcome) for row in evidence] == [
        ("gs", "list_objects", 200, "ok"), ("gs", "get_object", 206, "ok"), ("gs", "get_object", 206, "ok"),
    ]  # fmt: skip


def test_an_object_that_is_stored_packed_stays_packed(bucket: GoogleBucket, kept: Bucket) -> None:
    packed = gzip.compress(b'{"event_id": "1"}\n' * 1000)
    kept.put("day.jsonl.gz", packed, encoding="gzip")

    part = bucket.part(the_only(bucket), 0)

    assert part.body == packed


@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_an_object_that_changed_since_it_was_listed_is_not_read(
    change: str, bucket: GoogleBucket, kept: Bucket
) -> None:
    kept.put("day.jsonl", b"before")
    one = the_only(bucket)
    if change == "replaced":
        kept.put("day.jsonl", b"after!")
    else:
        del kept.objects["day.jsonl"]

    with pytest.raises(Rejected) as caught:
        bucket.part(one, 0)

    assert caught.value.symptom == "gs.object_gone"


def test_a_generation_that_does_not_fit_is_a_change(bucket: GoogleBucket, kept: Bucket, loopback: Loopback) -> None:
    kept.put("day.jsonl", b"before")
    one = the_only(bucket)
    loopback.spoil(refused(412, "conditionNotMet"))

    with pytest.raises(Rejected) as caught:
        bucket.part(one, 0)

    assert caught.value.symptom == "gs.object_changed"


Refusal = tuple[str, Told, type[OpsError], str]
REFUSALS: tuple[Refusal, ...] = (
    ("list", refused(401, "Invalid Credentials"), Rejected, "gs.who_unknown"),
    ("list", refused(403, "no storage.objects.list"), Rejected, "gs.list_denied"),
    ("list", refused(404, "The specified bucket does not exist."), Rejected, "gs.bucket_unknown"),
    ("list", refused(429, "rateLimitExceeded"), Unavailable, "gs.slow_down"),
    ("list", refused(503, "backendError"), Unavailable, "http.server_error"),
    ("list", Told(200, b"<html>log in</html>"), Unavailable, "network.garbage"),
    ("list", Told(200, b'{"items": [{"size": "x"}]}'), Unavailable, "network.garbage"),
    ("get", refused(403, "no storage.objects.get"), Rejected, "gs.read_denied"),
    ("get", refused(429, "rateLimitExceeded"), Unavailable, "gs.slow_down"),
    ("get", Told(200, b"whole"), Unavailable, "network.garbage"),
    ("get", Told(206, b"bef"), Unavailable, "network.garbage"),
    ("get", Told(206, b"before", sent_bytes=3), Unavailable, "network.reset"),
)


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: f"{row[0]}-{row[1].status}-{row[3]}")
def test_a_refusal_is_named_by_what_to_do_and_asked_once(
    row: Refusal, bucket: GoogleBucket, kept: Bucket, loopback: Loopback
) -> None:
    asked, told, kind, symptom = row
    kept.put("day.jsonl", b"before")
    one = the_only(bucket)
    loopback.spoil(told)

    with pytest.raises(kind) as caught:
        bucket.page("", "") if asked == "list" else bucket.part(one, 0)

    assert caught.value.symptom == symptom
    assert len(loopback.asked) == 2


def test_a_limit_lasts_as_long_as_google_says_and_a_minute_where_it_does_not(
    bucket: GoogleBucket, loopback: Loopback
) -> None:
    limited = refused(429, "rateLimitExceeded")
    loopback.spoil(Told(429, limited.body, {"retry-after": "7"}), limited)

    waits = []
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            bucket.page("", "")
        waits.append(caught.value.retry_after)

    assert waits == [timedelta(seconds=7), DEFAULT_RATE_LIMIT_WAIT]


def test_where_nobody_listens_nothing_was_read() -> None:
    with closed_port() as port:
        bucket = GoogleBucket("events", Conduct(REHEARSAL, lambda _: None), address=f"http://127.0.0.1:{port}")
        with closing(bucket), pytest.raises(Unavailable) as caught:
            bucket.page("", "")

    assert caught.value.symptom == "network.refused"


@pytest.mark.parametrize(
    ("rule", "address"),
    [
        (REHEARSAL, ""),
        (REHEARSAL, "https://store.example.com"),
        (HostRule(rehearsal=False), "http://127.0.0.1:9"),
        (HostRule(rehearsal=False), "http://store.example.com"),
    ],
)
def test_a_bucket_is_not_looked_for_where_it_must_not_be(rule: HostRule, address: str) -> None:
    with pytest.raises(BadInput):
        GoogleBucket("events", Conduct(rule, lambda _: None), address=address)


def test_an_address_that_the_section_gives_is_allowed_over_tls() -> None:
    rule = HostRule(rehearsal=False)

    GoogleBucket("events", Conduct(rule, lambda _: None), address="https://store.example.com").close()


def test_a_key_signs_each_request_itself_and_no_token_is_fetched(kept: Bucket, loopback: Loopback) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    key = {
        "type": "service_account", "client_email": "reader@p.iam.gserviceaccount.com", "private_key": pem,
        "private_key_id": "k1", "token_uri": "https://oauth2.googleapis.com/token", "project_id": "p",
    }  # fmt: skip
    kept.put("day.jsonl", b"{}")
    conduct = Conduct(REHEARSAL, lambda _: None)

    with closing(GoogleBucket("events", conduct, key=json.dumps(key), address=loopback.url)) as bucket:
        bucket.part(the_only(bucket), 0)

    for asked in loopback.asked:
        scheme, _, token = asked.headers["authorization"].partition(" ")
        claims = jwt.decode(token, private.public_key(), algorithms=["RS256"], options={"verify_aud": False})
        assert (scheme, claims["iss"], claims["scope"]) == ("Bearer", key["client_email"], SCOPE)


def test_a_worker_without_an_identity_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.setenv("NO_GCE_CHECK", "True")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")
    bucket = GoogleBucket("events", Conduct(HostRule(rehearsal=False), lambda _: None))

    with pytest.raises(BadInput, match="no identity of its own"):
        bucket.page("", "")
