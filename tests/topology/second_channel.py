"""The second channel of the topology: what the server itself tells, as it arrives outside."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client

from deployments.apply import converge_automations
from domain.operations_sections import Automations
from tasks.preparing import read_own_config
from tests.receiver import receiver

_PAGE, _TICKET = "second-page", "second-ticket"
_NAMED = Automations(page_block=f"custom-webhook/{_PAGE}", ticket_block=f"custom-webhook/{_TICKET}")


@contextmanager
def second_channel() -> Iterator[list[str]]:
    """Give what arrives through it; afterwards it is as opsflows.toml says."""
    with receiver() as (address, arrived), get_client(sync_client=True) as client:
        for name in (_PAGE, _TICKET):
            block = CustomWebhookNotificationBlock(
                name=name, url=f"{address}/{name}", json_data={"text": "{{subject}} {{body}}"}
            )
            block.save(name, overwrite=True)
        converge_automations(client, _NAMED)
        try:
            yield arrived
        finally:
            converge_automations(client, read_own_config().automations)
