"""A user's access keys at IAM: listed with their last use, made, switched off and on, deleted; two at most.

A key has no name to carry a marker: its user has a tag instead (vendors/aws_intent.py). IAM is consistent only some time
after each change, so a listing, a new key and a deleted one are looked at again within the bounds of the manifest.
Source: https://docs.aws.amazon.com/IAM/latest/APIReference/, https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html
"""

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from domain.diagnosis import Kind, Signature, Symptom, error_of
from domain.errors import BadInput, OpsError, Rejected, Unavailable
from domain.manifests import Fit, ListedCredential, Manifest, Mint, Minted, Page
from vendors.aws import AccessKey, AwsLine, access_key, row_maker, shared_rows, told_at
from vendors.aws_intent import Intent, intents_of, marker_of
from vendors.http import Conduct
from vendors.rotation import HeldOpen

# "A limit of two access keys per user." Source: .../UserGuide/id_credentials_access-keys.html
SLOTS = 2
# No bound is published; seconds are usual, a minute was seen. Source: .../UserGuide/troubleshoot.html (eventual consistency)
LISTING_LAG = timedelta(minutes=1)
PROPAGATION = timedelta(minutes=2)
# GetAccessKeyLastUsed names no bound. IAM's last accessed information, which is gathered from the same requests, says of
# itself that activity usually appears within four hours. Source: .../APIReference/API_GenerateServiceLastAccessedDetails.html
LAST_USED_LAG = timedelta(hours=4)
HINT_CHARACTERS = 4

# Uses are told in whole minutes, in every sample of its pages.
MANIFEST = Manifest(
    Mint.BY_VENDOR, marker_field="user's tag", listable=True, slots=SLOTS, can_disable=True, listing_lag=LISTING_LAG,
    propagation=PROPAGATION, last_used_lag=LAST_USED_LAG, last_used_grain=timedelta(minutes=1),
)  # fmt: skip

CHECK = "get_caller_identity"
_CREATE, _TAG = frozenset({"create_access_key"}), frozenset({"tag_user"})
_OF_ONE_KEY = frozenset({"update_access_key", "delete_access_key", "get_access_key_last_used"})
MANAGING = _CREATE | _TAG | _OF_ONE_KEY | {"get_user", "list_access_keys", "untag_user"}


def key_rows(system: str, manage_key: str, user: str) -> tuple[Signature, ...]:
    """Return the rows of IAM and STS. `manage_key` and `user` name the variables that an operator corrects.

    Source: the Errors of each operation's page; .../APIReference/CommonErrors.html
    """
    row = row_maker(system)
    checks = frozenset({CHECK})
    unknown, wrong, denied = "<Code>InvalidClientTokenId<", "<Code>SignatureDoesNotMatch<", "<Code>AccessDenied<"
    return (
        *shared_rows(system),
        row("key_unknown", {403}, unknown, "AWS takes no such access key: it was switched off or deleted, never was one, or is new and has not spread yet.", "Look at the user's Security credentials in the IAM console: the key's id says which one it is.", verbs=checks),
        row("key_secret_wrong", {403}, wrong, "The access key's id is known, and the secret beside it is not its secret.", "Copy both parts of the key again; if the secret is lost, make a new key: AWS shows it once.", verbs=checks),
        row("manage_key_unknown", {403}, unknown, f"{manage_key} was switched off or deleted, or is new and has not spread yet.", f"Look at its user's Security credentials in the IAM console, then put a key that works into {manage_key}.", verbs=MANAGING),
        row("manage_key_secret_wrong", {403}, wrong, f"The id of {manage_key} is known, and the secret beside it is not its secret.", f"Copy both parts of the key into {manage_key} again.", verbs=MANAGING),
        row("denied", {403}, denied, f"Whoever {manage_key} is, or the worker's own role where it is empty, may not do this to the user's keys.", f"Give it the policy on docs/integrations/{system}.md.", verbs=MANAGING),
        # IAM says in words alone whether the user or the key is not there.
        row("key_gone", {404}, "Access Key with id", "The user has no such access key any more: it was deleted.", "Make a new one; a deleted key cannot be brought back.", verbs=_OF_ONE_KEY),
        row("user_unknown", {404}, "<Code>NoSuchEntity<", f"The account has no user as {user} names.", f"Compare {user} with the IAM console, and the manage key with the account.", verbs=MANAGING),
        row("tags_full", {409}, "LimitExceeded", "The user has as many tags as AWS allows, so what is about to be made cannot be written down.", "Remove a tag of the user that nobody needs; only those of rotations that are over go by themselves.", verbs=_TAG),
        row("no_slot", {409}, "LimitExceeded", "The user has two access keys, which is all that AWS allows; none was made.", "Find out whose the second key is, and delete it in the IAM console if nobody needs it; none is deleted that a rotation did not make.", verbs=_CREATE),
        # ConcurrentModification and EntityTemporarilyUnmodifiable.
        row("busy", {409}, "modifi", "Something else is changing the same user just now; nothing was changed.", "Wait a minute and repeat; if it stays, look in CloudTrail for who changes the user.", verbs=MANAGING, kind=Kind.UNAVAILABLE),
    )  # fmt: skip


