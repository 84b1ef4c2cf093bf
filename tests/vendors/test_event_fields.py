"""A field of opsflows.toml is looked up among those that a vendor shows, and its values become our types."""

import pytest

from domain.errors import BadInput
from domain.event_counts import NOT_SPLIT
from domain.reconciliation_sections import ReceivedSection
from vendors.event_fields import Fields, as_text, nested, text_at, type_reader

FIELDS = Fields({"severity": text_at("body", "severity")}, {"tag": lambda name: text_at("tags", name)})
EVENT = {"body": {"severity": "P1"}, "tags": {"kind": "checkout", "size": 3}}
SETTING = "received.<environment>.vendor"


def test_without_a_field_types_are_not_split() -> None:
    assert type_reader(ReceivedSection(), FIELDS, SETTING)(EVENT) == NOT_SPLIT


@pytest.mark.parametrize(
    ("name", "types", "expected"),
    [
        ("severity", {"urgent": "P1", "calm": "P5"}, "urgent"),
        ("severity", {"calm": "P5"}, "P1"),
        ("tag.kind", {}, "checkout"),
        ("tag.size", {}, "3"),
        ("tag.colour", {}, NOT_SPLIT),
    ],
)
def test_a_value_becomes_our_type_or_stays_under_its_own_name(name: str, types: dict[str, str], expected: str) -> None:
    section = ReceivedSection(type_field=name, types=types)

    assert type_reader(section, FIELDS, SETTING)(EVENT) == expected


@pytest.mark.parametrize("name", ["colour", "tag", "tag.", ".kind", "severity.x"])
def test_a_field_that_the_vendor_does_not_show_is_refused_with_those_it_shows(name: str) -> None:
    with pytest.raises(BadInput, match=r"severity, tag\.<name>") as caught:
        FIELDS.of(name, f"{SETTING}.type_field")

    assert f"{SETTING}.type_field" in caught.value.happened


def test_two_types_with_one_value_are_refused() -> None:
    section = ReceivedSection(type_field="severity", types={"a": "P1", "b": "P1"})

    with pytest.raises(BadInput, match="several event types the same value"):
        type_reader(section, FIELDS, SETTING)


@pytest.mark.parametrize("event", [None, [], "text", {"body": "text"}, {"body": {"severity": None}}])
def test_what_is_not_there_reads_as_nothing(event: object) -> None:
    assert as_text(nested(event, "body", "severity")) == ""
