"""A secret that opsflows.toml names and no integration has: Prefect's own Secret block, read by its name and never shown."""

from prefect.blocks.system import Secret

from blocks.answering import answering
from domain.errors import BadInput


def load_secret(name: str) -> str:
    """Return the text of the Secret block.

    Raises:
        BadInput: there is no such block, or it holds no text; nothing was sent.
        Unavailable: the Prefect server does not answer.
    """
    try:
        with answering(changes=False):
            loaded = Secret.load(name)
    except ValueError as error:
        raise _missing(name, "is not there") from error
    value = loaded.get() if isinstance(loaded, Secret) else None
    if not isinstance(value, str) or not value.strip():
        raise _missing(name, "holds no text")
    return value.strip()


def _missing(name: str, what: str) -> BadInput:
    return BadInput(
        f"The Prefect Secret block {name!r} {what}.",
        "What needs it was not sent.",
        "Make the block in the Prefect UI (Blocks, Secret), or name another one in opsflows.toml.",
        "kms.config",
    )
