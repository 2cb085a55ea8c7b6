"""Ctrl-C while the command line starts, and output that nobody reads."""

import subprocess
import sys
from pathlib import Path

import pytest

INTERRUPT_AT_IMPORT = """
import signal, sys
from zerosum.__main__ import main

class Finder:
    def find_spec(self, name, path, target=None):
        if name == module:
            signal.raise_signal(signal.SIGINT)

module, sys.argv = sys.argv[1], ["zerosum", *sys.argv[2:]]
sys.meta_path.insert(0, Finder())
main()
"""


@pytest.mark.parametrize("module", ["typer", "pydantic", "numpy", "torch", "torch.nn", "zerosum.training.trainer"])
def test_ctrl_c_while_modules_are_imported_ends_quietly(tmp_path: Path, module: str) -> None:
    arguments = ["train", "ring", "--recipe", "vanilla", "--examples", "1k", "--run", "run"]
    result = subprocess.run(
        [sys.executable, "-c", INTERRUPT_AT_IMPORT, module, *arguments], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")
    assert list(tmp_path.iterdir()) == []


def test_output_that_nobody_reads_is_no_error(tmp_path: Path) -> None:
    script = "import sys; from zerosum.__main__ import main; sys.argv = ['zerosum', 'recipes']; main()"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait() == 0
    assert process.stderr.read() == b""
