"""What the guard's tests have in common: goldens, wrapped keys and their files, and a key whose primary version moves."""

import base64
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from pydantic import TypeAdapter

from domain.kms_goldens import MINTED, WRAPPED, NewGolden
from domain.kms_sections import KmsTarget
from ledger.kms_goldens import keep_golden, retire_goldens
from steps.rotation_hands import Hands
from tests.steps.rotation_lives import Stage

KMS = "gcpkms-send"
ANOTHER_KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"


def keep(stage: Stage, version: str) -> None:
    new = NewGolden(stage.first["GOOGLE_KMS_KEY"], version, MINTED, b"-", "0" * 64, {})
    assert keep_golden(stage.ledger, "run", "prod", "pay", "main", new)


def keep_wrapped(stage: Stage, ciphertext: bytes) -> str:
    slot = sha256(ciphertext).hexdigest()
    new = NewGolden(stage.first["GOOGLE_KMS_KEY"], "", WRAPPED, ciphertext, "", {}, slot)
    assert keep_golden(stage.ledger, "run", "prod", "pay", "main", new)
    return slot


def let_go(stage: Stage, version: str = "", slot: str = "") -> None:
    retire_goldens(stage.ledger, "run", "prod", "pay", "main", version, slot=slot, who="ada", reason="re-encrypted")


def names_files(stage: Stage, folder: Path, environment: str = "prod", **key: str) -> None:
    """Let a service name a folder of wrapped keys, of the stage's key where no other is given."""
    own = {"provider": "gcp", "key": stage.first["GOOGLE_KMS_KEY"], "wrapped_keys": str(folder)}
    service = {"environment": environment, "keys": {"main": own | key}}
    stage.services["pay"] = TypeAdapter(KmsTarget).validate_python(service)


def destroyed(stage: Stage) -> list[str]:
    return [row["path"] for row in stage.arrived() if row.get("rpc") == "DestroyCryptoKeyVersion"]


def move_primary(stage: Stage, hands: Hands) -> str:
    """Make a version, let the key encrypt with it, and return its number."""
    made = hands.vendor.create("opsflows-r00000000001-1", "")
    stage.move(timedelta(minutes=2))
    hands.vendor.point_to(made.value)
    return made.vendor_id


def encrypted(stage: Stage, text: str = "a data key") -> bytes:
    return base64.b64decode(stage.act("encrypt_for_application", text=text)["ciphertext"])
