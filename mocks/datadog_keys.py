"""Datadog's keys: created, listed with their last use, deleted for good; nothing can be switched off and on again.

Source: https://docs.datadoghq.com/api/latest/key-management/, .../api/latest/service-accounts/
"""

from datetime import UTC, datetime
from typing import Any, TypeVar

from starlette.responses import JSONResponse, Response

from mocks.datadog_org import (
    ApiKey,
    AppKey,
    Organisation,
    errors,
    new_api_key,
    new_app_key,
    new_id,
    reader,
    sender,
    spend,
    told_use,
)
from mocks.stage import Ask, Refused

DAY_S = 86400
SHOWN_CHARACTERS = 4
MAX_PAGE = 100
_Key = TypeVar("_Key", ApiKey, AppKey)


def validate(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/authentication/#validate-api-key."""
    sender(desk, ask)
    return JSONResponse({"valid": True})


def validate_both(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/key-management/ (validate_keys): the API and application key."""
    reader(desk, ask, "")
    return JSONResponse({"status": "ok"})


def create_api_key(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/key-management/#create-an-api-key."""
    _manager(desk, ask, "api_keys_write")
    name = _name(ask, "api_keys")
    if len(desk.memory.api_keys) >= desk.memory.max_api_keys:
        return errors(400, "The organisation has reached its maximum number of API keys")
    created = ApiKey(new_id(), _free(name, desk.memory.api_keys), new_api_key(), desk.now())
    desk.memory.api_keys.append(created)
    return JSONResponse({"data": _api_key(desk, created) | {"attributes": _with_value(desk, created)}}, 201)


def list_api_keys(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/key-management/#get-all-api-keys; never shows a value."""
    _manager(desk, ask, "api_keys_read")
    found = [key for key in _shown(desk, desk.memory.api_keys) if _wanted(ask) in key.name.lower()]
    meta = {"max_allowed": desk.memory.max_api_keys, "page": {"total_filtered_count": len(found)}}
    return JSONResponse({"data": [_api_key(desk, key) for key in _page(ask, found)], "meta": meta})


def show_api_key(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/key-management/#get-api-key."""
    _manager(desk, ask, "api_keys_read")
    found = _by_id(desk.memory.api_keys, ask, "API key not found")
    return JSONResponse({"data": _api_key(desk, found) | {"attributes": _with_value(desk, found)}})


def delete_api_key(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/key-management/#delete-an-api-key; at least one key must stay."""
    _manager(desk, ask, "api_keys_delete")
    found = _by_id(desk.memory.api_keys, ask, "API key not found")
    if len(desk.memory.api_keys) == 1:
        return errors(400, "The last API key of an organisation cannot be deleted")
    desk.memory.api_keys.remove(found)
    found.deleted_at = desk.now()
    desk.memory.deleted_api_keys.append(found)
    return Response(status_code=204)


def create_own_app_key(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/key-management/#create-an-application-key-for-current-user."""
    return _created_app_key(desk, ask, _manager(desk, ask, "user_app_keys").owner)


def list_own_app_keys(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/key-management/#get-all-application-keys-owned-by-current-user."""
    return _listed_app_keys(desk, ask, _manager(desk, ask, "user_app_keys").owner)


def show_own_app_key(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/key-management/ (one application key owned by current user)."""
    return _shown_app_key(desk, ask, _manager(desk, ask, "user_app_keys").owner)


def delete_own_app_key(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/key-management/ (delete an application key of current user)."""
    return _deleted_app_key(desk, ask, _manager(desk, ask, "user_app_keys").owner)


def list_all_app_keys(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/key-management/#get-all-application-keys."""
    _manager(desk, ask, "org_app_keys_read")
    return _listed_app_keys(desk, ask, "")


def show_any_app_key(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/key-management/#get-an-application-key."""
    _manager(desk, ask, "org_app_keys_read")
    return _shown_app_key(desk, ask, "")


def delete_any_app_key(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/key-management/#delete-an-application-key."""
    _manager(desk, ask, "org_app_keys_write")
    return _deleted_app_key(desk, ask, "")


def create_service_app_key(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/service-accounts/ (create an application key)."""
    return _created_app_key(desk, ask, _service_account(desk, ask))


def list_service_app_keys(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/service-accounts/ (list application keys)."""
    return _listed_app_keys(desk, ask, _service_account(desk, ask))


def show_service_app_key(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/service-accounts/ (get one application key)."""
    return _shown_app_key(desk, ask, _service_account(desk, ask))


def delete_service_app_key(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/service-accounts/ (delete an application key)."""
    return _deleted_app_key(desk, ask, _service_account(desk, ask))


def _manager(desk: Organisation, ask: Ask, permission: str) -> AppKey:
    key = reader(desk, ask, permission)
    spend(desk, "key_management")
    return key


def _service_account(desk: Organisation, ask: Ask) -> str:
    _manager(desk, ask, "service_account_write")
    if ask.ids["account_id"] != desk.seed.service_account_id:
        raise Refused(errors(404, "Service account not found"))
    return desk.seed.service_account_id


def _created_app_key(desk: Organisation, ask: Ask, owner: str) -> Response:
    """Show the value once: later answers never do (one-time read)."""
    name = _name(ask, "application_keys")
    owned = [key for key in desk.memory.app_keys if key.owner == owner]
    if len(owned) >= desk.memory.max_app_keys_per_user:
        return errors(400, "The user has reached the maximum number of application keys")
    scopes = ask.fields()["data"]["attributes"].get("scopes")
    created = AppKey(new_id(), _free(name, owned), new_app_key(), owner, desk.now(), scopes)
    desk.memory.app_keys.append(created)
    shown = _app_key(desk, created)
    shown["attributes"]["key"] = created.key
    return JSONResponse({"data": shown}, 201)


def _listed_app_keys(desk: Organisation, ask: Ask, owner: str) -> Response:
    owned = [key for key in _shown(desk, desk.memory.app_keys) if owner in {"", key.owner}]
    found = [key for key in owned if _wanted(ask) in key.name.lower()]
    meta = {
        "max_allowed_per_user": desk.memory.max_app_keys_per_user,
        "page": {"total_filtered_count": len(found)},
    }
    return JSONResponse({"data": [_app_key(desk, key) for key in _page(ask, found)], "meta": meta})


def _shown_app_key(desk: Organisation, ask: Ask, owner: str) -> Response:
    owned = [key for key in desk.memory.app_keys if owner in {"", key.owner}]
    return JSONResponse({"data": _app_key(desk, _by_id(owned, ask, "Application key not found"))})


def _deleted_app_key(desk: Organisation, ask: Ask, owner: str) -> Response:
    owned = [key for key in desk.memory.app_keys if owner in {"", key.owner}]
    found = _by_id(owned, ask, "Application key not found")
    desk.memory.app_keys.remove(found)
    found.deleted_at = desk.now()
    desk.memory.deleted_app_keys.append(found)
    return Response(status_code=204)


def _name(ask: Ask, kind: str) -> str:
    data = ask.fields().get("data")
    attributes = data.get("attributes") if isinstance(data, dict) and data.get("type") == kind else None
    if not isinstance(attributes, dict) or not attributes.get("name"):
        raise Refused(errors(400, f"data.type must be {kind} and data.attributes.name is required"))
    return str(attributes["name"])


def _free(name: str, keys: list[_Key]) -> str:
    if any(key.name == name for key in keys):
        raise Refused(errors(409, "A key with this name exists already"))
    return name


def _by_id(keys: list[_Key], ask: Ask, missing: str) -> _Key:
    found = next((key for key in keys if key.id == ask.ids["key_id"]), None)
    if found is None:
        raise Refused(errors(404, missing))
    return found


def _shown(desk: Organisation, keys: list[_Key]) -> list[_Key]:
    """Leave out what is too new for listings."""
    return [key for key in keys if desk.listed(key.created_at)]


def _wanted(ask: Ask) -> str:
    return ask.query.get("filter", "").lower()


def _page(ask: Ask, keys: list[_Key]) -> list[_Key]:
    try:
        size, number = int(ask.query.get("page[size]", "10")), int(ask.query.get("page[number]", "0"))
    except ValueError:
        raise Refused(errors(400, "page[size] and page[number] must be numbers")) from None
    if not 1 <= size <= MAX_PAGE:
        raise Refused(errors(400, f"page[size] must be between 1 and {MAX_PAGE}"))
    return keys[size * number : size * (number + 1)]


def _api_key(desk: Organisation, key: ApiKey) -> dict[str, Any]:
    used_at = told_use(desk, key)
    recent = used_at is not None and used_at > desk.now() - DAY_S
    attributes = {
        "name": key.name, "last4": key.key[-SHOWN_CHARACTERS:], "created_at": _iso(key.created_at),
        "modified_at": _iso(key.created_at), "date_last_used": _iso(used_at),
        "used_in_last_24_hours": recent,
    }  # fmt: skip
    people = {"created_by": {"data": {"id": desk.seed.user_id, "type": "users"}}}
    return {"type": "api_keys", "id": key.id, "attributes": attributes, "relationships": people}


def _with_value(desk: Organisation, key: ApiKey) -> dict[str, Any]:
    shown: dict[str, Any] = _api_key(desk, key)["attributes"]
    return shown | {"key": key.key}


def _app_key(desk: Organisation, key: AppKey) -> dict[str, Any]:
    attributes = {
        "name": key.name, "last4": key.key[-SHOWN_CHARACTERS:], "created_at": _iso(key.created_at),
        "last_used_at": _iso(told_use(desk, key)), "scopes": key.scopes,
    }  # fmt: skip
    owner = {"owned_by": {"data": {"id": key.owner, "type": "users"}}}
    return {"type": "application_keys", "id": key.id, "attributes": attributes, "relationships": owner}


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()
