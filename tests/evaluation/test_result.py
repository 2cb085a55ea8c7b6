"""What a judgement shows of generators that are known to be good, collapsed, one-sided, or thieves."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from zerosum.data.dataset import Dataset
from zerosum.data.images.load import load_source
from zerosum.errors import BadInput
from zerosum.evaluation import evaluator
from zerosum.evaluation import request as asking
from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.evaluation.result import EvaluationResult
from zerosum.evaluation.sample_sets import GeneratedSet
from zerosum.reporter import SilentReporter
from zerosum.reporting import scores_section
from zerosum.run_folder import RunFolder

N = 1_500
ASKED = asking.EvaluationOptions("pixels", N, 0, float("inf"), "held-out", 3_000, 5, "averaged")


UNASKED = SimpleNamespace(labels=lambda n, seed: None)
"""A generator that is asked for no classes, and whose samples come from elsewhere."""


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The bundled digits at 14 pixels, of which the held-out thousand stands for what a perfect generator makes."""
    return load_source("digits", 14, 1, "resize", held_out_fraction=0.25)


def judged(
    digits: Dataset, pool: np.ndarray, against: str = "held-out"
) -> tuple[EvaluationResult, evaluator.EvaluationTask]:
    """The judgement of a generator that makes the examples `pool` (indices), and begins anew when it is through."""

    def make(first: int, n: int) -> torch.Tensor:
        return digits.scale(digits.take(pool[np.arange(first, first + n) % len(pool)]))

    held_out = replace(digits, held_out=digits.held_out[:1_000])
    asked = replace(ASKED, against=against)
    question = replace(asking.build_run_task(UNASKED, held_out, None, asked), made=GeneratedSet(make, N, "the samples"))
    with evaluator.open_feature_extractor(PixelFeatures(), torch.device("cpu")) as watching:
        result, _ = evaluator.run_evaluation(question, ASKED, watching, None, SilentReporter())
    return result, question


def test_a_perfect_generator_is_at_its_floor(digits: Dataset, tmp_path: Path) -> None:
    """Its samples are real images that neither training nor the reference holds. Each bound is four standard errors, or
    a tenth of the score, whichever is more: under one false alarm in a thousand."""
    result, question = judged(digits, digits.held_out[1_000:])
    for name, score in result.scores.items():
        assert score.floor is not None, name
        if name in {"precision", "recall", "density", "coverage", "fd", "authentic"}:
            near = max(0.1 * abs(score.floor.value), 4 * np.nan_to_num(score.score.error))
            assert abs(score.score.value - score.floor.value) <= near, name
    kid = result.scores["kid"]
    assert abs(kid.score.value) <= 4 * kid.score.error
    assert abs(result.memorization.c_t) < 4 * result.memorization.c_t_error
    assert result.memorization.num_exact_copies == 0
    assert not result.modes.all_samples.missing
    assert not [warning for warning in result.warnings if "memor" in warning or "collapsed" in warning]
    assert [path.name for path in evaluator.save_figures(result, question, tmp_path)] == ["neighbours.png"]


def test_one_image_again_and_again_is_seen_as_collapse(digits: Dataset, tmp_path: Path) -> None:
    result, question = judged(digits, digits.held_out[1_000:1_001])
    found = {name: score.score.value for name, score in result.scores.items()}
    assert found["recall"] == 0
    assert found["coverage"] < 0.05
    assert found["kid"] > 20 * result.scores["kid"].score.error
    assert len(result.modes.all_samples.missing) >= result.modes.all_samples.num_modes - 1
    assert any("one and the same image" in warning for warning in result.warnings)
    assert {path.name for path in evaluator.save_figures(result, question, tmp_path)} == {
        "neighbours.png",
        "missing.png",
    }


def test_one_class_alone_is_precise_and_covers_little(digits: Dataset, tmp_path: Path) -> None:
    """A generator that makes ones only: each looks real, and nine classes are missing."""
    ones = digits.train[digits.labels[digits.train] == 1][-400:]
    result, _ = judged(digits, ones)
    found, floor = ({n: getattr(s, side).value for n, s in result.scores.items()} for side in ("score", "floor"))
    assert found["precision"] > floor["precision"]
    assert found["recall"] < 0.5 * floor["recall"]
    assert found["coverage"] < 0.25 * floor["coverage"]
    assert len(result.modes.all_samples.missing) > 0.7 * result.modes.all_samples.num_modes


