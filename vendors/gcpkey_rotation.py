"""How service-account keys are rotated: we make the key pair, and Google is given its public half in a certificate.

Google could make the pair as well (keys.create). But a key has no field for a marker, and the private half stands in the
answer alone: were that lost, a key would be left over that cannot be told from somebody else's. A key that is uploaded comes
with an X.509 certificate, which Google shows to whoever asks, as it is. So our marker is its subject's common name, a lost
answer is found by it, and the orphan is deleted like any other. The private half never travels, and the file made of it is
the one that Google's clients read, with the key's id in it. The marker is public (so is the certificate) and no secret.

An account holds ten keys, counts Google's and uploaded ones alike, and takes uploads where the organisation's policy allows it.
Source: https://cloud.google.com/iam/docs/keys-upload, https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

from domain.diagnosis import Signature
from domain.errors import BadInput
from domain.exchanges import Effect
from domain.manifests import Fit, ListedCredential, Manifest, Mint, Minted, Page
from domain.names import Purpose
from vendors.capabilities import Client, Probe
from vendors.fields import NOTHING_SENT
from vendors.gcpkey import SIGNATURES as ACCOUNT_SIGNATURES
from vendors.google import GoogleLine, Service, moment
from vendors.google_keys import AccountKey, check_key, parsed_key
from vendors.http import Conduct
from vendors.rate_limits import Limit
from vendors.rotation import HeldOpen, Rotation

# https://cloud.google.com/iam/quotas: at most.
SLOTS = 10
# The longest life that we ask for; the rotation ends it long before.
CERTIFICATE_LIFE = timedelta(days=3650)
# Google's clocks and ours may differ by as much.
CLOCK_MARGIN = timedelta(minutes=5)
# https://cloud.google.com/iam/docs/access-change-propagation: reads are eventually consistent. Keys: a minute or two were seen.
LISTING_LAG = timedelta(minutes=2)
PROPAGATION = timedelta(minutes=2)
# Source: https://cloud.google.com/iam/docs/best-practices-for-managing-service-account-keys: at least every 90 days.
USUAL_AGE = timedelta(days=90)
HINT_CHARACTERS = 6


def _nothing(answer: object) -> None:
    del answer


_REFUSED: Mapping[str, Callable[[str], None]] = MappingProxyType({})
_GONE: Mapping[str, Callable[[str], None]] = MappingProxyType({"NOT_FOUND": _nothing})

SIGNATURES: tuple[Signature, ...] = ()  # those of vendors/gcpkey.py speak of managing keys too


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """The user-managed keys of one service account. `key` is the one in use, whose account this is about."""

    key: AccountKey
    line: GoogleLine

    def list_credentials(self, cursor: str) -> Page:
        """Return all keys, which come at once; of each uploaded one its certificate is read, since no listing holds it."""
        del cursor
        request = {"name": self.key.account, "key_types": ["USER_MANAGED"]}
        found = self.line.exchange(
            "list_keys", Effect.READS, "list_service_account_keys", request, read=lambda answer: tuple(answer.keys)
        )
        return Page(tuple(self._listed(one) for one in found), slots=SLOTS)

    def create(self, marker: str, value: str) -> Minted:
        """Make a key pair, upload its certificate, and return the JSON that Google's clients read."""
        del value
        private_key, certificate = _new_pair(marker, datetime.now(UTC))
        request = {"name": self.key.account, "public_key_data": certificate}
        key_id = self.line.exchange(
            "upload_key", Effect.CHANGES, "upload_service_account_key", request, read=lambda answer: _id_of(answer.name)
        )
        return Minted(key_id, self.key.having(key_id, private_key))

    def disable(self, vendor_id: str) -> None:
        """Switch the key off; one that is gone already is done."""
        self._change("disable_key", "disable_service_account_key", vendor_id, otherwise=_GONE)

    def enable(self, vendor_id: str) -> None:
        self._change("enable_key", "enable_service_account_key", vendor_id)

    def revoke(self, vendor_id: str) -> None:
        """Delete the key for good; one that is gone already is done. Tokens that it got live on for up to an hour."""
        self._change("delete_key", "delete_service_account_key", vendor_id, otherwise=_GONE)

    def held_open(self, vendor_id: str, cursor: str) -> HeldOpen:
        """Return nothing: what a key opened belongs to its account."""
        del vendor_id, cursor
        return HeldOpen()

    def close(self) -> None:
        self.line.close()

    def _change(
        self, verb: str, method: str, vendor_id: str, otherwise: Mapping[str, Callable[[str], None]] = _REFUSED
    ) -> None:  # fmt: skip
        request = {"name": f"{self.key.account}/keys/{vendor_id}"}
        self.line.exchange(verb, Effect.CHANGES, method, request, read=_nothing, otherwise=otherwise)

    def _listed(self, row: Any) -> ListedCredential:
        key_id = _id_of(row.name)
        return ListedCredential(
            vendor_id=key_id,
            name=self._subject(key_id) if row.key_origin.name == "USER_PROVIDED" else "",
            enabled=not row.disabled,
            hint=key_id[:HINT_CHARACTERS],
            created_at=moment(row.valid_after_time),
            fits=partial(_fit, key_id),
        )

    def _subject(self, key_id: str) -> str:
        """Return the common name in a key's certificate, empty where it has none or was deleted meanwhile."""
        request = {"name": f"{self.key.account}/keys/{key_id}", "public_key_type": "TYPE_X509_PEM_FILE"}
        certificate = self.line.exchange(
            "get_key", Effect.READS, "get_service_account_key", request,
            read=lambda answer: bytes(answer.public_key_data), otherwise={"NOT_FOUND": lambda _: b""},
        )  # fmt: skip
        return _common_name(certificate)


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Where a service-account key stands: which field of which integration. `verb` is what trying it is called."""

    integration: str
    field: str
    verb: str
    signatures: tuple[Signature, ...]

    def connect(self, values: Mapping[str, str], address: str | None, conduct: Conduct) -> AccountKeys:
        """Return the rotator of the keys of the account whose key stands here.

        Raises:
            BadInput: the key is missing, or the host is not allowed here.
        """
        manager = values.get("manage_key", "")
        line = GoogleLine(self.integration, IAM, conduct, signatures=self.signatures, key=manager, address=address)
        return AccountKeys(parsed_key(self._present(values)), line)

    def check(self, values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
        """Return where Google hands out a new token for the key."""
        del address  # a key says itself where its tokens are asked for
        check_key(self.integration, self.verb, self._present(values), conduct, self.signatures)

    def _present(self, values: Mapping[str, str]) -> str:
        if values.get(self.field):
            return values[self.field]
        raise BadInput(
            f"{self.integration}: {self.field} is not there.",
            f"Where the worker calls Google under its own identity there is no such key, and nothing to rotate. {NOTHING_SENT}",
            f"Set it with opsflows connect {self.integration}, or take this credential out of scope.",
        )


def manage_rotation(integration: str, signatures: tuple[Signature, ...]) -> Rotation:
    """Return how an integration's manage key is rotated: as any other key, managed with itself."""
    holder = KeyHolder(integration, "manage_key", "check_manage_key", signatures)
    return _rotation(holder, Purpose.MANAGE, no_probes)


