"""The cluster's stand-in keeps owners, versions and rollouts as Kubernetes does; that kubectl takes it for one is tested with the sink."""

import base64
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.conftest import StandIns

APPLY = {"content-type": "application/apply-patch+yaml"}
MERGE = {"content-type": "application/strategic-merge-patch+json"}
SECRET = "/api/v1/namespaces/apps/secrets/app-env"
DEPLOYMENTS = "/apis/apps/v1/namespaces/apps/deployments"
UNRELATED = {"UNRELATED": "as it was"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, over https with the service account's token."""

    stand_ins: StandIns
    client: httpx.Client
    token: str = field(repr=False)

    def ask(self, method: str, path: str, json: object = None, **changes: Any) -> httpx.Response:
        url = f"{self.stand_ins.https_url}/kubernetes{path}"
        headers = {"authorization": f"Bearer {self.token}"} | changes.pop("headers", {})
        return self.client.request(method, url, json=json, headers=headers, **changes)

    def apply(self, manager: str, path: str = SECRET, version: str = "", **texts: str) -> httpx.Response:
        data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        body = {"kind": "Secret", "metadata": {"resourceVersion": version} if version else {}, "data": data}
        return self.ask("PATCH", path, body, headers=APPLY, params={"fieldManager": manager})

    def restart(self, at: str) -> httpx.Response:
        annotations = {"kubectl.kubernetes.io/restartedAt": at}
        body = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        return self.ask("PATCH", f"{DEPLOYMENTS}/web", body, headers=MERGE, params={"fieldManager": "kubectl-rollout"})

    def act(self, action: str, **fields: Any) -> Any:
        return self.stand_ins.control("POST", f"/kubernetes/actions/{action}", fields)

    def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = self.act("show_secret", name="app-env")
        return found


@pytest.fixture(scope="module")
def client(served_stand_ins: StandIns) -> Iterator[httpx.Client]:
    with httpx.Client(verify=ssl.create_default_context(cafile=served_stand_ins.ca_file), trust_env=False) as client:
        yield client


@pytest.fixture
def caller(stand_ins: StandIns, client: httpx.Client) -> Caller:
    config = json.loads(stand_ins.control("GET", "/kubernetes/credentials")["KUBERNETES_KUBECONFIG"])
    return Caller(stand_ins, client, config["users"][0]["user"]["token"])


def test_an_apply_replaces_the_share_of_its_manager_and_leaves_the_others(caller: Caller) -> None:
    caller.apply("one", A="1", B="2")
    caller.apply("two", B="2", C="3")

    caller.apply("one", A="9")

    assert caller.shown()["entries"] == {**UNRELATED, "A": "9", "B": "2", "C": "3"}
    assert caller.shown()["owners"] == {
        "kubectl-create Update": ["data:UNRELATED"], "one Apply": ["data:A"], "two Apply": ["data:B", "data:C"]
    }  # fmt: skip
    caller.apply("two", C="3")
    assert caller.shown()["entries"] == {**UNRELATED, "A": "9", "C": "3"}


def test_anothers_entry_is_changed_by_force_alone(caller: Caller) -> None:
    refused = caller.apply("one", UNRELATED="mine")
    forced = caller.ask(
        "PATCH",
        SECRET,
        {"data": {"UNRELATED": "bWluZQ=="}},
        headers=APPLY,
        params={"fieldManager": "one", "force": "true"},
    )

    assert (refused.status_code, refused.json()["reason"]) == (409, "Conflict")
    assert 'conflict with "kubectl-create": .data.UNRELATED' in refused.json()["message"]
    assert forced.status_code == 200
    assert caller.shown()["owners"] == {"one Apply": ["data:UNRELATED"]}


def test_what_changes_nothing_leaves_version_and_times_alone(caller: Caller) -> None:
    first = caller.apply("one", A="1").json()["metadata"]
    caller.stand_ins.control("POST", "/clock", {"offset_s": 3600})

    again = caller.apply("one", A="1").json()["metadata"]
    changed = caller.apply("one", A="2").json()["metadata"]

    assert again == first
    assert changed["resourceVersion"] != first["resourceVersion"]
    assert [row["time"] for row in changed["managedFields"]] > [row["time"] for row in first["managedFields"]]


def test_a_stale_version_an_immutable_secret_and_an_unknown_name_are_refused(caller: Caller) -> None:
    version = caller.apply("one", A="1").json()["metadata"]["resourceVersion"]
    caller.apply("two", B="1")
    stale = caller.apply("one", version=version, A="2")
    elsewhere = caller.apply("one", path=SECRET.replace("/apps/", "/nowhere/"), A="2")
    unnamed = caller.ask("PATCH", SECRET, {}, headers=APPLY)
    caller.act("write_secret", name="app-env", immutable=True)
    immutable = caller.apply("one", A="2")
    taken = caller.ask("POST", SECRET.rpartition("/")[0], {"metadata": {"name": "app-env"}})
    made = caller.ask("POST", SECRET.rpartition("/")[0], {"metadata": {"name": "new"}, "data": {"A": "MQ=="}})

    assert [answer.status_code for answer in (stale, elsewhere, unnamed, immutable, taken, made)] == [409, 404, 400, 422, 409, 201]  # fmt: skip
    assert "the object has been modified" in stale.json()["message"]
    assert elsewhere.json()["message"] == 'namespaces "nowhere" not found'
    assert caller.ask("GET", SECRET.replace("app-env", "gone")).json()["message"] == 'secrets "gone" not found'
    assert caller.ask("GET", SECRET.replace("app-env", "new")).json()["data"] == {"A": "MQ=="}


def test_who_has_no_token_or_no_right_is_refused_and_a_proxy_has_the_accounts(caller: Caller) -> None:
    nobody = caller.ask("GET", SECRET, headers={"authorization": "Bearer x"})
    proxied = httpx.get(f"{caller.stand_ins.url}/kubernetes{SECRET}", trust_env=False)
    caller.act("set_denied", denied=["get secrets"])
    denied = caller.ask("GET", SECRET)

    assert [answer.status_code for answer in (nobody, proxied, denied)] == [401, 200, 403]
    assert denied.json()["message"].startswith("secrets is forbidden: User ")


def test_pods_go_on_with_what_they_read_until_the_rollout_is_over(caller: Caller) -> None:
    caller.act("set_rollout", seconds=60)
    caller.apply("one", A="1")
    before = caller.act("pods_read", name="web")["app-env"]
    began = caller.restart("2026-01-01T00:00:00Z").json()
    caller.apply("one", A="2")
    during = caller.act("pods_read", name="web")["app-env"]
    waiting = caller.ask("GET", f"{DEPLOYMENTS}/web").json()["status"]
    caller.stand_ins.control("POST", "/clock", {"offset_s": 61})
    over = caller.ask("GET", f"{DEPLOYMENTS}/web").json()

    assert before == during == UNRELATED
    assert began["metadata"]["generation"] == 2
    assert (waiting["updatedReplicas"], waiting["replicas"]) == (1, 3)
    assert (over["status"]["updatedReplicas"], over["status"]["replicas"]) == (2, 2)
    assert caller.act("pods_read", name="web")["app-env"] == {**UNRELATED, "A": "1"}
    assert caller.restart("2026-01-01T00:00:00Z").json()["metadata"]["generation"] == 2


def test_a_watch_holds_what_is_new_and_ends(caller: Caller) -> None:
    caller.act("set_rollout", seconds=60)
    chosen = {"fieldSelector": "metadata.name=web"}
    listed = caller.ask("GET", DEPLOYMENTS, params=chosen).json()
    watch = {**chosen, "watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}

    quiet = caller.ask("GET", DEPLOYMENTS, params=watch)
    caller.restart("2026-01-01T00:00:00Z")
    begun = json.loads(caller.ask("GET", DEPLOYMENTS, params=watch).text)
    watch["resourceVersion"] = begun["object"]["metadata"]["resourceVersion"]
    caller.stand_ins.control("POST", "/clock", {"offset_s": 61})
    over = json.loads(caller.ask("GET", DEPLOYMENTS, params=watch).text)

    assert [row["metadata"]["name"] for row in listed["items"]] == ["web"]
    assert (quiet.text, begun["type"]) == ("", "MODIFIED")
    assert over["object"]["status"]["updatedReplicas"] == 2


def test_a_rollout_can_fail_or_hang(caller: Caller) -> None:
    reasons = []
    for at, outcome in (("1", "fails"), ("2", "hangs"), ("3", "done")):
        caller.act("set_rollout", outcome=outcome, seconds=0)
        conditions = caller.restart(at).json()["status"]["conditions"]
        reasons.append([row["reason"] for row in conditions if row["type"] == "Progressing"])

    assert reasons == [["ProgressDeadlineExceeded"], ["ReplicaSetUpdated"], ["NewReplicaSetAvailable"]]