def test_a_thief_is_caught(digits: Dataset, tmp_path: Path) -> None:
    """Samples that are training images have good scores, and are found out."""
    stolen = digits.train[np.argsort(digits.keys[digits.train], kind="stable")][:3_000]
    result, question = judged(digits, stolen[::2])
    assert result.scores["coverage"].score.value > 0.9 * result.scores["coverage"].floor.value
    assert result.memorization.c_t < -3 * result.memorization.c_t_error
    assert result.scores["authentic"].score.value == 0
    assert result.memorization.num_exact_copies == N
    assert any("memorises" in warning for warning in result.warnings)
    evaluator.save_figures(result, question, tmp_path)


def test_a_thief_is_caught_whatever_its_samples_are_held_against(digits: Dataset) -> None:
    """Held against the training images themselves, what is copied still shows, and honest samples are not accused."""
    stolen = digits.train[np.argsort(digits.keys[digits.train], kind="stable")][:3_000:2]
    for pool, guilty in ((stolen, True), (digits.held_out[1_000:], False)):
        result, _ = judged(digits, pool, "train")
        assert (result.memorization.c_t < -3 * result.memorization.c_t_error) == guilty
        assert result.scores["authentic"].floor.value > 0.1


def test_real_images_that_were_trained_on_are_found_out(digits: Dataset) -> None:
    everything = replace(digits, train=np.arange(len(digits)), held_out=np.arange(0))
    question = asking.build_run_task(UNASKED, digits, everything, ASKED)
    assert any(f"{len(digits.train):,} of the images of digits are among the training" in w for w in question.warnings)
    question, _ = asking.build_folders_task(digits, everything, digits, ASKED)
    assert question.train is None
    assert question.warnings


def test_a_floor_of_fewer_images_is_not_compared_where_sizes_matter(digits: Dataset) -> None:
    few = replace(digits, train=digits.train[:900])
    asked = replace(ASKED, n=1_500)
    question = asking.build_run_task(UNASKED, few, None, asked)
    pool = digits.held_out[1_000:]
    made = GeneratedSet(lambda f, n: digits.scale(digits.take(pool[np.arange(f, f + n) % len(pool)])), 1_500, "samples")
    with evaluator.open_feature_extractor(PixelFeatures(), torch.device("cpu")) as watching:
        result, _ = evaluator.run_evaluation(replace(question, made=made), asked, watching, None, SilentReporter())
    assert result.scores["fd"].ratio_to_floor() is None
    assert result.scores["kid"].ratio_to_floor() is not None
    assert any("--num-samples 900 makes them alike" in warning for warning in result.warnings)


def test_a_judgement_is_a_line_of_json_and_lines_of_text(digits: Dataset, tmp_path: Path) -> None:
    result, _ = judged(digits, digits.held_out[1_000:1_001])
    (tmp_path / "run").mkdir()
    evaluator.record_result(RunFolder(tmp_path / "run"), result, {"images": 640, "checkpoint": "00000640"}, [])
    (row,) = [json.loads(line) for line in (tmp_path / "run/scores.jsonl").read_text().splitlines()]
    assert row["scores"]["recall"]["value"] == 0
    assert row["scores"]["recall"]["floor"] > 0.5
    assert row["protocol"]["made"] == N
    text = "\n".join(scores_section.format_scores(row))
    for word in ("kid_pixels", "fd_pixels", "real against real", "hardly made", "collapsed"):
        assert word in text


def test_sets_that_nothing_can_be_said_of_are_refused(digits: Dataset, tmp_path: Path) -> None:
    question = asking.build_run_task(UNASKED, digits, None, ASKED)
    with pytest.raises(BadInput, match="are only 4: too few"):
        asking.require_enough_examples(replace(question, real=question.real.head(4)), 5)
    same = replace(digits, keys=np.zeros_like(digits.keys))
    with pytest.raises(BadInput, match="are one image"):
        asking.require_enough_examples(asking.build_run_task(UNASKED, same, None, ASKED), 5)
