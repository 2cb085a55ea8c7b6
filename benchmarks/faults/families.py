"""The families of faults by name."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.faults import (
    bit_flips,
    command_lines,
    full_disks,
    kills,
    names,
    odd_archives,
    odd_images,
    two_processes,
)
from benchmarks.faults.fixtures import Fixtures
from benchmarks.faults.harness import Case

FAMILIES: Mapping[str, Callable[[Fixtures, Path, random.Random], list[Case]]] = {
    "kills": kills.make_cases,
    "disks": full_disks.make_cases,
    "processes": two_processes.make_cases,
    "damage": bit_flips.make_cases,
    "commands": command_lines.make_cases,
    "images": odd_images.make_cases,
    "archives": odd_archives.make_cases,
    "names": names.make_cases,
}
"""Each makes its cases from the fixtures, an empty folder for its own inputs, and a random generator."""
