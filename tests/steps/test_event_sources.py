"""Which files belong to a window, in a folder, in S3 and in Google Storage alike."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from domain.errors import BadInput, Rejected, Unavailable
from domain.event_manifest import Differs
from domain.names import Target
from domain.reconciliation_sections import EventFiles
from domain.windows import Month
from steps.event_sources import Access, Listing, list_files, opened_store
from tests.steps.storing import event_files, repeats, write
from tests.stores.amazon import KEY, moto_server, s3_bucket
from tests.stores.amazon import refused as refused_by_s3
from tests.stores.google import google_bucket
from tests.stores.google import refused as refused_by_google
from tests.stores.loopback import Loopback
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.object_stores import ObjectPage, Part, StoredObject
from vendors.registry import PLATFORMS

OCTOBER = Month(2026, 10).window
KEYS = {"AWS_IAM_ACCESS_KEY": KEY.text, "AWS_IAM_USER": "reader"}


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@dataclass(frozen=True, slots=True)
class World:
    """One kind of place with files in it."""

    place: str
    put: Callable[[str, bytes], None]
    more: Mapping[str, object]
    loopback: Loopback | None = None

    def section(self, **more: object) -> EventFiles:
        return event_files(self.place, **{**self.more, **more})

    def listed(self, **more: object) -> Listing:
        section = self.section(**more)
        with opened_store(section, access()) as store:
            return list_files(section, OCTOBER, store, repeats())

    def names(self, **more: object) -> list[str]:
        return [file.name for file in self.listed(**more).files]


def access(*, is_rehearsal: bool = True, values: Mapping[str, str] = KEYS) -> Access:
    return Access(Conduct(HostRule(rehearsal=is_rehearsal), lambda _: None), lambda _: values, PLATFORMS)


@pytest.fixture(params=["folder", "s3", "gs"])
def world(request: pytest.FixtureRequest, tmp_path: Path, moto: str) -> Iterator[World]:
    with ExitStack() as stack:
        if request.param == "folder":
            root = tmp_path / "bucket" / "events"
            root.mkdir(parents=True)
            yield World(str(root), lambda key, body: write(root.parent, {key: body}), {})
        elif request.param == "s3":
            s3 = stack.enter_context(s3_bucket(moto, page_objects=3))
            more = {"credentials": "awskey", "address": s3.front.url}
            yield World(f"s3://{s3.bucket}/events", s3.put, more, s3.front)
        else:
            bucket, loopback = stack.enter_context(google_bucket())
            yield World("gs://events/events/", bucket.put, {"address": loopback.url}, loopback)


def test_files_of_the_window_and_its_neighbours_are_taken_and_others_counted(world: World) -> None:
    for day in ("09-29", "09-30", "10-01", "10-31", "11-01", "11-02"):
        world.put(f"events/2026-{day}.jsonl", b"{}\n")
    world.put("events/late.jsonl", b"{}\n")

    listing = world.listed()

    assert [file.name for file in listing.files] == [
        "2026-09-30.jsonl", "2026-10-01.jsonl", "2026-10-31.jsonl", "2026-11-01.jsonl", "late.jsonl",
    ]  # fmt: skip
    assert listing.skipped_by_date == 2
    assert [file.day for file in listing.files][1:] == [date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 1), None]
    assert [(fact.what, fact.is_fault) for fact in listing.facts("app")] == [
        ("2 files of other days were not read", False)
    ]


def test_what_only_begins_like_the_folder_is_not_in_it(world: World) -> None:
    world.put("events/a.jsonl", b"{}\n")
    world.put("events-old/b.jsonl", b"{}\n")
    world.put("eventsc.jsonl", b"{}\n")

    assert world.names() == ["a.jsonl"]


def test_the_pattern_chooses_by_the_whole_name(world: World) -> None:
    for name in ("app/a.jsonl", "app/a.txt", "web/b.jsonl", "c.jsonl"):
        world.put(f"events/{name}", b"{}\n")

    assert world.names(pattern="**/*.jsonl") == ["app/a.jsonl", "c.jsonl", "web/b.jsonl"]
    assert world.names(pattern="app/*") == ["app/a.jsonl"]
    assert [file.name for file in world.listed(pattern="app/*").others] == ["app/a.txt"]


def test_a_file_says_how_large_it_is_and_which_content_it_holds(world: World) -> None:
    world.put("events/a.jsonl", b"{}\n")
    [before] = world.listed().files
    world.put("events/a.jsonl", b'{"more": 1}\n')
    [after] = world.listed().files

    assert (before.size, after.size) == (3, 12)
    assert before.identity
    assert before.identity != after.identity


def test_an_empty_place_has_no_files(world: World) -> None:
    world.put("elsewhere/a.jsonl", b"{}\n")

    assert world.listed(pattern="*.none").files == ()


def test_a_manifest_is_no_file_of_events_and_its_differences_are_shown(world: World) -> None:
    said = [
        {"name": "2026-10-01.jsonl", "bytes": 4},
        {"name": "2026-10-02.jsonl", "rows": 9},
        {"name": "2026-12-01.jsonl"},
        {"name": "notes.txt"},
    ]
    world.put("events/manifest.json", json.dumps({"files": said}).encode())
    world.put("events/2026-10-01.jsonl", b"{}\n")
    world.put("events/2026-10-03.jsonl", b"{}\n")

    listing = world.listed(manifest="manifest.json", pattern="**/*.jsonl")

    assert [file.name for file in listing.files] == ["2026-10-01.jsonl", "2026-10-03.jsonl"]
    assert [(one.name, one.differs) for one in listing.differences] == [
        ("2026-10-02.jsonl", Differs.MISSING), ("2026-10-03.jsonl", Differs.EXTRA), ("2026-10-01.jsonl", Differs.SIZE),
    ]  # fmt: skip
    assert next((fact.file, fact.events, fact.is_fault) for fact in listing.facts("app")) == (
        "2026-10-02.jsonl",
        9,
        True,
    )


def test_a_manifest_that_is_not_there_is_a_fault(world: World) -> None:
    world.put("events/2026-10-01.jsonl", b"{}\n")

    listing = world.listed(manifest="manifest.json")

    assert [one.differs for one in listing.differences] == [Differs.UNREADABLE]
    assert listing.manifest is not None


def test_a_manifest_of_each_day_is_read_with_the_others(world: World) -> None:
    for day in ("2026-10-01", "2026-10-02"):
        world.put(f"events/{day}/manifest.json", json.dumps({"files": [{"name": f"{day}/a.jsonl"}]}).encode())
        world.put(f"events/{day}/a.jsonl", b"{}\n")

    listing = world.listed(manifest="**/manifest.json")

    assert [file.name for file in listing.files] == ["2026-10-01/a.jsonl", "2026-10-02/a.jsonl"]
    assert listing.differences == ()


def test_an_object_that_looks_like_a_folder_is_no_file() -> None:
    with google_bucket() as (bucket, loopback):
        for key in ("events/", "events/day/", "events/day/a.jsonl"):
            bucket.put(key, b"")
        section = event_files("gs://events/events", address=loopback.url)

        with opened_store(section, access()) as store:
            listing = list_files(section, OCTOBER, store, repeats())

    assert [file.name for file in listing.files] == ["day/a.jsonl"]


def test_a_limit_is_waited_for_and_the_listing_goes_on_where_it_was(moto: str) -> None:
    slept: list[float] = []
    with google_bucket() as (bucket, loopback):
        for number in range(1500):
            bucket.put(f"{number:05}.jsonl", b"")
        section = event_files("gs://events", address=loopback.url)
        loopback.spoil(None, refused_by_google(429, "rateLimitExceeded"))

        with opened_store(section, access()) as store:
            listing = list_files(section, OCTOBER, store, repeats(slept))

    assert len(listing.files) == 1500
    assert len(loopback.asked) == 3
    assert slept[0] >= timedelta(minutes=1).total_seconds()


def test_a_listing_that_stays_refused_is_no_empty_listing(moto: str) -> None:
    with s3_bucket(moto) as s3:
        section = event_files(f"s3://{s3.bucket}", credentials="awskey", address=s3.front.url)
        s3.front.spoil(*[refused_by_s3(503, "SlowDown")] * 6, refused_by_s3(403, "AccessDenied"))

        with opened_store(section, access()) as store:
            with pytest.raises(Unavailable):
                list_files(section, OCTOBER, store, repeats())
            with pytest.raises(Rejected):
                list_files(section, OCTOBER, store, repeats())


class _Circling:
    """A store whose second page leads back to itself."""

    def page(self, prefix: str, cursor: str) -> ObjectPage:
        return ObjectPage((StoredObject(f"{prefix}{cursor or 'first'}.jsonl", 3, "1"),), "second")

    def part(self, wanted: StoredObject, start: int) -> Part:
        raise NotImplementedError

    def close(self) -> None:
        return


def test_a_listing_that_leads_in_a_circle_is_no_listing() -> None:
    section = event_files("gs://events/prod")

    with pytest.raises(Unavailable, match="in a circle"):
        list_files(section, OCTOBER, _Circling(), repeats())


def test_a_folder_that_is_not_there_is_no_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not 0 events"):
        list_files(event_files(tmp_path / "none"), OCTOBER, None, repeats())


def test_a_link_that_leads_nowhere_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "none")

    assert list_files(event_files(tmp_path), OCTOBER, None, repeats()).files == ()


@pytest.mark.parametrize(
    ("place", "credentials"), [("s3://events", "gcpkey"), ("gs://events", "awskey"), ("s3://events", "awssecret")]
)
def test_credentials_of_another_kind_open_no_store(place: str, credentials: str) -> None:
    section = event_files(place, credentials=credentials)

    with pytest.raises(BadInput, match="cannot open"), opened_store(section, access()):
        pass


def test_credentials_that_are_not_there_are_named() -> None:
    section = event_files("s3://events", credentials="awskey/reader")
    asked: list[Target] = []

    def none_of(target: Target) -> None:
        asked.append(target)

    with pytest.raises(BadInput, match="AWS_IAM_ACCESS_KEY"), opened_store(
        section, Access(access().conduct, none_of, PLATFORMS)
    ):  # fmt: skip
        pass
    assert asked == [Target("awskey", "reader")]
