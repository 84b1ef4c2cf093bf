"""What kubectl's complaints mean: the first row that fits its standard error speaks, and nothing of that text is repeated.

The text holds what the server said, and that may hold what was sent.
Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status, and what kubectl 1.20 and 1.32 print.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from domain.errors import BadInput, NotYet, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.exchanges import Effect


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to fail. `reading` and `changing` are the errors of a call that only looks and of one that changes something."""

    id: str
    marker: re.Pattern[str]
    reading: type[OpsError]
    changing: type[OpsError]
    saw: str
    means: str
    next_step: str


def _always(error: type[OpsError]) -> Callable[[str, str, str, str, str], Failure]:
    return lambda name, marker, saw, means, next_step: Failure(
        f"kubernetes.{name}", re.compile(marker), error, error, saw, means, next_step
    )


_rejected, _bad_input, _unavailable = _always(Rejected), _always(BadInput), _always(Unavailable)
_SEE_LOGS = "Look at the cluster's API server and at what stands before it; the next step looks first and repeats only what is missing."

FAILURES = (
    _rejected("forbidden", r"\(Forbidden\)|is forbidden:", "The cluster does not allow us to {doing}.", "The account of the kubeconfig lacks a right of the Role on the page about Kubernetes, or a quota or policy stands in the way.", "Give it that Role (docs/integrations/kubernetes.md, section Rights), then let the rotation go on."),
    _rejected("unauthorized", r"\(Unauthorized\)", "The cluster does not know who wants to {doing}.", "The kubeconfig's token or certificate is wrong or has expired. Nothing was changed.", "Write a kubeconfig with a token that is valid, and mount it for the worker."),
    _bad_input("login", r"getting credentials: ", "The login program of the kubeconfig gave no credential to {doing}.", "It is missing, or it needs settings of an environment that we do not hand on. Nothing was sent.", "Use a service account's token instead, or put what the program needs into its section env of the kubeconfig."),
    _bad_input("config", r"error loading config file|[Cc]onfig not found|no such file or directory|invalid configuration", "There is no readable kubeconfig to {doing}.", "It is missing, or it is not YAML as kubectl wants it. Nothing was sent.", "Run kubectl config view with that file as the worker's user, and correct it."),
    _bad_input("context", r"[Cc]ontext \S+ does not exist|cannot locate context|does not exist$", "The kubeconfig has no such context to {doing}.", "Without it there is no telling which cluster is meant. Nothing was sent.", "Compare the context in opsflows.toml with kubectl config get-contexts."),
    _bad_input("namespace", r'namespaces "[^"]*" not found', "The cluster has no such namespace to {doing}.", "The namespace in opsflows.toml is misspelt, or the context leads to another cluster. Nothing was changed.", "Compare both with kubectl get namespaces."),
    _bad_input("deployment", r'deployments\.apps "[^"]*" not found', "There is no such deployment to {doing}.", "A name in opsflows.toml is misspelt, or the deployment was removed. It was not restarted.", "Compare the names with kubectl get deployments in that namespace."),
    _unavailable("gone", r'secrets "[^"]*" not found', "The secret went away while we were about to {doing}.", "Somebody deleted it in that moment. Nothing was changed.", "Find out who deletes it; the next step makes it anew."),
    _bad_input("no_api", r"could not find the requested resource|no matches for kind|doesn't have a resource type", "No Kubernetes API answers to {doing}.", "The kubeconfig's server is something else, or its path is missing. Nothing was changed.", "Run kubectl version with that kubeconfig and context, and correct the server's address."),
    _unavailable("outdated", r"object has been modified", "Another writer was faster when we were about to {doing}.", "Nothing was changed by us, so that nothing of the other's is lost.", "Nothing to do: the next step repeats it; if it lasts, find out what else writes there."),
    _unavailable("just_restarted", r"within the past second|empty patch", "It was restarted in this very second when we were about to {doing}.", "kubectl counts restarts in whole seconds, so that a second one would be none.", "Nothing to do: the next step restarts it again."),
    _rejected("paused", r"can't restart paused deployment", "Its rollouts are paused, so that we cannot {doing}.", "Somebody holds its rollouts back, so that its pods keep the value they have.", "Ask who paused it, then run kubectl rollout resume."),
    _rejected("rollout_failed", r"exceeded its progress deadline", "The new pods do not come up, so that it came to nothing to {doing}.", "The old ones go on serving with the value they started with; the secret holds the new one.", "Look at kubectl describe deployment and the new pods' logs; once they come up, the next step goes on by itself."),
    Failure("kubernetes.rolling_out", re.compile(r"timed out waiting for the condition"), NotYet, NotYet, "It takes longer than we wait to {doing}.", "Its old pods serve meanwhile with the value they started with; the new ones read the new one.", "Nothing to do: the next step looks again, and does not restart it a second time."),
    _rejected("invalid", r"is invalid|\(Invalid\)|\(BadRequest\)", "The cluster refuses as invalid what we sent to {doing}.", "The secret is marked immutable, is of a type that wants other keys, or would grow beyond 1 MiB. Nothing was changed.", "Look at kubectl get secret -o yaml in that namespace; make a secret that may be changed, or name other keys."),
    _bad_input("old_kubectl", r"unknown (short)?hand flag|unknown flag|unknown command", "The kubectl on PATH is too old to {doing}.", "It is older than 1.20. Nothing was sent.", "Install kubectl 1.20 or later for the worker."),
    _unavailable("limited", r"\(TooManyRequests\)", "The cluster answered 429 when we wanted to {doing}.", "Its API server has too many requests at once. Nothing was changed.", "Nothing to do: the next step repeats it; if it lasts, ask whoever runs the cluster."),
    # Above the row of what never left: here an earlier attempt may have arrived.
    Failure("kubernetes.no_answer", re.compile(r"previous attempt"), Unavailable, OutcomeUnknown, "The cluster gave no usable answer when we wanted to {doing}.", "The request may have taken effect.", _SEE_LOGS),
    _unavailable("unreachable", r"refused|no such host|x509|tls: |dial tcp|while waiting for connection|network is unreachable|no route to host|HTTP response to HTTPS|in host name", "The cluster cannot be reached to {doing}.", "Nothing listens at the kubeconfig's server, its name or certificate is not known here, or a firewall is between. Nothing was sent.", "Run kubectl version with that kubeconfig and context from the worker's machine, and mend what it names."),
    Failure("kubernetes.no_answer", re.compile(r"EOF|reset by peer|broken pipe|[Tt]imeout|deadline exceeded|canceled|\(InternalError\)|\(ServiceUnavailable\)|serializer for"), Unavailable, OutcomeUnknown, "The cluster gave no usable answer when we wanted to {doing}.", "A change may have taken effect.", _SEE_LOGS),
)  # fmt: skip

UNEXPECTED = Failure(
    "kubernetes.unexpected", re.compile(""), Unavailable, OutcomeUnknown, "kubectl failed in a way we do not know when we wanted to {doing}.",
    "What it said is left out, because it may hold what was sent.", "Run the same by hand without the value (docs/integrations/kubernetes.md), and report what kubectl says.",
)  # fmt: skip


def failure_of(complaint: str) -> Failure:
    """Return the row that speaks for what kubectl said on its standard error."""
    return next((row for row in FAILURES if row.marker.search(complaint)), UNEXPECTED)


def error_of(row: Failure, effect: Effect, doing: str) -> OpsError:
    """Return the error. `doing` completes "we wanted to": `read secret a in namespace b of context c`."""
    kind = row.reading if effect is Effect.READS else row.changing
    return kind(row.saw.format(doing=doing), row.means, row.next_step, row.id)
