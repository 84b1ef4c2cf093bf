"""What a compromise exposes, what may be switched off first, and what is replaced in which order."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.compromise import Case, Exposure, InUse, Isolation, exposure, isolation, lasted, moment_of, turn
from domain.errors import BadInput
from domain.manifests import Manifest, Mint
from domain.names import Credential
from tests.domain.test_rotation import NOON, RECORD

HOUR = timedelta(hours=1)
SEND = Credential.parse("datadog-default-prod-send")
MANAGE = Credential.parse("datadog-default-prod-manage")
MINTED = Manifest(Mint.BY_VENDOR, listable=True)
BY_HAND = Manifest(Mint.BY_HAND)
OVERLAPPING = replace(RECORD, flipped_at=NOON, facts={"old_minted_at": (NOON - 9 * HOUR).isoformat()})


@pytest.mark.parametrize(
    ("in_use", "found", "why"),
    [
        (None, Exposure.EXPOSED, "not known to the ledger"),
        (InUse(NOON - HOUR, None), Exposure.EXPOSED, "nobody knows since when it is in use; first seen 2026-03-02 11:00 UTC"),
        (InUse(NOON, NOON), Exposure.EXPOSED, "minted 2026-03-02 12:00 UTC"),
        (InUse(NOON, NOON + HOUR), Exposure.NOT_EXPOSED, "minted 2026-03-02 13:00 UTC"),
        (InUse(NOON, NOON + HOUR, OVERLAPPING), Exposure.EXPOSED, "but the value before it is accepted still (rotation r1)"),
        (InUse(NOON, NOON + HOUR, replace(OVERLAPPING, flipped_at=None)), Exposure.NOT_EXPOSED, "minted"),
        (InUse(NOON, NOON + HOUR, replace(OVERLAPPING, facts={"old_minted_at": (NOON + HOUR / 2).isoformat()})), Exposure.NOT_EXPOSED, "minted"),
        (InUse(NOON, NOON + HOUR, replace(OVERLAPPING, facts={"old_minted_at": ""})), Exposure.EXPOSED, "before it"),
    ],
)  # fmt: skip
def test_what_was_in_use_until_then_or_is_accepted_from_before_is_exposed(
    in_use: InUse | None, found: Exposure, why: str
) -> None:
    told = exposure(in_use, NOON)

    assert told[0] is found
    assert why in told[1]


@pytest.mark.parametrize(
    ("credential", "manifest", "is_channel", "may"),
    [
        (SEND, replace(MINTED, can_disable=True), False, Isolation.BY_OPSFLOWS),
        (SEND, MINTED, False, Isolation.BY_OPSFLOWS),
        (SEND, BY_HAND, False, Isolation.BY_A_PERSON),
        (SEND, replace(MINTED, can_disable=True), True, Isolation.NO),
        (SEND, BY_HAND, True, Isolation.NO),
        (SEND, replace(MINTED, opens_management=True), False, Isolation.NO),
        (MANAGE, BY_HAND, False, Isolation.NO),
        (SEND, replace(MINTED, swaps=True), False, Isolation.NO),
        (SEND, replace(MINTED, loses_data=True), False, Isolation.NO),
        (SEND, replace(MINTED, loses_data=True, can_disable=True), False, Isolation.BY_OPSFLOWS),
    ],
)
def test_no_channel_and_nothing_that_others_need_goes_first(
    credential: Credential,
    manifest: Manifest,
    is_channel: bool,  # noqa: FBT001 (pytest passes it)
    may: Isolation,
) -> None:
    told = isolation(credential, manifest, is_channel=is_channel)

    assert told[0] is may
    assert told[1]


def test_what_manages_goes_after_what_it_manages_and_channels_last_what_pages_last_of_all() -> None:
    places = [
        turn(SEND, MINTED, 0),
        turn(SEND, replace(MINTED, opens_management=True), 0),
        turn(MANAGE, replace(MINTED, opens_management=True), 0),
        turn(SEND, MINTED, 1),
        turn(SEND, MINTED, 2),
        turn(SEND, BY_HAND, 1),
        turn(MANAGE, BY_HAND, 1),
    ]

    assert sorted(places) == places


def test_a_case_is_its_ticket_and_its_moment() -> None:
    case = Case("SEC-1", NOON)

    assert case.id == Case("SEC-1", moment_of("2026-03-02T12:00:00Z")).id
    assert len({case.id, Case("SEC-2", NOON).id, Case("SEC-1", NOON + HOUR).id}) == 3


@pytest.mark.parametrize("text", ["2026-02-30T12:00Z", "2026-03-02T12:00:00", "yesterday", ""])
def test_a_moment_that_is_none_or_of_no_zone_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match="is no moment in UTC"):
        moment_of(text)


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=41.9), "41 s"),
        (timedelta(minutes=3), "3 min"),
        (timedelta(hours=3, minutes=12, seconds=5), "3 h 12 min"),
        (timedelta(days=2, minutes=5), "2 d 5 min"),
    ],
)
def test_a_span_is_told_in_its_two_greatest_units(span: timedelta, told: str) -> None:
    assert lasted(span) == told
