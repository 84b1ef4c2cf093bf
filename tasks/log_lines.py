"""A service's last log lines, by the command that opsflows.toml names: shown in the report alone, never in Prefect's logs."""

import os
import shlex
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta
from threading import Timer

from prefect import task
from prefect.cache_policies import NO_CACHE

from steps.kms_log_lines import LINES
from tasks.reporting import event

Shown = Callable[[Iterable[str]], tuple[str, ...]]
LIMIT = timedelta(seconds=10)
# What programs that show logs find their way by. The rest of the worker's environment holds keys that are none of their business.
_KNOWN = (
    "PATH", "HOME", "LANG", "KUBECONFIG", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR", "CLOUDSDK_CONFIG",
    "AWS_PROFILE", "AWS_REGION", "AWS_CONFIG_FILE",
)  # fmt: skip


# Nothing is kept: what a service logged may hold anything.
@task(
    task_run_name="log lines of {name}", persist_result=False, cache_policy=NO_CACHE, tags=["opsflows", "kms"]
)  # fmt: skip
def log_lines(name: str, command: tuple[str, ...], shown: Shown) -> tuple[str, ...]:
    """Return the last lines that the command printed within its limit, as `shown` lets them be seen; in words where there are none.

    What is taken out of them is in `shown`: no input of a task may be a secret.
    """
    printed, code = _printed(command)
    event("kms.log_lines", target=name, lines=len(printed), code=code)
    return shown(printed) or (f"{command[0]} printed nothing (exit code {code}).",)


def _printed(command: tuple[str, ...]) -> tuple[list[str], int | None]:
    # Imported here: it takes a fifth of a second, and a check that passes needs no log.
    from prefect_shell import ShellOperation  # type: ignore[import-untyped]  # noqa: PLC0415 (as above; it ships no types)

    # A shell operation's environment is the worker's with more in it; `env -i` takes that away again.
    known = [f"{name}={os.environ[name]}" for name in _KNOWN if name in os.environ]
    operation = ShellOperation(
        commands=[f"exec {shlex.join(['env', '-i', *known, *command])} 2>&1"], stream_output=False
    )
    with operation:
        running = operation.trigger()
        # Of a command that prints for ten seconds nothing but the end is kept in memory.
        running._output = deque(maxlen=LINES)  # noqa: SLF001 (it keeps all otherwise)
        # Closing ends the process and all that it started; what was printed until then is read.
        limit = Timer(LIMIT.total_seconds(), operation.close)
        limit.start()
        try:
            running.wait_for_completion()
        except RuntimeError:
            pass  # it failed or took too long; what it printed is shown all the same
        finally:
            limit.cancel()
            for pipe in (running._process.stdout, running._process.stderr):  # noqa: SLF001 (it never closes them)
                pipe.close()
        return list(running.fetch_result()), running.return_code
