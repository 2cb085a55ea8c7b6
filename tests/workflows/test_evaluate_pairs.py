"""Evaluation of image-to-image translation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from workflow_helpers import RecordingReporter

import zerosum
from zerosum.errors import BadInput
from zerosum.evaluation.kinds.image_pair_metrics import rounding_psnr_db
from zerosum.inference.load import read_recipe
from zerosum.reporter import SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.workflows import evaluate_pairs
from zerosum.workflows.evaluate_pairs import TranslationSet


@pytest.fixture(scope="module")
def held_out(trained_pairs: Path) -> TranslationSet:
    """The held-out pairs of the pix2pix run: noise, and its inverse."""
    folder = RunFolder(trained_pairs)
    return evaluate_pairs.load_translation_data(folder, read_recipe(folder), "", False, False, SilentReporter())[1]


def test_inputs_and_targets_are_pairs(held_out: TranslationSet) -> None:
    rows = range(4)
    inputs, targets = held_out.inputs(rows), held_out.targets(rows)
    assert inputs.shape == targets.shape == (4, 3, 16, 16)
    torch.testing.assert_close(inputs, -targets)
    assert set(held_out.indices) <= set(held_out.dataset.held_out)
    assert len(held_out.head(3).indices) == len(held_out.head(3).real) == 3


def test_a_perfect_translator_has_perfect_scores(held_out: TranslationSet) -> None:
    reporter = RecordingReporter()
    scores = evaluate_pairs.compute_paired_scores(lambda inputs: -inputs, held_out, reporter)
    assert scores["psnr"]["value"] == pytest.approx(rounding_psnr_db(255))
    assert scores["l1"]["value"] == pytest.approx(0, abs=1e-6)
    assert scores["ssim"]["value"] == pytest.approx(1)
    assert scores["psnr"]["input"] < 10, "the inputs themselves are far from their targets"
    assert reporter.progress_calls[-1][:2] == (len(held_out.indices), len(held_out.indices))


def test_the_identity_has_the_scores_of_the_inputs(held_out: TranslationSet) -> None:
    scores = evaluate_pairs.compute_paired_scores(lambda inputs: inputs, held_out, SilentReporter())
    for name, score in scores.items():
        assert score["value"] == pytest.approx(score["input"], rel=1e-4), name


def test_the_example_grid_has_a_column_for_each_kind(held_out: TranslationSet, tmp_path: Path) -> None:
    path = evaluate_pairs.save_example_grid(lambda inputs: -inputs, held_out, tmp_path / "translations.png")
    with Image.open(path) as image:
        assert image.width > image.height


def test_a_run_of_pairs_is_evaluated_pair_by_pair_and_as_sets(pairs_run: Path) -> None:
    row = zerosum.evaluate(pairs_run, features="pixels")
    assert row["direction"] == "forward"
    assert row["protocol"]["is_paired"]
    assert {"l1", "psnr", "ssim"} <= row["paired_metrics"].keys()
    assert "kid_pixels" in row["scores"]
    assert (pairs_run / next(name for name in row["image_files"] if name.endswith("translations.png"))).is_file()


def test_other_pairs_are_evaluated(pairs_run: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    for name in ("A", "B"):
        (tmp_path / "test" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "test" / name / f"{number}.png")
    row = zerosum.evaluate(pairs_run, data=tmp_path / "test", features="pixels")
    assert (row["protocol"]["num_real"], row["protocol"]["reference_split"]) == (12, "all")


@pytest.mark.parametrize(
    "arguments", [{"paired": True}, {"reference_split": "train"}, {"reverse": True}, {"network_interpolation": 0.5}]
)
def test_options_that_do_not_fit_the_run_are_refused(pairs_run: Path, arguments: dict) -> None:
    with pytest.raises(BadInput, match=f"`{next(iter(arguments))}`"):
        zerosum.evaluate(pairs_run, features="pixels", **arguments)


def test_changed_data_are_refused(pairs_run: Path) -> None:
    folder = RunFolder(pairs_run)
    folder.write_json("data.json", folder.read_json("data.json") | {"fingerprint": "0" * 32})
    with pytest.raises(BadInput, match="has changed"):
        zerosum.evaluate(pairs_run, features="pixels")
