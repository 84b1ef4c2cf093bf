"""A home is an absolute place that outlives the run, or the run does not start."""

from pathlib import Path

import pytest

from domain.errors import BadInput
from ledger.places import ledger_url, resolve_home

_PROJECT = Path("/srv/opsflows")


def test_the_home_is_in_the_project_unless_told_otherwise() -> None:
    assert resolve_home({}, project=_PROJECT) == _PROJECT / ".opsflows"
    assert resolve_home({"OPSFLOWS_HOME": "/var/lib/opsflows"}, project=_PROJECT) == Path("/var/lib/opsflows")


def test_a_relative_home_is_refused() -> None:
    with pytest.raises(BadInput, match="a relative path"):
        resolve_home({"OPSFLOWS_HOME": "state"}, project=_PROJECT)


def test_under_a_worker_a_run_without_a_lasting_place_refuses_to_start() -> None:
    with pytest.raises(BadInput, match="neither OPSFLOWS_HOME nor OPSFLOWS_AUDIT_URL"):
        resolve_home({"PREFECT__FLOW_RUN_ID": "1"}, project=_PROJECT)


@pytest.mark.parametrize("lasting", [{"OPSFLOWS_HOME": "/srv/home"}, {"OPSFLOWS_AUDIT_URL": "s3://audits"}])
def test_under_a_worker_one_lasting_place_is_enough(lasting: dict[str, str]) -> None:
    assert resolve_home({"PREFECT__FLOW_RUN_ID": "1", **lasting}, project=_PROJECT).is_absolute()


def test_the_ledger_is_a_file_in_the_home_unless_told_otherwise() -> None:
    assert ledger_url({}, project=_PROJECT) == "sqlite:////srv/opsflows/.opsflows/ledger.db"
    assert ledger_url({"OPSFLOWS_DATABASE_URL": "postgresql://db/ops"}, project=_PROJECT) == "postgresql://db/ops"


def test_under_a_worker_a_ledger_that_would_vanish_is_refused() -> None:
    with pytest.raises(BadInput, match="neither OPSFLOWS_DATABASE_URL nor OPSFLOWS_HOME"):
        ledger_url({"PREFECT__FLOW_RUN_ID": "1", "OPSFLOWS_AUDIT_URL": "s3://audits"}, project=_PROJECT)
