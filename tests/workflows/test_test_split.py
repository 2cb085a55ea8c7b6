"""Data in train/ and test/: one is trained on, the other one is what `evaluate` and `apply` read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workflow_helpers import IMAGES, RecordingReporter

import zerosum
from zerosum.run_folder import RunFolder

TRAINING, TEST = 40, 24


def write_images(folder: Path, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


@pytest.fixture(scope="module")
def split_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layout of pix2pix: 40 pairs for training and 24 for a test."""
    folder = tmp_path_factory.mktemp("pairs")
    for seed, side in enumerate("AB"):
        write_images(folder / side / "train", TRAINING, seed)
        write_images(folder / side / "test", TEST, seed + 10)
    return folder


@pytest.fixture(scope="module")
def split_run(split_pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run, settings = tmp_path_factory.mktemp("runs") / "run", IMAGES | {"data.size": 16}
    return zerosum.train(split_pairs, recipe="pix2pix", run=run, examples=8, batch_size=4, settings=settings).path


def test_test_pairs_are_not_trained_on_and_are_evaluated(split_run: Path, split_pairs: Path) -> None:
    summary = RunFolder(split_run).read_json("data.json")
    assert summary["train"] + summary["held_out"] == TRAINING
    assert "used train/ and ignored test/ in A/ and B/" in summary["notes"]
    reporter = RecordingReporter()
    row = zerosum.evaluate(split_run, data=split_pairs, features="pixels", reporter=reporter)
    assert row["protocol"]["num_real"] == TEST
    assert f"{split_pairs}: used test/ and ignored train/ in A/ and B/" in reporter.messages


def test_the_test_inputs_of_the_training_data_are_translated(
    split_run: Path, split_pairs: Path, tmp_path: Path
) -> None:
    reporter = RecordingReporter()
    paths = zerosum.apply(split_run, split_pairs, into=tmp_path / "out", reporter=reporter)
    assert {path.parent for path in paths} == {tmp_path / "out/A/test"}
    assert len(paths) == TEST
    assert reporter.messages[:2] == [
        f"{split_pairs}: used test/ and ignored train/ in A/ and B/", f"{split_pairs}: used A/, the inputs"
    ]  # fmt: skip
    side = zerosum.apply(split_run, split_pairs / "A", into=tmp_path / "side")
    assert {path.parent for path in side} == {tmp_path / "side/test"}
    assert len(zerosum.apply(split_run, split_pairs / "A/train", into=tmp_path / "given")) == TRAINING


def test_folders_are_compared_by_their_test_split(split_pairs: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "fake", TEST, 99)
    row = zerosum.evaluate_folders(
        tmp_path / "fake", split_pairs / "B", train=split_pairs / "B", features="pixels", into=tmp_path / "scores"
    )
    assert row["protocol"]["num_real"] == TEST
