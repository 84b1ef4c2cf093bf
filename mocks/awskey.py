"""AWS's stand-in for IAM access keys: one account, in which applications are the user AWS_IAM_USER.

Traps kept: two keys for each user and no third; a key has no name; its secret stands in one answer and nowhere else; a new
key, a switched and a deleted one are known to AWS's services later; a use is told hours late, in whole minutes.
Everything is in the desk's memory, so a state file keeps all of it; moto answers and keeps nothing (mocks/aws_moto.py).
Source: https://docs.aws.amazon.com/IAM/latest/APIReference/, https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html
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
        "AWS_IAM_USER": seed.user,
        "AWS_IAM_REGION": REGION,
        "AWS_IAM_ACCESS_KEY": as_text(seed.key_id, seed.key_secret),
        "AWS_IAM_MANAGE_KEY": as_text(seed.manage_key_id, seed.manage_key_secret),
    }


STAND_IN = StandIn(
    name="awskey",
    seed=SEED,
    memory=MEMORY,
    seed_type=SEED_TYPE,
    memory_type=MEMORY_TYPE,
    routes=ROUTES,
    credentials=_credentials,
    inbox=no_inbox,
    actions=ACTIONS,
    hosts=("iam.amazonaws.com", f"sts.{REGION}.amazonaws.com"),
    request_id_header="x-amzn-requestid",
    limited=limited,
    rpc=operation_of,
)
