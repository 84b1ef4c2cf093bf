"""Every failure that is not one vendor's has a runbook page of one shape, and all that people do about a rotation one of another."""

import re
from pathlib import Path

import pytest
import yaml

from domain.diagnosis import DELIVERED_UNSEEN, FALLBACK, NETWORK, NOT_DELIVERED, SUBSTRATE
from domain.exchanges import Effect
from domain.rotation import Wait

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
# At three in the morning what to type comes first.
ROTATION_SECTIONS = [
    "Commands",
    "What you will see",
    "What it means",
    "What to do next",
    "Stop, and call",
]
ROTATION_PAGES = ("planned", "compromise", "rollback", "foreign", "break-glass")
STUCK = "stuck"
_PROMETHEUS = RUNBOOKS.parents[1] / "deployments" / "prometheus"


def _pages_of(file: str) -> dict[str, str]:
    """Return the alert of each page of a file of rules. KMSCryptoModeNotKMS: kms-crypto-mode-not-kms."""
    rules = yaml.safe_load((_PROMETHEUS / file).read_text())["groups"][0]["rules"]
    names = [rule["alert"] for rule in rules if "alert" in rule]
    return {"-".join(re.findall("KMS|[A-Z][a-z0-9]+", name)).lower(): name for name in names}


KMS_PAGES = _pages_of("kms.yml")
OWN_PAGES = _pages_of("operations-rules.yml")
# Raised by procedures, which are no part of domain.
OF_STEPS = (
    "probe.left_behind",
    "several.failed",
    "run.abandoned",
    "run.failed",
    "run.late",
    "run.missing",
    "question.overdue",
    "reconciliation.breach",
)

SYMPTOMS = (
    *NETWORK,
    SUBSTRATE.id,
    DELIVERED_UNSEEN.id,
    NOT_DELIVERED.id,
    *(row.id for row in FALLBACK[Effect.READS]),
    *OF_STEPS,
)


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_a_symptom_has_its_page(symptom: str) -> None:
    page = RUNBOOKS / f"{symptom.replace('.', '-')}.md"

    text = page.read_text()

    assert text.startswith(f"# {symptom}\n")
    assert _sections(text) == SECTIONS


@pytest.mark.parametrize("name", ROTATION_PAGES)
def test_what_people_do_about_a_rotation_has_its_page(name: str) -> None:
    text = (RUNBOOKS / f"rotation-{name}.md").read_text()

    assert text.startswith(f"# rotation.{name}\n")
    assert _sections(text) == ROTATION_SECTIONS


@pytest.mark.parametrize("name", [*KMS_PAGES, *OWN_PAGES])
def test_a_kms_alert_has_its_page(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()

    assert text.startswith(f"# {(KMS_PAGES | OWN_PAGES)[name]}\n")
    assert _sections(text) == SECTIONS


def test_every_wait_of_a_rotation_has_a_section_in_the_order_of_the_waits() -> None:
    text = (RUNBOOKS / f"rotation-{STUCK}.md").read_text()

    sections = _sections(text)

    assert text.startswith(f"# rotation.{STUCK}\n")
    assert sections == ["Commands", *(wait.value for wait in Wait if wait.value), "Stop, and call"]


def test_no_page_speaks_of_a_symptom_that_is_gone() -> None:
    expected = {f"{symptom.replace('.', '-')}.md" for symptom in SYMPTOMS}
    expected |= {f"rotation-{name}.md" for name in (*ROTATION_PAGES, STUCK)}
    expected |= {f"{name}.md" for name in (*KMS_PAGES, *OWN_PAGES)}

    pages = {page.name for page in RUNBOOKS.glob("*.md")} - {"README.md"}

    assert pages == expected


def test_the_index_lists_every_page() -> None:
    index = (RUNBOOKS / "README.md").read_text()

    listed = re.findall(r"^\| `([^`]+)` \|", index, re.MULTILINE)
    rotations = re.findall(r"^\| \[rotation-([a-z-]+)\]", index, re.MULTILINE)

    assert listed == list(SYMPTOMS)
    assert sorted(rotations) == sorted((*ROTATION_PAGES, STUCK))
    assert sorted(re.findall(r"^\| \[(kms-[a-z-]+)\]", index, re.MULTILINE)) == sorted(KMS_PAGES)


def _sections(text: str) -> list[str]:
    return re.findall(r"^## (.+)$", text, re.MULTILINE)
