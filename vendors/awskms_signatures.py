"""What AWS KMS's refusals mean, and which fault of a service's encryption each of them is.

KMS says what it refuses in the answer's `__type`, nearly always with a 400; its message may name keys, roles and aliases. So a
marker here ends with the quote after the type's name, which no such name can hold.
Source: the Errors of each operation's page, https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html and others;
.../APIReference/CommonErrors.html; https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from domain.diagnosis import FALLBACK, NETWORK, Kind, Signature
from vendors.aws import shared_rows

SYSTEM = "awskms"
NOT_OPENED = "kms.not_opened"
# AWS does not tell the rotations of this key, and another request would not either.
ROTATIONS_UNTOLD = "awskms.rotations_untold"
INVENTORY_DENIED = "awskms.inventory_denied"

_USES = frozenset({"encrypt", "decrypt"})
_DECRYPT = frozenset({"decrypt"})
_ROTATIONS = frozenset({"get_key_rotation_status", "list_key_rotations"})
_INVENTORY = _ROTATIONS | {"describe_key"}
_STATUSES = frozenset({400, 401, 403, 404, 500, 501, 503})
_CONSOLE = "AWS's console (Key Management Service > Customer managed keys)"
_POLICY = "docs/kms-keys.md has the policy."


def _row(
    name: str, code: str, means: str, next_step: str, *,
    verbs: frozenset[str] = frozenset(), kind: Kind = Kind.REJECTED, marker: str = "",
) -> Signature:  # fmt: skip
    symptom = name if "." in name else f"{SYSTEM}.{name}"
    saw = f"AWS answered {{status}} {code} to {{verb}}."
    return Signature(symptom, _STATUSES, kind, saw, means, next_step, marker or f'{code}"', verbs)


_SHARED = tuple(
    replace(row, next_step="Correct the key's ARN or `region` in its section of opsflows.toml.")
    if row.id == f"{SYSTEM}.region_wrong" else row
    for row in shared_rows(SYSTEM)
)  # fmt: skip

SIGNATURES = (
    # Before the shared rows, whose markers are words: a refusal's message names the role, which may be called by any of them.
    _row("denied", "AccessDeniedException", "The key's policy, the caller's own or one above both does not allow it, or another account has no such key.", f"Compare the key policy and the caller's with what was changed last; {_POLICY}", verbs=_USES),
    _row("inventory_denied", "AccessDeniedException", "Whoever checks may not look at the key's state or rotations; what uses the key is not touched by it.", f"Allow kms:DescribeKey, kms:GetKeyRotationStatus and kms:ListKeyRotations on the key; {_POLICY}", verbs=_INVENTORY),
    *_SHARED,
    _row("disabled", "DisabledException", "Somebody disabled the key; with all its key material it encrypts and decrypts nothing.", f"Find out who did in CloudTrail (DisableKey), and enable it in {_CONSOLE}."),
    _row("rotations_untold", "KMSInvalidStateException", "In its present state the key's rotations are not told.", "Look at the key's state.", verbs=_ROTATIONS),
    _row("pending_deletion", "KMSInvalidStateException", "The key waits to be deleted, and encrypts and decrypts nothing; once it is deleted, what it encrypted is lost.", f"Cancel the deletion in {_CONSOLE}, then enable the key.", marker="is pending deletion"),
    _row("pending_import", "KMSInvalidStateException", "The key's imported material is missing: it has run out, was deleted or was never imported.", "Import the same material again; other material opens nothing that was encrypted before.", marker="is pending import"),
    _row("state", "KMSInvalidStateException", "The key is in a state in which it cannot be used, or its key store outside of KMS failed.", f"Look at the key's state in {_CONSOLE}, and at its custom key store if it has one."),
    _row("key_unknown", "NotFoundException", "The region has no such key or alias: it was deleted, or opsflows.toml names another one than there is.", "Compare key and region in opsflows.toml with the console, and look in CloudTrail for ScheduleKeyDeletion and DeleteAlias.", verbs=_USES | _INVENTORY),
    _row(NOT_OPENED, "InvalidCiphertextException", "The ciphertext or the context bound to it is not what it was made with.", "Compare the context with the one that it was encrypted with.", verbs=_DECRYPT),
    _row(NOT_OPENED, "IncorrectKeyException", "The ciphertext was made with another key than this one.", "Compare the key, or where its alias points, with what was changed last.", verbs=_DECRYPT),
    _row("unavailable", "KeyUnavailableException", "AWS cannot reach the key at the moment.", "It is tried again; if it stays, look at AWS's health page for KMS in the region.", kind=Kind.UNAVAILABLE),
    _row("internal", "KMSInternalException", "AWS failed while it answered.", "It is tried again; if it stays, look at AWS's health page for KMS in the region.", kind=Kind.UNAVAILABLE),
    _row("dependency", "DependencyTimeoutException", "Something that KMS itself needs did not answer in time.", "It is tried again; if it stays, look at AWS's health page, and at the key's custom key store if it has one.", kind=Kind.UNAVAILABLE),
    _row("caller_unknown", "UnrecognizedClientException", "AWS knows no such access key: it was switched off or deleted, or never was one.", "Put a live access key into the credentials that the section names, or give the worker a role."),
    _row("secret_wrong", "InvalidSignatureException", "The access key's id is known, and the secret beside it is not its secret.", "Copy both parts of the key again."),
    _row("unsigned", "MissingAuthenticationTokenException", "The request reached AWS without its signature.", "Look at the proxy between this machine and AWS, which may remove headers."),
    _row("incomplete", "IncompleteSignatureException", "The request's signature reached AWS in parts.", "Look at the proxy between this machine and AWS, which may change headers."),
    _row("usage", "InvalidKeyUsageException", "The key is not a symmetric one for encryption.", "Name a key with the usage ENCRYPT_DECRYPT and the spec SYMMETRIC_DEFAULT."),
    _row("usage", "UnsupportedOperationException", "The key is not a symmetric one for encryption.", "Name a key with the usage ENCRYPT_DECRYPT and the spec SYMMETRIC_DEFAULT.", verbs=_USES),
    _row("name_wrong", "InvalidArnException", "AWS reads the key's name as none.", "Copy the key's ARN from the console."),
    _row("not_valid", "ValidationException", "AWS does not take the request: a context that is too long, or a name that it cannot read.", "Compare `key` and `context` of the section with docs/kms-keys.md."),
    _row("rotations_untold", "UnsupportedOperationException", "A key of this kind is never rotated by AWS.", "Nothing: it is taken for a key with one version.", verbs=_ROTATIONS),
    _row("rotations_untold", "UnknownOperationException", "Whoever answers for AWS does not know rotations.", "Nothing: the key is taken for one with one version.", verbs=_ROTATIONS),
    # What compatible services say instead.
    _row("rotations_untold", "InvalidAction", "Whoever answers for AWS does not know rotations.", "Nothing: the key is taken for one with one version.", verbs=_ROTATIONS),
)  # fmt: skip

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(NETWORK, "kms.unreachable"),
        "network.garbage": "kms.unavailable",
        **{row.id: "kms.config" for rows in FALLBACK.values() for row in rows},
        "http.rate_limited": "kms.throttled",
        "http.unauthorized": "kms.permission",
        "http.not_found": "kms.key_unusable",
        "http.server_error": "kms.unavailable",
        "http.unexpected": "kms.unavailable",
        "aws.no_identity": "kms.identity",
        "kms.config": "kms.config",
        NOT_OPENED: NOT_OPENED,
        "awskms.denied": "kms.permission",
        # What encrypts needs none of these rights, so nobody is woken.
        INVENTORY_DENIED: "kms.config",
        "awskms.throttled": "kms.throttled",
        "awskms.clock_behind": "kms.identity",
        "awskms.clock_ahead": "kms.identity",
        "awskms.request_late": "kms.identity",
        "awskms.region_wrong": "kms.config",
        "awskms.role_expired": "kms.identity",
        # A state is the whole key's at AWS, never one version's: so neither kms.version_disabled nor kms.version_scheduled.
        "awskms.disabled": "kms.key_unusable",
        "awskms.pending_deletion": "kms.key_unusable",
        "awskms.pending_import": "kms.key_unusable",
        "awskms.state": "kms.key_unusable",
        # Whoever may not see a key is told AccessDenied, so this is no matter of permission: the key or alias is gone.
        "awskms.key_unknown": "kms.key_unusable",
        "awskms.unavailable": "kms.unavailable",
        "awskms.internal": "kms.unavailable",
        "awskms.dependency": "kms.unavailable",
        "awskms.caller_unknown": "kms.identity",
        "awskms.secret_wrong": "kms.identity",
        "awskms.unsigned": "kms.identity",
        "awskms.incomplete": "kms.identity",
        "awskms.usage": "kms.config",
        "awskms.name_wrong": "kms.config",
        "awskms.not_valid": "kms.config",
        ROTATIONS_UNTOLD: "kms.config",
    }
)
