"""`trace_nan` replays a diverged run without changing it."""

from pathlib import Path

import pytest
from workflow_helpers import train_ring

import zerosum
from zerosum.errors import BadInput
from zerosum.run_folder import RunFolder


def test_the_first_nonfinite_layer_is_found(tmp_path: Path) -> None:
    run = train_ring(tmp_path / "run", {"optimizer.lr": 1e30}, examples=12_800).path
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    origin = zerosum.trace_nan(run)
    assert "round " in origin
    assert "discriminator" in origin or "generator" in origin
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_healthy_run_has_none(trained_ring: Path) -> None:
    assert zerosum.trace_nan(trained_ring) == ""


def test_changed_data_are_refused(ring_run: Path) -> None:
    folder = RunFolder(ring_run)
    folder.write_json("data.json", folder.read_json("data.json") | {"fingerprint": "0" * 32})
    with pytest.raises(BadInput):
        zerosum.trace_nan(ring_run)
