"""Run the command line within a test, in a folder of its own."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zerosum.cli import app, run_safely


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run_cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; returns the exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["zerosum", *arguments])
        code = run_safely(app)
        out, err = capfd.readouterr()
        return code, out, err

    return run
