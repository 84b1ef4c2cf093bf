"""How a secret in Secrets Manager is rotated: by its staging labels, since a version can be neither changed nor deleted.

A new version is made under AWSPENDING, with an id that is our marker; so a listing gives the marker back, and the same request
once more does nothing. Pointing moves AWSCURRENT to it (AWS moves AWSPREVIOUS by itself) and then takes AWSPENDING away: left
there, it would stop the next rotation. A crash between the two is seen, because nothing is pointed to before both are done.

Switched off, a version keeps the label `opsflows-off` and no other: nobody reads by that, and AWS deletes only what has no
label, so it can be switched on again for as long as that may be wanted. Revoked, it has none and is deprecated. Until AWS
deletes it, whoever knows its id can still read it; that is why being refused means that no label of AWS leads to the value.
Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from domain.diagnosis import error_of
from domain.errors import BadInput, Rejected
from domain.manifests import Fit, ListedCredential, Manifest, Mint, Minted, Page
from domain.names import Purpose
from vendors.aws import AwsLine
from vendors.aws_keys import MANIFEST as KEYS_MANIFEST
from vendors.aws_keys import AccessKeys, check_access_key, manage_line, needed_key
from vendors.aws_versions import (
    CURRENT,
    OFF,
    PENDING,
    PREVIOUS,
    Labelled,
    Version,
    Versions,
    marker_of,
    same,
    token_of,
)
from vendors.awssecret import SIGNATURES as CLIENT_SIGNATURES
from vendors.awssecret import SYMPTOMS, SYSTEM, versions_of
from vendors.capabilities import Client, Probe
from vendors.http import Conduct
from vendors.rate_limits import Limit
from vendors.rotation import HeldOpen, Rotation

# A version that was just put was seen missing from the next answer; no bound is published.
LISTING_LAG = timedelta(seconds=30)
PROPAGATION = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class SecretVersions:
    """The versions of one secret as credentials: those that a label of AWS, or ours, leads to."""

    versions: Versions

    def list_credentials(self, cursor: str) -> Page:
        """Return every version that rotation is about. Each is read as well: AWS tells a version's value in no other way.

        Deprecated ones are left out: they are history, a hundred at most, and nobody is given them.
        """
        del cursor  # what has a label fits into one page
        return Page(tuple(self._listed(version) for version in self.versions.labelled().ours))

    def create(self, marker: str, value: str) -> Minted:
        """Make a version with this value under AWSPENDING; the labels are looked at first, since putting takes the label.

        Raises:
            Rejected: AWSPENDING is on a version that is not ours to take it from.
            BadInput: no value was chosen.
        """
        if not value:
            raise BadInput(
                "A version of a secret needs a value that we choose, and none was given.",
                "Chosen here, it is known whatever becomes of the answer. Nothing was sent.",
                "Report it: this is a fault of ours.",
            )
        token = token_of(marker)
        pending = self.versions.labelled().having(PENDING)
        # Beside AWSCURRENT it is what a finished rotation left, and means nothing.
        if pending is not None and pending.version_id != token and CURRENT not in pending.labels:
            raise error_of(SYMPTOMS["awssecret.pending_elsewhere"], Rejected, version=pending.version_id)
        self.versions.put(token, value, PENDING)
        return Minted(token, value)

    def disable(self, vendor_id: str) -> None:
        """Let nobody be given the version, and AWS keep it: our label first, then AWS's away, a request each."""
        labelled = self.versions.labelled()
        version = self._to_be_retired(labelled, vendor_id)
        if version is None or not version.is_handed_out:
            return
        before = labelled.having(OFF)
        if before != version:
            self.versions.move(OFF, to=vendor_id, away_from=before.version_id if before else "")
        self._strip(version, PENDING, PREVIOUS)

    def enable(self, vendor_id: str) -> None:
        """Let the version be AWSPREVIOUS again, then take our label away.

        Raises:
            Rejected: AWS has deleted it, or somebody gave the label to another one.
        """
        labelled = self.versions.labelled()
        version = labelled.of_id(vendor_id) or self._deprecated(vendor_id)
        if not version.is_handed_out:
            other = labelled.having(PREVIOUS)
            if other is not None:
                words = {"version": other.version_id, "wanted": vendor_id}
                raise error_of(SYMPTOMS["awssecret.previous_elsewhere"], Rejected, **words)
            self.versions.move(PREVIOUS, to=vendor_id)
        self._strip(version, OFF)

    def revoke(self, vendor_id: str) -> None:
        """Take AWS's labels and ours away, a request each; the version is deprecated then. One without any is done."""
        version = self._to_be_retired(self.versions.labelled(), vendor_id)
        if version is not None:
            self._strip(version, PENDING, PREVIOUS, OFF)

    def held_open(self, vendor_id: str, cursor: str) -> HeldOpen:
        """Return nothing: AWS does not know what a value opens."""
        del vendor_id, cursor
        return HeldOpen()

    def close(self) -> None:
        self.versions.line.close()

    def _listed(self, version: Version) -> ListedCredential:
        return ListedCredential(
            vendor_id=version.version_id,
            name=marker_of(version.version_id),
            enabled=version.is_handed_out,
            hint=" ".join(sorted(version.labels)),
            created_at=version.created_at,
            fits=partial(_fit, self.versions.value(version.version_id)),
        )

    def _to_be_retired(self, labelled: Labelled, vendor_id: str) -> Version | None:
        version = labelled.of_id(vendor_id)
        if version is not None and CURRENT in version.labels:
            raise error_of(SYMPTOMS["awssecret.current_stays"], Rejected, version=vendor_id)
        return version

    def _deprecated(self, vendor_id: str) -> Version:
        """Return a version that has lost every label, where AWS still has it; else raise Rejected."""
        self.versions.value(vendor_id)
        return Version(vendor_id, frozenset())

    def _strip(self, version: Version, *labels: str) -> None:
        for label in labels:
            if label in version.labels:
                self.versions.move(label, away_from=version.version_id)


