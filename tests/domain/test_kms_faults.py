"""Every fault says in whole sentences what happened, what it means and what to do; its class decides what follows."""

import re
from collections.abc import Iterable

import pytest

from domain.kms_checks import Checked, Part, PartKind, PartOutcome, faulty, not_run, part_name, passed, worst
from domain.kms_faults import FAULTS, FaultClass, Severity


@pytest.mark.parametrize("fault", FAULTS)
def test_every_row_makes_sentences_for_an_operator(fault: str) -> None:
    part = faulty("canary/main", fault, "the line is cut", "3")

    assert re.fullmatch(r"\S.*\. [A-Z].*\. [A-Z].*\.", part.words)
    assert "{" not in part.words
    assert ".." not in part.words


@pytest.mark.parametrize("fault", FAULTS)
def test_a_row_makes_sense_without_a_version(fault: str) -> None:
    words = faulty("canary/main", fault).happened

    assert "Version  " not in words
    assert "{" not in words


def test_only_what_still_works_is_a_warning() -> None:
    warned = {fault for fault in FAULTS if faulty("x", fault).outcome is PartOutcome.WARN}

    assert warned == {"kms.slow", "kms.rotation_overdue", "kms.material_expires"}


def test_permission_key_state_and_configuration_are_never_repeated() -> None:
    repeated = {row.fault_class for row in FAULTS.values() if row.is_repeated}

    assert repeated == {FaultClass.TRANSIENT, FaultClass.THROTTLED, FaultClass.CORRUPTION}


def test_what_cannot_wait_pages() -> None:
    at_once = [row for row in FAULTS.values() if row.at_once]

    assert {row.severity for row in at_once} == {Severity.PAGE}


def test_an_on_call_reads_a_page_before_a_ticket_before_a_warning() -> None:
    slow, config, lost = (faulty(fault, fault) for fault in ("kms.slow", "kms.config", "kms.golden_lost"))

    assert worst([slow, config, passed("health"), lost]) is lost
    assert worst([slow, config]) is config
    assert worst([passed("health"), not_run("application", "none")]) is None


def test_what_was_not_run_has_not_failed() -> None:
    parts: Iterable[Part] = (not_run("negative/main", "done"), passed("health"), faulty("canary/main", "kms.throttled"))

    checked = Checked("prod", "api", tuple(parts))

    assert [part.name for part in checked.failed] == ["canary/main"]


def test_the_parts_of_keys_are_named_by_kind_and_key() -> None:
    assert part_name(PartKind.GOLDEN, "main") == "golden/main"
    assert part_name(PartKind.HEALTH) == "health"
