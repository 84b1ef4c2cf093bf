"""One AWS account behind a proxy of ours: moto answers IAM, STS and Secrets Manager, and the proxy what moto has wrong.

The proxy looks at the key (unknown, switched off, not spread yet), the signature and the permission before moto sees the
request; it tells a key's last use itself, from what it let through, in the stand-ins' time; it lists the secret's versions
in pages, refuses another value under a known token, moves a label only from the version that has it, and says 400 where moto
says 404.
Source: https://docs.aws.amazon.com/IAM/latest/APIReference/, https://docs.aws.amazon.com/STS/latest/APIReference/,
https://docs.aws.amazon.com/secretsmanager/latest/apireference/
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.aws_memory import (
    ACCOUNT_ID,
    CURRENT,
    REGION,
    AccessKey,
    Account,
    Memory,
    Seed,
    Version,
    may,
    new_memory,
    new_seed,
    note_use,
    told_use,
)
from mocks.aws_moto import asked_of_moto, read_from_moto
from mocks.aws_requests import claim_of, is_signed_with, operation_of, refused
from mocks.stage import Ask, Route

SEED, MEMORY, SEED_TYPE, MEMORY_TYPE = new_seed, new_memory, Seed, Memory
LARGEST_PAGE_VERSIONS = 100
_SHORTEST_TOKEN, _LONGEST_TOKEN = 32, 64
_JSON = "application/x-amz-json-1.1"


@dataclass(frozen=True, slots=True)
class _Call:
    """A request that passed: which service is asked, and what."""

    ask: Ask
    service: str
    said: Mapping[str, Any]


def _answer(desk: Account, ask: Ask) -> Response:
    """Look at the key, its signature and its owner's permission, in AWS's order, and let who knows it answer."""
    operation, claim = operation_of(ask), claim_of(ask)
    key = desk.memory.key(claim.key_id)
    if key is None or not key.works(desk.now()):
        raise refused(ask, 403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    if not is_signed_with(key.secret, claim, ask):
        raise refused(ask, 403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")  # fmt: skip
    known = _ANSWERS.get((claim.service, operation))
    if known is None:
        return JSONResponse({"stand_in": f"AWS is not stood in for at {claim.service} {operation}"}, 501)
    note_use(desk, key, claim.service, claim.region)
    _permit(desk, ask, key, f"{claim.service}:{operation}")
    if claim.service == "secretsmanager":
        _look_for_secret(desk, ask, claim.region)
    return known(desk, _Call(ask, claim.service, ask.fields()))


def _permit(desk: Account, ask: Ask, key: AccessKey, action: str) -> None:
    user = desk.memory.user(key.user)
    if user is None or not (action == "sts:GetCallerIdentity" or may(user, action)):
        raise refused(ask, 403, "AccessDenied", f"User: arn:aws:iam::{ACCOUNT_ID}:user/{key.user} is not authorized to perform: {action} because no identity-based policy allows the {action} action")  # fmt: skip


def _moto(desk: Account, call: _Call) -> Response:
    return asked_of_moto(desk, call.service, call.ask)


def _list_access_keys(desk: Account, call: _Call) -> Response:
    shown = [key for key in desk.memory.keys if desk.listed(key.created_at)]
    return read_from_moto(desk, call.service, call.ask, shown)


def _last_used(desk: Account, call: _Call) -> Response:
    """Source: .../API_GetAccessKeyLastUsed.html. The page's samples name whole minutes."""
    key = desk.memory.key(str(call.said.get("AccessKeyId", "")))
    if key is None or key.deleted:
        wanted = call.said.get("AccessKeyId", "")
        raise refused(call.ask, 404, "NoSuchEntity", f"The Access Key with id {wanted} cannot be found")
    use = told_use(desk, key)
    told = f"<LastUsedDate>{_minute(use.at)}</LastUsedDate>" if use else ""
    service, region = (use.service, use.region) if use else ("N/A", "N/A")
    body = (
        '<GetAccessKeyLastUsedResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetAccessKeyLastUsedResult>'
        f"<AccessKeyLastUsed><Region>{region}</Region>{told}<ServiceName>{service}</ServiceName></AccessKeyLastUsed>"
        f"<UserName>{key.user}</UserName></GetAccessKeyLastUsedResult>"
        f"<ResponseMetadata><RequestId>{secrets.token_hex(16)}</RequestId></ResponseMetadata></GetAccessKeyLastUsedResponse>"
    )
    return Response(body, media_type="text/xml")


def _look_for_secret(desk: Account, ask: Ask, region: str) -> None:
    names = {desk.seed.secret_name, desk.seed.secret_arn, desk.seed.secret_arn[: -len(desk.seed.secret_suffix) - 1]}
    if region != REGION or ask.fields().get("SecretId") not in names:
        raise refused(
            ask, 400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret."
        )  # fmt: skip


