"""What Google Secret Manager's refusals mean, and what only reading back shows.

Source: https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions, https://cloud.google.com/secret-manager/docs/etags
"""

from domain.diagnosis import Kind, Signature, Symptom
from vendors.google_keys import key_rows

_CHANGES = frozenset({"add_version", "enable_version", "disable_version", "destroy_version", "move_aliases"})
_READS = frozenset({"list_versions", "access_version", "get_version", "get_secret"})
_PLAN_AGAIN = "Then plan the rotation again."
_SAW = "{system} answered {status} to {verb}."


def _row(
    word: str, statuses: set[int], means: str, next_step: str, *,
    marker: str = "", verbs: frozenset[str] = _READS | _CHANGES, kind: Kind = Kind.REJECTED,
) -> Signature:  # fmt: skip
    return Signature(f"gcpsecret.{word}", frozenset(statuses), kind, _SAW, means, next_step, marker, verbs)


SIGNATURES = (
    *key_rows("gcpsecret", "GOOGLE_SECRET_MANAGE_KEY"),
    _row("changed_meanwhile", {400, 409, 412}, "Somebody changed the secret between our look and our change; ours was not made.", "It is tried again with a fresh look; if it stays, find out who else changes this secret.", marker="etag", verbs=_CHANGES, kind=Kind.UNAVAILABLE),
    _row("change_unclear", {409}, "Two changes met; whether ours took effect is not known.", "Look at the secret's versions before it is repeated; the rotation does so by itself.", verbs=_CHANGES, kind=Kind.OUTCOME_UNKNOWN),
    _row("version_destroyed", {400}, "The version was destroyed: its value is lost, and it cannot be switched on again.", "Add the value anew from where it came, or roll forward.", marker="destroyed", verbs=frozenset({"enable_version"})),
    _row("unauthenticated", {401}, "Google does not know who calls: GOOGLE_SECRET_MANAGE_KEY was disabled or deleted, or the worker's identity was taken away.", f"Put a live key into GOOGLE_SECRET_MANAGE_KEY, or leave it empty and run the worker under a service account. {_PLAN_AGAIN}"),
    _row("forbidden", {403}, "Who calls may not do this with the secret, or the secret does not exist.", f"Grant Secret Manager Admin (roles/secretmanager.admin) on the secret, and compare GOOGLE_SECRET_NAME. {_PLAN_AGAIN}"),
    _row("secret_unknown", {404}, "GOOGLE_SECRET_NAME names no secret, or no such version of it.", f"Compare GOOGLE_SECRET_NAME with Security > Secret Manager. {_PLAN_AGAIN}"),
    _row("quota", {429}, "The project asks Secret Manager more often than its quota allows. Nothing was taken.", "It is tried again after the time that Google names; if it lasts, look for what else asks.", kind=Kind.UNAVAILABLE),
)  # fmt: skip

SYMPTOMS = {
    row.id: row
    for row in (
        Symptom(
            "gcpsecret.version_off",
            "No enabled version of {secret} serves this value.",
            "The version with it was disabled or destroyed, or there never was one.",
            "Look at the secret's versions in Security > Secret Manager: enable the right one, or put its value into the credential.",
        ),
        Symptom(
            "gcpsecret.corrupted",
            "What {secret} and this machine exchanged has another checksum than it was sent with.",
            "It was changed on the way, so it was not used.",
            "It is read or looked for again; if it stays, look at the proxy between this machine and Google.",
        ),
        Symptom(
            "gcpsecret.not_destroyed",
            "{secret} was told to destroy a version, and the answer shows it neither destroyed nor about to be.",
            "Whether the value is gone is not known.",
            "Look at the version in Security > Secret Manager; the rotation looks by itself.",
        ),
    )
}  # fmt: skip
