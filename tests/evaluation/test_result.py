"""Evaluation of generators that are known to be good, collapsed, restricted to one class, or memorizing."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from zerosum.data.codec import Items
from zerosum.data.dataset import Dataset
from zerosum.data.images.load import load_source
from zerosum.errors import BadInput
from zerosum.evaluation import evaluator, figures, request
from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.evaluation.metrics.kid import KID
from zerosum.evaluation.metrics.score import Score
from zerosum.evaluation.request import EvaluationOptions, EvaluationTask
from zerosum.evaluation.result import EvaluationResult, ScoreWithFloor
from zerosum.evaluation.sample_sets import GeneratedSet
from zerosum.reporter import SilentReporter
from zerosum.reporting import scores_section
from zerosum.run_folder import RunFolder

N = 1_500
OPTIONS = EvaluationOptions("pixels", N, 0, float("inf"), "held-out", 3_000, 5, "ema")
UNCONDITIONAL_GENERATOR = SimpleNamespace(draw_labels=lambda n, seed: None)
"""A generator without classes; the tests replace its samples."""


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The bundled digits at 14 pixels; held-out images beyond the first thousand are a perfect generator's samples."""
    return load_source("digits", 14, 1, "resize", held_out_fraction=0.25)


def make_generated_set(digits: Dataset, indices: np.ndarray) -> GeneratedSet:
    """Samples of a generator that returns the images at these indices, repeated as often as needed."""

    def make_items(start: int, count: int) -> Items:
        return digits.items(indices[np.arange(start, start + count) % len(indices)])

    return GeneratedSet(make_items, N, "the samples")


def run(task: EvaluationTask, options: EvaluationOptions) -> EvaluationResult:
    with evaluator.open_feature_extractor(PixelFeatures(), task.real.dataset, torch.device("cpu")) as extractor:
        result, _ = evaluator.run_evaluation(task, options, extractor, None, SilentReporter())
    return result


def evaluate(
    digits: Dataset, indices: np.ndarray, reference_split: str = "held-out"
) -> tuple[EvaluationResult, EvaluationTask]:
    """Evaluate a generator that returns the images at these indices."""
    dataset = replace(digits, held_out=digits.held_out[:1_000])
    options = replace(OPTIONS, reference_split=reference_split)
    task = request.build_run_task(UNCONDITIONAL_GENERATOR, dataset, None, options)
    task = replace(task, generated=make_generated_set(digits, indices))
    return run(task, OPTIONS), task


def training_images_in_order(digits: Dataset) -> np.ndarray:
    """The training images that are searched for copies."""
    return digits.train[np.argsort(digits.content_hashes[digits.train], kind="stable")][:3_000]


def test_scores_of_a_perfect_generator_equal_the_floor(digits: Dataset, tmp_path: Path) -> None:
    """Its samples are real images that are in neither the training nor the reference set.

    Each bound is four standard errors or a tenth of the score, whichever is larger: less than one false alarm in a
    thousand.
    """
    result, task = evaluate(digits, digits.held_out[1_000:])
    for name, score in result.scores.items():
        assert score.floor is not None, name
        if name in {"precision", "recall", "density", "coverage", "fd", "authenticity"}:
            tolerance = max(0.1 * abs(score.floor.value), 4 * np.nan_to_num(score.score.error))
            assert abs(score.score.value - score.floor.value) <= tolerance, name
    kid = result.scores["kid"]
    assert abs(kid.score.value) <= 4 * kid.score.error
    assert abs(result.memorization.c_t) < 4 * result.memorization.c_t_error
    assert result.memorization.num_exact_copies == 0
    assert not result.modes.all_samples.missing
    assert not [warning for warning in result.warnings if "memorization" in warning or "mode collapse" in warning]
    assert [path.name for path in figures.save_figures(result, task, tmp_path)] == ["neighbors.png"]


def test_a_generator_of_one_image_is_reported_as_mode_collapse(digits: Dataset, tmp_path: Path) -> None:
    result, task = evaluate(digits, digits.held_out[1_000:1_001])
    values = {name: score.score.value for name, score in result.scores.items()}
    assert values["recall"] == 0
    assert values["coverage"] < 0.05
    assert values["kid"] > 20 * result.scores["kid"].score.error
    assert len(result.modes.all_samples.missing) >= result.modes.all_samples.num_modes - 1
    assert any("mode collapse" in warning for warning in result.warnings)
    paths = figures.save_figures(result, task, tmp_path)
    assert {path.name for path in paths} == {"neighbors.png", "missing_modes.png"}


