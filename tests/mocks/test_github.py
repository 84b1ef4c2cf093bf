"""GitHub's stand-in, judged by PyGithub, by gidgethub's own verifier of deliveries, and by PyNaCl."""

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from gidgethub import ValidationFailure
from gidgethub.sansio import validate_event
from github import Auth, Github, GithubException, GithubIntegration
from nacl.encoding import Base64Encoder
from nacl.public import PublicKey, SealedBox

from mocks.github_memory import RETENTION_S, TOKEN_LIFE_S
from tests.conftest import StandIns

REPOSITORY = "stand-in/application"
SECRETS = f"/repos/{REPOSITORY}/actions/secrets"
AT_ONCE: dict[str, Any] = {"retry": None, "seconds_between_requests": 0, "seconds_between_writes": 0, "lazy": True}


@dataclass(frozen=True, slots=True)
class Site:
    """The stand-in from outside: its console, and a plain line to its API."""

    stand_ins: StandIns
    held: dict[str, str]
    line: httpx.Client

    @property
    def url(self) -> str:
        return f"{self.stand_ins.url}/github"

    @property
    def installation(self) -> int:
        return int(self.held["GITHUB_INSTALLATION_ID"])

    def act(self, action: str, **fields: Any) -> Any:
        return self.stand_ins.control("POST", f"/github/actions/{action}", fields)

    def ask(self, token: str, method: str, path: str, payload: object = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        return self.line.request(method, f"{self.url}{path}", headers=headers, json=payload)

    def refusal(self, token: str, path: str = "/app") -> str:
        return str(self.ask(token, "GET", path).json()["message"])

    def received(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.act("show_received")["received"]
        return rows

    def signed(self, key: rsa.RSAPrivateKey | None = None, *, ahead_s: int = 0, **changes: Any) -> str:
        """Return a token of the app; `iat` and `exp` are seconds from now."""
        now = int(time.time()) + ahead_s
        claims = {"iss": self.held["GITHUB_APP_ID"], "iat": -60, "exp": 300, **changes}
        claims |= {name: now + claims[name] for name in ("iat", "exp")}
        return jwt.encode(claims, key or loaded(self.held["GITHUB_APP_PRIVATE_KEY"]), algorithm="RS256")


@cache
def loaded(pem: str) -> rsa.RSAPrivateKey:
    """Return the key without looking for its primes again, which takes fifty times as long as signing."""
    key = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


@pytest.fixture(scope="module")
def line() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)) as client:
        yield client


@pytest.fixture
def site(stand_ins: StandIns, line: httpx.Client) -> Site:
    stand_ins.control("POST", "/github/actions/set_indexing_delay", {"seconds": 0})
    return Site(stand_ins, stand_ins.control("GET", "/github/credentials"), line)


@pytest.fixture
def app(site: Site) -> Iterator[GithubIntegration]:
    auth = Auth.AppAuth(site.held["GITHUB_APP_ID"], site.held["GITHUB_APP_PRIVATE_KEY"])
    with GithubIntegration(auth=auth, base_url=site.url, **AT_ONCE) as client:
        yield client


def ask(app: GithubIntegration, method: str, path: str, **payload: object) -> Any:
    return app.requester.requestJsonAndCheck(method, path, input=payload or None)[1]


def is_signed_with(row: dict[str, Any], secret: str) -> bool:
    try:
        validate_event(row["body"].encode(), signature=row["headers"]["X-Hub-Signature-256"], secret=secret)
    except ValidationFailure:
        return False
    return True


def test_pygithub_sees_the_app_and_its_hook_without_the_secret(app: GithubIntegration, site: Site) -> None:
    seen, hook = app.get_app(), ask(app, "GET", "/app/hook/config")

    assert str(seen.id) == site.held["GITHUB_APP_ID"]
    assert hook["secret"] == "********"


def test_pygithub_writes_an_actions_secret_and_reads_all_but_its_value(app: GithubIntegration, site: Site) -> None:
    token = app.get_access_token(site.installation, {"secrets": "write"}).token
    with Github(auth=Auth.Token(token), base_url=site.url, **AT_ONCE) as client:
        repository = client.get_repo(REPOSITORY)

        repository.create_secret("deploy_key", "the value")

        assert repository.get_secret("DEPLOY_KEY").updated_at is not None
        assert site.act("read_actions_secret", name="DEPLOY_KEY") == {"value": "the value"}
        repository.delete_secret("DEPLOY_KEY")
        assert site.refusal(token, f"{SECRETS}/DEPLOY_KEY") == "Not Found"


def test_a_redelivery_keeps_the_guid_and_is_signed_with_the_secret_of_now(app: GithubIntegration, site: Site) -> None:
    old, new = site.held["GITHUB_WEBHOOK_SECRET"], "the new secret"
    first = site.act("deliver", title="Größe <1> & \x1b")
    ask(app, "PATCH", "/app/hook/config", secret=new)

    ask(app, "POST", f"/app/hook/deliveries/{first['id']}/attempts")

    before, after = site.received()
    assert before["body"] == after["body"]
    assert [is_signed_with(before, old), is_signed_with(before, new)] == [True, False]
    assert [is_signed_with(after, old), is_signed_with(after, new)] == [False, True]
    assert [
        (row["guid"], row["redelivery"], row["status_code"]) for row in ask(app, "GET", "/app/hook/deliveries")
    ] == [
        (first["guid"], True, 401),
        (first["guid"], False, 200),
    ]


