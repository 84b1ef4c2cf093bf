"""Steps 1 to 6: nothing real is touched before this machine, its files and the rehearsal are seen to be in order."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from domain.checklist import StepState
from domain.errors import BadInput
from domain.verdicts import World
from ledger.wiring import record_rehearsal, rehearsal_for
from steps.cold_start import check_private, check_rehearsed
from steps.version import code_version
from tests.steps.conftest import OpenScene
from tests.steps.rehearsal_context import DATADOG, HASTY, SLACK, SPLUNK, Scene, step_of
from vendors.registry import INTEGRATIONS

OWNER_ONLY = 0o600


def credential_file(folder: Path, mode: int = OWNER_ONLY) -> Path:
    file = folder / ".env.local"
    file.write_text("SLACK_CHANNEL=C1\n")
    file.chmod(mode)
    return file


def git(folder: Path, *words: str) -> None:
    plain = {"HOME": str(folder), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, env=plain)


def test_a_file_that_only_its_owner_can_read_is_private(tmp_path: Path) -> None:
    check_private(credential_file(tmp_path))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o622])
def test_a_file_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    file = credential_file(tmp_path, mode)

    with pytest.raises(BadInput) as refusal:
        check_private(file)

    assert f"{mode:04o}" in refusal.value.happened
    assert f"chmod 600 {file}" in refusal.value.next_step


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"\.env\.local cannot be read"):
        check_private(tmp_path / ".env.local")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed, so no file can be tracked by it")
def test_a_file_that_git_tracks_is_refused_and_one_it_does_not_is_fine(tmp_path: Path) -> None:
    git(tmp_path, "init")
    file = credential_file(tmp_path)
    check_private(file)
    git(tmp_path, "add", "--force", file.name)

    with pytest.raises(BadInput, match="tracked by git"):
        check_private(file)


def test_the_version_and_the_ledger_are_in_the_record(rehearsal: Scene) -> None:
    result = step_of(rehearsal.walk("mock"), 1)

    assert result.state is StepState.DONE
    assert code_version() in result.detail
    assert rehearsal.ledger.id in result.detail


@pytest.mark.parametrize(("mode", "state"), [(0o600, StepState.DONE), (0o644, StepState.HOLD)])
def test_an_imported_file_may_lie_there_closed_but_not_open(rehearsal: Scene, mode: int, state: StepState) -> None:
    credential_file(rehearsal.home, mode)

    assert step_of(rehearsal.walk("mock"), 2).state is state


def test_a_machine_without_a_credential_file_passes(rehearsal: Scene) -> None:
    assert step_of(rehearsal.walk("mock"), 2).state is StepState.DONE


def test_what_the_flows_need_is_here(rehearsal: Scene) -> None:
    assert step_of(rehearsal.walk("mock"), 3).state is StepState.DONE


def test_the_stand_ins_answer_in_the_rehearsal(rehearsal: Scene) -> None:
    result = step_of(rehearsal.walk("mock"), 4)

    assert (result.state, result.detail) == (StepState.DONE, f"{len(INTEGRATIONS)} stand-ins answer.")


def test_stand_ins_that_do_not_answer_are_a_hold(rehearsal: Scene) -> None:
    walk = rehearsal.walk("mock")
    assert walk.stand_ins is not None
    walk.stand_ins = replace(walk.stand_ins, url="http://127.0.0.1:1")

    result = step_of(walk, 4)

    assert result.state is StepState.HOLD
    assert "opsflows mocks" in result.next_step


@pytest.mark.parametrize(
    ("environment", "mode", "state"),
    [
        ("rehearsal", "mock", StepState.DONE),
        ("staging", "real_all", StepState.DONE),
        ("staging", "mock", StepState.HOLD),
    ],
)
def test_mode_and_environment_belong_to_one_world(
    open_in: OpenScene, environment: str, mode: str, state: StepState
) -> None:
    assert step_of(open_in(environment).walk(mode), 5).state is state


def test_a_rehearsal_that_passes_is_remembered_for_this_version(rehearsal: Scene) -> None:
    walk = rehearsal.walk("mock")

    result = step_of(walk, 6)

    proof = rehearsal_for(rehearsal.ledger, code_version())
    assert result.state is StepState.DONE
    assert proof is not None
    assert proof.run_id == walk.context.run_id
    assert set(proof.integrations) == set(INTEGRATIONS)


def test_a_rehearsal_that_fails_proves_nothing(rehearsal: Scene) -> None:
    rehearsal.fail("splunk", swallow=True)

    result = step_of(rehearsal.walk("mock", pace=HASTY), 6)

    assert result.state is StepState.HOLD
    assert "splunk event: FAIL" in result.detail
    assert rehearsal_for(rehearsal.ledger, code_version()) is None


def test_a_real_mode_refuses_to_start_before_the_rehearsal_passed(open_in: OpenScene) -> None:
    scene = open_in("staging")

    with pytest.raises(BadInput) as refusal:
        check_rehearsed(scene.context(), [SLACK, DATADOG], "")

    assert "datadog, slack" in refusal.value.happened
    assert code_version() in refusal.value.happened
    assert "--skip-rehearsal" in refusal.value.next_step


def test_a_rehearsal_of_another_version_proves_nothing(open_in: OpenScene) -> None:
    scene = open_in("staging")
    record_rehearsal(scene.ledger, "0.0.0+another", "run-1", list(INTEGRATIONS))

    with pytest.raises(BadInput):
        check_rehearsed(scene.context(), [SLACK], "")


def test_rehearsals_of_parts_add_up_and_a_part_does_not_speak_for_the_whole(open_in: OpenScene) -> None:
    scene = open_in("staging")
    record_rehearsal(scene.ledger, code_version(), "run-1", ["slack", "datadog"])
    record_rehearsal(scene.ledger, code_version(), "run-2", ["slack"])

    check_rehearsed(scene.context(), [SLACK, DATADOG], "")
    with pytest.raises(BadInput, match="splunk"):
        check_rehearsed(scene.context(), [SLACK, DATADOG, SPLUNK], "")


def test_someone_may_say_why_not(open_in: OpenScene) -> None:
    scene = open_in("staging")
    walk = scene.walk(skip_rehearsal="the stand-ins' machine burns")

    check_rehearsed(walk.context, walk.targets, walk.skip_rehearsal)
    result = step_of(walk, 6)

    assert result.state is StepState.DONE
    assert result.detail == "Skipped by ada: the stand-ins' machine burns."


def test_the_rehearsal_needs_no_rehearsal(rehearsal: Scene) -> None:
    check_rehearsed(rehearsal.context(), [SLACK], "")


@pytest.mark.parametrize("number", [4, 6])
def test_in_the_real_world_the_proof_stands_for_the_stand_ins(staging: Scene, number: int) -> None:
    result = step_of(staging.walk(), number)

    assert result.state is StepState.DONE
    assert "run-rehearsal" in result.detail


@pytest.mark.parametrize("number", [4, 6])
def test_in_the_real_world_no_proof_is_a_hold(open_in: OpenScene, number: int) -> None:
    assert step_of(open_in("staging").walk(), number).state is StepState.HOLD


def test_the_world_of_a_walk_is_its_environments(rehearsal: Scene, staging: Scene) -> None:
    assert rehearsal.walk("mock").world is World.REHEARSAL
    assert staging.walk().world is World.REAL
