"""The world of the leak test: a project home of its own, configurations, files with canaries, faults that echo secrets.

Everything that may hold a secret lies in `secret/`; everything that must not lies beside it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from vendors.registry import EVERY, INTEGRATIONS, PLATFORMS

# What day 1 verifies; platforms and places are broken and asked as well.
NAMES = tuple(INTEGRATIONS)
PASSWORD = "pr0xy+Pa%ss/w=ord&Kq7"
_KEPT = "kept.json"
# A place and no integration: nothing of its own is rotated.
_CLUSTER = "kubernetes"
# A service that is checked, and no integration either.
BACKEND, BACKEND_TOKEN = "backend", "BACKEND_TOKEN"
_OTHERS = (_CLUSTER, BACKEND)
LIVE = "live"
# Those that its places are opened with; staging has all. Each stored one costs Prefect half a second.
LIVE_PLATFORMS = ("github", "gcpsecret", "awssecret")
LEAKED = "l3aked-0n.purpose/Zx81Vb"


@dataclass(frozen=True, slots=True)
class Fault:
    """What every stand-in answers, and how: `order` is the control plane's; where it has a body, that is an echo of secrets."""

    name: str
    order: Mapping[str, Any]


def _echo(status: int) -> Fault:
    return Fault(
        f"echo{status}",
        {"times": -1, "status": status, "body": "", "headers": {"content-type": "application/json"}},
    )


