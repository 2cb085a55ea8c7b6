"""Measure the CPU seconds (user and system) of commands that must respond at once: medians of 7 runs each.

python benchmarks/startup.py
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "zerosum --help": ["--help"],
    "zerosum train --help": ["train", "--help"],
    "zerosum recipes": ["recipes"],
    "a settings error": ["train", "digits", "--optimizer.lrr", "1"],
}


def cpu_seconds(arguments: list[str]) -> float:
    """Return the CPU seconds of one run of the command line in a process of its own."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "zerosum", *arguments], capture_output=True, check=False)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def main() -> None:
    """Print a line for each command."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for name, arguments in COMMANDS.items():
        cpu_seconds(arguments)
        print(f"{name:<22} {statistics.median(cpu_seconds(arguments) for _ in range(7)):.2f} s CPU")
    print(time.strftime("%Y-%m-%d"))


if __name__ == "__main__":
    main()
