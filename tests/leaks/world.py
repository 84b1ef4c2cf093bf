"""The world of the leak test: a project home of its own, configurations, files with canaries, faults that echo secrets.

Everything that may hold a secret lies in `secret/`; everything that must not lies beside it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from vendors.registry import INTEGRATIONS

NAMES = tuple(INTEGRATIONS)
PASSWORD = "pr0xy+Pa%ss/w=ord&Kq7"
_KEPT = "kept.json"
LIVE = "live"
LEAKED = "l3aked-0n.purpose/Zx81Vb"
FROM_FILE = {
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
# The same, each secret spoilt so that its check refuses it: the refusal must not repeat it.
MALFORMED = {
    **FROM_FILE,
    "DD_API_KEY": "xc0ffee11223344556677889900aabbc!",
    "SENTRY_DSN": "https//c0ffeemalformeddsn99@o77.ingest.us.sentry.io/fourtytwo",
    "PAGERDUTY_ROUTING_KEY": "c0ffee9988776655443322110malformed",
    "SLACK_WEBHOOK_URL": "http://hooks.slack.com/services/T0CANARY1/c0ffeeMalformedOfNobody",
    "SPLUNK_HEC_TOKEN": "c0ffee22-malformed-4444-8555-666677778888",
    "STATUSPAGE_API_KEY": "c0ffee3344556677889900 malformed of nobody",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What every stand-in answers, and how: `order` is the control plane's; `{secrets}` stands for the vendor's own."""

    name: str
    order: Mapping[str, Any]


def _echo(status: int) -> Fault:
    return Fault(
        f"echo{status}",
        {"times": -1, "status": status, "body": "{secrets}", "headers": {"content-type": "application/json"}},
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
    """What a life came to: each part's outcome, the secrets there were, and what each stand-in was asked."""

    outcomes: Mapping[str, str]
    canaries: Mapping[str, str]
    given: Mapping[str, Mapping[str, str]]
    asked: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Control:
    """The stand-ins' control plane, as a test uses it."""

    url: str

    def credentials(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = self._ask("GET", "/credentials")
        return found

    def asked(self) -> dict[str, str]:
        """Return, per vendor, every request that arrived there, as text."""
        return {vendor: json.dumps(self._ask("GET", f"/{vendor}/requests")) for vendor in NAMES}

    def break_with(self, fault: Fault) -> None:
        """Let every stand-in answer so, with its own credentials as the echo."""
        for vendor, values in self.credentials().items():
            words = [f"invalid: {value}" for value in values.values()]
            echo = json.dumps(
                {"ok": False, "error": words[0], "errors": words, "message": " ".join(words), "text": words, **values}
            )
            order = {**fault.order, **({"body": echo} if fault.order.get("body") == "{secrets}" else {})}
            self._ask("POST", f"/{vendor}/faults", order)

    def act(self, vendor: str, action: str) -> dict[str, Any]:
        """Do something in the vendor's console."""
        told: dict[str, Any] = self._ask("POST", f"/{vendor}/actions/{action}", {})
        return told

    def mend(self) -> None:
        for vendor in NAMES:
            self._ask("DELETE", f"/{vendor}/faults")

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        answer = httpx.request(method, f"{self.url}/_control{path}", json=body, trust_env=False)
        answer.raise_for_status()
        return answer.json()


def write_configurations(place: Place, stand_ins: str, environments: tuple[str, ...]) -> tuple[Path, Path]:
    """Write opsflows.toml twice, with patience and without, and return both."""
    patient, short = place.root / "patient.toml", place.root / "short.toml"
    sections = "\n".join(_environment(name, stand_ins) for name in environments)
    rehearsal = f"[environments.rehearsal]\nkind = 'rehearsal'\nin_scope = {list(NAMES)}\n"
    far = f"[environments.far]\nkind = 'dev'\nin_scope = {list(NAMES)}\n" + _low_urgency("far")
    sections += _sink(place)
    patient.write_text(f"{rehearsal}{far}{sections}\n[verify]\nsend_seconds = 10\nconfirm_seconds = 20\n")
    short.write_text(
        f"{rehearsal}{far}{sections}\n[verify]\nsend_seconds = 2\nconfirm_seconds = 0.3\nclean_up_seconds = 0.3\nattempts = 1\n"
    )
    return patient, short


def _sink(place: Place) -> str:
    return (
        "\n[credentials.datadog-default-staging-send]\nsinks = ['app_env']\n"
        f"[sinks.app_env]\nkind = 'env_file'\npath = '{place.sink}'\nvariable = 'DD_API_KEY'\n"
    )


def _environment(name: str, stand_ins: str) -> str:
    addresses = "".join(f"{vendor} = '{stand_ins}/{vendor}'\n" for vendor in NAMES)
    return (
        f"[environments.{name}]\nkind = 'staging'\nin_scope = {list(NAMES)}\nallowed_hosts = ['127.0.0.1']\n"
        f"[environments.{name}.addresses]\n{addresses}{_low_urgency(name)}"
        f"[environments.{name}.alerts]\npage = 'pagerduty'\nticket = 'slack'\n"
    )


def _low_urgency(name: str) -> str:
    return f"[environments.{name}.low_urgency_targets]\npagerduty = 'a test'\nopsgenie = 'a test'\n"


def secrets_in(values: Mapping[str, str]) -> dict[str, str]:
    """Return the secret values by variable name, and of a secret URL its secret part too."""
    rows = [row for integration in INTEGRATIONS.values() for row in integration.variables if row.secret]
    found = {row.name: values[row.name] for row in rows if values.get(row.name)}
    if "SLACK_WEBHOOK_URL" in found:
        found["SLACK_WEBHOOK_URL (end)"] = found["SLACK_WEBHOOK_URL"].rpartition("/")[2]
    if "SENTRY_DSN" in found:
        found["SENTRY_DSN (key)"] = found["SENTRY_DSN"].partition("//")[2].partition("@")[0]
    return found
