"""Google Secret Manager: a secret whose value applications read, as one of its numbered versions.

Source: https://cloud.google.com/secret-manager/docs
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.diagnosis import error_of
from domain.errors import NotYet, Rejected
from domain.names import Purpose
from domain.probes import Receipt
from vendors import fields
from vendors.capabilities import Integration, Probe, Variable
from vendors.gcpsecret_signatures import SIGNATURES, SYMPTOMS
from vendors.gcpsecret_versions import SecretVersions, connect_versions
from vendors.google import PUBLISHED_HOSTS
from vendors.google_keys import checked_key
from vendors.http import Conduct

__all__ = ["INTEGRATION", "SIGNATURES", "SYMPTOMS", "GoogleSecret", "connect"]

# How long a version may be looked for by its number; it is there at once.
READ_BOUND = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class GoogleSecret:
    """One secret, and the value that applications read from it."""

    value: str = field(repr=False)
    versions: SecretVersions

    @property
    def probes(self) -> tuple[Probe, ...]:
        return (Probe("version", send=self.find, confirm=(self.read,), clean_up=(), indexing_bound=READ_BOUND),)

    def find(self, nonce: str, at: datetime) -> Receipt:
        """Return which version serves the value. Nothing is written, so there is nothing to clean up."""
        return Receipt(nonce, at).with_ids(version=str(self.number()))

    def read(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the version's number as what the value came from, read by number and checksum."""
        number = receipt.ids.get("version") or str(self.number())
        if not self.versions.access(int(number)).is_value(self.value):
            raise error_of(SYMPTOMS["gcpsecret.version_off"], NotYet, secret=self.versions.secret)
        return receipt.with_ids(integration_id=number)

    def number(self) -> int:
        """Return the number of the version that serves the value.

        Raises:
            Rejected: none does.
        """
        found = self.versions.holding(self.value)
        if found is None:
            raise error_of(SYMPTOMS["gcpsecret.version_off"], Rejected, secret=self.versions.secret)
        return found

    def close(self) -> None:
        self.versions.close()


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> GoogleSecret:
    """Return a client for the checked values.

    Raises:
        BadInput: the host is not allowed in this environment.
    """
    return GoogleSecret(
        values["value"], connect_versions(values["secret_name"], values.get("manage_key", ""), address, conduct)
    )


INTEGRATION = Integration(
    name="gcpsecret",
    title="Google Secret Manager",
    setup_minutes=15,
    variables=(
        Variable("GOOGLE_SECRET_VALUE", "value", Purpose.SEND, secret=True, required=True,
                 where="gcloud secrets versions access current --secret=NAME, or its newest version",
                 scopes="Secret Manager Secret Accessor for the applications, on this secret",
                 rotated="by API: a new version with a value that opsflows chooses, alias current, disable, destroy the old one",
                 check=fields.matching(r"[!-~]{8,4096}", "a value of 8 to 4096 printable characters without spaces", "Copy the value without a line end; what people chose by hand, or a file with line breaks, is not rotated by random values.")),
        Variable("GOOGLE_SECRET_NAME", "secret_name", Purpose.SEND, secret=False, required=True,
                 where="Security > Secret Manager > the secret > Resource ID", scopes="-", rotated="-",
                 check=fields.matching(r"projects/[a-z0-9.:-]{1,64}(/locations/[a-z0-9-]{1,40})?/secrets/[A-Za-z0-9_-]{1,255}", "a secret's resource name like projects/P/secrets/S", "Copy the resource ID of the secret, without /versions/ and a number.")),
        Variable("GOOGLE_SECRET_MANAGE_KEY", "manage_key", Purpose.MANAGE, secret=True, required=False,
                 where="the JSON file of a key of the account that rotates; leave it out where the worker has an identity of its own",
                 scopes="Secret Manager Admin on the secret, and Service Account Key Admin on its own account for its own rotation",
                 rotated="by API, with itself",
                 check=checked_key),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="the application runs with the new value (it read the alias current, or was restarted)",
    clicks=(
        "Open Security > Secret Manager, choose the secret, and copy its resource ID and the value of the version in use.",
        "Give the worker's own account, or one for rotation, the role Secret Manager Admin on this secret alone.",
        "Let applications read the alias current (or a number), not latest: latest is the newest version, whatever its state.",
    ),
    after_set_up="See that every application reads the alias current, and that a changed value reaches it without a restart, or who restarts it.",
)  # fmt: skip
