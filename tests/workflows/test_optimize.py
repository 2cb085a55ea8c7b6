"""`optimize` as a Python function: what it writes and reports, and what it refuses."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from workflow_helpers import RecordingReporter

import zerosum
from point_scores import PointScores
from zerosum.data.points.kind import PointCodec
from zerosum.errors import BadInput
from zerosum.inference.optimization import LatentSearch
from zerosum.workflows import optimize as optimize_module


@pytest.fixture
def _scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PointCodec, "item_scores", lambda self: PointScores())
    monkeypatch.setattr(PointCodec, "parse_filter", lambda self, text: lambda items: items[:, 1] > float(text))


@pytest.mark.usefixtures("_scored")
def test_the_best_are_written_with_what_they_are(ring_run: Path) -> None:
    reporter = RecordingReporter()
    folder = zerosum.optimize(ring_run, "X", keep="0", num_samples=5, rounds=2, reporter=reporter)
    assert folder == ring_run / "outputs/00002048-optimize-raise_X-keep_0-seed_0-n5"
    points = np.loadtxt(folder / "points.csv", delimiter=",")
    assert points.shape == (5, 2)
    assert (points[:, 1] > 0).all()
    assert points[:, 0].min() > np.median(zerosum.load(ring_run).sample(200)[:, 0])
    record = json.loads((folder / "samples.json").read_text())
    expected = {"maximize": "X", "minimize": "", "keep": "0", "seed": 0, "samples": [[0, 5]]}
    assert {name: record[name] for name in expected} == expected
    assert reporter.messages[-3].startswith("of 3,000 samples, ")
    assert reporter.messages[-2].startswith("x of 5: ")
    assert reporter.progress_calls[-1][:2] == (2, 2)
    again = zerosum.optimize(ring_run, "x", keep="0", num_samples=5, rounds=2, into=ring_run / "again")
    assert (again / "points.csv").read_bytes() == (folder / "points.csv").read_bytes()


@pytest.mark.usefixtures("_scored")
def test_after_an_interruption_what_was_found_is_written(
    trained_ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: LatentSearch, count: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LatentSearch, "improve", interrupt)
    with pytest.raises(KeyboardInterrupt):
        zerosum.optimize(trained_ring, minimize="x", num_samples=5, into=tmp_path / "s")
    assert len(np.loadtxt(tmp_path / "s/points.csv", delimiter=",")) == 5
    monkeypatch.setattr(LatentSearch, "explore", interrupt)
    with pytest.raises(KeyboardInterrupt):
        zerosum.optimize(trained_ring, "x", into=tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("_scored")
def test_the_end_of_the_time_and_a_small_number_are_reported(
    trained_ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    highest = float(zerosum.load(trained_ring).sample(500)[:, 1].topk(20).values[-1])
    clock = iter(range(0, 1_000, 6))
    monkeypatch.setattr(optimize_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    reporter = RecordingReporter()
    settings = {"keep": str(highest), "num_samples": 1_000, "rounds": 9, "seconds": 10}
    zerosum.optimize(trained_ring, "x", into=tmp_path / "s", reporter=reporter, **settings)
    assert "the time is over after 2 of 9 rounds; give more `seconds` for all" in reporter.messages
    assert "these are fewer than 1,000; widen `keep`, or give more `rounds` and `seconds`" in reporter.messages


@pytest.mark.usefixtures("_scored")
def test_bad_input_is_refused_before_anything_is_written(trained_ring: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")
    for arguments, message in (
        ({}, "`maximize` or `minimize`: name one score"),
        ({"maximize": "x", "minimize": "x"}, "`maximize` or `minimize`: name one score"),
        ({"maximize": "z"}, "`maximize` z: there is no such score"),
        ({"minimize": "z"}, "`minimize` z: there is no such score"),
        ({"maximize": "x", "num_samples": 0}, "`num_samples` 0: give a whole number from 1"),
        ({"maximize": "x", "seconds": 0}, "`seconds` 0: give a number from 1"),
        ({"maximize": "x", "given": {"y": 1}}, "`given` y: this generator takes no conditions"),
        ({"maximize": "x", "temperature": 1.0}, "`temperature` 1: this generator draws no tokens"),
        ({"maximize": "x", "into": taken}, "exists and is not empty"),
        ({"maximize": "x", "keep": "1000", "rounds": 1}, "samples is new and passes `keep`"),
    ):
        with pytest.raises(BadInput, match=message):
            zerosum.optimize(trained_ring, **({"into": tmp_path / "s"} | arguments))
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_data_without_scores_are_refused(trained_ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="`maximize`: samples of this kind of data have no scores"):
        zerosum.optimize(trained_ring, "x", into=tmp_path / "s")
    monkeypatch.setattr(PointCodec, "item_scores", lambda self: PointScores())
    with pytest.raises(BadInput, match=r"^`keep`: these samples have no columns"):
        zerosum.optimize(trained_ring, "x", keep="x<3", into=tmp_path / "s")
