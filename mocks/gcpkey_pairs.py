"""Key pairs of service accounts, and the certificates in which their public halves are kept and uploaded.

What is made of a key or read off a certificate is remembered: each call is signed anew and looked up so.

Source: https://cloud.google.com/iam/docs/keys-upload
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

SMALLEST_KEY_BITS = 2048
# Google's own last until then; a certificate can be that old.
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A public key and the time for which it is good, in epoch seconds."""

    public_pem: str
    good_from: float
    good_until: float


def new_pair() -> str:
    """Return a private key of 2048 bits as PEM. This takes about 0.1 s."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@lru_cache
def certificate_of(private_pem: str, subject: str, at: float) -> str:
    """Return the self-signed certificate with which Google shows a key that it made itself."""
    private = load_pem_private_key(private_pem.encode(), None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError("service accounts have RSA keys")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    made_at = datetime.fromtimestamp(at, UTC) - timedelta(minutes=1)
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(made_at).not_valid_after(NEVER).sign(private, SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


@lru_cache
def opened(certificate_pem: str) -> Certificate:
    """Return what a certificate says.

    Raises:
        ValueError: it is none, or not of an RSA key that is long enough.
    """
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size < SMALLEST_KEY_BITS:
        raise ValueError("not an RSA key of 2048 bits or more")
    return Certificate(
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )
