"""Keycloak's stand-in gives tokens, keeps two secrets of a client, and drops one, as Keycloak does."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.conftest import StandIns

DAY_S = 24 * 3600
ENDS_AT, SECOND = "client.secret.expiration.time", "client.secret.rotated"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks the realm, with the credentials of its two clients."""

    stand_ins: StandIns
    given: dict[str, str]
    line: httpx.Client

    def token(self, secret: str | None = None, **changes: Any) -> httpx.Response:
        pair = (self.given["OIDC_CLIENT_ID"], self.given["OIDC_CLIENT_SECRET"] if secret is None else secret)
        asked = {"data": {"grant_type": "client_credentials"}, "auth": pair, **changes}
        return self.line.post(f"{self.given['OIDC_ISSUER']}/protocol/openid-connect/token", **asked)

    def bearer(self) -> dict[str, str]:
        pair = (self.given["OIDC_ADMIN_CLIENT_ID"], self.given["OIDC_ADMIN_CLIENT_SECRET"])
        return {"authorization": f"Bearer {self.token(auth=pair).json()['access_token']}"}

    def ask(self, method: str, path: str = "", json: object = None, **changes: Any) -> httpx.Response:
        clients = f"{self.stand_ins.url}/oidc/admin/realms/rehearsal/clients"
        return self.line.request(method, f"{clients}{path}", json=json, **{"headers": self.bearer(), **changes})

    def client(self) -> dict[str, Any]:
        (found,) = self.ask("GET", f"?clientId={self.given['OIDC_CLIENT_ID']}").json()
        assert isinstance(found, dict)
        return found

    def secret_path(self) -> str:
        return f"/{self.client()['id']}/client-secret"

    def put(self, **changes: Any) -> httpx.Response:
        client = self.client()
        return self.ask("PUT", f"/{client['id']}", {**client, **changes})

    def works(self, *values: str) -> list[int]:
        return [self.token(value).status_code for value in values]

    def act(self, action: str, **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.stand_ins.control("POST", f"/oidc/actions/{action}", fields)
        return answer

    def later(self, seconds: float) -> None:
        self.stand_ins.control("POST", "/clock", {"offset_s": seconds})


@pytest.fixture(scope="module")
def line() -> Iterator[httpx.Client]:
    """One client for all: each new one would load the certificate authorities again."""
    with httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)) as client:
        yield client


@pytest.fixture
def caller(stand_ins: StandIns, line: httpx.Client) -> Caller:
    return Caller(stand_ins, stand_ins.control("GET", "/oidc/credentials"), line)


def test_a_secret_gets_a_token_in_the_header_or_in_the_form(caller: Caller) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": caller.given["OIDC_CLIENT_ID"],
        "client_secret": caller.given["OIDC_CLIENT_SECRET"],
    }

    answers = [caller.token(), caller.token(data=form, auth=None)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert {answer.json()["token_type"] for answer in answers} == {"Bearer"}
    assert {answer.json()["access_token"].count(".") for answer in answers} == {2}


@pytest.mark.parametrize(
    ("edited", "secret", "error", "words"),
    [
        ({}, "wrong", "unauthorized_client", "Invalid client or Invalid client credentials"),
        ({"enabled": False}, None, "invalid_client", "Invalid client or Invalid client credentials"),
        ({"service_accounts": False}, "wrong", "unauthorized_client", "Invalid client or Invalid client credentials"),
        ({"service_accounts": False}, None, "unauthorized_client", "Client not enabled to retrieve service account"),
        ({"public": True}, "wrong", "unauthorized_client", "Public client not allowed to retrieve service account"),
    ],
)
def test_a_refusal_says_whether_the_secret_was_looked_at(
    edited: dict[str, Any], secret: str | None, error: str, words: str, caller: Caller
) -> None:
    caller.act("edit", **edited)

    answer = caller.token(secret)

    assert (answer.status_code, answer.json()) == (401, {"error": error, "error_description": words})


def test_an_unknown_client_realm_or_grant_is_told_apart(caller: Caller) -> None:
    elsewhere = f"{caller.stand_ins.url}/oidc/realms/another/protocol/openid-connect/token"

    assert caller.token(auth=("nobody", "x")).json()["error"] == "invalid_client"
    assert caller.token(auth=None).json()["error_description"] == "Missing client_id parameter"
    assert caller.token(data={"grant_type": "password"}).json()["error"] == "unsupported_grant_type"
    assert caller.line.post(elsewhere).json() == {"error": "Realm does not exist"}


def test_discovery_and_tokens_name_the_same_issuer(caller: Caller) -> None:
    issuer = caller.given["OIDC_ISSUER"]

    assert caller.line.get(f"{issuer}/.well-known/openid-configuration").json()["issuer"] == issuer


def test_a_new_secret_lives_beside_the_old_one_for_as_long_as_the_policy_says(caller: Caller) -> None:
    old = caller.given["OIDC_CLIENT_SECRET"]

    new = caller.ask("POST", caller.secret_path()).json()["value"]

    assert caller.ask("GET", caller.secret_path()).json()["value"] == new
    assert caller.ask("GET", f"{caller.secret_path()}/rotated").json()["value"] == old
    assert caller.works(old, new) == [200, 200]
    caller.later(2 * DAY_S + 1)
    assert caller.works(old, new) == [401, 200]
    caller.later(29 * DAY_S + 1)
    assert caller.works(old, new) == [401, 401]


def test_the_second_secret_is_deleted_as_often_as_asked(caller: Caller) -> None:
    old = caller.given["OIDC_CLIENT_SECRET"]
    new = caller.ask("POST", caller.secret_path()).json()["value"]

    statuses = [caller.ask("DELETE", f"{caller.secret_path()}/rotated").status_code for _ in range(2)]

    assert statuses == [204, 204]
    assert caller.works(old, new) == [401, 200]
    assert caller.ask("GET", f"{caller.secret_path()}/rotated").status_code == 404


@pytest.mark.parametrize("off", [{"on": False}, {"on": True, "rotated_expiration_s": 0}], ids=str)
def test_without_an_overlap_the_old_secret_ends_with_the_new_one(off: dict[str, Any], caller: Caller) -> None:
    caller.act("switch_policy", **off)

    new = caller.ask("POST", caller.secret_path()).json()["value"]

    assert caller.works(caller.given["OIDC_CLIENT_SECRET"], new) == [401, 200]


def test_an_update_with_another_secret_keeps_the_old_one_nowhere(caller: Caller) -> None:
    assert caller.put(secret="chosen-by-a-person").status_code == 204

    assert caller.works(caller.given["OIDC_CLIENT_SECRET"], "chosen-by-a-person") == [401, 200]
    assert SECOND not in caller.client()["attributes"]


def test_an_update_keeps_the_second_secret_only_while_a_policy_applies(caller: Caller) -> None:
    old = caller.given["OIDC_CLIENT_SECRET"]
    caller.ask("POST", caller.secret_path())

    caller.put(description="saved")
    kept = caller.works(old)
    caller.act("switch_policy", on=False)
    before_the_next_update = caller.works(old)
    caller.put(description="saved again")

    assert (kept, before_the_next_update, caller.works(old)) == ([200], [200], [401])
    assert ENDS_AT not in caller.client()["attributes"]


def test_the_policy_names_an_end_at_an_update_and_a_new_secret_at_one_after_it(caller: Caller) -> None:
    old = caller.given["OIDC_CLIENT_SECRET"]
    before = ENDS_AT in caller.client()["attributes"]

    caller.put()
    after = ENDS_AT in caller.client()["attributes"]
    caller.act("expire")
    ended = caller.works(old)
    caller.put()

    assert (before, after, ended) == (False, True, [401])
    assert caller.client()["attributes"][SECOND] == old
    assert caller.works(old, caller.client()["secret"]) == [200, 200]


def test_an_update_without_the_authorization_services_switches_them_off(caller: Caller) -> None:
    caller.act("edit", authorization=True)
    client = caller.client()

    caller.put(description="whole")
    whole = caller.client().get("authorizationServicesEnabled")
    caller.ask("PUT", f"/{client['id']}", {"description": "in part"})

    assert (whole, "authorizationServicesEnabled" in caller.client()) == (True, False)
    assert caller.client()["redirectUris"] == client["redirectUris"]


def test_who_may_only_view_sees_a_mask_and_changes_nothing(caller: Caller) -> None:
    caller.ask("POST", caller.secret_path())
    path = caller.secret_path()
    caller.act("set_roles", roles=["view-clients"])

    client = caller.client()
    refused = [caller.ask(*asked).status_code for asked in (("GET", path), ("POST", path), ("PUT", f"/{client['id']}"))]

    assert {client["secret"], client["attributes"][SECOND]} == {"*" * 10}
    assert refused == [403, 403, 403]
    caller.act("set_roles", roles=[])
    assert caller.ask("GET").status_code == 403


def test_an_access_token_ends_after_five_minutes(caller: Caller) -> None:
    bearer = caller.bearer()
    before = caller.ask("GET", headers=bearer).status_code

    caller.later(301)

    assert (before, caller.ask("GET", headers=bearer).status_code) == (200, 401)
    assert caller.ask("GET", headers={"authorization": "Bearer a.b.c"}).json() == {"error": "HTTP 401 Unauthorized"}


def test_a_client_is_named_by_its_uuid_and_listed_by_its_id(caller: Caller) -> None:
    assert caller.ask("GET", "?clientId=nobody").json() == []
    assert caller.ask("GET", f"/{caller.given['OIDC_CLIENT_ID']}").json() == {"error": "Could not find client"}
    assert caller.put(clientId=caller.given["OIDC_ADMIN_CLIENT_ID"]).status_code == 409


def test_what_others_do_in_the_console_shows(caller: Caller) -> None:
    new = caller.act("rotate")["secret"]
    both = caller.works(caller.given["OIDC_CLIENT_SECRET"], new)

    caller.act("expire", second=True)
    ended = caller.works(caller.given["OIDC_CLIENT_SECRET"], new)
    caller.act("delete")

    assert (both, ended) == ([200, 200], [401, 200])
    assert caller.token(new).json()["error"] == "invalid_client"