def no_probes(client: Client) -> tuple[Probe, ...]:
    """Return nothing: a manage key's proof is the check, and a listing made with it."""
    del client
    return ()


def _iam() -> Any:
    from google.cloud import iam_admin_v1  # noqa: PLC0415 (heavy, and the registry is imported by everything)

    return iam_admin_v1.IAMClient


IAM = Service("iam.googleapis.com", _iam)


def _new_pair(marker: str, now: datetime) -> tuple[str, bytes]:
    """Return a new private key as PEM, and its self-signed certificate whose subject is the marker alone."""
    from cryptography import x509  # noqa: PLC0415 (heavy, and the registry is imported by everything)
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 (as above)
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 (as above)

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, marker)])
    certificate = (
        x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - CLOCK_MARGIN)
        .not_valid_after(now + CERTIFICATE_LIFE)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode(), certificate.public_bytes(serialization.Encoding.PEM)


def _common_name(certificate: bytes) -> str:
    from cryptography import x509  # noqa: PLC0415 (heavy, and the registry is imported by everything)

    try:
        subject = x509.load_pem_x509_certificate(certificate).subject
    except ValueError:
        return ""
    names = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _fit(key_id: str, value: str) -> Fit:
    try:
        return Fit.EXACT if parsed_key(value).key_id == key_id else Fit.NO
    except BadInput:
        return Fit.NO


def _id_of(name: str) -> str:
    return name.rpartition("/")[2]


def _rotation(holder: KeyHolder, purpose: Purpose, probes: Callable[[Client], tuple[Probe, ...]]) -> Rotation:
    return Rotation(
        holder.integration, purpose, holder.field,
        Manifest(
            Mint.BY_VENDOR, marker_field="the subject of the key's certificate", listable=True, slots=SLOTS,
            can_disable=True, listing_lag=LISTING_LAG, propagation=PROPAGATION, native_expiry=CERTIFICATE_LIFE,
            opens_management=purpose is Purpose.MANAGE, usual_age=USUAL_AGE,
        ),
        connect=holder.connect,
        check=holder.check,
        refusals=frozenset({f"{holder.integration}.key_refused"}),
        probes=probes,
    )  # fmt: skip


ROTATIONS = (
    _rotation(KeyHolder("gcpkey", "key", "check_key", ACCOUNT_SIGNATURES), Purpose.SEND, lambda client: client.probes),
    manage_rotation("gcpkey", ACCOUNT_SIGNATURES),
)

# https://cloud.google.com/iam/quotas: per project. Asking for tokens has no published limit.
KEY_LIMITS = (
    Limit(6000, timedelta(minutes=1), verbs=frozenset({"list_keys", "get_key"})),
    Limit(600, timedelta(minutes=1), verbs=frozenset({"upload_key", "disable_key", "enable_key", "delete_key"})),
)
LIMITS = KEY_LIMITS
