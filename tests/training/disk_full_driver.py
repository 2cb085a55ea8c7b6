"""Train runs that may write only small files, then resume them without that limit; run by test_disk_full.py.

A limit on the size of a file fails like a full disk, in the middle of a file. Prints one JSON object.
"""

import json
import resource
import sys
import traceback
from pathlib import Path

from resume_driver import fork, start, state, wait

from zerosum import BadInput, api
from zerosum.training import step_timer

LIMITS = (300, 5_000, 60_000, 300_000)
"""Bytes of the largest file that may be written, from less than the first row of the log to more than a checkpoint."""


def train_with_limit(limit: int, run: Path, source: Path, examples: int, messages: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        start(run, source, examples, 0)
        message = "done"
    except BadInput as error:
        message = str(error)
    except BaseException:
        message = traceback.format_exc()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    messages.write_text(message)


def leftovers(folder: Path) -> list[str]:
    """Return the temporary files in a folder."""
    return [str(path) for path in folder.rglob(".*")]


def train_and_resume(limit: int, folder: Path, source: Path, examples: int) -> dict[str, object]:
    """Train with a limit and resume without it; return what was found in between."""
    run, messages = folder / f"run{limit}", folder / f"message{limit}"
    assert wait(fork(lambda: train_with_limit(limit, run, source, examples, messages))) == 0
    result = {
        "run": str(run), "message": messages.read_text(), "leftovers": leftovers(folder), "state": state(run),
        "exists": run.exists(),
    }  # fmt: skip
    if not run.exists():
        assert wait(fork(lambda: start(run, source, examples, 0))) == 0
    elif result["state"] != "done":
        assert wait(fork(lambda: api.resume(run))) == 0
    return result


def main(folder: Path, source: Path, examples: int) -> None:
    step_timer.TIMING_BUDGET_SECONDS = 0.0
    reference = folder / "reference"
    assert wait(fork(lambda: start(reference, source, examples, 0))) == 0
    results = [train_and_resume(limit, folder, source, examples) for limit in LIMITS]
    print(json.dumps({"reference": str(reference), "results": results}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
