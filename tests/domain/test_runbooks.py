"""Every failure that is not one vendor's has a runbook page of the same shape."""

import re
from pathlib import Path

import pytest

from domain.diagnosis import DELIVERED_UNSEEN, FALLBACK, NETWORK, NOT_DELIVERED, SUBSTRATE
from domain.exchanges import Effect

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
# Raised by procedures, which are no part of domain.
OF_STEPS = ("probe.left_behind", "several.failed", "run.abandoned", "question.overdue")

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
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS


def test_no_page_speaks_of_a_symptom_that_is_gone() -> None:
    expected = {f"{symptom.replace('.', '-')}.md" for symptom in SYMPTOMS}

    pages = {page.name for page in RUNBOOKS.glob("*.md")} - {"README.md"}

    assert pages == expected


def test_the_index_lists_every_page() -> None:
    listed = re.findall(r"^\| `([^`]+)` \|", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)

    assert listed == list(SYMPTOMS)
