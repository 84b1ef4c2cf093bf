"""Where the ledger and the audit bundles live is decided once, from the environment, and is an absolute place."""

from collections.abc import Mapping
from pathlib import Path

from domain.errors import BadInput

HOME = "OPSFLOWS_HOME"
AUDIT_URL = "OPSFLOWS_AUDIT_URL"
DATABASE_URL = "OPSFLOWS_DATABASE_URL"
PROJECT = Path(__file__).resolve().parents[1]
_FLOW_RUN = "PREFECT__FLOW_RUN_ID"  # Prefect sets it in the process that a worker starts for a run


def resolve_home(env: Mapping[str, str], *, project: Path = PROJECT) -> Path:
    """Return OPSFLOWS_HOME, or `.opsflows` in the project.

    Raises:
        BadInput: the path is relative, or a worker's run has no place that outlives it.
    """
    given = env.get(HOME, "")
    if given:
        return _absolute(Path(given))
    if env.get(_FLOW_RUN) and not env.get(AUDIT_URL):
        raise BadInput(
            f"This run was started by a Prefect worker, and neither {HOME} nor {AUDIT_URL} is set.",
            "A worker's folder vanishes after the run, and its audit bundle with it. Nothing was sent.",
            f"Set {HOME} to an absolute path on a disk that stays, or {AUDIT_URL} to a place outside, for the worker.",
        )
    return project / ".opsflows"


def ledger_url(env: Mapping[str, str], *, project: Path = PROJECT) -> str:
    """Return OPSFLOWS_DATABASE_URL, or the SQLite ledger in the home folder.

    Raises:
        BadInput: as resolve_home; and a worker's run whose ledger would vanish with its folder.
    """
    given = env.get(DATABASE_URL, "")
    if given:
        return given
    if env.get(_FLOW_RUN) and not env.get(HOME):
        raise BadInput(
            f"This run was started by a Prefect worker, and neither {DATABASE_URL} nor {HOME} is set.",
            "It would open a new, empty ledger beside the real one, and forget it afterwards. Nothing was sent.",
            f"Set {DATABASE_URL} (PostgreSQL), or {HOME} where the worker shares a disk with you.",
        )
    return f"sqlite:///{resolve_home(env, project=project) / 'ledger.db'}"


def _absolute(home: Path) -> Path:
    if not home.is_absolute():
        raise BadInput(
            f"{HOME} is {str(home)!r}, a relative path.",
            "Workers run in folders of their own, so it would mean another place for each of them. Nothing was done.",
            f"Set {HOME} to an absolute path.",
        )
    return home
