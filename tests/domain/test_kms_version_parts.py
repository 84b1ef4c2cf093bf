"""A key's description becomes a countdown, an age and a fault in words; what it does not tell is not called well."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from domain.kms_checks import PartOutcome
from domain.kms_drift import Encrypted, drift_part
from domain.kms_keys import Inventory, KeyVersionFacts, VersionState
from domain.kms_past import KeyKnown
from domain.kms_sections import KmsKeySection
from domain.kms_version_parts import countdown, rotation_part, versions_part
from tests.steps.kms_doubles import MAIN

AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def known_of(key: str = MAIN, **section: object) -> KeyKnown:
    told = KmsKeySection.model_validate({"provider": "gcp", "key": key} | section)
    return KeyKnown("prod", "api", "main", key, told, AT)


def key_of(
    state: VersionState = VersionState.ENABLED,
    created_at: datetime | None = AT - 10 * DAY,
    rotates_at: datetime | None = None,
    **moments: datetime,
) -> Inventory:
    version = KeyVersionFacts("1", state, created_at, moments.get("destroy_at"), moments.get("expires_at"))
    return Inventory(MAIN, "1", (version,), rotates_at)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (29 * DAY + timedelta(hours=4), "in 29 days 4 h (2026-12-01 16:00 UTC)"),
        (DAY, "in 1 day 0 h (2026-11-03 12:00 UTC)"),
        (timedelta(minutes=90), "in 1 h 30 min (2026-11-02 13:30 UTC)"),
        (timedelta(0), "its moment has passed (2026-11-02 12:00 UTC)"),
    ],
)
def test_how_long_is_left_is_told_with_the_moment(left: timedelta, words: str) -> None:
    assert countdown(AT + left, AT) == words


@pytest.mark.parametrize(
    ("told", "fault", "detail"),
    [
        (key_of(VersionState.DISABLED), "kms.version_disabled", ""),
        (key_of(VersionState.DESTROY_SCHEDULED), "kms.version_scheduled", "when, the provider does not tell"),
        (key_of(VersionState.PENDING), "kms.key_unusable", "version 1 is still being made or imported"),
        (key_of(VersionState.OTHER), "kms.key_unusable", "version 1 is in a state that this check does not know"),
        (Inventory(MAIN, "", ()), "kms.no_primary", "none is primary, 0 of 0 versions enabled"),
    ],
)
def test_a_version_that_encrypts_must_be_enabled(told: Inventory, fault: str, detail: str) -> None:
    part = versions_part(known_of(), told)

    assert (part.fault, part.detail) == (fault, detail)


AGES: list[tuple[Callable[[], Inventory], str, str]] = [
    (key_of, "", "version 1 is 10 of 30 days old"),
    (lambda: key_of(created_at=AT - 31 * DAY), "", "version 1 is 31 of 30 days old"),
    (
        lambda: key_of(created_at=AT - 32 * DAY),
        "kms.rotation_overdue",
        "version 1 is 32 days old, allowed are 30 and a day's grace",
    ),
    (
        lambda: key_of(rotates_at=AT - 2 * DAY),
        "kms.rotation_overdue",
        "the provider's own rotation was due on 2026-10-31, and version 1 is still in use",
    ),
    (lambda: key_of(rotates_at=AT - DAY / 2), "", "version 1 is 10 of 30 days old"),
    (
        lambda: key_of(expires_at=AT + 30 * DAY),
        "kms.material_expires",
        "version 1 in 30 days 0 h (2026-12-02 12:00 UTC)",
    ),
    (lambda: key_of(expires_at=AT + 31 * DAY), "", "version 1 is 10 of 30 days old"),
]


@pytest.mark.parametrize(("told", "fault", "detail"), AGES)
def test_the_version_in_use_is_as_old_as_the_policy_allows(
    told: Callable[[], Inventory], fault: str, detail: str
) -> None:
    part = rotation_part(known_of(rotation_days=30), told())

    assert (part.fault, part.detail) == (fault, detail)
    assert part.outcome is (PartOutcome.WARN if fault else PartOutcome.PASS)


def test_an_age_that_nobody_tells_is_not_run() -> None:
    part = rotation_part(known_of(), key_of(created_at=None))

    assert (part.outcome, part.detail) == (PartOutcome.NOT_RUN, "how old version 1 is, the provider does not tell")


@pytest.mark.parametrize(
    ("key", "pinned", "encrypted", "fault"),
    [
        (MAIN, [], Encrypted(MAIN, "1"), ""),
        (MAIN.replace("projects/p/", "projects/123456/"), [], Encrypted(MAIN, "1"), ""),
        (MAIN, [MAIN.replace("projects/p/", "projects/123456/")], Encrypted(MAIN, "1"), ""),
        (MAIN.replace("projects/p/", "projects/q/"), [], Encrypted(MAIN, "1"), "kms.key_drift"),
        (MAIN, [], Encrypted(f"{MAIN}2", "1"), "kms.key_drift"),
        ("alias/app", [], Encrypted(ARN, ""), ""),
        ("alias/app", [ARN], Encrypted(ARN, "1"), ""),
        ("alias/app", [ARN[-36:]], Encrypted(ARN, "1"), ""),
        ("alias/app", ["arn:aws:kms:eu-west-1:111122223333:key/other"], Encrypted(ARN, "1"), "kms.key_drift"),
        (ARN[-36:], [], Encrypted(ARN, ""), ""),
        (MAIN, ["1"], Encrypted(MAIN, "1"), ""),
        (MAIN, ["2"], Encrypted(MAIN, "1"), "kms.version_drift"),
        (MAIN, [MAIN, "2"], Encrypted(MAIN, "1"), "kms.version_drift"),
        (MAIN, [MAIN], Encrypted(MAIN, "1"), ""),
    ],
)
def test_only_a_chosen_key_and_version_may_encrypt(
    key: str, pinned: list[str], encrypted: Encrypted, fault: str
) -> None:  # fmt: skip
    part = drift_part(known_of(key, pinned=pinned), encrypted, None)

    assert part.fault == fault


def test_a_description_with_other_names_for_versions_cannot_disagree() -> None:
    told = Inventory(MAIN, "1", (KeyVersionFacts("1", VersionState.ENABLED, AT),))

    part = drift_part(known_of(), Encrypted(MAIN, "ab" * 32), told)

    assert part.outcome is PartOutcome.PASS