def test_a_receiver_of_both_secrets_accepts_every_delivery_before_during_and_after_the_change(
    app: GithubIntegration, site: Site
) -> None:
    old, new = site.held["GITHUB_WEBHOOK_SECRET"], "the new secret"
    first = site.act("deliver")
    site.act("receiver_accepts", secrets=[old, new])
    site.act("deliver")
    ask(app, "PATCH", "/app/hook/config", secret=new)
    site.act("deliver")
    ask(app, "POST", f"/app/hook/deliveries/{first['id']}/attempts")
    site.act("receiver_accepts", secrets=[new])
    site.act("deliver")

    rows = site.received()

    assert [row["status_code"] for row in rows] == [200] * 5
    assert all(is_signed_with(row, old) or is_signed_with(row, new) for row in rows)
    assert [is_signed_with(row, new) for row in rows] == [False, False, True, True, True]


def test_one_delivery_is_shown_with_what_was_sent(app: GithubIntegration, site: Site) -> None:
    sent = site.act("deliver")

    shown = ask(app, "GET", f"/app/hook/deliveries/{sent['id']}")["request"]

    (row,) = site.received()
    assert (shown["headers"], shown["payload"]) == (row["headers"], json.loads(row["body"]))


def test_deliveries_are_listed_newest_first_by_pages_with_a_cursor(site: Site) -> None:
    sent = [site.act("deliver")["id"] for _ in range(5)]
    token, walked, path = site.signed(), [], "/app/hook/deliveries?per_page=2"
    while path:
        answer = site.ask(token, "GET", path)
        walked.append([row["id"] for row in answer.json()])
        path = answer.links.get("next", {}).get("url", "").removeprefix(site.url)

    assert walked == [[sent[4], sent[3]], [sent[2], sent[1]], [sent[0]]]


def test_a_delivery_is_gone_after_three_days_and_cannot_be_sent_again(site: Site) -> None:
    sent = site.act("deliver")
    site.stand_ins.control("POST", "/clock", {"offset_s": RETENTION_S + 1})
    token = site.signed(ahead_s=RETENTION_S)

    assert site.ask(token, "GET", "/app/hook/deliveries").json() == []
    assert site.ask(token, "POST", f"/app/hook/deliveries/{sent['id']}/attempts").status_code == 404


def test_keys_work_side_by_side_and_the_last_one_cannot_be_deleted(site: Site) -> None:
    minted = site.act("mint_private_key")
    another = loaded(minted["private_key"])
    assert [site.ask(site.signed(key), "GET", "/app").status_code for key in (None, another)] == [200, 200]

    site.act("delete_private_key")

    assert site.refusal(site.signed()) == "A JSON web token could not be decoded"
    assert site.ask(site.signed(another), "GET", "/app").status_code == 200
    with pytest.raises(AssertionError, match="last private key"):
        site.act("delete_private_key", fingerprint=minted["fingerprint"])


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"iss": "nobody"}, "'Issuer' claim ('iss') must be an Integer"),
        ({"iss": "1"}, "Integration not found"),
        ({"exp": -1}, "'Expiration time' claim ('exp') must be a numeric value"),
        ({"exp": 700}, "'Expiration time' claim ('exp') is too far in the future"),
        ({"iat": 60}, "'Issued at' claim ('iat') must be an Integer"),
    ],
    ids=["no app's id", "another app", "expired", "too long", "not yet"],
)
def test_a_token_that_does_not_fit_is_refused_in_githubs_words(
    claims: dict[str, Any], message: str, site: Site
) -> None:
    assert site.refusal(site.signed(**claims)).startswith(message)


def test_what_no_key_of_the_app_signed_cannot_be_decoded(site: Site) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    for token in (site.signed(stranger), "no.jwt.at-all", "x"):
        assert site.refusal(token) == "A JSON web token could not be decoded"


def test_a_sealed_box_is_opened_and_what_is_sealed_for_another_key_is_refused(
    app: GithubIntegration, site: Site
) -> None:
    token = app.get_access_token(site.installation).token
    told = site.ask(token, "GET", f"{SECRETS}/public-key").json()
    sealed = b64encode(SealedBox(PublicKey(told["key"].encode(), Base64Encoder)).encrypt("Größe".encode())).decode()

    def put(name: str, encrypted_value: str = sealed, key_id: str = told["key_id"]) -> int:
        payload = {"encrypted_value": encrypted_value, "key_id": key_id}
        return site.ask(token, "PUT", f"{SECRETS}/{name}", payload).status_code

    assert [put("NAME"), put("name")] == [201, 204]
    assert [put("NAME", key_id="another"), put("NAME", encrypted_value="bm8="), put("GITHUB_NAME")] == [422] * 3
    assert site.act("read_actions_secret", name="name") == {"value": "Größe"}


def test_a_token_ends_after_an_hour_and_when_it_is_dropped(app: GithubIntegration, site: Site) -> None:
    first, second = (app.get_access_token(site.installation).token for _ in range(2))

    assert site.ask(first, "GET", f"{SECRETS}/public-key").status_code == 200
    assert site.ask(first, "DELETE", "/installation/token").status_code == 204
    assert site.refusal(first, f"{SECRETS}/public-key") == "Bad credentials"
    site.stand_ins.control("POST", "/clock", {"offset_s": TOKEN_LIFE_S + 1})
    assert site.refusal(second, f"{SECRETS}/public-key") == "Bad credentials"


def test_a_token_holds_no_more_than_was_granted(app: GithubIntegration, site: Site) -> None:
    path = f"/app/installations/{site.installation}/access_tokens"

    for wanted in ({"permissions": {"secrets": "admin"}}, {"repositories": ["another"]}):
        assert site.ask(site.signed(), "POST", path, wanted).status_code == 422
    site.act("suspend")
    with pytest.raises(GithubException, match="suspended"):
        app.get_access_token(site.installation)
