"""The command line in this process, in a home and a folder of its own; what it says is told apart from what it complains."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from entrypoints import cli

Cli = Callable[..., "Said"]


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def sentences(self) -> list[str]:
        return self.err.splitlines()


@pytest.fixture
def opsflows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs commands in a home that nobody has set up, away from this checkout, with no server in sight."""
    for name in [name for name in os.environ if name.startswith(("OPSFLOWS_", "PREFECT_API_", "OPERATOR_WIRING_"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("OPSFLOWS_HOME", str(home))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Said:
        try:
            cli.main(arguments)
            code = 0
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run