FAULTS = (
    *(_echo(status) for status in (200, 400, 401, 403, 404, 500)),
    Fault("garbage", {"times": -1, "garbage": True}),
    Fault("reset", {"times": -1, "reset": True}),
    Fault("truncated", {"times": -1, "truncate_bytes": 3}),
    Fault("undelivered", {"times": -1, "swallow": True}),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one world."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def secret(self) -> Path:
        return self.root / "secret"

    @property
    def left(self) -> tuple[Path, ...]:
        """Everything a run may leave something in."""
        return self.home, self.root / "out", self.root / "tmp", self.sink.parent

    @property
    def sink(self) -> Path:
        """The one place outside that a value is published to; it stands there in the clear, for the application."""
        return self.root / "app" / ".env.local"

    def create(self) -> None:
        for folder in (self.secret, *self.left):
            folder.mkdir(mode=0o700)

    def write_env_file(self, name: str, values: Mapping[str, str]) -> Path:
        file = self.secret / name
        file.touch(mode=0o600)
        file.write_text("".join(f"{key}='{value}'\n" for key, value in values.items()))
        return file

    def keep(self, kept: "Kept") -> None:
        (self.secret / _KEPT).write_text(json.dumps(asdict(kept)))

    def kept(self) -> "Kept":
        return Kept(**json.loads((self.secret / _KEPT).read_text()))


@dataclass(frozen=True, slots=True)
class Kept:
    """What a life came to: each part's outcome, the secrets there were, and what each stand-in was asked.

    `given` are the stand-ins' own credentials, by vendor; `minted` what rotations made and kept, by document; `moments` in base64
    what was encrypted to see it decrypted.
    """

    outcomes: Mapping[str, str]
    canaries: Mapping[str, str]
    given: Mapping[str, Mapping[str, str]]
    minted: Mapping[str, str]
    asked: Mapping[str, str]
    moments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Control:
    """The stand-ins' control plane, as a test uses it."""

    url: str

    def credentials(self) -> dict[str, dict[str, str]]:
        """Return each integration's credentials; others that are stood in for, such as a cluster, have none of that kind."""
        found: dict[str, dict[str, str]] = self._ask("GET", "/credentials")
        return {name: found[name] for name in EVERY}

    def cluster(self) -> dict[str, str]:
        found: dict[str, str] = self._ask("GET", f"/{_CLUSTER}/credentials")
        return found

    def backend(self) -> dict[str, str]:
        found: dict[str, str] = self._ask("GET", f"/{BACKEND}/credentials")
        return found

    def addresses(self) -> dict[str, str]:
        """Return where each integration's client is to go, to the gRPC port where the vendor speaks that."""
        found: dict[str, str] = self._ask("GET", "/addresses")
        return {name: found[name] for name in EVERY}

    def asked(self) -> dict[str, str]:
        """Return, per vendor, every request that arrived there, as text."""
        return {vendor: json.dumps(self.requests(vendor)) for vendor in (*EVERY, *_OTHERS)}

    def requests(self, vendor: str) -> list[dict[str, Any]]:
        """Return every request that arrived at one stand-in."""
        found: list[dict[str, Any]] = self._ask("GET", f"/{vendor}/requests")
        return found

    def break_with(self, fault: Fault) -> None:
        """Let every stand-in answer so, with its own credentials as the echo."""
        for vendor, values in {**self.credentials(), _CLUSTER: self.cluster(), BACKEND: self.backend()}.items():
            self.break_one(vendor, fault, values)

    def break_one(
        self, vendor: str, fault: Fault, secrets: Mapping[str, str], only: Mapping[str, str] | None = None
    ) -> None:
        """Let one stand-in answer so, with these secrets as the echo; `only` says to which requests."""
        order = {**fault.order, **(only or {})}
        self._ask(
            "POST", f"/{vendor}/faults", {**order, **({"body": _words(vendor, secrets)} if "body" in order else {})}
        )

    def act(self, vendor: str, action: str, **fields: object) -> dict[str, Any]:
        """Do something in the vendor's console."""
        told: dict[str, Any] = self._ask("POST", f"/{vendor}/actions/{action}", fields)
        return told

    def mend(self, *vendors: str) -> None:
        for vendor in vendors or (*EVERY, *_OTHERS):
            self._ask("DELETE", f"/{vendor}/faults")

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        answer = _console().request(method, f"{self.url}/_control{path}", json=body)
        answer.raise_for_status()
        return answer.json()


@cache
def _console() -> httpx.Client:
    """One client for all: each new one would load the certificate authorities again, a dozen times for every fault."""
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def _words(vendor: str, secrets: Mapping[str, str]) -> str:
    """Return JSON that says the secrets wherever a client may look for a message."""
    words = [f"invalid: {value}" for value in secrets.values()]
    message = " ".join(words)
    # What kubectl repeats, word for word.
    shape = {"kind": "Status", "apiVersion": "v1", "status": "Failure"} if vendor == _CLUSTER else {}
    said = {"ok": False, "error": words[0], "errors": words, "message": message, "text": words}
    return json.dumps({**said, **secrets, **shape})


def write_configurations(place: Place, control: Control, sinks: str) -> tuple[Path, Path]:
    """Write opsflows.toml twice, with patience and without, and return both."""
    patient, short = place.root / "patient.toml", place.root / "short.toml"
    addresses = control.addresses()
    elsewhere = "".join(
        f"[environments.{name}]\nkind = '{kind}'\nin_scope = {list(NAMES)}\n{_low_urgency(name)}"
        # A file of variables is verified in local.
        for name, kind in (("rehearsal", "rehearsal"), ("local", "dev"), ("far", "dev"))
    )
    sections = f"{elsewhere}{_environment('staging', tuple(PLATFORMS), addresses)}{_environment(LIVE, LIVE_PLATFORMS, addresses)}{sinks}"
    patient.write_text(f"{sections}[verify]\nsend_seconds = 10\nconfirm_seconds = 20\n")
    short.write_text(
        f"{sections}[verify]\nsend_seconds = 2\nconfirm_seconds = 0.3\nclean_up_seconds = 0.3\nattempts = 1\n"
    )
    return patient, short


def _environment(name: str, platforms: tuple[str, ...], addresses: Mapping[str, str]) -> str:
    lines = "".join(f"{vendor} = '{address}'\n" for vendor, address in addresses.items())
    return (
        f"[environments.{name}]\nkind = 'staging'\nin_scope = {list(NAMES)}\nplatforms = {list(platforms)}\nallowed_hosts = ['127.0.0.1']\n"
        f"[environments.{name}.addresses]\n{lines}{_low_urgency(name)}"
        f"[environments.{name}.alerts]\npage = 'pagerduty'\nticket = 'slack'\n"
    )


def _low_urgency(name: str) -> str:
    return f"[environments.{name}.low_urgency_targets]\npagerduty = 'a test'\nopsgenie = 'a test'\n"
