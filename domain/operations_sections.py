"""What opsflows.toml may say of watching opsflows itself: the second way to reach people, and who expects a sign of life."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_STRICT = ConfigDict(extra="forbid", frozen=True)
# A block document as Prefect writes it in its own texts: type slug and name.
BlockPath = Annotated[str, Field(pattern=r"^([a-z0-9-]+/[a-z0-9-]+)?$")]
BlockName = Annotated[str, Field(pattern=r"^[a-z0-9-]*$")]


class Automations(BaseModel):
    """What the Prefect server does by itself, with no worker and no ledger; blocks are named `type/name`, and hold the secret."""

    model_config = _STRICT

    page_block: BlockPath = ""
    ticket_block: BlockPath = ""


class Heartbeats(BaseModel):
    """Addresses outside that expect a sign of life; each is a secret, so what stands here is a Secret block's name."""

    model_config = _STRICT

    sweeper: BlockName = ""
    kms_smoke: BlockName = ""
    allowed_hosts: tuple[str, ...] = ()