def _list_versions(desk: Account, call: _Call) -> Response:
    """Source: .../API_ListSecretVersionIds.html. Without IncludeDeprecated only versions that have a label."""
    shown = [
        row
        for row in desk.memory.versions
        if desk.listed(row.created_at) and (row.labels or call.said.get("IncludeDeprecated"))
    ]
    size = int(call.said.get("MaxResults") or LARGEST_PAGE_VERSIONS)
    if not 1 <= size <= LARGEST_PAGE_VERSIONS:
        raise refused(call.ask, 400, "InvalidParameterException", "MaxResults must be between 1 and 100.")
    start = int(call.said.get("NextToken") or 0)
    rows = [
        {"VersionId": row.version_id, "VersionStages": row.labels, "CreatedDate": row.created_at}
        for row in shown[start : start + size]
    ]
    more = {"NextToken": str(start + size)} if start + size < len(shown) else {}
    body = {"ARN": desk.seed.secret_arn, "Name": desk.seed.secret_name, "Versions": rows, **more}
    return JSONResponse(body, media_type=_JSON)


def _get_value(desk: Account, call: _Call) -> Response:
    """Source: .../API_GetSecretValue.html, by which what is not there is a 400. A deprecated version is read by its id."""
    version_id, label = str(call.said.get("VersionId") or ""), str(call.said.get("VersionStage") or CURRENT)
    found = desk.memory.version(version_id) if version_id else desk.memory.labelled(label)
    if found is None:
        wanted = f"VersionId: {version_id}" if version_id else f"staging label: {label}"
        raise refused(call.ask, 400, "ResourceNotFoundException", f"Secrets Manager can't find the specified secret value for {wanted}")  # fmt: skip
    return asked_of_moto(desk, call.service, call.ask)


def _put_value(desk: Account, call: _Call) -> Response:
    """Source: .../API_PutSecretValue.html: the same token with the same value does nothing, with another it fails."""
    token, value = str(call.said.get("ClientRequestToken") or ""), call.said.get("SecretString")
    if not isinstance(value, str) or not value:
        raise refused(call.ask, 400, "InvalidRequestException", "You must provide SecretString; SecretBinary is not stood in for.")  # fmt: skip
    if not _SHORTEST_TOKEN <= len(token) <= _LONGEST_TOKEN:
        raise refused(
            call.ask, 400, "InvalidParameterException", "ClientRequestToken must be 32-64 characters long."
        )  # fmt: skip
    known = desk.memory.version(token)
    if known is None:
        return asked_of_moto(desk, call.service, call.ask)
    if known.value != value:
        raise refused(call.ask, 400, "ResourceExistsException", f"You can't use ClientRequestToken {token} because that value is already in use for a version of secret {desk.seed.secret_arn}.")  # fmt: skip
    return JSONResponse(_as_written(desk, known), media_type=_JSON)


def _move_label(desk: Account, call: _Call) -> Response:
    """Source: .../API_UpdateSecretVersionStage.html: what has the label must be named, and AWSCURRENT is always somewhere."""
    label = str(call.said.get("VersionStage") or "")
    source, target = call.said.get("RemoveFromVersionId"), call.said.get("MoveToVersionId")
    holder = desk.memory.labelled(label)
    for version_id in (source, target):
        if version_id and desk.memory.version(str(version_id)) is None:
            raise refused(call.ask, 400, "InvalidParameterException", f"Not a valid version: {version_id}")
    if source and (holder is None or holder.version_id != source):
        raise refused(call.ask, 400, "InvalidParameterException", f"The staging label {label} is not attached to version {source}.")  # fmt: skip
    if holder is not None and not source and holder.version_id != target:
        raise refused(call.ask, 400, "InvalidParameterException", f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to version {holder.version_id}, so you must explicitly reference that version in RemoveFromVersionId.")  # fmt: skip
    if label == CURRENT and not target:
        raise refused(call.ask, 400, "InvalidParameterException", f"You can't remove the staging label {CURRENT}; move it to another version.")  # fmt: skip
    if holder is not None and holder.version_id == target:
        return JSONResponse({"ARN": desk.seed.secret_arn, "Name": desk.seed.secret_name}, media_type=_JSON)
    return asked_of_moto(desk, call.service, call.ask)


def _as_written(desk: Account, version: Version) -> dict[str, Any]:
    return {
        "ARN": desk.seed.secret_arn, "Name": desk.seed.secret_name, "VersionId": version.version_id,
        "VersionStages": version.labels,
    }  # fmt: skip


def _minute(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:00Z")


_ANSWERS: Mapping[tuple[str, str], Callable[[Account, _Call], Response]] = MappingProxyType(
    {
        ("sts", "GetCallerIdentity"): _moto,
        ("iam", "GetUser"): _moto,
        ("iam", "ListUserTags"): _moto,
        ("iam", "TagUser"): _moto,
        ("iam", "UntagUser"): _moto,
        ("iam", "ListAccessKeys"): _list_access_keys,
        ("iam", "GetAccessKeyLastUsed"): _last_used,
        ("iam", "CreateAccessKey"): _moto,
        ("iam", "UpdateAccessKey"): _moto,
        ("iam", "DeleteAccessKey"): _moto,
        ("secretsmanager", "GetSecretValue"): _get_value,
        ("secretsmanager", "ListSecretVersionIds"): _list_versions,
        ("secretsmanager", "PutSecretValue"): _put_value,
        ("secretsmanager", "UpdateSecretVersionStage"): _move_label,
    }
)

ROUTES = (Route("POST", "/", _answer),)


def no_inbox(desk: Account) -> list[dict[str, Any]]:
    """Return nothing: no person is told of a key or a secret."""
    del desk
    return []
