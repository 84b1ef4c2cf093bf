"""Manifests: what they say, and how files that are there differ from it."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.event_manifest import (
    Difference,
    Differs,
    Entry,
    difference_in_content,
    differences_in_listing,
    differences_in_rows,
    read_manifests,
)

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
DIGEST = "ab" * 32


def manifest(*rows: object) -> bytes:
    return json.dumps({"files": rows}).encode()


def test_a_manifest_says_of_each_file_what_is_in_it() -> None:
    row = {
        "name": "./a.csv",
        "rows": 3,
        "bytes": 90,
        "sha256": DIGEST.upper(),
        "min": "2026-10-05T14:00:00+02:00",
        "max": "2026-10-05T12:00:00Z",
    }

    said = read_manifests({"manifest.json": manifest(row)})

    assert said.entries == {"a.csv": Entry("a.csv", 3, 90, DIGEST, NOON, NOON)}
    assert said.faults == ()


def test_several_manifests_say_together_what_each_says() -> None:
    said = read_manifests(
        {"1.json": manifest({"name": "a"}), "2.json": manifest({"name": "b"}, {"name": "a", "rows": 1})}
    )

    assert sorted(said.entries) == ["a", "b"]
    assert said.faults == (Difference("a", Differs.NAMED_TWICE, "the second time in 2.json"),)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"files": 3}', b"[" * 100_000, "\ufeff{}".encode()])
def test_a_manifest_that_is_none_is_a_fault_and_says_nothing(text: bytes) -> None:
    said = read_manifests({"manifest.json": text})

    assert said.entries == {}
    assert [fault.differs for fault in said.faults] == [Differs.UNREADABLE]


@pytest.mark.parametrize(
    "row",
    [
        3, {}, {"name": ""}, {"name": 3}, {"name": "a", "rows": -1}, {"name": "a", "rows": "3"}, {"name": "a", "rows": True},
        {"name": "a", "sha256": "abc"}, {"name": "a", "min": "yesterday"}, {"name": "a", "max": "2026-10-05T12:00:00"},
    ],
    ids=str,
)  # fmt: skip
def test_an_entry_with_a_wrong_value_is_a_fault_and_the_others_stand(row: object) -> None:
    said = read_manifests({"manifest.json": manifest(row, {"name": "b"})})

    assert list(said.entries) == ["b"]
    assert [fault.differs for fault in said.faults] == [Differs.UNREADABLE]


def test_what_is_missing_extra_or_of_another_size_is_shown() -> None:
    said = read_manifests(
        {"m": manifest({"name": "gone", "rows": 7}, {"name": "cut", "bytes": 1000}, {"name": "fits", "bytes": 5})}
    )

    found = differences_in_listing(said, {"cut": 900, "fits": 5, "new": 1})

    assert [(one.name, one.differs, one.rows) for one in found] == [
        ("gone", Differs.MISSING, 7), ("new", Differs.EXTRA, 0), ("cut", Differs.SIZE, 0),
    ]  # fmt: skip
    assert found[2].words == "the file has another size than its manifest says: 900 bytes, not 1,000"


def test_another_content_is_shown_where_the_manifest_has_a_digest() -> None:
    found = difference_in_content(Entry("a", rows=4, sha256=DIGEST), "cd" * 32)

    assert found is not None
    assert (found.differs, found.rows) == (Differs.DIGEST, 4)
    assert difference_in_content(Entry("a", sha256=DIGEST), DIGEST) is None
    assert difference_in_content(Entry("a"), DIGEST) is None


def test_rows_and_moments_that_do_not_fit_are_shown() -> None:
    entry = Entry("a", rows=10, min=NOON, max=NOON)

    found = differences_in_rows(entry, 8, NOON.replace(hour=11), NOON.replace(hour=13))

    assert [(one.differs, one.rows) for one in found] == [(Differs.ROWS, 2), (Differs.SPAN, 0), (Differs.SPAN, 0)]
    assert differences_in_rows(entry, 10, NOON, NOON) == ()
    assert differences_in_rows(Entry("a"), 10, None, None) == ()


@given(st.binary(max_size=200))
def test_no_text_is_too_odd_for_a_manifest(text: bytes) -> None:
    read_manifests({"manifest.json": text})


def test_entries_of_other_months_are_nobodys_fault() -> None:
    said = read_manifests({"m": manifest({"name": "a"}, {"name": "b"})})

    assert list(said.among(["b", "c"]).entries) == ["b"]
