"""moto, a stand-in for AWS that others wrote, as it is used here: filled before each request, read back after it.

moto keeps its state in its own modules, for the whole process. Here it keeps nothing: what a request finds is put there
from the desk's memory, and what it leaves is taken back into it. It is imported with the first request to AWS, which
then takes a second; whoever asks for no AWS waits for none of it.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from threading import Lock
from typing import Any

from starlette.responses import Response

from mocks.aws_memory import ACCOUNT_ID, CURRENT, REGION, AccessKey, Account, Turn, Version, turn
from mocks.stage import Ask

_CREATED = re.compile(rb"<CreateDate>[^<]*</CreateDate>")
_PASSED_ON = ("authorization", "content-type", "x-amz-target", "x-amz-date")
# Two apps in one process share moto's modules.
_ONE_AT_A_TIME = Lock()


def asked_of_moto(desk: Account, service: str, ask: Ask) -> Response:
    """Let moto answer, with everything that the account has by now, and keep what it changed."""
    with _ONE_AT_A_TIME:
        _fill(desk, desk.memory.keys)
        response = _answered(service, ask)
        made = _keys_taken_back(desk)
        _versions_taken_back(desk)
    return _dated(response, made) if made is not None else response


def read_from_moto(desk: Account, service: str, ask: Ask, shown: Iterable[AccessKey]) -> Response:
    """Let moto answer a request that changes nothing, showing it these keys alone."""
    with _ONE_AT_A_TIME:
        _fill(desk, shown)
        return _answered(service, ask)


@cache
def _moto(service: str) -> Any:
    """Return moto's app for one service; the one for all looks through its folders with each request."""
    from moto.moto_server.werkzeug_app import create_backend_app  # noqa: PLC0415 (a second, and few need it)
    from werkzeug.test import Client  # noqa: PLC0415 (as above)

    made: Any = create_backend_app
    return Client(made(service))


def _answered(service: str, ask: Ask) -> Response:
    headers = {name: ask.headers[name] for name in _PASSED_ON if name in ask.headers}
    answer = _moto(service).open("/", method="POST", data=ask.body, headers=headers)
    kept = {name: answer.headers[name] for name in ("content-type", "x-amzn-requestid") if name in answer.headers}
    return Response(answer.data, answer.status_code, kept)


def _iam() -> Any:
    from moto.iam.models import iam_backends  # noqa: PLC0415 (as above)

    return iam_backends[ACCOUNT_ID]["aws"]


def _secrets() -> Any:
    from moto.secretsmanager.models import secretsmanager_backends  # noqa: PLC0415 (as above)

    return secretsmanager_backends[ACCOUNT_ID][REGION]


def _fill(desk: Account, keys: Iterable[AccessKey]) -> None:
    _fill_users(desk, keys)
    _fill_secret(desk)


def _fill_users(desk: Account, keys: Iterable[AccessKey]) -> None:
    from moto.iam import models  # noqa: PLC0415 (as above)

    iam = _iam()
    key_of_moto: Any = models.AccessKey  # abstract in moto's types only
    for known in list(iam.users.values()):
        iam.tagger.delete_all_tags_for_resource(known.arn)
    iam.users.clear()
    iam.access_keys.clear()
    for user in desk.memory.users:
        tags = [{"Key": name, "Value": text} for name, text in user.tags.items()]
        iam.create_user(region_name=REGION, user_name=user.name, tags=tags).id = user.user_id
    for key in keys:
        if key.deleted:
            continue
        status = "Active" if key.active else "Inactive"
        filled = key_of_moto(key.user, prefix="AKIA", account_id=ACCOUNT_ID, status=status)
        filled.access_key_id, filled.secret_access_key = key.key_id, key.secret
        filled.create_date = datetime.fromtimestamp(int(key.created_at), UTC).replace(tzinfo=None)
        iam.users[key.user].access_keys.append(filled)
        iam.access_keys[key.key_id] = filled


def _fill_secret(desk: Account) -> None:
    from moto.secretsmanager.models import FakeSecret  # noqa: PLC0415 (as above)

    filled = {
        row.version_id: {
            "createdate": int(row.created_at), "version_id": row.version_id, "version_stages": list(row.labels),
            "secret_string": row.value,
        }
        for row in desk.memory.versions
    }  # fmt: skip
    current = next(row.version_id for row in desk.memory.versions if CURRENT in row.labels)
    secret = FakeSecret(
        ACCOUNT_ID, REGION, desk.seed.secret_name, filled[current], current, secret_string="-",  # noqa: S106 (any)
        last_changed_date=0, created_date=0,
    )  # fmt: skip
    secret.arn, secret.versions = desk.seed.secret_arn, filled
    backend = _secrets()
    backend.secrets.clear()
    backend.secrets[desk.seed.secret_name] = secret


def _keys_taken_back(desk: Account) -> AccessKey | None:
    """Take over what became of the keys and tags; return the key that was made, None where none was."""
    iam = _iam()
    for user in desk.memory.users:
        tags = iam.tagger.list_tags_for_resource(iam.users[user.name].arn)["Tags"]
        user.tags = {str(row["Key"]): str(row["Value"]) for row in tags}
    for key in (row for row in desk.memory.keys if not row.deleted):
        _take_back(desk, key, iam.access_keys.get(key.key_id))
    known = {row.key_id for row in desk.memory.keys}
    made = next((row for row in iam.access_keys.values() if row.access_key_id not in known), None)
    if made is None:
        return None
    works_from = Turn(desk.now() + desk.memory.propagation_s, works=True)
    key = AccessKey(made.user_name, made.access_key_id, made.secret_access_key, desk.now(), [works_from])
    desk.memory.keys.append(key)
    return key


def _take_back(desk: Account, key: AccessKey, found: Any) -> None:
    active = found is not None and found.status == "Active"
    key.deleted = found is None
    if active is not key.active:
        turn(desk, key, works=active)
    key.active = active


def _versions_taken_back(desk: Account) -> None:
    for version_id, row in _secrets().secrets[desk.seed.secret_name].versions.items():
        known = desk.memory.version(version_id)
        if known is None:
            known = Version(version_id, str(row["secret_string"]), [], desk.now())
            desk.memory.versions.append(known)
        known.labels = [str(label) for label in row["version_stages"]]


def _dated(response: Response, made: AccessKey) -> Response:
    """Write the stand-ins' time into the answer: moto has no clock but this machine's."""
    moment = datetime.fromtimestamp(int(made.created_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = _CREATED.sub(f"<CreateDate>{moment}</CreateDate>".encode(), bytes(response.body))
    kept = {name: text for name, text in response.headers.items() if name != "content-length"}
    return Response(body, response.status_code, kept)
