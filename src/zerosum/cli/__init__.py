"""The command line, `zerosum COMMAND`: parse the arguments, call the Python function, print the result.

Exit codes: 0 done; 2 invalid input; 3 a run of `train` or `resume` diverged, was stopped by a severe finding or ended
with one, or `diagnose` reports one; 130 interrupted.
"""

import sys

from zerosum.cli import train  # first, because --help lists commands in the order in which they are registered

# isort: split
from zerosum.cli import evaluate, generate, optimize

# isort: split
from zerosum.cli import export
from zerosum.cli.app import app, run_safely

__all__ = ["app", "evaluate", "export", "generate", "main", "optimize", "run_safely", "train"]


def main() -> None:
    """Run the command line and exit with its exit code."""
    sys.exit(run_safely(app))
