"""The command line from inside a test, in a folder of its own."""

import sys
from pathlib import Path

import pytest

from zerosum.cli import app, run_safely


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which commands run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run a command in this process; gives the exit code, what it said, and its complaints."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["zerosum", *arguments])
        code = run_safely(app)
        out, err = capfd.readouterr()
        return code, out, err

    return run