def key_symptoms(system: str) -> tuple[Symptom, ...]:
    return (
        Symptom(f"{system}.two_keys", "The user {user} has two access keys already: {keys}.", "AWS allows no third; nothing was changed, and none is deleted to make room.", "Find out whose the second key is, and delete it in the IAM console if nobody needs it."),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AccessKeys:
    """The access keys of `user`, or, where that is empty, of whoever the managing key belongs to."""

    user: str
    line: AwsLine
    two_keys: Symptom

    def list_credentials(self, cursor: str) -> Page:
        """Return the keys. The user's tags and each key's last use (two keys at most) stand in answers of their own."""
        intents = _intents(self._ask("get_user")["User"])
        more = {"Marker": cursor} if cursor else {}
        answer = self._ask("list_access_keys", **more)
        keys = tuple(self._listed(row, intents) for row in answer["AccessKeyMetadata"])
        return Page(keys, str(answer.get("Marker") or "") if answer.get("IsTruncated") else "")

    def create(self, marker: str, value: str) -> Minted:
        """Make a key, between two writings of its tag: what is about to be made, and what it became.

        The keys that are there are listed anew, because only what was not there before is ours. Where the second writing
        fails, the first one still names the key. Tags of earlier attempts that name nothing any more are removed.

        Raises:
            Rejected: there are two keys already, or AWS refuses; the tag is taken back.
        """
        del value  # AWS chooses it
        found = self._ask("get_user")["User"]
        user, listing = str(found["UserName"]), self._ask("list_access_keys")
        there = {str(row["AccessKeyId"]): _utc(row.get("CreateDate")) for row in listing["AccessKeyMetadata"]}
        if len(there) >= SLOTS:
            raise error_of(self.two_keys, Rejected, user=user, keys=", ".join(sorted(there)))
        now = told_at(listing)
        self._untag(user, [one.marker for one in _intents(found) if one.is_over(there, now)])
        intent = Intent(marker, now, frozenset(there))
        self._tag(user, intent)
        try:
            made = self._ask("create_access_key")["AccessKey"]
        except (Rejected, Unavailable):
            # Nothing was made, so the tag must name nothing: not even what somebody else makes in this moment.
            with suppress(OpsError):
                self._untag(user, [marker])
            raise
        key = AccessKey(str(made["AccessKeyId"]), str(made["SecretAccessKey"]))
        with suppress(OpsError):
            self._tag(user, intent.came_to(key.key_id))
        return Minted(key.key_id, key.text)

    def disable(self, vendor_id: str) -> None:
        """Switch the key off; one that is gone already is done."""
        self._unless_gone("update_access_key", AccessKeyId=vendor_id, Status="Inactive")

    def enable(self, vendor_id: str) -> None:
        """Switch the key on. One that is gone stays gone, which is refused."""
        self._ask("update_access_key", AccessKeyId=vendor_id, Status="Active")

    def revoke(self, vendor_id: str) -> None:
        """Delete the key for good; one that is gone already is done."""
        self._unless_gone("delete_access_key", AccessKeyId=vendor_id)

    def held_open(self, vendor_id: str, cursor: str) -> HeldOpen:
        """Return nothing: what was done with a key does not need it any more."""
        del vendor_id, cursor
        return HeldOpen()

    def close(self) -> None:
        self.line.close()

    def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call IAM. Without a name it takes the caller's own user, except for tags."""
        named = {"UserName": self.user} if self.user else {}
        return self.line.call("iam", operation, **{**named, **parameters})

    def _unless_gone(self, operation: str, **parameters: Any) -> None:
        try:
            self._ask(operation, **parameters)
        except Rejected as refusal:
            if not _is_gone(refusal):
                raise

    def _listed(self, row: Mapping[str, Any], intents: tuple[Intent, ...]) -> ListedCredential:
        key_id, created_at = str(row["AccessKeyId"]), _utc(row.get("CreateDate"))
        used_at = self._last_used(key_id)
        return ListedCredential(
            vendor_id=key_id,
            name=marker_of(intents, key_id, created_at, used_at),
            enabled=row.get("Status") == "Active",
            hint=key_id[-HINT_CHARACTERS:],
            created_at=created_at,
            last_used_at=used_at,
            fits=partial(_fit, key_id),
        )

    def _last_used(self, key_id: str) -> datetime | None:
        try:
            answer = self.line.call("iam", "get_access_key_last_used", AccessKeyId=key_id)
        except Rejected as refusal:
            if not _is_gone(refusal):  # deleted since it was listed
                raise
            return None
        return _utc(answer["AccessKeyLastUsed"].get("LastUsedDate"))

    def _tag(self, user: str, intent: Intent) -> None:
        tags = [{"Key": intent.marker, "Value": intent.text}]
        self.line.call("iam", "tag_user", UserName=user, Tags=tags)

    def _untag(self, user: str, markers: list[str]) -> None:
        if markers:
            self.line.call("iam", "untag_user", UserName=user, TagKeys=markers)


def check_access_key(line: AwsLine) -> str:
    """Return the ARN of whom AWS takes the line's key for; a request that needs no permission and changes nothing."""
    with closing(line):
        return str(line.call("sts", CHECK)["Arn"])


def needed_key(text: str, variable: str, system: str) -> AccessKey:
    """Return the key in a credential's value.

    Raises:
        BadInput: there is none.
    """
    if not text:
        raise BadInput(
            f"{variable} is not there.",
            "There is no access key to work with. Nothing was sent.",
            f"Make one as docs/integrations/{system}.md says, and run opsflows connect {system}.",
        )
    return access_key(text)


def manage_line(
    system: str, values: Mapping[str, str], address: str | None, conduct: Conduct, signatures: tuple[Signature, ...]
) -> AwsLine:  # fmt: skip
    """Return a line of the managing key, or of the worker's own role where there is no such key."""
    given = values.get("manage_key", "")
    key = access_key(given) if given else None
    return AwsLine(system, conduct, region=values["region"], address=address, signatures=signatures, key=key)


def _intents(user: Mapping[str, Any]) -> tuple[Intent, ...]:
    return intents_of({str(tag["Key"]): str(tag["Value"]) for tag in user.get("Tags") or ()})


def _fit(key_id: str, value: str) -> Fit:
    try:
        same = access_key(value).key_id == key_id
    except BadInput:
        same = False
    return Fit.EXACT if same else Fit.NO


def _is_gone(refusal: Rejected) -> bool:
    return refusal.symptom.endswith(".key_gone")


def _utc(moment: object) -> datetime | None:
    """Return the moment in UTC: botocore reads times in this machine's zone."""
    return moment.astimezone(UTC) if isinstance(moment, datetime) else None
