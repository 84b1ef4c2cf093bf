"""Restarting what reads a Kubernetes secret, as a row of the run: kubectl's words stay out of logs, results and messages."""

import shlex
from datetime import timedelta
from time import monotonic

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.exchanges import Effect
from tasks.reporting import event
from vendors.kubectl import Cluster, environment, kubectl_error, kubectl_program, restart_arguments, watch_arguments

_REQUEST_LIMIT = timedelta(seconds=20)
# Of all rollouts of one call, and within a worker's lease; a longer one goes on by itself, and the next step looks again.
ROLLOUT_LIMIT = timedelta(seconds=90)


# The name holds names of deployments alone. Nothing is kept: what kubectl printed is of no use to a later run.
@task(
    task_run_name="restart {deployments} of {cluster.namespace}",
    persist_result=False,
    cache_policy=NO_CACHE,
    tags=["opsflows", "rotation"],
)
def rollout(cluster: Cluster, deployments: tuple[str, ...], manager: str, within: timedelta = ROLLOUT_LIMIT) -> None:
    """Restart the deployments' pods under that manager's name, and wait until the new ones serve.

    Raises:
        BadInput: a deployment is not there, or there is no kubectl.
        Rejected: it is not allowed, a deployment is paused, or its new pods do not come up.
        NotYet: a rollout takes longer than `within`; it goes on.
        Unavailable: the cluster does not answer, or a deployment was restarted in this very second.
        OutcomeUnknown: a restart was sent and not answered.
    """
    for name in deployments:
        restart = restart_arguments(cluster, name, manager, _REQUEST_LIMIT)
        _run(restart, Effect.CHANGES, cluster.doing("restart_deployment", name))
    # All at once in the cluster; so the time is for all of them.
    ends = monotonic() + within.total_seconds()
    for name in deployments:
        left = timedelta(seconds=max(1.0, ends - monotonic()))
        watch = watch_arguments(cluster, name, left, _REQUEST_LIMIT)
        _run(watch, Effect.READS, cluster.doing("roll_out_deployment", name))
        event("rollout.complete", namespace=cluster.namespace, deployment=name)


def _run(arguments: list[str], effect: Effect, doing: str) -> None:
    # Imported here: it takes a fifth of a second, and most runs restart nothing.
    from prefect_shell import ShellOperation  # type: ignore[import-untyped]  # noqa: PLC0415 (as above; it ships no types)

    # A shell operation's environment is the worker's with more in it; `env -i` takes that away again.
    words = ["env", "-i", *(f"{name}={value}" for name, value in environment().items()), kubectl_program(), *arguments]
    operation = ShellOperation(commands=[f"exec {shlex.join(words)} 2>&1"], stream_output=False)
    with operation:
        running = operation.trigger()
        try:
            running.wait_for_completion()
        except RuntimeError:
            complaint = "\n".join(running.fetch_result())
        else:
            return
        finally:
            for pipe in (running._process.stdout, running._process.stderr):  # noqa: SLF001 (it never closes them)
                pipe.close()
    raise kubectl_error(complaint, effect, doing)
