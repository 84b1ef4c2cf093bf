"""The stand-ins are asked by clients that others wrote, a new one for each request."""

from pathlib import Path

import pytest

from mocks.tls import ThrowAwayAuthority


@pytest.fixture(scope="session")
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one certificate authority, which signed nothing."""
    return ThrowAwayAuthority().write_ca(tmp_path_factory.mktemp("authority") / "ca.pem")


@pytest.fixture(autouse=True)
def few_authorities(one_authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each new client load this file: the authorities of all the world would cost it forty milliseconds."""
    monkeypatch.setenv("SSL_CERT_FILE", str(one_authority))
