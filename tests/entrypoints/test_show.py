"""A report at the end of a command: laid out where a person reads it, plain where a program does."""

import sys

import pytest

from entrypoints import show

REPORT = "# October\n\n| integration | lost |\n|---|---|\n| slack | 1\\_2 |\n\nKept in verify-<date>.log.\n"


def test_into_a_pipe_it_is_as_it_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    show.report(REPORT)

    assert capsys.readouterr().out == REPORT + "\n"


def test_on_a_terminal_it_is_laid_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    show.report(REPORT)

    out = capsys.readouterr().out
    assert "|---|" not in out
    assert "October" in out
    assert "verify-<date>.log" in out
    assert "1_2" in out
    assert "1\\_2" not in out
