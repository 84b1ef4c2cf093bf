"""What opsflows.toml may say of services that encrypt with a cloud KMS: where their health page is, their keys, their own canary."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from domain.names import Target

_STRICT = ConfigDict(extra="forbid", frozen=True)
# An address of the running stand-ins, wherever they are.
AT_STAND_INS = "$STAND_INS/"


def _base_url(text: str) -> str:
    if not text or text.startswith(AT_STAND_INS):
        return text
    parts = urlsplit(text)
    if parts.scheme in {"http", "https"} and parts.hostname and not parts.query and "@" not in parts.netloc:
        return text.rstrip("/")
    raise ValueError("an address like https://api.example.org, without login and query")


def _path(text: str) -> str:
    if text.startswith("/") and not any(sign in text for sign in "?# "):
        return text
    raise ValueError("a path that begins with /, such as /crypto/canary/encrypt")


def resolved_at(stand_ins: str, address: str) -> str:
    """Return the address with the stand-ins' own in place of `$STAND_INS/`."""
    return f"{stand_ins.rstrip('/')}/{address.removeprefix(AT_STAND_INS)}".rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_base_url)]
UrlPath = Annotated[str, AfterValidator(_path)]
PartOfName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class ApplicationCanary(BaseModel):
    """The application's own encrypt path, where it offers one.

    Both paths take and give JSON: {"plaintext": base64, "context": {...}} and {"ciphertext": text}, and the other way round
    (docs/kms-application.md). `envelope` is how every ciphertext of the application begins. `token` is the name of a Prefect
    Secret block with the bearer token, empty where none is asked for.
    """

    model_config = _STRICT

    encrypt: UrlPath
    decrypt: UrlPath
    envelope: str = Field(min_length=1, max_length=200)
    token: str = ""


class KmsKeySection(BaseModel):
    """One key that the service encrypts with.

    `key` is its name as the provider writes it (Google: projects/.../cryptoKeys/NAME; AWS: an ARN, a key id or alias/NAME); empty:
    the key of the credentials. `credentials` names a target of this environment whose credentials open it, empty: the worker's own
    identity. `pinned` are the keys (full name or ARN) and version ids that may encrypt; empty: the versions that were enabled at
    the first check and those that our own rotation makes. `rotation_days` is the policy's age of the version in use. `wrapped_keys` is a
    folder (*.enc) or pattern of files with data keys wrapped by this key. `replicas` are ARNs of multi-region replicas that must open
    what this key encrypted. `other_key` is a key that must not open it. `context` is bound to every ciphertext beside ours.
    """

    model_config = _STRICT

    provider: Literal["gcp", "aws"]
    key: str = ""
    credentials: str = ""
    region: str = ""
    address: BaseUrl = ""
    pinned: tuple[str, ...] = ()
    rotation_days: float = Field(default=365, gt=0, le=3650)
    wrapped_keys: str = ""
    replicas: tuple[str, ...] = ()
    other_key: str = ""
    context: Mapping[str, str] = Field(default_factory=dict)


# No model: Prefect walks through what a task is given and calls dict() on each model it meets, and that calls a model's `keys`.
@dataclass(config=ConfigDict(extra="forbid"), frozen=True, slots=True)
class KmsTarget:
    """One service: its health page, its own canary, its keys; at least one of the three.

    `log_command` prints the service's last log lines, as a list of words (no shell); it is run where a check failed. `slow_ms` is the
    time of one operation from which on it is WARN, `limit_seconds` the time after which it failed.
    """

    environment: str
    base_url: BaseUrl = ""
    health_path: UrlPath = "/healthz"
    application: ApplicationCanary | None = None
    keys: Mapping[PartOfName, KmsKeySection] = Field(default_factory=dict)
    log_command: tuple[str, ...] = ()
    slow_ms: float = Field(default=1000, gt=0, le=60_000)
    limit_seconds: float = Field(default=3, gt=0, le=60)
    runbook_url: str = ""


def kms_faults(
    targets: Mapping[str, KmsTarget], rotated: Mapping[str, tuple[Target, ...]], rehearsal: str
) -> Iterator[str]:
    """Yield in words what cannot be, each with its key; `rotated` are the targets with credentials by environment."""
    for name, target in targets.items():
        where = f"kms.{name}"
        if not _is_name(name):
            yield f"{where}: a name is lower-case letters, digits and _, and begins with a letter"
        if target.environment not in rotated:
            yield f"{where}.environment: no environment {target.environment!r} is declared"
            continue
        if not (target.base_url or target.keys):
            yield f"{where}: neither base_url nor a key is given, so nothing could be checked"
        if target.application is not None and not target.base_url:
            yield f"{where}.application: it needs base_url"
        if target.base_url.startswith(AT_STAND_INS) and target.environment != rehearsal:
            yield f"{where}.base_url: {AT_STAND_INS} is for the rehearsal alone"
        yield from _faults_of_keys(where, target, rotated[target.environment])


def _faults_of_keys(where: str, target: KmsTarget, known: tuple[Target, ...]) -> Iterator[str]:
    fitting = {"gcp": "gcpkms", "aws": "awskey"}
    for name, key in target.keys.items():
        at = f"{where}.keys.{name}"
        opened_by = {str(one) for one in known if one.integration == fitting[key.provider]}
        if key.credentials and key.credentials not in opened_by:
            yield f"{at}.credentials: {key.credentials!r} is no {fitting[key.provider]} among the platforms of {target.environment}"
        if not key.key and not (key.credentials and key.provider == "gcp"):
            yield f"{at}.key: name the key, or credentials that name one (gcpkms)"
        if key.replicas and key.provider != "aws":
            yield f"{at}.replicas: only AWS has replicas of a key"


def _is_name(name: str) -> bool:
    return name.isascii() and name.islower() and name[0].isalpha() and name.replace("_", "").isalnum()
