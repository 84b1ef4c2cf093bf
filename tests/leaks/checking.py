"""KMS checks lived through: a service that is well, one that echoes secrets, its log lines, golden ciphertexts, the review.

What a golden ciphertext and a canary encrypt is a secret of a moment: here it is opened once more, to be looked for.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from prefect.blocks.system import Secret
from prefect.client.schemas.objects import State

from blocks.store import load_values
from domain.names import Target
from flows.review_kms import review_kms
from flows.smoke_kms import smoke_kms
from ledger.kms_goldens import goldens
from steps.audited_run import open_own_ledger
from steps.conduct import conduct_for
from tasks.preparing import read_own_config
from tests.leaks.world import BACKEND, BACKEND_TOKEN, Control, Place
from vendors.kms_providers import KEY_PROVIDERS
from vendors.registry import EVERY

ENVIRONMENT, TARGET = "staging", "pay"
WRAPPED = "wr4pped-data-key/of+an.application"
_TOKEN_BLOCK = "kms-pay-token"
_SECTIONS = """
[kms.{target}]
environment = "{environment}"
base_url = "{url}/backend"
log_command = ["cat", "{log}"]

[kms.{target}.application]
encrypt = "/crypto/canary/encrypt"
decrypt = "/crypto/canary/decrypt"
envelope = "kms:v1:"
token = "{token}"

[kms.{target}.keys.main]
provider = "gcp"
credentials = "gcpkms"
wrapped_keys = "{wrapped}"
"""


def sections_of(place: Place, control: Control) -> str:
    """Return what opsflows.toml says of a service, with a wrapped key and log lines that hold what they should not."""
    folder = place.secret / "wrapped"
    folder.mkdir()
    sealed = control.act("gcpkms", "encrypt_for_application", text=WRAPPED)["ciphertext"]
    (folder / "data-key.enc").write_bytes(base64.b64decode(sealed))
    log = place.secret / "service.log"
    token, key = control.backend()[BACKEND_TOKEN], control.credentials()["gcpkms"]["GOOGLE_KMS_MANAGE_KEY"]
    log.write_text(f"refused Authorization: Bearer {token}\nconnected with {key}\n")
    return _SECTIONS.format(
        target=TARGET, environment=ENVIRONMENT, url=control.url, log=log, token=_TOKEN_BLOCK, wrapped=folder
    )


def wrapped_digits(place: Place) -> str:
    """Return what names the wrapped key to a command."""
    return hashlib.sha256((place.secret / "wrapped" / "data-key.enc").read_bytes()).hexdigest()[:12]


def check_everything(control: Control) -> dict[str, str]:
    """Check the service while it is well, and look back on a quarter."""
    Secret(value=control.backend()[BACKEND_TOKEN]).save(_TOKEN_BLOCK)
    return {"kms": _checked(), "kms review": _named(review_kms(environment=ENVIRONMENT, return_state=True))}


def check_under(fault: str) -> dict[str, str]:
    """Check it while it and its KMS answer so; two of the worst, so that its part is DOWN at the second."""
    return {f"kms {fault}": _checked()} if fault in {"echo200", "echo500"} else {}


def moments_secrets(control: Control) -> dict[str, str]:
    """Return in base64 what was encrypted in golden ciphertexts and in the canaries that the service was sent."""
    return {**dict(_in_goldens(control)), **dict(_in_canaries(control))}


def _in_goldens(control: Control) -> Iterator[tuple[str, str]]:
    config = read_own_config()
    provider = KEY_PROVIDERS["gcp"]
    values = load_values(EVERY["gcpkms"], Target("gcpkms"), ENVIRONMENT) or {}
    values = {**values, **control.credentials()["gcpkms"]}
    fields = {row.field: values[row.name] for row in EVERY["gcpkms"].variables if row.name in values}
    ledger = open_own_ledger()
    try:
        kept = goldens(ledger, ENVIRONMENT, TARGET)
    finally:
        ledger.close()
    conduct = conduct_for(config, ENVIRONMENT, lambda _: None)
    with closing(provider.connect(kept[0].key, fields, control.addresses()["gcpkms"], conduct)) as key:
        for one in kept:
            text = key.decrypt(one.ciphertext, one.context).plaintext
            if one.plaintext_sha256:
                assert hashlib.sha256(text).hexdigest() == one.plaintext_sha256
            yield f"text of golden {one.id}", base64.b64encode(text).decode()


def _in_canaries(control: Control) -> Iterator[tuple[str, str]]:
    for at, request in enumerate(control.requests(BACKEND)):
        if request["path"].endswith("/crypto/canary/encrypt"):
            yield f"text of canary {at}", str(json.loads(request["body"])["plaintext"])


def _checked() -> str:
    return _named(smoke_kms(environment=ENVIRONMENT, operator="a test", return_state=True))


def _named(state: State[Any]) -> str:
    return f"{state.type.value} {state.name}"
