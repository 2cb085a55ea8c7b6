"""Write docs/reliability.md from the results of the fault campaign.

    python docs/make_reliability.py

`python -m benchmarks.faults` makes the results, benchmarks/faults/results.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.faults.results import Summary, format_table

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks/faults/results.json", ROOT / "docs/reliability.md"
TEXT = """# Reliability

Made by `python docs/make_reliability.py` from `benchmarks/faults/results.json`, which `python -m benchmarks.faults`
makes. A case is one command, or a few, under one fault. What must hold in every case:

- A command ends with exit code 0, or 2 and a message that says what is wrong; with 3 if the run has a severe finding.
  There is no traceback, no command exceeds its limit of time or of memory, and no file that was there before is lost
  or overwritten.
- *Killed*: by SIGKILL before a chosen operation on a file (of training, resuming, evaluating, sampling, interpolating
  and translating), in the middle of a file, or at a random time. `zerosum resume` then ends with the SHA-256 of the
  weights of the undisturbed run, with the same rows in its log and the same sample grids, and leaves no temporary file.
- *Disk full*: files that may not grow beyond a limit, operations on files that fail from a chosen one on or only
  once, a small file system in memory, and an output that cannot be written. The command ends with a message, and after
  the disk has space again, the run resumes to the same weights.
- *Two processes*: both train or resume one run, or one reads the run that the other trains.
- *Damaged files of a run*: in each file of a run, flipped bits, a half, nothing, or no file. The damage is reported, or
  the result is the same.
- *Generated command lines*: all commands and options, with numbers that are huge, negative or not finite, words, and
  paths that are links, FIFOs, sockets, devices or missing.
- *Odd image files*: cut, damaged and misnamed files, all modes and bit depths, files that expand to far more than their
  size, and paths that are no files. No program is started to read a file.
- *Odd archives and arrays*: unsafe member names, damaged and encrypted archives, arrays of all types and shapes.
  Nothing is unpickled.
- *Poisoned names*: control sequences, HTML, newlines, bytes that are no UTF-8, and names as long as the system allows,
  as names of files, classes, folders and runs. They are escaped in the terminal, in JSON and in the report.
"""


def page() -> str:
    """Return the page."""
    summary: Summary = json.loads(RESULTS.read_text("utf8"))
    versions = ", ".join(f"{name} {version}" for name, version in summary["versions"].items())
    made = (
        f"On {summary['date']}, {summary['machine']}, seed {summary['seed']}; {versions}. Seconds of a family add up "
        "those of its cases, of which two run at a time."
    )
    failures = [f"- {row['family']}: {failure}" for row in summary["families"] for failure in row["failures"]]
    parts = [TEXT, format_table(summary), made, *(["Failed:", "\n".join(failures)] if failures else [])]
    return "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf8")