def test_a_generator_of_one_class_has_high_precision_and_low_coverage(digits: Dataset) -> None:
    """It generates only ones: each looks real, and nine classes are missing."""
    ones = digits.train[digits.labels[digits.train] == 1][-400:]
    result, _ = evaluate(digits, ones)
    values, floors = ({n: getattr(s, kind).value for n, s in result.scores.items()} for kind in ("score", "floor"))
    assert values["precision"] > floors["precision"]
    assert values["recall"] < 0.5 * floors["recall"]
    assert values["coverage"] < 0.25 * floors["coverage"]
    assert len(result.modes.all_samples.missing) > 0.7 * result.modes.all_samples.num_modes


def test_memorization_is_found_in_spite_of_good_scores(digits: Dataset, tmp_path: Path) -> None:
    result, task = evaluate(digits, training_images_in_order(digits)[::2])
    assert result.scores["coverage"].score.value > 0.9 * result.scores["coverage"].floor.value
    assert result.memorization.c_t < -3 * result.memorization.c_t_error
    assert result.scores["authenticity"].score.value == 0
    assert result.memorization.num_exact_copies == N
    assert any("memorization" in warning for warning in result.warnings)
    figures.save_figures(result, task, tmp_path)


def test_memorization_is_found_when_samples_are_compared_with_training_images(digits: Dataset) -> None:
    """Copies are found, and samples that are not copies are not reported."""
    for indices, is_memorizing in ((training_images_in_order(digits)[::2], True), (digits.held_out[1_000:], False)):
        result, _ = evaluate(digits, indices, "train")
        assert (result.memorization.c_t < -3 * result.memorization.c_t_error) == is_memorizing
        assert result.scores["authenticity"].floor.value > 0.1


def test_real_images_that_are_training_images_are_reported(digits: Dataset) -> None:
    all_digits = replace(digits, train=np.arange(len(digits)), held_out=np.arange(0))
    task, _ = request.build_folders_task(digits, all_digits, digits, OPTIONS)
    assert task.train is None, "memorization is not measured"
    assert task.warnings


def test_a_floor_of_fewer_images_is_not_compared_with_scores_that_depend_on_size(digits: Dataset) -> None:
    dataset = replace(digits, train=digits.train[:900])
    task = request.build_run_task(UNCONDITIONAL_GENERATOR, dataset, None, OPTIONS)
    result = run(replace(task, generated=make_generated_set(digits, digits.held_out[1_000:])), OPTIONS)
    assert result.scores["fd"].ratio_to_floor() is None
    assert result.scores["kid"].ratio_to_floor() is not None
    assert any("`num_samples` 900" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("value", "floor", "expected"),
    [
        (Score(-0.002, 0.001), Score(-0.001, 0.001), "at the floor"),
        (Score(0.001, 0.001), Score(0.0, 0.001), "at the floor"),
        (Score(-0.05, 0.001), Score(0.0, 0.001), "below the floor"),
        (Score(-0.05, 0.001), Score(0.01, 0.001), "below the floor"),
        (Score(0.03, 0.001), Score(-0.001, 0.001), "over 15"),
        (Score(0.03, 0.001), Score(0.01, 0.001), "3"),
        (Score(0.03, 0.001), Score(1e-12, 1e-14), "over 1,000"),
        (Score(0.03, 0.001), Score(-0.001, float("nan")), "-"),
        (Score(float("nan")), Score(0.01, 0.001), "-"),
    ],
)
def test_a_floor_around_0_gives_no_ratio(value: Score, floor: Score, expected: str) -> None:
    """An unbiased kernel distance may be negative, and so may its floor."""
    row = ScoreWithFloor(KID, value, floor).as_dict()
    assert scores_section.score_cells(row)[2] == expected


def test_a_result_is_recorded_as_json_and_formatted_as_text(digits: Dataset, tmp_path: Path) -> None:
    result, _ = evaluate(digits, digits.held_out[1_000:1_001])
    (tmp_path / "run").mkdir()
    evaluator.record_result(RunFolder(tmp_path / "run"), result, {"examples": 640, "checkpoint": "00000640"}, [])
    (row,) = [json.loads(line) for line in (tmp_path / "run/scores.jsonl").read_text().splitlines()]
    assert row["scores"]["recall"]["value"] == 0
    assert row["scores"]["recall"]["floor"] > 0.5
    assert row["protocol"]["num_generated"] == N
    text = "\n".join(scores_section.format_scores(row, "image"))
    for word in ("kid_pixels", "fd_pixels", "real against real", "hardly made", "mode collapse"):
        assert word in text


def test_too_few_or_equal_real_images_are_refused(digits: Dataset) -> None:
    task = request.build_run_task(UNCONDITIONAL_GENERATOR, digits, None, OPTIONS)
    with pytest.raises(BadInput, match="are only 4, too few"):
        request.require_enough_examples(replace(task, real=task.real.head(4)), 5)
    constant = replace(digits, content_hashes=np.zeros_like(digits.content_hashes))
    with pytest.raises(BadInput, match="are one image"):
        request.require_enough_examples(request.build_run_task(UNCONDITIONAL_GENERATOR, constant, None, OPTIONS), 5)
