"""What can be wrong with a service's encryption, as rows: which class it is, who is told and when, what it means, what to do.

A class decides: permission, key state and configuration are never repeated, since they do not go away by themselves; throttling
and what is transient are, twice at most. What a row calls `at_once` counts from the first answer on; everything else is DOWN
after two of three answers (domain/kms_standing.py).
Source: https://cloud.google.com/kms/docs/data-integrity-guidelines
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class FaultClass(StrEnum):
    """What kind of trouble it is. The value stands in metrics, as `class`."""

    PERMISSION = "permission"
    KEY_STATE = "key_state"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    CORRUPTION = "corruption"
    CONFIG = "config"
    DRIFT = "drift"
    GOLDEN = "golden"
    PLAINTEXT = "plaintext"
    HEALTH = "health"
    NEGATIVE = "negative"
    SLOW = "slow"
    AGE = "age"


class Severity(StrEnum):
    """Who is told: a page wakes someone, a ticket waits for the morning, a warning stands in the report and in metrics."""

    PAGE = "page"
    TICKET = "ticket"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row. `happened` may name {part}, {version}, {detail}; `at_once` says that no second answer is waited for."""

    id: str
    fault_class: FaultClass
    severity: Severity
    happened: str
    means: str
    next_step: str
    at_once: bool = False

    @property
    def is_repeated(self) -> bool:
        """Say whether the operation is tried again within the same run, twice at most."""
        return self.fault_class in {FaultClass.TRANSIENT, FaultClass.THROTTLED, FaultClass.CORRUPTION}

    @property
    def is_warning(self) -> bool:
        """Say whether everything still works: then the part is WARN and the run stays green, whoever is told."""
        return self.fault_class in {FaultClass.SLOW, FaultClass.AGE}


