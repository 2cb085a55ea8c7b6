"""The same command again starts a run, continues it, or finds it done; it never touches another run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from workflow_helpers import RecordingReporter

import zerosum
from zerosum.errors import BadInput

ARGUMENTS = {"recipe": "vanilla", "settings": {"training.tick_examples": 1280}}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_command_again_starts_and_then_finds_the_run_done(tmp_path: Path) -> None:
    reporter = RecordingReporter()
    states = []
    for _ in range(2):
        reporter.messages.clear()
        states.append(
            zerosum.train(
                "ring", run=tmp_path / "my run", examples=2560, or_resume=True, reporter=reporter, **ARGUMENTS
            ).state
        )
    assert states == ["done", "done"]
    assert len(reporter.messages) == 1
    assert f"`zerosum resume '{tmp_path}/my run'`" in reporter.messages[0]


@pytest.mark.parametrize("variable", ["TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"])
def test_a_restart_by_a_launcher_continues_the_run(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    zerosum.train("ring", run=run, examples=2560, **ARGUMENTS)
    with pytest.raises(BadInput, match="already holds a run"):
        zerosum.train("ring", run=run, examples=2560, **ARGUMENTS)
    monkeypatch.setenv(variable, "1")
    assert zerosum.train("ring", run=run, examples=2560, **ARGUMENTS).state == "done"
    monkeypatch.setenv(variable, "0")
    with pytest.raises(BadInput, match="already holds a run"):
        zerosum.train("ring", run=run, examples=2560, **ARGUMENTS)


@pytest.mark.parametrize(
    ("source", "changes", "named"),
    [
        ("grid", {}, "`data.source` is ring there and grid here"),
        ("ring", {"seed": 5}, "`training.seed` is 0 there and 5 here"),
        ("ring", {"recipe": "wgan"}, "`recipe` is vanilla there and wgan here"),
        ("ring", {"examples": 5120}, "`training.examples` is 2560 there and 5120 here"),
    ],
    ids=["data", "seed", "recipe", "length"],
)
def test_another_run_in_the_folder_is_refused_and_not_touched(
    source: str, changes: dict[str, object], named: str, tmp_path: Path
) -> None:
    zerosum.train("ring", run=tmp_path / "run", examples=2560, **ARGUMENTS)
    before = snapshot(tmp_path)
    with pytest.raises(BadInput, match=named):
        zerosum.train(source, run=tmp_path / "run", or_resume=True, **{"examples": 2560} | ARGUMENTS | changes)
    assert snapshot(tmp_path) == before


def test_settings_that_are_newer_than_the_run_have_their_defaults_there(tmp_path: Path) -> None:
    run = tmp_path / "run"
    zerosum.train("ring", run=run, examples=2560, **ARGUMENTS)
    plan = json.loads((run / "plan.json").read_text())
    del plan["request"]["settings"]["evaluation"]["patience"]
    (run / "plan.json").write_text(json.dumps(plan))
    assert zerosum.train("ring", run=run, examples=2560, or_resume=True, **ARGUMENTS).state == "done"
    changed = {"settings": ARGUMENTS["settings"] | {"evaluation.patience": 7}}
    with pytest.raises(BadInput, match=r"`evaluation\.patience` is . there and 7 here"):
        zerosum.train("ring", run=run, examples=2560, or_resume=True, **ARGUMENTS | changed)


def test_other_files_in_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    result = subprocess.run(
        [sys.executable, "-m", "zerosum", "train", "ring", "--run", str(tmp_path / "run"), "--or-resume"],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert result.returncode == 2
    assert "exists and is not empty" in result.stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]
