"""A bucket of S3, read from moto: pages, ETags, stored bytes, and errors named by what to do next."""

import gzip
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from domain.errors import BadInput, OpsError, Rejected, Unavailable
from domain.exchanges import Exchange
from tests.stores.amazon import KEY, S3, moto_server, refused, s3_bucket
from tests.stores.loopback import Asked, Told
from vendors.dialing import closed_port
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.object_stores import PART_BYTES, Check, StoredObject
from vendors.s3 import S3Bucket

REHEARSAL = HostRule(rehearsal=True)


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture
def s3(moto: str) -> Iterator[S3]:
    with s3_bucket(moto, page_objects=2) as s3:
        yield s3


@pytest.fixture
def evidence() -> list[Exchange]:
    return []


@pytest.fixture
def bucket(s3: S3, evidence: list[Exchange]) -> Iterator[S3Bucket]:
    conduct = Conduct(REHEARSAL, evidence.append)
    with closing(S3Bucket(s3.bucket, conduct, key=KEY, region="us-east-1", address=s3.front.url)) as bucket:
        yield bucket


def the_only(bucket: S3Bucket) -> StoredObject:
    [one] = bucket.page("", "").objects
    return one


def test_a_bucket_is_listed_page_by_page_with_a_thousand_asked_for(bucket: S3Bucket, s3: S3) -> None:
    for number in range(5):
        s3.put(f"day/{number}.jsonl", b"{}")

    pages = [bucket.page("day/", "")]
    while pages[-1].cursor:
        pages.append(bucket.page("day/", pages[-1].cursor))

    assert [[one.key for one in page.objects] for page in pages] == [
        ["day/0.jsonl", "day/1.jsonl"], ["day/2.jsonl", "day/3.jsonl"], ["day/4.jsonl"],
    ]  # fmt: skip
    assert {asked.query["max-keys"] for asked in s3.front.asked} == {"1000"}
    assert ["continuation-token" in asked.query for asked in s3.front.asked] == [False, True, True]


def test_keys_are_listed_as_they_are_whatever_signs_they_hold(bucket: S3Bucket, s3: S3) -> None:
    s3.put("a b/ü+%2F&.jsonl", b"{}")

    one = the_only(bucket)

    assert one.key == "a b/ü+%2F&.jsonl"
    assert bucket.part(one, 0).body == b"{}"


def test_what_does_not_begin_with_the_prefix_is_not_in_it_even_where_the_store_says_so(
    bucket: S3Bucket, s3: S3
) -> None:
    s3.put("events/1.jsonl", b"{}")
    listing = Told(
        200,
        b'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>else/1</Key><Size>2</Size>'
        b"<ETag>&quot;e&quot;</ETag></Contents></ListBucketResult>",
        {"content-type": "application/xml"},
    )
    s3.front.spoil(listing)

    assert bucket.page("events/", "").objects == ()


def test_a_page_that_has_more_and_says_no_way_to_it_is_no_end_of_the_listing(bucket: S3Bucket, s3: S3) -> None:
    s3.front.spoil(
        Told(
            200,
            b'<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>1</Key><Size>2</Size>'
            b"<ETag>&quot;e&quot;</ETag></Contents></ListBucketResult>",
            {"content-type": "application/xml"},
        )
    )

    with pytest.raises(OpsError) as told:
        bucket.page("", "")

    assert told.value.symptom == "network.garbage"


