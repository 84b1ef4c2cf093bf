"""What both stores have in common: where a place is, which host may be asked, what a part of an object is."""

import pytest

from domain.errors import BadInput
from vendors.hosts import HostRule
from vendors.http import ANSWER_LIMIT_BYTES, Answer, Conduct
from vendors.object_stores import PART_BYTES, StoredObject, bucket_and_prefix, conduct_towards, is_the_part, last_byte

ASKED = {"range": "bytes=0-2"}


@pytest.mark.parametrize(
    ("place", "bucket", "prefix"),
    [
        ("s3://events", "events", ""),
        ("s3://events/", "events", ""),
        ("gs://events/prod", "events", "prod/"),
        ("gs://events//prod/a/", "events", "prod/a/"),
    ],
)
def test_a_place_is_a_bucket_and_a_folder_in_it(place: str, bucket: str, prefix: str) -> None:
    assert bucket_and_prefix(place)[1:] == (bucket, prefix)


@pytest.mark.parametrize("place", ["", "/srv/events", "s3://", "gs:///a", "ftp://events/a"])
def test_what_is_no_place_in_a_store_is_refused(place: str) -> None:
    with pytest.raises(BadInput, match="no place in a store"):
        bucket_and_prefix(place)


@pytest.mark.parametrize(
    ("address", "is_rehearsal", "allowed"),
    [
        ("https://store.example.com/s3", False, {"store.example.com"}),
        ("http://store.example.com", False, set()),
        ("https://store.example.com", True, set()),
        ("", False, set()),
    ],
)
def test_an_address_is_allowed_outside_the_rehearsal_and_over_tls(
    address: str, is_rehearsal: bool, allowed: set[str]  # noqa: FBT001 (a row of the table)
) -> None:  # fmt: skip
    conduct = Conduct(HostRule(rehearsal=is_rehearsal), lambda _: None)

    assert conduct_towards(address, conduct).hosts.allowed == allowed


@pytest.mark.parametrize(
    ("status", "body", "content_range", "taken"),
    [
        (206, b"abc", "bytes 0-2/9", True),
        (206, b"abc", "", True),
        (206, b"ab", "bytes 0-1/9", False),
        (206, b"abc", "bytes 3-5/9", False),
        (200, b"abc", "", False),
        (200, b"abcdefghi", "", False),
    ],
)
def test_a_part_is_the_whole_range_that_was_asked_for(
    status: int, body: bytes, content_range: str, taken: bool  # noqa: FBT001 (a row of the table)
) -> None:  # fmt: skip
    answer = Answer(status, {"content-range": content_range} if content_range else {}, body)

    assert is_the_part(answer, ASKED) is taken


def test_the_last_part_ends_with_the_object() -> None:
    wanted = StoredObject("a", PART_BYTES + 1, "1")

    assert [last_byte(wanted, start) for start in (0, PART_BYTES)] == [PART_BYTES - 1, PART_BYTES]
    assert PART_BYTES < ANSWER_LIMIT_BYTES