_C, _S = FaultClass, Severity
_ROWS = (
    # The key, as this check's own identity sees it.
    Fault("kms.permission", _C.PERMISSION, _S.PAGE, "The KMS refuses {part}: {detail}.", "Whoever calls may not use the key (any more), or the key does not exist; an application with the same rights fails as well.", "Compare the key's IAM policy or key policy with what was changed last, and grant encrypt and decrypt again."),
    Fault("kms.identity", _C.PERMISSION, _S.PAGE, "The KMS does not know who asks: {detail}.", "The check's own credentials were revoked, have run out or are missing; nothing is known of the key.", "Put live credentials where opsflows.toml names them, or give the worker an identity of its own."),
    Fault("kms.version_disabled", _C.KEY_STATE, _S.PAGE, "Version {version} of the key is disabled.", "Nothing is encrypted or decrypted with it; what it encrypted cannot be read until it is enabled.", "Find out who disabled it, then enable it in the console, or re-encrypt what needs it first."),
    Fault("kms.version_scheduled", _C.KEY_STATE, _S.PAGE, "Version {version} of the key waits to be destroyed: {detail}.", "At that moment everything that it encrypted is lost for good, for everybody.", "Restore and enable the version before that moment, unless everything it encrypted was re-encrypted.", at_once=True),
    Fault("kms.version_destroyed", _C.KEY_STATE, _S.PAGE, "Version {version} of the key is destroyed.", "What it encrypted is lost for good.", "Declare an incident; look for what was encrypted with it, and for copies of the data that were not.", at_once=True),
    Fault("kms.no_primary", _C.KEY_STATE, _S.PAGE, "The key has no enabled primary version: {detail}.", "Nothing new can be encrypted.", "Enable a version and make it primary.", at_once=True),
    Fault("kms.key_unusable", _C.KEY_STATE, _S.PAGE, "The key cannot be used: {detail}.", "It is disabled, waits to be deleted, or its key material is missing; nothing is encrypted or decrypted.", "Look at the key in the provider's console: cancel the deletion, enable it, or import the material again."),
    Fault("kms.throttled", _C.THROTTLED, _S.TICKET, "The KMS takes no more requests for now: {detail}.", "The account's quota is used up; applications that share it are refused as well.", "Look for what asks so often; raise the quota if it is meant."),
    Fault("kms.unreachable", _C.TRANSIENT, _S.PAGE, "The KMS did not answer {part}: {detail}.", "The network or the provider failed; applications that keep no key in memory cannot encrypt.", "Look at the provider's status page, then at this machine's way out (DNS, proxy, firewall)."),
    Fault("kms.unavailable", _C.TRANSIENT, _S.PAGE, "The KMS failed while it answered {part}: {detail}.", "The provider has trouble; nothing is known of the key.", "Look at the provider's status page."),
    Fault("kms.corrupted", _C.CORRUPTION, _S.PAGE, "What the KMS and this machine exchanged for {part} has another checksum than it was sent with.", "It was changed on the way; a ciphertext damaged so could never be opened.", "Look at what stands between this machine and the KMS (proxy, gateway, network card); it was asked again twice."),
    Fault("kms.other_plaintext", _C.CORRUPTION, _S.PAGE, "The key gave back another text than was encrypted.", "Nothing that the key opens can be relied on.", "Stop writes that need the key, and open a case with the provider."),
    Fault("kms.not_opened", _C.KEY_STATE, _S.PAGE, "The key does not open {part}: {detail}.", "The key, its version or the bound context is not what the ciphertext was made with.", "Compare key and versions with what was changed last."),
    Fault("kms.config", _C.CONFIG, _S.TICKET, "The check cannot be made as opsflows.toml asks for it: {detail}.", "Nothing is known of the key, which is not the same as in order.", "Correct the section, and run the check again."),
    # Drift: another key or version than the pinned ones.
    Fault("kms.key_drift", _C.DRIFT, _S.PAGE, "The answer is of another key than the pinned one: {detail}.", "An alias or the configuration was moved; what was encrypted before may not open any more, and what is now, with a key that nobody chose.", "Move the alias back, or pin the new key in opsflows.toml if the change was planned.", at_once=True),
    Fault("kms.version_drift", _C.DRIFT, _S.PAGE, "Version {version} encrypted, which is not a pinned one.", "Somebody or something rotated the key outside of a planned rotation.", "Find out who did; if it was planned, add the version to `pinned` in opsflows.toml.", at_once=True),
    Fault("kms.disagreement", _C.DRIFT, _S.PAGE, "The key's description says that version {version} is primary, and {detail} encrypted.", "The provider's servers have not agreed since a change, or the description is not of the key in use.", "It settles within minutes, seldom hours, after a planned change; look at the key's versions if nobody planned one."),
    # Golden ciphertexts.
    Fault("kms.golden_lost", _C.GOLDEN, _S.PAGE, "The golden ciphertext of version {version} does not open any more: {detail}.", "What the version encrypted cannot be read; a health endpoint and a fresh canary do not show it.", "Look at the version's state at once: within its delay a destroyed version can be restored.", at_once=True),
    Fault("kms.golden_changed", _C.GOLDEN, _S.PAGE, "The golden ciphertext of version {version} opens to another text.", "The stored ciphertext or the key is not what it was.", "Compare the ledger with its backup, then open a case with the provider.", at_once=True),
    Fault("kms.wrapped_key_lost", _C.GOLDEN, _S.PAGE, "The wrapped key {detail} does not open any more.", "Data that it protects cannot be read once it has left the application's memory.", "Do not restart the application; look at the version's state at once.", at_once=True),
    # The application's own path.
    Fault("kms.plaintext", _C.PLAINTEXT, _S.PAGE, "The application's encryption returned the text unencrypted or without its envelope.", "It writes plaintext, whatever its health page says.", "Stop its writes, restart or roll back the application, then look for what was written since the last passing check.", at_once=True),
    Fault("kms.application_wrong", _C.PLAINTEXT, _S.PAGE, "The application does not decrypt what it encrypted just now.", "What it stores cannot be read again.", "Stop its writes and look at its log.", at_once=True),
    Fault("kms.application_refused", _C.CONFIG, _S.TICKET, "The application refuses the canary: {detail}.", "Its own encryption path was not checked.", "Compare the canary's paths and token with the application."),
    Fault("kms.application_failed", _C.TRANSIENT, _S.PAGE, "The application failed at the canary: {detail}.", "Its encryption path does not work, or the application is down.", "Look at its log lines in the report."),
    # The health endpoint: one row per finding of vendors/healthz.py.
    Fault("health.unreachable", _C.HEALTH, _S.PAGE, "The health endpoint cannot be reached: {detail}.", "The service is down or cut off from here.", "Look at the service and at the way to it."),
    Fault("health.timeout", _C.HEALTH, _S.PAGE, "The health endpoint gave no whole answer in time: {detail}.", "The service hangs.", "Look at the service's load and at its KMS calls: it may wait for one."),
    Fault("health.tls", _C.HEALTH, _S.PAGE, "The health endpoint's certificate is refused: {detail}.", "It has run out, is of another name, or something stands in between.", "Renew or correct the certificate."),
    Fault("health.status", _C.HEALTH, _S.PAGE, "The health endpoint answered {detail}.", "The service says itself that it is not well, or the path is not its health endpoint.", "Look at the service's log."),
    Fault("health.redirect", _C.HEALTH, _S.PAGE, "The health endpoint answers with a redirect ({detail}), which is not followed.", "Where it leads, something else answers than the service.", "Set base_url to the service itself."),
    Fault("health.unreadable", _C.HEALTH, _S.PAGE, "What the health endpoint answered is not a health page: {detail}.", "A proxy, login page or other program answers in the service's place.", "Ask it with curl -i, and set base_url to the service itself."),
    Fault("health.cached", _C.HEALTH, _S.PAGE, "The health page came out of a cache: {detail}.", "It says how the service was, not how it is.", "Exclude the path from the proxy's or CDN's cache (Cache-Control: no-store)."),
    Fault("health.mode", _C.HEALTH, _S.PAGE, "The service does not encrypt with the KMS: {detail}.", "It has fallen back to another mode; what it writes now is not protected as it must be.", "Look at the service's log for why it fell back, then restart it with the KMS reachable."),
    Fault("health.not_ready", _C.HEALTH, _S.PAGE, "The service's encryption is not ready: {detail}.", "It cannot encrypt or decrypt at the moment.", "Look at the service's log: key, permission or network of its KMS call."),
    # Signs that nothing is broken yet.
    Fault("kms.slow", _C.SLOW, _S.WARN, "{part} is slow: {detail}.", "It works; applications wait longer, and the next step is a timeout.", "Look at the provider's status page and the region; compare with the window before."),
    Fault("kms.rotation_overdue", _C.AGE, _S.TICKET, "The key's version in use is older than its policy: {detail}.", "It works; the policy is broken.", "Rotate it: opsflows rotate, or the provider's own rotation."),
    Fault("kms.material_expires", _C.AGE, _S.TICKET, "The key's imported material runs out: {detail}.", "From then on nothing is decrypted.", "Import the material again before that day."),
    # Negative checks: what must be refused.
    Fault("kms.tampered_accepted", _C.NEGATIVE, _S.PAGE, "The key opened a ciphertext with a changed byte.", "What is stored could be changed unnoticed.", "Open a case with the provider; look for what answers in its place.", at_once=True),
    Fault("kms.wrong_context_accepted", _C.NEGATIVE, _S.PAGE, "The key opened a ciphertext with another context than it was bound to.", "Ciphertexts can be moved between services and tenants unnoticed.", "Look for what answers in the provider's place.", at_once=True),
    Fault("kms.wrong_key_accepted", _C.NEGATIVE, _S.PAGE, "Another key opened the ciphertext.", "Keys are not kept apart.", "Look for what answers in the provider's place.", at_once=True),
)  # fmt: skip

FAULTS: Mapping[str, Fault] = {row.id: row for row in _ROWS}
