"""A sample of the fault campaign, with fixed seeds; `python -m benchmarks.faults` runs all of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.faults import file_operations, harness, results

ROOT = Path(__file__).parents[2]
CASES_PER_FAMILY = 1
HANG_SECONDS = 4 * 3600


@pytest.mark.skipif(sys.platform != "linux", reason="the campaign needs fork and /proc")
def test_a_sample_of_every_family_of_faults_is_survived(tmp_path: Path) -> None:
    into = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks.faults", "--sample", str(CASES_PER_FAMILY), "--jobs", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    result = subprocess.run(
        [*command, "--into", str(into)], cwd=ROOT, env=environment, capture_output=True, text=True,
        timeout=HANG_SECONDS, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    summary: results.Summary = json.loads(into.read_text())
    assert sum(row["tried"] for row in summary["families"]) >= 8 * CASES_PER_FAMILY
    assert all(row["failed"] == 0 for row in summary["families"])


def test_a_failing_command_is_reported(tmp_path: Path) -> None:
    """The campaign itself notices exit codes, hanging commands and cases that raise."""

    def explode(folder: Path) -> list[str]:
        raise RuntimeError(folder.name)

    cases = [harness.Case("a", "good", lambda folder: []), harness.Case("a", "raises", explode),
             harness.Case("b", "bad", lambda folder: ["a problem"])]  # fmt: skip
    summary = results.summarize(harness.run_cases(cases, 1, lambda result: None), 0)
    assert [(row["tried"], row["good"], row["failed"]) for row in summary["families"]] == [(2, 1, 1), (1, 0, 1)]
    assert "| all    | 3     | 1    | 2      | " in results.format_table(summary)
    again = results.summarize(harness.run_cases(cases[:1], 1, lambda result: None), 0)
    assert [row["failed"] for row in results.update(summary, again)["families"]] == [0, 1]


def test_a_process_is_killed_at_the_chosen_operation(tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from benchmarks.faults.file_operations import kill_at
folder = Path(sys.argv[1])
kill_at(3, folder)()
for number in range(5):
    (folder / str(number)).write_text("x")
"""
    result = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert result.returncode == -9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]
    assert "open" in file_operations.CREATING
