"""A run in a process of its own that is killed in the middle: what it sent is at the vendor, and it told nobody."""

import multiprocessing
import os
import signal
from dataclasses import replace

from domain.exchanges import Exchange
from domain.names import Target
from steps.verifying import verify_targets
from tests.steps.rehearsal_context import Scene, open_scene

# The server imports this module once; each child is a fork of it, so it starts at once and without our threads.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])
_LIMIT_S = 60


def killed_after_sending(scene: Scene, target: Target) -> int:
    """Verify the target in a child that kills itself when the first answer is in; return how the child ended."""
    child = _FORKS.Process(target=_verify_and_die, args=(scene.stand_ins, scene.home, scene.environment, target))
    child.start()
    child.join(_LIMIT_S)
    ended = child.exitcode
    child.kill()
    child.join()
    child.close()
    return ended if ended is not None else 0


def _verify_and_die(stand_ins: object, home: object, environment: str, target: Target) -> None:
    scene = open_scene(stand_ins, home, environment)  # type: ignore[arg-type]  # as they were pickled
    context = scene.context(run_id="run-killed")

    def die(exchange: Exchange) -> None:
        if exchange.verb.startswith("send"):
            os.kill(os.getpid(), signal.SIGKILL)

    verify_targets(replace(context, conduct=replace(context.conduct, record=die)), [target])
