"""A new metric is one new file."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from zerosum.errors import BadInput
from zerosum.evaluation import metrics
from zerosum.evaluation.features.extract import FeatureSet
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.base import ItemMetric
from zerosum.evaluation.metrics.kid import KID
from zerosum.evaluation.metrics.registry import check_names, describe_score, find_described, find_metrics
from zerosum.evaluation.metrics.score import Score
from zerosum.evaluation.protocol import Protocol
from zerosum.evaluation.result import EvaluationResult, evaluate_samples
from zerosum.reporting.run_record import RunRecord
from zerosum.reporting.scores_section import format_scores, render_scores

MEAN_DISTANCE = """
from zerosum.evaluation.metrics.base import Metric
from zerosum.evaluation.metrics.score import Score


def mean_distance(comparison):
    means = [next(s.features.blocks()).mean(0) for s in (comparison.real, comparison.generated)]
    return Score(float((means[0] - means[1]).norm()))


def is_far(comparison):
    return None


METRICS = (
    Metric(
        "mean_distance", "distance of the mean of samples from that of real {noun}s", mean_distance,
        lower_is_better=True, is_named_by_features=True,
    ),
    Metric("far", "a metric that never applies", is_far, lower_is_better=False),
)
"""
PROTOCOL = Protocol("pixels", "0" * 8, "none", "points", "0" * 12, "held-out", 100, 100, "ema")


@pytest.fixture
def new_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file is added to the package for one test."""
    (tmp_path / "mean_distance.py").write_text(MEAN_DISTANCE)
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    yield
    sys.modules.pop("zerosum.evaluation.metrics.mean_distance", None)


def make_set(shift: float, count: int = 100) -> FeatureSet:
    rows = torch.randn(count, 2, generator=torch.Generator().manual_seed(int(10 * shift))) + shift
    return FeatureSet(FeatureTable.from_tensor(rows), None)


def evaluate(protocol: Protocol = PROTOCOL, samples: int = 100) -> EvaluationResult:
    """Evaluate shifted samples; those of the floor are shifted by a tenth as much."""
    return evaluate_samples(protocol, make_set(0), make_set(2, samples), make_set(0.2), None, lambda step: None, "dot")


def test_the_metrics_are_in_the_order_of_tables() -> None:
    names = [metric.name for metric in find_metrics()]
    assert names == ["kid", "fd", "precision", "recall", "density", "coverage", "is"]
    assert {metric.name for metric in find_described() if metric.lower_is_better} == {
        "kid", "fd", "fid", "fcd", "ndb", "l1", "perceptual", "mel_l1", "mel_cepstral", "multi_resolution_stft",
    }  # fmt: skip
    assert {metric.name for metric in find_described() if not metric.depends_on_sample_size} == {
        "kid", "ndb", "authenticity",
    }  # fmt: skip


def test_a_new_file_is_computed_with_its_floor_and_its_direction(new_metric: None) -> None:
    result = evaluate()
    score = result.scores["mean_distance"]
    assert list(result.scores)[-1] == "mean_distance"
    assert "far" not in result.scores, "it does not apply"
    assert score.score.value > 5 * score.floor.value > 0
    assert score.metric.lower_is_better
    assert score.ratio_to_floor() == (score.score.value / score.floor.value, False)
    assert evaluate(samples=120).scores["mean_distance"].ratio_to_floor() is None, "it depends on sample size"


def test_a_new_file_is_recorded_and_described(new_metric: None, tmp_path: Path) -> None:
    row = evaluate().as_row(64) | {"mode": "offline"}
    assert row["scores"]["mean_distance_pixels"]["ratio"] > 5
    assert any(line.startswith("mean_distance_pixels") for line in format_scores(row, "dot"))
    page = render_scores(RunRecord(tmp_path, data={"kind": "points"}, score_rows=[row]))
    assert "distance of the mean of samples from that of real points" in page


def test_only_some_metrics_have_a_floor_of_paired_sets() -> None:
    floors = {name: score.floor for name, score in evaluate(replace(PROTOCOL, is_paired=True)).scores.items()}
    assert floors["fd"] is None
    assert floors["kid"] is not None


def test_names() -> None:
    assert KID.full_name(PROTOCOL) == "kid_pixels"
    assert describe_score("kid_pixels", "row") == "kernel distance between features: 0 for equal distributions"
    assert describe_score("recall", "row") == "fraction of real rows within the distribution of samples"
    assert "by the standard protocol" in describe_score("fid", "image")
    assert describe_score("perceptual_lite0", "image").startswith("perceptual distance")
    assert describe_score("unknown", "row") == ""


def test_a_metric_of_items_is_described_and_has_a_name_of_its_own() -> None:
    metric = ItemMetric("rough", "roughness of {noun}s", lambda fake, real: Score(0.0), lower_is_better=True)
    assert describe_score("rough", "wave", [metric]) == "roughness of waves"
    with pytest.raises(BadInput, match="two metrics have the name kid"):
        check_names([*find_described(), replace(metric, name="kid")])


def test_warnings_are_in_the_words_of_the_data() -> None:
    copies = FeatureSet(FeatureTable.from_tensor(torch.ones(14, 10)), None)
    rows = torch.randn(28, 10, generator=torch.Generator().manual_seed(0))
    real, floor = (FeatureSet(FeatureTable.from_tensor(part), None) for part in (rows[:14], rows[14:24]))
    memorization_sets = tuple(FeatureSet(FeatureTable.from_tensor(part), None) for part in (rows[:2], rows[2:]))
    result = evaluate_samples(PROTOCOL, real, copies, floor, memorization_sets, lambda step: None, "dot")
    text = " ".join(result.warnings)
    for words in ("14 dots are few", "uses 10 real dots", "one and the same dot"):
        assert words in text
    assert "image" not in text
