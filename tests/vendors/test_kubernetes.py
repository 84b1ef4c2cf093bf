"""A value in a Kubernetes secret is what restarted pods read, and nothing else in the secret is touched: by the real kubectl."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from domain.errors import BadInput, NotYet, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.exchanges import Effect
from tests.conftest import StandIns
from tests.program import program
from tests.vendors.clusters import (
    KEY,
    OTHER,
    SECRET,
    UNRELATED,
    Yard,
    begun,
    killed_before,
    restarted,
    yard_in,
)
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.kubectl import Cluster
from vendors.kubectl_failures import FAILURES, UNEXPECTED, error_of, failure_of
from vendors.kubernetes import KubernetesSecret
from vendors.kubernetes_objects import change_annotation, manager_of, rollout_of
from vendors.sinks import Place

OLD, NEW = "0ld-value-of-nobody", "n3w-value-of-nobody"
PAGE = Path(__file__).parents[2] / "docs" / "integrations" / "kubernetes.md"


@pytest.fixture(scope="module")
def kubectl_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where kubectl remembers what it discovered; one for all tests, and not the developer's own."""
    program("kubectl")
    return tmp_path_factory.mktemp("kubectl-home")


@pytest.fixture
def yard(stand_ins: StandIns, kubectl_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """The cluster, in which a rollout takes no time."""
    monkeypatch.setenv("HOME", str(kubectl_home))
    yard = yard_in(stand_ins, tmp_path)
    yard.act("set_rollout", seconds=0)
    return yard


def refusal(place: Place, entries: Mapping[str, str]) -> OpsError:
    with pytest.raises(OpsError) as refused:
        place.write(entries)
    assert NEW not in str(refused.value)
    assert all((refused.value.means, refused.value.next_step))
    return refused.value


def test_what_is_written_is_what_restarted_pods_read_and_the_rest_stays(yard: Yard) -> None:
    sink: Place = yard.sink("web", "worker")
    before = sink.holds({KEY: NEW})

    sink.write({KEY: NEW, OTHER: OLD})

    assert before is False
    assert sink.holds({KEY: NEW, OTHER: OLD})
    assert yard.pods_read("web") == yard.pods_read("worker") == {**UNRELATED, KEY: NEW, OTHER: OLD}
    shown = yard.act("show_secret", name=SECRET)
    assert shown["owners"] == {
        "kubectl-create Update": ["data:UNRELATED"],
        f"{manager_of([KEY, OTHER])} Apply": [
            f"annotations:{change_annotation([KEY, OTHER])}",
            f"data:{KEY}",
            f"data:{OTHER}",
        ],
    }
    assert list(shown["annotations"]) == [change_annotation([KEY, OTHER])]
    assert [(row.verb, row.outcome) for row in yard.evidence][-6:-3] == [
        ("read_deployment", "ok"), ("apply_secret", "ok"), ("restart_deployments", "ok")
    ]  # fmt: skip
    assert {(row.system, row.status, row.host.partition(":")[0]) for row in yard.evidence} == {
        ("kubernetes", None, "localhost")
    }


def test_an_empty_text_takes_an_entry_away_whoever_owns_it_and_what_is_not_named_stays(yard: Yard) -> None:
    sink = yard.sink()
    yard.act("write_secret", name=SECRET, entries={"THEIRS": "-", "KEPT": "x"}, manager="helm")
    sink.write({"EARLIER": "ours too", KEY: OLD, OTHER: OLD})

    sink.write({KEY: NEW, OTHER: "", "THEIRS": ""})

    assert yard.entries() == {**UNRELATED, "KEPT": "x", "EARLIER": "ours too", KEY: NEW}
    assert sink.holds({KEY: NEW, OTHER: "", "THEIRS": ""})


def test_a_secret_that_is_not_there_is_made(yard: Yard) -> None:
    sink = replace(yard.sink(), secret="fresh")

    sink.write({KEY: NEW, OTHER: ""})

    assert yard.act("show_secret", name="fresh")["entries"] == {KEY: NEW}
    assert sink.holds({KEY: NEW, OTHER: ""})


def test_writing_the_same_again_restarts_nothing_and_finishes_what_was_begun(yard: Yard) -> None:
    with pytest.raises(NotYet):
        yard.sink("web", restart=killed_before).write({KEY: NEW})
    served_after_the_kill = yard.sink("web").holds({KEY: NEW})
    for _ in range(2):
        yard.sink("web").write({KEY: NEW})

    assert served_after_the_kill is False
    assert yard.asked("PATCH") == [SECRET, SECRET, "web", SECRET]
    assert yard.sink("web").holds({KEY: NEW})


def test_a_rollout_under_way_is_waited_for_and_not_begun_anew(yard: Yard) -> None:
    yard.act("set_rollout", outcome="hangs")
    sink = yard.sink("web", restart=begun)
    sink.write({KEY: NEW})

    sink.write({KEY: NEW})
    with pytest.raises(NotYet) as waiting:
        sink.holds({KEY: NEW})

    assert (
        waiting.value.happened
        == "It takes longer than we wait to roll out deployment web in namespace apps of context stand-in."
    )
    assert yard.asked("PATCH").count("web") == 1
    assert yard.pods_read("web") == UNRELATED
    yard.act("set_rollout", outcome="fails", seconds=0)
    with pytest.raises(Rejected, match="do not come up"):
        sink.holds({KEY: NEW})
    yard.act("set_rollout", seconds=0)
    assert sink.holds({KEY: NEW})


def test_what_another_hand_changes_is_seen_and_a_later_restart_by_hand_counts(yard: Yard) -> None:
    sink = yard.sink("web")
    sink.write({KEY: NEW})
    yard.act("write_secret", name=SECRET, entries={KEY: OLD})
    changed = sink.holds({KEY: NEW})
    yard.act("write_secret", name=SECRET, entries={KEY: NEW})
    put_back = sink.holds({KEY: NEW})
    yard.stand_ins.control("POST", "/clock", {"offset_s": 2 * 24 * 3600})
    yard.act("restart", name="web")

    assert (changed, put_back) == (False, False)
    assert sink.holds({KEY: NEW})


def test_another_writer_at_the_same_moment_loses_nothing(yard: Yard) -> None:
    def interfere(system: str, verb: str) -> None:
        if verb == "apply_secret":
            yard.act("write_secret", name=SECRET, entries={"ANOTHER": "x"})

    yard.sink(admit=interfere).write({KEY: NEW})

    assert yard.entries() == {**UNRELATED, "ANOTHER": "x", KEY: NEW}


def test_two_sinks_in_one_secret_leave_each_other_alone(yard: Yard) -> None:
    first = yard.sink("web")
    first.write({KEY: NEW})
    yard.sink().write({"SENTRY_DSN": OLD})

    yard.sink("worker").write({"SENTRY_DSN": NEW})

    assert yard.entries() == {**UNRELATED, KEY: NEW, "SENTRY_DSN": NEW}
    assert first.holds({KEY: NEW})
    assert yard.asked("PATCH").count("web") == 1


def test_what_could_not_be_finished_is_not_begun(yard: Yard) -> None:
    nothing_changed = {}
    yard.act("set_rollout", name="worker", paused=True)
    nothing_changed["kubernetes.paused"] = refusal(yard.sink("worker"), {KEY: NEW})
    nothing_changed["kubernetes.deployment"] = refusal(yard.sink("web", "gone"), {KEY: NEW})
    elsewhere = replace(yard.sink(), cluster=replace(yard.cluster, namespace="nowhere"))
    nothing_changed["kubernetes.namespace"] = refusal(elsewhere, {KEY: NEW})
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    yard.act("write_secret", name=SECRET, annotations=applied)
    nothing_changed["kubernetes.client_applied"] = refusal(yard.sink(), {KEY: NEW})
    yard.act("set_denied", denied=["get secrets"])
    nothing_changed["kubernetes.forbidden"] = refusal(yard.sink(), {KEY: NEW})

    assert {name: fault.symptom for name, fault in nothing_changed.items()} == dict.fromkeys(nothing_changed) | {
        name: name for name in nothing_changed
    }
    assert yard.entries() == UNRELATED


def test_an_answer_is_never_repeated_and_its_loss_is_looked_into(yard: Yard) -> None:
    echo = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": f"no {NEW}", "reason": "Forbidden"}
    sink = yard.sink()
    yard.break_with(
        method="PATCH", status=403, body=str(echo).replace("'", '"'), headers={"content-type": "application/json"}
    )
    refused = refusal(sink, {KEY: NEW})
    yard.break_with(method="PATCH", drop=True, deliver=True)
    lost = refusal(sink, {KEY: NEW})
    yard.break_with(method="GET", path="secrets", garbage=True)
    garbage = refusal(sink, {KEY: NEW})

    assert (type(refused), refused.symptom) == (Rejected, "kubernetes.forbidden")
    assert (type(lost), lost.symptom) == (OutcomeUnknown, "kubernetes.no_answer")
    assert (type(garbage), garbage.symptom) == (Unavailable, "kubernetes.no_answer")
    assert [row.outcome for row in yard.evidence if row.verb == "apply_secret"] == ["Rejected", "OutcomeUnknown"]
    assert sink.holds({KEY: NEW})


def test_nothing_is_sent_to_a_cluster_that_is_not_allowed_or_not_known(yard: Yard, tmp_path: Path) -> None:
    outside = yard.with_kubeconfig("outside.yaml", {"server": "https://cluster.example.com/path"})
    real = Conduct(HostRule(rehearsal=False), yard.evidence.append)
    careless = yard.with_kubeconfig(
        "careless.yaml",
        {"server": "https://cluster.example.com", "certificate-authority": None, "insecure-skip-tls-verify": True},
    )

    for sink, said in (
        (outside.sink(), "rehearsal was pointed at cluster.example.com"),
        (replace(yard.sink(), conduct=real), "not one of the vendor's published hosts"),
        (careless.sink(), "does not look at the certificate"),
        (replace(yard.sink(), cluster=replace(yard.cluster, context="other")), "no such context"),
        (
            replace(yard.sink(), cluster=replace(yard.cluster, kubeconfig=tmp_path / "gone")),
            "no readable kubeconfig to reach namespace apps",
        ),
    ):
        fault = refusal(sink, {KEY: NEW})
        assert isinstance(fault, BadInput)
        assert said in fault.happened
    assert yard.evidence == []
    assert yard.asked("GET") == []


def test_a_cluster_that_does_not_answer_or_know_us_is_told(yard: Yard) -> None:
    closed = refusal(yard.with_kubeconfig("closed.yaml", {"server": "https://127.0.0.1:1"}).sink(), {KEY: NEW})
    strange = refusal(yard.with_kubeconfig("strange.yaml", {"certificate-authority": None}).sink(), {KEY: NEW})
    kubeconfig = yard.cluster.kubeconfig
    kubeconfig.write_text(kubeconfig.read_text().replace('"token": "', '"token": "x'))
    unknown = refusal(yard.sink(), {KEY: NEW})

    assert [type(fault) for fault in (closed, strange, unknown)] == [Unavailable, Unavailable, Rejected]
    assert unknown.symptom == "kubernetes.unauthorized"


def test_without_kubectl_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    conduct = Conduct(HostRule(rehearsal=True), lambda _: None)

    fault = refusal(KubernetesSecret(Cluster(tmp_path, "c", "apps"), SECRET, (), restarted, conduct), {KEY: NEW})

    assert isinstance(fault, BadInput)
    assert "kubernetes-client" in fault.next_step


@pytest.mark.parametrize("names", [("-A", SECRET, "web"), ("apps", "../x", "web"), ("apps", SECRET, "--all")])
def test_a_name_that_could_be_an_option_or_a_path_is_refused(names: tuple[str, str, str], tmp_path: Path) -> None:
    namespace, secret, deployment = names
    conduct = Conduct(HostRule(rehearsal=True), lambda _: None)

    with pytest.raises(BadInput, match="is not the name of"):
        KubernetesSecret(Cluster(tmp_path, "c", namespace), secret, (deployment,), restarted, conduct)


def test_an_entry_that_a_secret_cannot_have_is_refused(tmp_path: Path) -> None:
    conduct = Conduct(HostRule(rehearsal=True), lambda _: None)

    fault = refusal(KubernetesSecret(Cluster(tmp_path, "c", "apps"), SECRET, (), restarted, conduct), {"A B": NEW})

    assert "'A B'" in fault.happened


@pytest.mark.parametrize(
    ("complaint", "symptom", "reading", "changing"),
    [
        ('Error from server (Forbidden): secrets is forbidden: User "x" cannot get resource', "forbidden", Rejected, Rejected),
        ("error: failed to patch: deployments is forbidden: User", "forbidden", Rejected, Rejected),
        ("error: You must be logged in to the server (Unauthorized)", "unauthorized", Rejected, Rejected),
        ("Unable to connect to the server: getting credentials: exec: executable aws not found", "login", BadInput, BadInput),
        ('error: error loading config file "x": yaml: line 1', "config", BadInput, BadInput),
        ('error: context "x" does not exist', "context", BadInput, BadInput),
        ('Error from server (NotFound): namespaces "x" not found', "namespace", BadInput, BadInput),
        ('Error from server (NotFound): deployments.apps "x" not found', "deployment", BadInput, BadInput),
        ('error: unable to recognize "STDIN": no matches for kind "Secret" in version "v1"', "no_api", BadInput, BadInput),
        ("error: Operation cannot be fulfilled on secrets: the object has been modified; please", "outdated", Unavailable, Unavailable),
        ("error: failed to create patch for web: empty patch", "just_restarted", Unavailable, Unavailable),
        ("if restart has already been triggered within the past second, please wait", "just_restarted", Unavailable, Unavailable),
        ("W1 failed to list: x is forbidden: User\nerror: timed out waiting for the condition", "forbidden", Rejected, Rejected),
        ("error: timed out waiting for the condition", "rolling_out", NotYet, NotYet),
        ("The request is invalid: data: Forbidden: field is immutable", "invalid", Rejected, Rejected),
        ('The Secret "x" is invalid', "invalid", Rejected, Rejected),
        ("Error: unknown flag: --server-side", "old_kubectl", BadInput, BadInput),
        ("Error from server (TooManyRequests): the server has received too many requests", "limited", Unavailable, Unavailable),
        ("dial tcp 127.0.0.1:1: connect: connection refused", "unreachable", Unavailable, Unavailable),
        ("dial tcp: connection refused - error from a previous attempt: EOF", "no_answer", Unavailable, OutcomeUnknown),
        ("net/http: request canceled (Client.Timeout exceeded while awaiting headers)", "no_answer", Unavailable, OutcomeUnknown),
        ("error: client rate limiter Wait returned an error: context deadline exceeded", "no_answer", Unavailable, OutcomeUnknown),
        ("Error from server (InternalError): an error on the server", "no_answer", Unavailable, OutcomeUnknown),
        ("signal: segmentation fault", "unexpected", Unavailable, OutcomeUnknown),
    ],
)  # fmt: skip
def test_a_complaint_is_told_by_what_may_be_done_next(
    complaint: str, symptom: str, reading: type[OpsError], changing: type[OpsError]
) -> None:
    row = failure_of(complaint)

    assert row.id == f"kubernetes.{symptom}"
    assert type(error_of(row, Effect.READS, "read secret a")) is reading
    assert type(error_of(row, Effect.CHANGES, "apply secret a")) is changing


def test_every_failure_is_on_the_page() -> None:
    page = PAGE.read_text()

    assert [row.id for row in (*FAILURES, UNEXPECTED) if f"| `{row.id}` |" not in page] == []


@pytest.mark.parametrize(
    ("spec", "status", "complete"),
    [
        ({"replicas": 2}, {"observedGeneration": 3, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2}, True),
        ({"replicas": 0}, {"observedGeneration": 3}, True),
        ({}, {"observedGeneration": 3}, False),
        ({"replicas": 2}, {"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2}, False),
        ({"replicas": 2}, {"observedGeneration": 3, "updatedReplicas": 2, "replicas": 3, "availableReplicas": 2}, False),
        ({"replicas": 2}, {"observedGeneration": 3, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 1}, False),
    ],
)  # fmt: skip
def test_a_rollout_is_complete_when_only_new_pods_are_left_and_serve(
    spec: Mapping[str, int], status: Mapping[str, int], *, complete: bool
) -> None:
    assert rollout_of({"metadata": {"generation": 3}, "spec": spec, "status": status}).is_complete is complete
