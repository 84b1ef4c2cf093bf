"""One Prefect server, one ledger: two ledgers would mean two rotations of one credential."""

from prefect.variables import Variable

from domain.errors import BadInput

_NAME = "opsflows_ledger_id"


def registered_ledger() -> str:
    """Return the id of the ledger that this Prefect server works with, empty where it has none yet."""
    return str(Variable.get(_NAME) or "")


def claim(ledger_id: str) -> None:
    """Register this ledger with the Prefect server, or find that it is the registered one.

    Raises:
        BadInput: the server belongs to another ledger; nothing was sent to any vendor.
    """
    registered = Variable.get(_NAME)
    if registered is None:
        Variable.set(_NAME, ledger_id)
        registered = Variable.get(_NAME)
    if registered != ledger_id:
        raise BadInput(
            f"This Prefect server works with ledger {registered}, and this process with {ledger_id}.",
            "Two ledgers behind one server would rotate and verify the same credentials twice. No vendor was called.",
            f"Set OPSFLOWS_DATABASE_URL (or OPSFLOWS_HOME) to the ledger in use; or, if it is gone for good, delete the Prefect variable {_NAME}.",
        )