def test_a_part_is_of_the_listed_etag_and_says_what_the_whole_comes_to(
    bucket: S3Bucket, s3: S3, evidence: list[Exchange]
) -> None:
    body = bytes(range(256)) * (PART_BYTES // 256) + b"the rest"
    s3.put("day.jsonl", body)
    one = the_only(bucket)

    first, second = bucket.part(one, 0), bucket.part(one, PART_BYTES)

    assert first.body + second.body == body
    assert first.whole is not None
    assert (first.whole.check, first.whole.value) == (Check.MD5, one.version)
    assert s3.front.asked[-1].headers["if-match"] == f'"{one.version}"'
    assert [(row.system, row.verb, row.status, row.outcome) for row in evidence] == [
        ("s3", "list_objects_v2", 200, "ok"), ("s3", "get_object", 206, "ok"), ("s3", "get_object", 206, "ok"),
    ]  # fmt: skip


def test_an_object_that_is_stored_packed_stays_packed(bucket: S3Bucket, s3: S3) -> None:
    packed = gzip.compress(b'{"event_id": "1"}\n' * 1000)
    s3.put("day.jsonl.gz", packed, ContentEncoding="gzip")

    part = bucket.part(the_only(bucket), 0)

    assert part.body == packed


def encrypted(_: Asked, told: Told) -> Told:
    return Told(told.status, told.body, {**told.headers, "x-amz-server-side-encryption": "aws:kms"})


def in_parts(_: Asked, told: Told) -> Told:
    return Told(told.status, told.body, {**told.headers, "etag": f'"{"0" * 32}-2"'})


@pytest.mark.parametrize("told", [encrypted, in_parts])
def test_an_etag_that_is_no_md5_of_the_content_is_not_taken_for_one(told: object, bucket: S3Bucket, s3: S3) -> None:
    s3.put("day.jsonl", b"{}")
    one = the_only(bucket)
    s3.front.spoil(told)  # type: ignore[arg-type]  # pytest does not know the type of a parameter

    assert bucket.part(one, 0).whole is None


@pytest.mark.parametrize(("change", "symptom"), [("replaced", "s3.object_changed"), ("removed", "s3.object_gone")])
def test_an_object_that_changed_since_it_was_listed_is_not_read(
    change: str, symptom: str, bucket: S3Bucket, s3: S3
) -> None:
    s3.put("day.jsonl", b"before")
    one = the_only(bucket)
    if change == "replaced":
        s3.put("day.jsonl", b"after!")
    else:
        s3.client.delete_object(Bucket=s3.bucket, Key="day.jsonl")

    with pytest.raises(Rejected) as caught:
        bucket.part(one, 0)

    assert caught.value.symptom == symptom


Refusal = tuple[str, Told, type[OpsError], str]
REFUSALS: tuple[Refusal, ...] = (
    ("list", refused(503, "SlowDown"), Unavailable, "s3.slow_down"),
    ("list", refused(429, "TooManyRequests"), Unavailable, "http.rate_limited"),
    ("list", refused(500, "InternalError"), Unavailable, "http.server_error"),
    ("list", refused(403, "AccessDenied"), Rejected, "s3.list_denied"),
    ("list", refused(403, "InvalidAccessKeyId"), Rejected, "s3.key_unknown"),
    ("list", refused(403, "SignatureDoesNotMatch"), Rejected, "s3.key_secret_wrong"),
    ("list", refused(403, "RequestTimeTooSkewed"), Rejected, "s3.clock_wrong"),
    ("list", refused(400, "ExpiredToken"), Unavailable, "s3.role_expired"),
    ("list", refused(301, "PermanentRedirect"), Rejected, "s3.region_moved"),
    (
        "list",
        refused(400, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong"),
        Rejected,
        "s3.region_wrong",
    ),
    ("list", refused(404, "NoSuchBucket"), Rejected, "s3.bucket_unknown"),
    ("list", Told(200, b"<html>log in</html>"), Unavailable, "network.garbage"),
    ("list", Told(200, b"<ListBucketResult><Contents>"), Unavailable, "network.garbage"),
    ("list", Told(200, b"<ListBucketResult><</ListBucketResult>"), Unavailable, "network.garbage"),
    ("list", Told(200, b"<ListBucketResult><Contents></Contents></ListBucketResult>"), Unavailable, "network.garbage"),
    ("get", refused(503, "SlowDown"), Unavailable, "s3.slow_down"),
    ("get", refused(403, "AccessDenied"), Rejected, "s3.read_denied"),
    ("get", refused(403, "InvalidObjectState"), Rejected, "s3.archived"),
    ("get", Told(200, b"before"), Unavailable, "network.garbage"),
    ("get", Told(206, b"bef"), Unavailable, "network.garbage"),
    ("get", Told(206, b"before", {"content-range": "bytes 6-11/12"}), Unavailable, "network.garbage"),
    ("get", Told(206, b"before", sent_bytes=3), Unavailable, "network.reset"),
)


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: f"{row[0]}-{row[1].status}-{row[3]}")
def test_a_refusal_is_named_by_what_to_do_and_asked_once(row: Refusal, bucket: S3Bucket, s3: S3) -> None:
    asked, told, kind, symptom = row
    s3.put("day.jsonl", b"before")
    one = the_only(bucket)
    s3.front.spoil(told)

    with pytest.raises(kind) as caught:
        bucket.page("", "") if asked == "list" else bucket.part(one, 0)

    assert caught.value.symptom == symptom
    assert len(s3.front.asked) == 2


def test_a_bucket_that_is_not_there_is_named(s3: S3) -> None:
    conduct = Conduct(REHEARSAL, lambda _: None)

    bucket = S3Bucket("nobody-has-this", conduct, key=KEY, address=s3.front.url)
    with closing(bucket), pytest.raises(Rejected) as caught:
        bucket.page("", "")

    assert caught.value.symptom == "s3.bucket_unknown"


def test_where_nobody_listens_nothing_was_read() -> None:
    with closed_port() as port:
        bucket = S3Bucket("events", Conduct(REHEARSAL, lambda _: None), key=KEY, address=f"http://127.0.0.1:{port}")
        with closing(bucket), pytest.raises(Unavailable) as caught:
            bucket.page("", "")

    assert caught.value.symptom == "network.refused"


def test_the_rehearsal_uses_no_real_identity() -> None:
    with pytest.raises(BadInput, match="no access key"):
        S3Bucket("events", Conduct(REHEARSAL, lambda _: None), address="http://127.0.0.1:9")


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
        S3Bucket("events", Conduct(rule, lambda _: None), key=KEY, address=address)


@pytest.mark.parametrize(
    ("name", "host"), [("plain", "plain.s3.eu-central-1.amazonaws.com"), ("a.b", "s3.eu-central-1.amazonaws.com")]
)
def test_aws_itself_is_asked_at_its_published_hosts(name: str, host: str) -> None:
    with closed_port() as port:
        seen: list[Exchange] = []
        conduct = Conduct(HostRule(rehearsal=False), seen.append, dial={"*": ("127.0.0.1", port)})
        with closing(S3Bucket(name, conduct, key=KEY, region="eu-central-1")) as bucket, pytest.raises(Unavailable):
            bucket.page("", "")

    assert [exchange.host for exchange in seen] == [host]


def test_a_worker_without_a_role_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    bucket = S3Bucket("events", Conduct(HostRule(rehearsal=False), lambda _: None))

    with pytest.raises(BadInput, match="own role"):
        bucket.page("", "")
