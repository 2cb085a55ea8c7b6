"""`Run`: a run as a Python object."""

from pathlib import Path

import pytest
import torch
from workflow_helpers import log_rows

from zerosum.diagnosis.finding import Severity
from zerosum.run_folder import RunFolder, RunState
from zerosum.workflows.run import Run


def test_a_run_reads_its_folder(trained_ring: Path) -> None:
    run = Run(RunFolder(trained_ring), RunState.DONE)
    assert run.path == trained_ring
    assert [row["examples"] for row in run.log()] == [row["examples"] for row in log_rows(trained_ring)]
    assert [row["examples"] for row in run.scores()] == [512, 1_024, 1_536, 2_048]
    assert all(row["mode"] == "online" for row in run.scores())
    assert repr(run) == f"Run({str(trained_ring)!r}, done)"


def test_the_generator_of_a_run_generates_samples(trained_ring: Path) -> None:
    generator = Run(RunFolder(trained_ring), RunState.DONE).generator("cpu")
    samples = generator.sample(5, seed=1)
    assert samples.shape == (5, 2)
    assert torch.equal(samples, generator.sample(5, seed=1))


def test_the_outcome_is_severe_if_a_severe_finding_is_active(
    trained_ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(trained_ring)
    for severity, state, outcome in (
        (Severity.SEVERE, RunState.DONE, "severe"), (Severity.MILD, RunState.DONE, "done"),
        (Severity.SEVERE, RunState.INTERRUPTED, "interrupted"),
    ):  # fmt: skip
        finding = type("FakeFinding", (), {"severity": severity})()
        monkeypatch.setattr(Run, "findings", lambda self, finding=finding: [finding])
        monkeypatch.delenv("WORLD_SIZE", raising=False)
        assert Run(folder, state).outcome == outcome
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert Run(folder, state).outcome == state, "a launcher would take it for a crash"
