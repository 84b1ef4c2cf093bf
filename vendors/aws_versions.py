"""The versions of one secret and the staging labels on them: read, put, moved. A version's value never changes.

AWS's own labels say who hands a version out: AWSCURRENT to everybody who names no label, AWSPREVIOUS what was current before,
AWSPENDING what is being tried. A label is on one version at most; AWSPREVIOUS follows AWSCURRENT by itself. A version without
any label is deprecated: AWS deletes it when it likes, and until then it can be read by whoever knows its id.
Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html,
https://docs.aws.amazon.com/secretsmanager/latest/apireference/
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest

from domain.errors import Rejected
from domain.names import MARKER_PREFIX
from vendors.aws import AwsLine

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
# Whoever reads by a label reads one of these. In this order, because that is how often they are read.
READ_BY = (CURRENT, PENDING, PREVIOUS)
# On a version that was switched off, so that AWS keeps it for as long as it may be switched on again.
OFF = "opsflows-off"
_OURS = frozenset({*READ_BY, OFF})
# All labels of a secret together are 20 at most, so that one page holds every version that has one.
LARGEST_PAGE_VERSIONS = 100
# What AWS takes as a version's id. Source: .../API_PutSecretValue.html
_SHORTEST_TOKEN, _LONGEST_TOKEN = 32, 64
_BEFORE_PADDING, _PADDING = "--", "0"


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the secret, by its id, without its value."""

    version_id: str
    labels: frozenset[str]
    created_at: datetime | None = None

    @property
    def is_handed_out(self) -> bool:
        return not self.labels.isdisjoint(READ_BY)


@dataclass(frozen=True, slots=True)
class Labelled:
    """The versions that have a label, as they were at one moment."""

    versions: tuple[Version, ...]

    def having(self, label: str) -> Version | None:
        return next((row for row in self.versions if label in row.labels), None)

    def of_id(self, version_id: str) -> Version | None:
        return next((row for row in self.versions if row.version_id == version_id), None)

    @property
    def handed_out(self) -> tuple[Version, ...]:
        """Return what can be read by one of AWS's labels, each version once, in the order of the labels."""
        found = (self.having(label) for label in READ_BY)
        return tuple(dict.fromkeys(row for row in found if row is not None))

    @property
    def ours(self) -> tuple[Version, ...]:
        """Return what rotation is about; a version that has somebody's own labels alone is not."""
        return tuple(row for row in self.versions if row.labels & _OURS)


@dataclass(frozen=True, slots=True)
class Versions:
    """One secret. Each method makes one request, except `holding`, which reads value by value."""

    secret_id: str
    line: AwsLine

    def labelled(self) -> Labelled:
        answer = self.line.call(
            "secretsmanager", "list_secret_version_ids", SecretId=self.secret_id, MaxResults=LARGEST_PAGE_VERSIONS
        )
        rows = answer.get("Versions") or ()
        return Labelled(
            tuple(
                Version(str(row["VersionId"]), frozenset(row.get("VersionStages") or ()), _utc(row.get("CreatedDate")))
                for row in rows
                if row.get("VersionStages")
            )
        )

    def value(self, version_id: str) -> str | None:
        """Return the version's text, None where it holds bytes instead.

        Raises:
            Rejected: AWS has deleted it (version_gone), or as the rows say.
        """
        answer = self.line.call("secretsmanager", "get_secret_value", SecretId=self.secret_id, VersionId=version_id)
        text = answer.get("SecretString")
        return str(text) if text is not None else None

    def holds(self, version: Version, value: str) -> bool:
        """Say whether the version's text is this value; one that AWS has just deleted holds nothing."""
        try:
            text = self.value(version.version_id)
        except Rejected as refusal:
            if not refusal.symptom.endswith(".version_gone"):
                raise
            return False
        return text is not None and same(text, value)

    def holding(self, versions: Iterable[Version], value: str) -> Version | None:
        """Return the first of the versions that holds the value. AWS has no search by value: each is read."""
        return next((version for version in versions if self.holds(version, value)), None)

    def put(self, token: str, value: str, label: str) -> None:
        """Make a version of this id with this label. The same once more does nothing; other labels stay where they are."""
        self.line.call(
            "secretsmanager", "put_secret_value", SecretId=self.secret_id, ClientRequestToken=token,
            SecretString=value, VersionStages=[label],
        )  # fmt: skip

    def move(self, label: str, *, to: str = "", away_from: str = "") -> None:
        """Move the label. AWS wants to be told which version has it, and refuses where that is another by now."""
        named = {"MoveToVersionId": to, "RemoveFromVersionId": away_from}
        self.line.call(
            "secretsmanager", "update_secret_version_stage", SecretId=self.secret_id, VersionStage=label,
            **{name: version_id for name, version_id in named.items() if version_id},
        )  # fmt: skip


def token_of(marker: str) -> str:
    """Return the id of the version that carries this marker: the marker itself, padded to what AWS takes."""
    token = f"{marker}{_BEFORE_PADDING}".ljust(_SHORTEST_TOKEN, _PADDING)
    if len(token) > _LONGEST_TOKEN:
        raise ValueError(f"a marker of {len(marker)} characters does not fit into a version's id")
    return token


def marker_of(version_id: str) -> str:
    """Return the marker in a version's id, empty where it is none of ours."""
    marker, found, padding = version_id.rpartition(_BEFORE_PADDING)
    ours = found and marker.startswith(MARKER_PREFIX) and not padding.strip(_PADDING)
    return marker if ours else ""


def same(text: str, value: str) -> bool:
    return compare_digest(text.encode(), value.encode())


def _utc(moment: object) -> datetime | None:
    """Return the moment in UTC: botocore reads times in this machine's zone."""
    return moment.astimezone(UTC) if isinstance(moment, datetime) else None
