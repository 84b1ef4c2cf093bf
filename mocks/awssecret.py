"""AWS's stand-in for Secrets Manager: one secret with versions and staging labels, and the access key that looks after it.

Traps kept: a label is on one version at most; AWSPREVIOUS follows AWSCURRENT by itself; a put without VersionStages moves
AWSCURRENT; the same token with another value is refused; a version without labels can still be read by its id, until it is
collected. Everything is in the desk's memory, so a state file keeps all of it (mocks/aws_moto.py).
Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/, https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
"""

from collections.abc import Mapping

from mocks.aws_account import MEMORY, MEMORY_TYPE, ROUTES, SEED, SEED_TYPE, no_inbox
from mocks.aws_console import ACTIONS
from mocks.aws_memory import REGION, Account, as_text
from mocks.aws_requests import limited, operation_of
from mocks.stage import StandIn


def _credentials(desk: Account, base_url: str) -> Mapping[str, str]:
    del base_url
    seed = desk.seed
    return {
        "AWS_SECRET_ID": seed.secret_name,
        "AWS_SECRET_REGION": REGION,
        "AWS_SECRET_VALUE": seed.value,
        "AWS_SECRET_MANAGE_KEY": as_text(seed.manage_key_id, seed.manage_key_secret),
    }


STAND_IN = StandIn(
    name="awssecret",
    seed=SEED,
    memory=MEMORY,
    seed_type=SEED_TYPE,
    memory_type=MEMORY_TYPE,
    routes=ROUTES,
    credentials=_credentials,
    inbox=no_inbox,
    actions=ACTIONS,
    hosts=(f"secretsmanager.{REGION}.amazonaws.com",),
    request_id_header="x-amzn-requestid",
    limited=limited,
    rpc=operation_of,
)