@dataclass(frozen=True, slots=True)
class CurrentLabel:
    """AWSCURRENT: what everybody is given who names no label."""

    versions: Versions

    def point_to(self, value: str) -> None:
        """Move AWSCURRENT to the version with this value, and take AWSPENDING from it; what is so already is left.

        Raises:
            Rejected: no version with a label of AWS holds the value.
        """
        labelled = self.versions.labelled()
        target = self.versions.holding(labelled.handed_out, value)
        if target is None:
            raise error_of(SYMPTOMS["awssecret.not_labelled"], Rejected)
        before = labelled.having(CURRENT)
        if CURRENT not in target.labels:
            self.versions.move(CURRENT, to=target.version_id, away_from=before.version_id if before else "")
        if PENDING in target.labels:
            self.versions.move(PENDING, away_from=target.version_id)

    def points_to(self, value: str) -> bool:
        """Say whether the current version holds the value and is not called pending as well."""
        current = self.versions.labelled().having(CURRENT)
        return current is not None and PENDING not in current.labels and self.versions.holds(current, value)

    def close(self) -> None:
        self.versions.line.close()


def connect_versions(values: Mapping[str, str], address: str | None, conduct: Conduct) -> SecretVersions:
    """Return the rotator of the secret's versions.

    Raises:
        BadInput: the host is not allowed here, or in the rehearsal there is no managing key.
    """
    return SecretVersions(versions_of(values, address, conduct))


def point_to_current(values: Mapping[str, str], address: str | None, conduct: Conduct) -> CurrentLabel:
    return CurrentLabel(versions_of(values, address, conduct))


def check_value(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where a label of AWS leads to the value, else raise Rejected.

    The labels are read in one answer and the versions' values, which never change, after it: a label that moves meanwhile
    hides nothing.
    """
    versions = versions_of(values, address, conduct)
    with closing(versions.line):
        if versions.holding(versions.labelled().handed_out, values["secret_value"]) is None:
            raise error_of(SYMPTOMS["awssecret.not_labelled"], Rejected)


def connect_manage_keys(values: Mapping[str, str], address: str | None, conduct: Conduct) -> AccessKeys:
    """Return the rotator of the managing key, through IAM: of the keys of its own user, whom AWS knows by the key."""
    needed_key(values.get("manage_key", ""), "AWS_SECRET_MANAGE_KEY", SYSTEM)
    line = manage_line(SYSTEM, values, address, conduct, CLIENT_SIGNATURES)
    return AccessKeys("", line, SYMPTOMS["awssecret.two_keys"])


def check_manage_key(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where AWS takes the managing key. What it may do is seen only when it does it."""
    key = needed_key(values.get("manage_key", ""), "AWS_SECRET_MANAGE_KEY", SYSTEM)
    check_access_key(
        AwsLine(SYSTEM, conduct, region=values["region"], address=address, signatures=CLIENT_SIGNATURES, key=key)
    )


def no_probes(client: Client) -> tuple[Probe, ...]:
    """Return nothing: the check is all the proof of a managing key."""
    del client
    return ()


def _fit(text: str | None, value: str) -> Fit:
    return Fit.EXACT if text is not None and same(text, value) else Fit.NO


ROTATIONS = (
    Rotation(
        SYSTEM, Purpose.SEND, "secret_value",
        Manifest(
            Mint.BY_CLIENT, marker_field="version's id", listable=True, can_disable=True, listing_lag=LISTING_LAG,
            propagation=PROPAGATION,
            # AWSCURRENT is always on some version, so the current one cannot go before there is another.
            opens_management=True,
        ),
        connect=connect_versions,
        check=check_value,
        refusals=frozenset({"awssecret.not_labelled"}),
        point=point_to_current,
    ),
    Rotation(
        SYSTEM, Purpose.MANAGE, "manage_key", replace(KEYS_MANIFEST, opens_management=True),
        connect=connect_manage_keys,
        check=check_manage_key,
        refusals=frozenset({"awssecret.key_unknown", "awssecret.key_secret_wrong"}),
        probes=no_probes,
    ),
)  # fmt: skip

# Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html. Reading has a hundred times that.
LIMITS = (Limit(50, timedelta(seconds=1), verbs=frozenset({"put_secret_value", "update_secret_version_stage"})),)
