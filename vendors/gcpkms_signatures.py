"""What Google Cloud KMS's refusals mean, and what only its answers show.

Source: https://cloud.google.com/kms/docs/reference/rest, https://cloud.google.com/kms/docs/key-states
"""

from domain.diagnosis import Kind, Signature, Symptom
from vendors.google_keys import key_rows

_CHANGES = frozenset({
    "create_version", "enable_version", "disable_version", "destroy_version", "set_primary", "label_key",
})  # fmt: skip
_LOOKS = frozenset({"get_crypto_key", "get_version", "list_versions"})
_READS = _LOOKS | {"encrypt", "decrypt"}
_ENCRYPT = frozenset({"encrypt"})
_PLAN_AGAIN = "Then plan the rotation again."
_WHERE = "Security > Key Management"


def _row(
    word: str, status: int, means: str, next_step: str, *,
    marker: str = "", verbs: frozenset[str] = _READS | _CHANGES, kind: Kind = Kind.REJECTED,
) -> Signature:  # fmt: skip
    saw = "{system} answered {status} to {verb}."
    return Signature(f"gcpkms.{word}", frozenset({status}), kind, saw, means, next_step, marker, verbs)


SIGNATURES = (
    *key_rows("gcpkms", "GOOGLE_KMS_MANAGE_KEY"),
    _row("version_pending", 400, "Google is still making the key version.", "It is tried again; an HSM takes a few seconds.", marker="pending_generation", verbs=_ENCRYPT | {"set_primary"}, kind=Kind.NOT_YET),
    _row("version_off", 400, "The key version is disabled, destroyed or waits to be: nothing is encrypted or decrypted with it.", f"Look at the version under {_WHERE}: enable it, or restore and enable it before its hour.", marker="is not enabled", verbs=_ENCRYPT),
    _row("version_not_usable", 400, "The key version is not enabled, so it cannot become the primary one.", f"Enable it under {_WHERE}, or choose another one. {_PLAN_AGAIN}", marker="is not enabled", verbs=frozenset({"set_primary"})),
    _row("version_scheduled", 400, "The key version waits to be destroyed, or was: it is not switched on by this.", f"Restore it under {_WHERE} before its hour; it is then disabled, and can be enabled.", marker="failed_precondition", verbs=frozenset({"enable_version"})),
    _row("change_unclear", 409, "Two changes of the key met; whether ours took effect is not known.", "Look at the key's versions before it is repeated; the rotation does so by itself.", verbs=_CHANGES, kind=Kind.OUTCOME_UNKNOWN),
    _row("unauthenticated", 401, "Google does not know who calls: GOOGLE_KMS_MANAGE_KEY was disabled or deleted, or the worker's identity was taken away.", f"Put a live key into GOOGLE_KMS_MANAGE_KEY, or leave it empty and run the worker under a service account. {_PLAN_AGAIN}"),
    _row("look_forbidden", 403, "Who calls may not look at the key and its versions, or the key does not exist. Whether he may use it is another question.", "Grant Cloud KMS Viewer on the key, and for a rotation Cloud KMS Admin; compare GOOGLE_KMS_KEY.", verbs=_LOOKS),
    _row("forbidden", 403, "Who calls may not do this with the key, or the key does not exist.", f"Grant Cloud KMS Admin and Cloud KMS CryptoKey Encrypter/Decrypter on the key, and compare GOOGLE_KMS_KEY. {_PLAN_AGAIN}"),
    _row("key_unknown", 404, "GOOGLE_KMS_KEY names no key, or no such version of it.", f"Compare GOOGLE_KMS_KEY with {_WHERE}. {_PLAN_AGAIN}"),
    _row("quota", 429, "The project asks Cloud KMS more often than its quota allows. Nothing was taken.", "It is tried again after the time that Google names; if it lasts, look for what else asks.", kind=Kind.UNAVAILABLE),
    _row("interrupted", 499, "The request was called off on the way, by Google or by what stands before it. Nothing was changed.", "It is asked again; if it stays, look at the proxy between this machine and Google.", verbs=_READS, kind=Kind.UNAVAILABLE),
)  # fmt: skip

SYMPTOMS = {
    row.id: row
    for row in (
        Symptom(
            "gcpkms.corrupted",
            "What {key} and this machine exchanged has another checksum than it was sent with.",
            "It was changed on the way, so it was not used.",
            "It is asked again; if it stays, look at the proxy between this machine and Google.",
        ),
        Symptom(
            "gcpkms.other_version",
            "{key} used another version than the one that was asked for.",
            "What was encrypted or pointed to is bound to that other version.",
            "Look at the key's versions under Security > Key Management; somebody may have moved the primary one meanwhile.",
        ),
        Symptom(
            "gcpkms.not_decrypted",
            "{key} does not decrypt what it encrypted just now.",
            "The version was switched off in between, or Google's servers do not agree about it yet.",
            "It is asked again; if it stays, look at the version under Security > Key Management.",
        ),
        Symptom(
            "gcpkms.other_text",
            "{key} gave back another text than was encrypted.",
            "The version cannot be relied on.",
            "Leave the version in use as it is, and open a case with Google.",
        ),
        Symptom(
            "gcpkms.still_needed",
            "Version {number} of {key} stays: {count} known ciphertexts may need it, such as {names}.",
            "With the version destroyed they could never be decrypted again; nothing was changed.",
            "Re-encrypt the files named in GOOGLE_KMS_CIPHERTEXTS with the primary version, then let the rotation go on.",
        ),
        Symptom(
            "gcpkms.is_primary",
            "Version {number} of {key} stays: it is the primary one.",
            "Without it nothing could be encrypted; nothing was changed.",
            "Make another version primary first; the rotation does so before it retires the old one.",
        ),
        Symptom(
            "gcpkms.not_destroyed",
            "{key} was told to destroy a version, and the answer shows that it is not about to be.",
            "Whether it will be destroyed is not known.",
            "Look at the version under Security > Key Management; the rotation looks by itself.",
        ),
    )
}  # fmt: skip
