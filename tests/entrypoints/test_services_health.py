"""Whether a container's background services are at work, from what their docket says."""

import os
import subprocess
import sys

import pytest

from entrypoints.services_health import is_at_work
from tests.program import ROOT

NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("beats", "at_work"),
    [
        ({"here#7": NOW_S - 2}, True),
        ({"here#7": NOW_S - 900, "here#8": NOW_S - 1}, True),
        ({"here#7": NOW_S - 61}, False),
        ({"there#7": NOW_S - 1, "here2#7": NOW_S - 1}, False),
        ({}, False),
    ],
    ids=["heard of just now", "started again", "silent", "another host's", "nobody"],
)
def test_services_are_at_work_while_this_host_is_heard_of(beats: dict[str, float], at_work: bool) -> None:  # noqa: FBT001
    assert is_at_work(beats, "here", NOW_S) is at_work


@pytest.mark.parametrize("url", ["", "redis://127.0.0.1:9/1"], ids=["no address", "nobody listens"])
def test_without_redis_nothing_is_known_to_work(url: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "entrypoints.services_health"],
        cwd=ROOT, env={"PATH": os.environ["PATH"], "PREFECT_SERVER_DOCKET_URL": url},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert ended.returncode == 1
    assert ended.stderr.startswith("Redis cannot be asked")
