"""`opsflows run` beside a running server: a deployment is started by its short name, and what a form asks of a person is refused."""

import pytest

from domain.names import CREDENTIAL_AGES, ROTATE
from tests.entrypoints.conftest import Cli
from tests.program import Beside, Standing


def test_a_name_that_is_none_is_answered_with_all_of_them(opsflows: Cli) -> None:
    said = opsflows("run", "sweep")

    assert (said.code, len(said.sentences)) == (2, 3)
    assert "credential-ages" in said.sentences[1]
    assert "sweeper" in said.sentences[1]


@pytest.mark.prove
def test_a_deployment_is_run_with_its_forms_defaults_and_who_and_why(standing: Standing, beside: Beside) -> None:
    ended = beside.run("run", "credential-ages", "--by", "ada")

    [run] = [
        one
        for one in standing.runs_of(CREDENTIAL_AGES, "COMPLETED", "FAILED")
        if one["parameters"].get("operator") == "ada"
    ]
    assert (ended.code in {0, 1}, ended.err) == (True, "")
    assert run["parameters"]["reason"] == "asked for by opsflows next"
    assert f"{standing.ui}/runs/flow-run/{run['id']}" in ended.out


@pytest.mark.parametrize(("name", "asked"), [("rotate-credentials", "credentials"), ("day1-wiring", "ticket")])
def test_a_form_that_a_person_has_to_fill_is_shown_and_nothing_is_started(
    name: str, asked: str, standing: Standing, beside: Beside
) -> None:
    ended = beside.run("run", name)

    assert ended.code == 2
    assert asked in ended.err.splitlines()[0]
    if name == "rotate-credentials":
        assert f"{standing.ui}/deployments/deployment/{standing.deployment(ROTATE)['id']}/run." in ended.err
