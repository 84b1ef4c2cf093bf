"""AWS access keys of an IAM user: AWS is asked whom it takes the key for, which needs no permission and changes nothing.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.diagnosis import Symptom, error_of
from domain.errors import Rejected
from domain.names import Purpose
from domain.probes import Receipt
from vendors import fields
from vendors.aws import PUBLISHED_HOSTS, REGION, AwsLine, access_key, access_key_text
from vendors.aws_keys import CHECK, key_rows, key_symptoms
from vendors.capabilities import Integration, Probe, Variable
from vendors.http import Conduct

SYSTEM = "awskey"
# AWS answers for a key at once; this is for one that has not spread yet.
INDEXING_BOUND = timedelta(seconds=30)

SIGNATURES = key_rows(SYSTEM, "AWS_IAM_MANAGE_KEY", "AWS_IAM_USER")

SYMPTOMS = {
    row.id: row
    for row in (
        *key_symptoms(SYSTEM),
        Symptom("awskey.other_user", "AWS takes the access key for {arn}.", "It works, and belongs to another user than AWS_IAM_USER names: rotated, it would be that user's.", "Correct AWS_IAM_USER, or give the key of that user."),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """A key at work."""

    user: str
    line: AwsLine

    @property
    def probes(self) -> tuple[Probe, ...]:
        return (Probe("identity", self.ask, (self.see_user,), (), INDEXING_BOUND),)

    def ask(self, nonce: str, at: datetime) -> Receipt:
        """Make a request with the key. AWS keeps nothing of it but the moment of the key's last use."""
        self._arn()
        return Receipt(nonce, at)

    def see_user(self, receipt: Receipt) -> Receipt:
        """Return the receipt where AWS takes the key for the user whose keys are rotated, else raise Rejected."""
        arn = self._arn()
        if arn.rpartition("/")[2] != self.user:
            raise error_of(SYMPTOMS["awskey.other_user"], Rejected, arn=arn)
        return receipt.with_ids(arn=arn)

    def close(self) -> None:
        self.line.close()

    def _arn(self) -> str:
        return str(self.line.call("sts", CHECK)["Arn"])


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> Caller:
    """Return a client that calls with the user's key.

    Raises:
        BadInput: the key is malformed, or the host is not allowed in this environment.
    """
    return Caller(values["user"], line_of(values["access_key"], values, address, conduct))


def line_of(text: str, values: Mapping[str, str], address: str | None, conduct: Conduct) -> AwsLine:
    key = access_key(text)
    return AwsLine(SYSTEM, conduct, region=values["region"], address=address, signatures=SIGNATURES, key=key)


INTEGRATION = Integration(
    name=SYSTEM,
    title="AWS IAM access keys",
    setup_minutes=20,
    variables=(
        Variable("AWS_IAM_ACCESS_KEY", "access_key", Purpose.SEND, secret=True, required=True,
                 where='IAM > Users > the user > Security credentials > Access keys > Create access key; as JSON: {"access_key_id": "AKIA...", "secret_access_key": "..."}',
                 scopes="what the user's policies allow; asking whose key it is needs none",
                 rotated="a second key of the same user, swap, verify, switch the old one off, delete it; AWS's API can do all of it",
                 check=access_key_text),
        Variable("AWS_IAM_USER", "user", Purpose.SEND, secret=False, required=True,
                 where="IAM > Users, the name alone without its path", scopes="-", rotated="-",
                 check=fields.matching(r"[0-9A-Za-z+=,.@_-]{1,64}", "the name of an IAM user", "Copy the name from IAM > Users, not the ARN.")),
        Variable("AWS_IAM_REGION", "region", Purpose.SEND, secret=False, required=False,
                 where="the region whose STS the applications ask; IAM itself has none", scopes="-", rotated="-",
                 check=fields.matching(REGION, "an AWS region", "Write it like eu-central-1."), default="us-east-1"),
        Variable("AWS_IAM_MANAGE_KEY", "manage_key", Purpose.MANAGE, secret=True, required=False,
                 where="a key of another user, made for rotation; empty: the worker's own role",
                 scopes="on both users: iam:GetUser, ListAccessKeys, GetAccessKeyLastUsed, CreateAccessKey, UpdateAccessKey, DeleteAccessKey, TagUser, UntagUser",
                 rotated="after all others: a second key of its own user, made with itself, swap, switch the old one off, delete it",
                 check=access_key_text),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="the IAM console shows the key, with its last use",
    clicks=(
        "In the IAM console, find the user whose key applications have, and see that it has one key only: AWS allows two, and a rotation needs the second place.",
        "Give the worker a role, or make a user of its own for rotation, with the policy on docs/integrations/awskey.md and nothing else.",
        "Make an access key of each of the two users, and write each down as one JSON object: AWS shows the secret once.",
    ),
    after_set_up="Check in the IAM console that nobody else makes keys of this user, and that every application reads its key anew within the overlap.",
)  # fmt: skip
