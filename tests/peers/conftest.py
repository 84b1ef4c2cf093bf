"""Servers that others wrote, as processes of their own: each starts once, on loopback, at a port that the kernel chose."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.program import eventually, program

_RUNNING = re.compile(r"Running on (http://127\.0\.0\.1:[1-9]\d*)")


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with _served(_installed("moto_server"), "-H", "127.0.0.1", "-p", "0", home=tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("ministack")
    # Unless it is told, it listens on every interface, and at two fixed ports more (IoT, SFTP).
    told = {
        "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": "0", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0",
        "SERVICES": "kms,s3", "TMPDIR": str(home), "S3_DATA_DIR": str(home / "s3"),
    }  # fmt: skip
    with _served(_installed("ministack"), home=home, **told) as url:
        yield url


def _installed(name: str) -> str:
    """Return where the environment of these tests has the program; elsewhere on PATH it could be of any version."""
    return program(str(Path(sys.executable).with_name(name)))


@contextmanager
def _served(*command: str, home: Path, **told: str) -> Iterator[str]:
    log = home / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=home, env={**os.environ, **told}
        )
    try:
        started = eventually(
            lambda: _RUNNING.search(log.read_text()) or server.poll() is not None, within_s=60, every_s=0.05
        )
        assert isinstance(started, re.Match), log.read_text()
        yield started[1]
    finally:
        server.terminate()
        server.wait(timeout=20)
