"""The secrets that are looked for: what stands in files of ours, and of each value the parts that are secret by themselves."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from vendors.registry import EVERY

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+(.+?)\s*(?:-----END|$)", re.DOTALL)
_SECRET_ACCESS_KEY = re.compile(r'"secret_access_key": *"([^"]+)"')
_FULL_LINE = 64
# Rotated as a value is, and the name of a version all the same: it opens nothing, and is the vendor's id in every ledger.
_NAME_OF_A_VERSION = re.compile(r"projects/\S+/cryptoKeyVersions/\d+")

_INTEGRATIONS_FROM_FILE = {
    "DD_API_KEY": "c0ffee11223344556677889900aabbcc",
    "DD_APP_KEY": "c0ffee1122334455667788990011223344556677",
    "SENTRY_DSN": "https://c0ffeeaabbccddeeff00112233445566@o77.ingest.us.sentry.io/42",
    "DD_MANAGE_APP_KEY": "c0ffee7766554433221100998877665544332211",
    "SENTRY_AUTH_TOKEN": "sntrys_c0ffeeCanaryTokenOfNobody1234567890abcdef",
    "SENTRY_MANAGE_TOKEN": "sntrys_c0ffeeManageTokenOfNobody1234567890abc",
    "SENTRY_ORG": "acme",
    "SENTRY_PROJECT": "web",
    "PAGERDUTY_ROUTING_KEY": "c0ffee99887766554433221100ffeedd",
    "PAGERDUTY_API_KEY": "u+C0ffeeCanary-Key_Q",
    "PAGERDUTY_MANAGE_KEY": "u+C0ffeeManage-Key_Q",
    "PAGERDUTY_SERVICE_ID": "PCANARY",
    "OPSGENIE_API_KEY": "c0ffee00-1111-4222-8333-444455556666",
    "OPSGENIE_MANAGE_KEY": "c0ffee77-1111-4222-8333-444455556666",
    "OPSGENIE_TEAM": "ops",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/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",
    "SLACK_BOT_TOKEN": "xoxb-100000000001-100000000002-c0ffeeCanaryOfNobody1234",
    "SLACK_CHANNEL": "C0CANARY1",
    "SPLUNK_HEC_TOKEN": "c0ffee22-3333-4444-8555-666677778888",
    "SPLUNK_HEC_URL": "https://http-inputs-acme.splunkcloud.com/services/collector",
    "SPLUNK_TOKEN": "eyJjMGZmZWUiOiJDYW5hcnkifQ.c0ffeeCanaryOfNobody.c0ffee1234567890",
    "SPLUNK_MANAGE_TOKEN": "eyJjMGZmZWUiOiJNYW5hZ2UifQ.c0ffeeManageOfNobody.c0ffee0987654321",
    "SPLUNK_API_URL": "https://acme.splunkcloud.com:8089",
    "STATUSPAGE_API_KEY": "c0ffee3344556677889900aabbccddeeff00112233445566778899aabbccddee",
    "STATUSPAGE_PAGE_ID": "c0ffeecanary",
}


@cache
def from_file() -> Mapping[str, str]:
    """Return a value of nobody's for every secret variable there is, each as a line of a file can hold it."""
    return {**_INTEGRATIONS_FROM_FILE, **_platforms_from_file(_private_key())}


