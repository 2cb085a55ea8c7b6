"""The command line: `zerosum VERB`. It parses, calls the verb, and turns the outcome into words and an exit code.

Exit codes: 0 done, 2 the user's input, 3 the run diverged, or `diagnose` has a severe finding, 130 interrupted.
"""

import sys

from zerosum.cli import train  # first: help lists commands in the order they are read

# isort: split
from zerosum.cli import evaluate, generate
from zerosum.cli.app import app, run_safely

__all__ = ["app", "evaluate", "generate", "main", "run_safely", "train"]


def main() -> None:
    """Run the command line."""
    sys.exit(run_safely(app))
