"""Files come down whole, once, under names of ours, or not at all."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from domain.errors import Rejected, Unavailable
from domain.windows import Month
from steps.event_sources import SourceFile, list_files, opened_store
from steps.fetched_files import fetched, forget, sha256_of, spool_name
from tests.steps.storing import event_files, repeats, write
from tests.steps.test_event_sources import access
from tests.stores.amazon import S3, moto_server, s3_bucket
from tests.stores.google import Bucket, google_bucket, refused
from tests.stores.loopback import Asked, Loopback, Told
from vendors.object_stores import PART_BYTES, Store

OCTOBER = Month(2026, 10).window
LARGE = bytes(range(256)) * (PART_BYTES // 256) * 2 + b"the rest\n"


@pytest.fixture
def served() -> Iterator[tuple[Bucket, Loopback]]:
    with google_bucket() as served:
        yield served


@pytest.fixture
def bucket(served: tuple[Bucket, Loopback]) -> Bucket:
    return served[0]


@pytest.fixture
def loopback(served: tuple[Bucket, Loopback]) -> Loopback:
    return served[1]


@pytest.fixture
def store(loopback: Loopback) -> Iterator[Store]:
    with opened_store(event_files("gs://events", address=loopback.url), access()) as store:
        assert store is not None
        yield store


def the_only(store: Store) -> SourceFile:
    [file] = list_files(event_files("gs://events"), OCTOBER, store, repeats()).files
    return file


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_file_comes_down_in_parts_and_whole(bucket: Bucket, loopback: Loopback, store: Store, tmp_path: Path) -> None:
    bucket.put("day/a.jsonl.gz", LARGE)
    file = the_only(store)

    path = fetched(file, store, tmp_path, repeats())

    assert path.read_bytes() == LARGE
    assert path.name.endswith("-day_a.jsonl.gz")
    assert [asked.headers.get("range") for asked in loopback.asked][1:] == [
        f"bytes=0-{PART_BYTES - 1}", f"bytes={PART_BYTES}-{2 * PART_BYTES - 1}", f"bytes={2 * PART_BYTES}-{len(LARGE) - 1}",
    ]  # fmt: skip
    assert path.stat().st_mode & 0o077 == 0


def test_what_is_there_unchanged_is_not_fetched_again(
    bucket: Bucket, loopback: Loopback, store: Store, tmp_path: Path
) -> None:
    bucket.put("a.jsonl", b"{}\n")
    first = fetched(the_only(store), store, tmp_path, repeats())
    asked = len(loopback.asked)

    again = fetched(replace(the_only(store)), store, tmp_path, repeats())

    assert again == first
    assert len(loopback.asked) == asked + 1  # the listing


def test_new_content_of_the_same_key_has_a_file_of_its_own(bucket: Bucket, store: Store, tmp_path: Path) -> None:
    bucket.put("a.jsonl", b"{}\n")
    first = fetched(the_only(store), store, tmp_path, repeats())
    bucket.put("a.jsonl", b"[]\n")

    second = fetched(the_only(store), store, tmp_path, repeats())

    assert first != second
    assert (first.read_bytes(), second.read_bytes()) == (b"{}\n", b"[]\n")


def test_an_empty_object_is_an_empty_file(bucket: Bucket, store: Store, tmp_path: Path) -> None:
    bucket.put("a.jsonl", b"")

    assert fetched(the_only(store), store, tmp_path, repeats()).read_bytes() == b""


def test_a_part_that_broke_off_is_fetched_again_and_no_other(
    bucket: Bucket, loopback: Loopback, store: Store, tmp_path: Path
) -> None:
    bucket.put("a.jsonl", LARGE)
    file = the_only(store)
    loopback.spoil(None, lambda _, told: replace(told, sent_bytes=1000), refused(429, "rateLimitExceeded"))

    path = fetched(file, store, tmp_path, repeats())

    assert path.read_bytes() == LARGE
    assert len(loopback.asked) == 1 + 3 + 2


def test_a_file_that_changes_between_two_parts_is_never_mixed(
    bucket: Bucket, loopback: Loopback, store: Store, tmp_path: Path
) -> None:
    bucket.put("a.jsonl", LARGE)
    file = the_only(store)

    def replaced_meanwhile(_: Asked, told: Told) -> Told:
        bucket.put("a.jsonl", LARGE[::-1])
        return told

    loopback.spoil(replaced_meanwhile)

    with pytest.raises(Rejected):
        fetched(file, store, tmp_path, repeats())

    assert left_in(tmp_path) == []


def damaged(_: Asked, told: Told) -> Told:
    return replace(told, body=b"X" + told.body[1:])


def test_what_came_down_damaged_is_fetched_once_more(
    bucket: Bucket, loopback: Loopback, store: Store, tmp_path: Path
) -> None:
    bucket.put("a.jsonl", b"{}\n")
    file = the_only(store)
    loopback.spoil(damaged)

    assert fetched(file, store, tmp_path, repeats()).read_bytes() == b"{}\n"


def test_what_stays_damaged_is_not_taken(bucket: Bucket, loopback: Loopback, store: Store, tmp_path: Path) -> None:
    bucket.put("a.jsonl", b"{}\n")
    file = the_only(store)
    loopback.spoil(damaged, damaged)

    with pytest.raises(Unavailable) as caught:
        fetched(file, store, tmp_path, repeats())

    assert caught.value.symptom == "store.damaged"
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    "key",
    ["../../etc/passwd.csv", "/etc/passwd.csv", "a/../../b.jsonl", "x" * 1000 + ".jsonl", "a\x00b.jsonl", "ü/ß.jsonl"],
)
def test_no_key_leads_out_of_the_spool(key: str, bucket: Bucket, store: Store, tmp_path: Path) -> None:
    spool = tmp_path / "deep" / "spool"
    bucket.put(key, b"{}\n")
    file = the_only(store)

    path = fetched(file, store, spool, repeats())

    assert path.parent == spool
    assert path.resolve().parent == spool.resolve()
    assert left_in(tmp_path) == sorted(["deep", "spool", path.name])


def test_keys_that_look_alike_have_files_of_their_own() -> None:
    one, other = (SourceFile(name, None, 1, "1", None, name) for name in ("a/b.csv", "a_b.csv"))

    assert spool_name(one) != spool_name(other)


def test_what_was_fetched_is_removed_when_asked_and_what_was_there_stays(
    bucket: Bucket, store: Store, tmp_path: Path
) -> None:
    bucket.put("a.jsonl", b"{}\n")
    remote = the_only(store)
    spool = tmp_path / "spool"
    fetched(remote, store, spool, repeats())
    write(tmp_path, {"here/a.jsonl": "{}\n"})
    [local] = list_files(event_files(tmp_path / "here"), OCTOBER, None, repeats()).files

    forget(remote, spool)
    forget(remote, spool)
    forget(local, spool)

    assert left_in(spool) == []
    assert fetched(local, None, spool, repeats()) == tmp_path / "here" / "a.jsonl"
    assert (tmp_path / "here" / "a.jsonl").exists()


def test_the_sha_256_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": "{}\n"})

    assert sha256_of(tmp_path / "a.jsonl") == hashlib.sha256(b"{}\n").hexdigest()


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture
def s3(moto: str) -> Iterator[S3]:
    with s3_bucket(moto) as s3:
        yield s3


@pytest.mark.parametrize("spoiled", [[], [damaged]], ids=["whole", "damaged once"])
def test_an_object_of_s3_is_checked_by_its_md5(spoiled: list[object], s3: S3, tmp_path: Path) -> None:
    s3.put("events/2026-10-05.jsonl", b"{}\n")
    section = event_files(f"s3://{s3.bucket}/events", credentials="awskey", address=s3.front.url)

    with ExitStack() as stack:
        store = stack.enter_context(opened_store(section, access()))
        [file] = list_files(section, OCTOBER, store, repeats()).files
        s3.front.spoil(*spoiled)  # type: ignore[arg-type]  # pytest does not know the type of a parameter
        path = fetched(file, store, tmp_path, repeats())

    assert path.read_bytes() == b"{}\n"
    assert len(s3.front.asked) == 2 + len(spoiled)