@cache
def malformed() -> Mapping[str, str]:
    """Return the same, secrets of each kind spoilt so that their check refuses them: the refusal must not repeat them."""
    whole = from_file()
    key = whole["GITHUB_APP_PRIVATE_KEY"]
    return {
        **whole,
        "DD_API_KEY": "xc0ffee11223344556677889900aabbc!",
        "SENTRY_DSN": "https//c0ffeemalformeddsn99@o77.ingest.us.sentry.io/fourtytwo",
        "PAGERDUTY_ROUTING_KEY": "c0ffee9988776655443322110malformed",
        "SLACK_WEBHOOK_URL": "http://hooks.slack.com/services/T0CANARY1/c0ffeeMalformedOfNobody",
        "SPLUNK_HEC_TOKEN": "c0ffee22-malformed-4444-8555-666677778888",
        "STATUSPAGE_API_KEY": "c0ffee3344556677889900 malformed of nobody",
        # Letters were lost in the middle, the end was lost, a character is none that it can have.
        "GITHUB_APP_PRIVATE_KEY": key[: len(key) // 3] + key[len(key) // 3 + 8 :],
        "GITHUB_WEBHOOK_SECRET": "c0ffeeMalformedHookOfNobody\u00e45678",
        "GOOGLE_ACCOUNT_KEY": whole["GOOGLE_ACCOUNT_KEY"][:-100],
        "GOOGLE_SECRET_VALUE": "c0ffee malformed value of nobody",
        "OIDC_CLIENT_SECRET": "c0ffee malformed client of nobody",
        "AWS_IAM_ACCESS_KEY": whole["AWS_IAM_ACCESS_KEY"].replace("Canary", "-malformed-"),
        "AWS_SECRET_VALUE": '{"password": "c0ffeeMalformedDocumentOfNobody"}',
    }


def secrets_in(values: Mapping[str, str]) -> dict[str, str]:
    """Return what is secret in values by variable name."""
    rows = [row for integration in EVERY.values() for row in integration.variables if row.secret]
    return secret_parts({row.name: values[row.name] for row in rows if values.get(row.name)})


def secret_parts(values: Mapping[str, str]) -> dict[str, str]:
    """Return what is looked for of each value: itself, and what of it is secret alone.

    A document is looked for by its secret parts only, which are in whatever holds it as a whole.
    """
    return {f"{name}{part}": text for name, value in values.items() for part, text in _parts(value)}


def _parts(value: str) -> Iterator[tuple[str, str]]:
    lines = [
        line for pem in _PEM.findall(value.replace("\\n", "\n")) for line in pem.split() if len(line) == _FULL_LINE
    ]
    keys = _SECRET_ACCESS_KEY.findall(value)
    if lines:
        # Before the middle stands the public modulus; from there on every line is private.
        yield from ((" (line in the middle)", lines[len(lines) // 2]), (" (last line)", lines[-1]))
    elif keys:
        yield from ((" (secret part)", key) for key in keys)
    elif not _NAME_OF_A_VERSION.fullmatch(value):
        yield "", value
    if value.startswith("http") and "/services/" in value:
        yield " (end)", value.rpartition("/")[2]
    elif value.startswith("http") and "@" in value:
        yield " (key)", value.partition("//")[2].partition("@")[0]


def _platforms_from_file(private_key: str) -> dict[str, str]:
    account = json.dumps(
        {
            "type": "service_account", "project_id": "canary", "private_key_id": "c0ffee00", "private_key": private_key,
            "client_email": "canary@canary.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
        }
    )  # fmt: skip
    access_key = '{"access_key_id": "AKIAC0FFEECANARY0000", "secret_access_key": "c0ffeeCanaryOfNobody%s"}'
    kms_key = "projects/canary/locations/global/keyRings/canary/cryptoKeys/canary"
    return {
        # A file of variables takes one line: the key's own are joined by blanks (docs/integrations/github.md).
        "GITHUB_APP_PRIVATE_KEY": " ".join(private_key.split("\n")).strip(),
        "GITHUB_APP_ID": "77",
        "GITHUB_INSTALLATION_ID": "7777",
        "GITHUB_WEBHOOK_SECRET": "c0ffeeHookOfNobody1234567890",
        "GOOGLE_ACCOUNT_KEY": account,
        "GOOGLE_ACCOUNT_MANAGE_KEY": account,
        "GOOGLE_SECRET_VALUE": "c0ffeeValueOfNobody1234567890",
        "GOOGLE_SECRET_NAME": "projects/canary/secrets/canary",
        "GOOGLE_SECRET_MANAGE_KEY": account,
        "GOOGLE_KMS_KEY": kms_key,
        "GOOGLE_KMS_CIPHERTEXTS": "none",
        "GOOGLE_KMS_KEY_VERSION": f"{kms_key}/cryptoKeyVersions/1",
        "GOOGLE_KMS_MANAGE_KEY": account,
        "OIDC_ISSUER": "https://sso.example.com/realms/canary",
        "OIDC_CLIENT_ID": "canary",
        "OIDC_CLIENT_SECRET": "c0ffeeClientOfNobody1234567890",
        "OIDC_ADMIN_CLIENT_ID": "canary-admin",
        "OIDC_ADMIN_CLIENT_SECRET": "c0ffeeAdminOfNobody1234567890",
        "AWS_IAM_ACCESS_KEY": access_key % "12345678901234567890",
        "AWS_IAM_USER": "canary",
        "AWS_IAM_MANAGE_KEY": access_key % "Manage90123456789012",
        "AWS_SECRET_VALUE": "c0ffeeAwsValueOfNobody1234567890",
        "AWS_SECRET_ID": "canary",
        "AWS_SECRET_REGION": "eu-central-1",
        "AWS_SECRET_MANAGE_KEY": access_key % "Secret90123456789012",
    }


def _private_key() -> str:
    """Return a key as GitHub and Google make them. A new one each time: none stands in our sources."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
