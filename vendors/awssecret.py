"""One secret in AWS Secrets Manager: its value is read back by the labels that applications read it by.

Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.diagnosis import Kind, Signature, Symptom, error_of
from domain.errors import NotYet
from domain.names import Purpose
from domain.probes import Receipt
from vendors import fields
from vendors.aws import PUBLISHED_HOSTS, REGION, access_key_text, row_maker
from vendors.aws_keys import key_rows, key_symptoms, manage_line
from vendors.aws_versions import Versions
from vendors.capabilities import Integration, Probe, Variable
from vendors.http import Conduct

SYSTEM = "awssecret"
# A version that was just put is not found everywhere at once; no bound is published.
INDEXING_BOUND = timedelta(seconds=30)

_PUT, _MOVE = frozenset({"put_secret_value"}), frozenset({"update_secret_version_stage"})
_READ = frozenset({"get_secret_value"})
_VERSIONS = _PUT | _MOVE | _READ | {"list_secret_version_ids"}


def _secret_rows() -> tuple[Signature, ...]:
    """Return the rows of Secrets Manager, which answers 400 to everything and says in the body what it was.

    Source: the Errors of each operation's page; .../apireference/CommonErrors.html
    """
    row = row_maker(SYSTEM)
    return (
        row("identity_unknown", {400}, "UnrecognizedClientException", "AWS_SECRET_MANAGE_KEY was switched off or deleted, or is new and has not spread yet.", "Look at its user's Security credentials in the IAM console, then put a key that works into AWS_SECRET_MANAGE_KEY.", verbs=_VERSIONS),
        row("identity_secret_wrong", {400}, "InvalidSignatureException", "The id of AWS_SECRET_MANAGE_KEY is known, and the secret beside it is not its secret.", "Copy both parts of the key into AWS_SECRET_MANAGE_KEY again.", verbs=_VERSIONS),
        row("kms_denied", {400}, "Access to KMS is not allowed", "The secret is encrypted with a KMS key that AWS_SECRET_MANAGE_KEY, or the worker's own role, may not use.", "Allow kms:Decrypt and kms:GenerateDataKey on the secret's KMS key, for Secrets Manager (kms:ViaService).", verbs=_VERSIONS),
        row("secret_denied", {400}, "AccessDeniedException", "Whoever AWS_SECRET_MANAGE_KEY is, or the worker's own role where it is empty, may not do this to the secret.", "Give it the policy on docs/integrations/awssecret.md.", verbs=_VERSIONS),
        row("version_gone", {400}, "specified secret value", "AWS has no such version any more: without a label, AWS deletes a version when it likes.", "Nothing brings it back; make a new one with opsflows rotate.", verbs=_READ),
        row("secret_unknown", {400}, "ResourceNotFoundException", "AWS_SECRET_ID names no secret in the region AWS_SECRET_REGION.", "Compare both with the secret's page in the console, and the managing key with the account.", verbs=_VERSIONS),
        row("token_taken", {400}, "ResourceExistsException", "A version of this id is there already and holds another value; nothing was changed.", "Look at the secret's versions in the console for who else makes versions with the marker of opsflows.", verbs=_PUT),
        row("versions_full", {400}, "LimitExceededException", "The secret has as many versions or labels as AWS allows, and none of them is old enough for AWS to delete.", "Wait a day: AWS deletes versions without a label 24 hours after they were made; look for what puts values more often.", verbs=_PUT | _MOVE),
        row("labels_moved", {400}, "InvalidParameterException", "The label is on another version than a moment ago: something else moves the labels of this secret. Nothing was changed.", "Look in CloudTrail for who calls UpdateSecretVersionStage; the next step looks at the labels anew.", verbs=_MOVE, kind=Kind.UNAVAILABLE),
        row("secret_closed", {400}, "InvalidRequestException", "The secret is marked for deletion, or another service of AWS looks after it.", "Restore it (aws secretsmanager restore-secret), or take it out of opsflows.toml.", verbs=_VERSIONS),
        row("kms_failed", {400}, "cryptionFailure", "AWS could not encrypt or decrypt with the secret's KMS key: it is disabled, or being deleted.", "Look at the KMS key that the secret's page names; enable it, or cancel its deletion.", verbs=_VERSIONS),
    )  # fmt: skip


SIGNATURES = (*key_rows(SYSTEM, "AWS_SECRET_MANAGE_KEY", "the managing key"), *_secret_rows())

SYMPTOMS = {
    row.id: row
    for row in (
        *key_symptoms(SYSTEM),
        Symptom("awssecret.unseen", "No version of the secret with a label of AWS holds the value yet.", "AWS took the value and does not hand it out: a version that was just put takes seconds to be found everywhere.", "Wait a few seconds; if it stays away, look at the secret's versions in the console."),
        Symptom("awssecret.not_labelled", "No version of the secret with a label of AWS holds the value.", "Nobody who asks for the secret is given it: its version lost AWSCURRENT, AWSPENDING and AWSPREVIOUS.", "If it is to be handed out again, opsflows rotation rollback gives its version a label, as long as AWS keeps the version."),
        Symptom("awssecret.pending_elsewhere", "The label AWSPENDING is on version {version}, which this rotation did not make.", "Another rotation of the secret is under way or was left half done; its label is not taken from it, and nothing was changed.", "Wait for that rotation; if it was left half done, remove the label: aws secretsmanager update-secret-version-stage --version-stage AWSPENDING --remove-from-version-id {version} --secret-id SECRET."),
        Symptom("awssecret.current_stays", "Version {version} has the label AWSCURRENT.", "AWS always hands out some version under it, so it can be moved to another and not be removed; nothing was changed.", "Let another version be the current one first: opsflows rotate, or opsflows rotation rollback."),
        Symptom("awssecret.previous_elsewhere", "The label AWSPREVIOUS is on version {version}, which somebody gave it meanwhile.", "Version {wanted} would be switched on under that label; it is not taken from the other one, and nothing was changed.", "Find out who moved it; when nobody needs it, remove the label in the console and repeat."),
        Symptom("awssecret.always_current", "The entry AWSCURRENT was to be empty.", "AWS always hands out some version under it. Nothing was sent.", "Take the entry out of the sink in opsflows.toml, or give it a value."),
        Symptom("awssecret.label_not_for_sinks", "A sink was to write the label {label}.", "That label belongs to rotations: one on another version than AWSCURRENT stops every one of them. Nothing was sent.", "Use AWSCURRENT, AWSPREVIOUS or a label of your own in opsflows.toml."),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SecretReader:
    """The secret, read as applications read it, and looked through for one value."""

    value: str = field(repr=False)
    versions: Versions

    @property
    def probes(self) -> tuple[Probe, ...]:
        return (Probe("version", self.look, (self.see_value,), (), INDEXING_BOUND),)

    def look(self, nonce: str, at: datetime) -> Receipt:
        """List the secret's labels. The value itself was put before: there is nothing to send."""
        self.versions.labelled()
        return Receipt(nonce, at)

    def see_value(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the version that hands the value out, or raise NotYet.

        AWS finds no version by its value, so each that has a label of AWS is read, three at most.
        """
        found = self.versions.holding(self.versions.labelled().handed_out, self.value)
        if found is None:
            raise error_of(SYMPTOMS["awssecret.unseen"], NotYet)
        return receipt.with_ids(integration_id=found.version_id)

    def close(self) -> None:
        self.versions.line.close()


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> SecretReader:
    """Return a client for the checked values.

    Raises:
        BadInput: the host is not allowed here, or in the rehearsal there is no managing key.
    """
    return SecretReader(values["secret_value"], versions_of(values, address, conduct))


def versions_of(values: Mapping[str, str], address: str | None, conduct: Conduct) -> Versions:
    return Versions(values["secret_id"], manage_line(SYSTEM, values, address, conduct, SIGNATURES))


INTEGRATION = Integration(
    name=SYSTEM,
    title="AWS Secrets Manager",
    setup_minutes=20,
    variables=(
        Variable("AWS_SECRET_VALUE", "secret_value", Purpose.SEND, secret=True, required=True,
                 where="Secrets Manager > the secret > Retrieve secret value: what AWSCURRENT holds now",
                 scopes="what the value opens, which AWS does not know",
                 rotated="a new version under AWSPENDING, read back, made AWSCURRENT; the old one stays AWSPREVIOUS for the overlap and then loses its labels",
                 # A document of several values would lose all but the new one.
                 check=fields.matching(r"(?![{\[])[!-~]{8,4096}", "one opaque value (8 to 4096 printable characters without blanks, no JSON document)", "Give the secret's own text; a document of several values cannot be rotated as one.")),
        Variable("AWS_SECRET_ID", "secret_id", Purpose.SEND, secret=False, required=True,
                 where="Secrets Manager > the secret: its name, or its ARN whole with the six characters at the end", scopes="-", rotated="-",
                 check=fields.matching(r"[0-9A-Za-z/_+=.@:-]{1,2048}", "a secret's name or ARN", "Copy the name or the ARN from the secret's page.")),
        Variable("AWS_SECRET_REGION", "region", Purpose.SEND, secret=False, required=True,
                 where="the region at the top of the secret's page", scopes="-", rotated="-",
                 check=fields.matching(REGION, "an AWS region", "Write it like eu-central-1.")),
        Variable("AWS_SECRET_MANAGE_KEY", "manage_key", Purpose.MANAGE, secret=True, required=False,
                 where="a key of a user made for rotation, as one JSON object with access_key_id and secret_access_key; empty: the worker's own role",
                 scopes="on the secret: secretsmanager:ListSecretVersionIds, GetSecretValue, PutSecretValue, UpdateSecretVersionStage; on itself what docs/integrations/awssecret.md says",
                 rotated="after all others: a second key of its own user, made with itself, swap, switch the old one off, delete it",
                 check=access_key_text),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="the secret's page shows the version with the label AWSCURRENT",
    clicks=(
        "In the Secrets Manager console, open the secret, see that it holds one opaque value and that no rotation of AWS's own is switched on.",
        "Give the worker a role, or make a user of its own for rotation, with the policy on docs/integrations/awssecret.md and nothing else.",
        "Copy the secret's name, its region and the value that it holds now; nobody needs to see the value again after that.",
    ),
    after_set_up="Check that applications read the secret without a version's id, and how long each of them keeps what it has read.",
)  # fmt: skip
