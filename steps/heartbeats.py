"""A sign of life to whoever expects one outside: that server, worker and schedule are alive is seen where none of them runs.

It never fails the run that gives it; what came of it is said in the run's message.
"""

from collections.abc import Callable

from domain.errors import OpsError
from domain.exchanges import Exchange
from domain.operations_sections import Heartbeats
from steps.conduct import proxy_address
from vendors.heartbeat import tell
from vendors.hosts import HostRule
from vendors.http import Conduct


def sign_of_life(
    section: Heartbeats, block: str, *, is_well: bool, secret: Callable[[str], str], record: Callable[[Exchange], None]
) -> str:
    """Tell the address in the Secret block of that name how the run ended; return a sentence, empty where nobody expects one.

    `secret` returns a block's text.
    """
    if not block:
        return ""
    hosts = HostRule(rehearsal=False, allowed=frozenset(section.allowed_hosts))
    try:
        conduct = Conduct(hosts=hosts, record=record, proxy=proxy_address())
        tell(secret(block), conduct, is_well=is_well)
    except OpsError as error:
        return f"The heartbeat {block} was not given: {error.happened} {error.next_step}"
    return f"Heartbeat {block} given."
