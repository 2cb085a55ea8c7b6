"""The result of an evaluation: every score with its floor, memorization, and missing modes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.features.extract import FeatureSet
from zerosum.evaluation.metrics.base import Comparison, MetricInfo, PairwiseScores
from zerosum.evaluation.metrics.memorization import AUTHENTICITY, MemorizationResult, measure_memorization
from zerosum.evaluation.metrics.modes import NDB, ModeCounts, assign_clusters, compare_mode_counts, fit_kmeans
from zerosum.evaluation.metrics.pairwise import compute_cross_scores, compute_self_distances
from zerosum.evaluation.metrics.registry import compute_metrics, find_metrics, table_order
from zerosum.evaluation.metrics.score import Score
from zerosum.evaluation.overlap import Overlap
from zerosum.evaluation.protocol import Protocol
from zerosum.run_folder import Json, Row

MIN_ITEMS_PER_FEATURE = 3
"""Items per feature in each set, below which a Fréchet distance between good sets is mostly bias."""
MAX_MODES, MIN_ITEMS_PER_MODE = 50, 40
"""Maximum number of clusters of the real items, and the items a cluster holds on average at least."""
C_T_THRESHOLD = -3.0
"""C_T in units of its standard deviation by chance, below which samples count as copies.

A generator that does not copy is below it once in 700 times.
"""


@dataclass(frozen=True)
class ScoreWithFloor:
    """A score, and the same score between two parts of the real items of the same sizes."""

    metric: MetricInfo
    score: Score
    floor: Score | None
    is_size_matched: bool = True
    """Whether the sets of the score and of the floor are of the same sizes."""
    baseline: Score | None = None
    """The score of what the generator has to be better than; None if there is nothing like it."""

    @property
    def is_floor_comparable(self) -> bool:
        """Whether score and floor may be compared: not where the score depends on sample size and the sizes differ."""
        return self.is_size_matched or not self.metric.depends_on_sample_size

    def ratio_to_floor(self) -> tuple[float, bool] | None:
        """Return score / floor, and whether it is only a lower bound because the floor is within its error of 0.

        None where the two cannot be compared. The lower bound is NaN for a score at or below such a floor, since an
        unbiased distance may be negative, and no ratio says how near 0 it is.
        """
        if self.floor is None or not self.is_floor_comparable or not math.isfinite(self.score.value):
            return None
        floor, error = self.floor.value, 0.0 if math.isnan(self.floor.error) else self.floor.error
        if self.metric.lower_is_better and floor <= 2 * error:
            if not error:
                return None
            score_error = 0.0 if math.isnan(self.score.error) else self.score.error
            is_above = self.score.value - floor > 2 * math.hypot(error, score_error)
            return (self.score.value / (max(floor, 0.0) + 2 * error) if is_above else math.nan, True)
        return (self.score.value / floor, False) if floor else None

    def as_dict(self) -> dict[str, float | bool | None]:
        """Return the fields for scores.jsonl; values that are not finite become None."""
        ratio = self.ratio_to_floor()
        return {
            "value": _finite_or_none(self.score.value),
            "error": _finite_or_none(self.score.error),
            "floor": _finite_or_none(self.floor.value) if self.floor else None,
            "floor_error": _finite_or_none(self.floor.error) if self.floor else None,
            "ratio": _finite_or_none(ratio[0]) if ratio else None,
            "ratio_is_lower_bound": bool(ratio and ratio[1]),
        } | ({"baseline": _finite_or_none(self.baseline.value)} if self.baseline else {})


@dataclass(frozen=True, eq=False)
class ModeCoverage:
    """How samples are distributed over clusters of the real items."""

    all_samples: ModeCounts
    """Counts of all samples: they tell which clusters are missing."""
    size_matched: ModeCounts
    """Counts of as many samples as the floor has items: they give NDB and the Jensen-Shannon divergence."""
    floor: ModeCounts
    example_rows: Mapping[int, NDArray[np.int64]]
    """For each missing cluster, rows of real items in it, nearest to its center first."""


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """Everything an evaluation measured of a generator."""

    protocol: Protocol
    scores: Mapping[str, ScoreWithFloor]
    """By short name: fd, kid, is, precision, recall, density, coverage, ..."""
    pairwise: PairwiseScores
    modes: ModeCoverage | None = None
    memorization: MemorizationResult | None = None
    per_class: Mapping[str, Json] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    overlaps: Sequence[Overlap] = ()
    """Copies between the sets."""
    parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By the name of a score: that of each part of an item, such as a column, the worst one first."""

    def with_baseline(self, other: EvaluationResult) -> EvaluationResult:
        """Return this result with the scores of another generator as a baseline, measured in the same way."""
        scores = {
            name: replace(score, baseline=other.scores[name].score if name in other.scores else Score(math.nan))
            for name, score in self.scores.items()
        }
        return replace(self, scores=scores)

    def as_row(self, examples: int) -> Row:
        """Return the row of scores.jsonl of a generator trained on `examples` examples."""
        return {
            "examples": examples,
            "protocol_description": self.protocol.describe(),
            "protocol": self.protocol.as_dict(),
            "scores": {s.metric.full_name(self.protocol): s.as_dict() for s in self.scores.values()},
            "modes": _mode_coverage_row(self.modes) if self.modes else None,
            "memorization": _memorization_row(self.memorization) if self.memorization else None,
            "per_class": dict(self.per_class) or None,
            "overlaps": [overlap.as_dict() for overlap in self.overlaps],
            "warnings": list(self.warnings),
        } | ({"parts": {name: dict(parts) for name, parts in self.parts.items()}} if self.parts else {})


def evaluate_samples(
    protocol: Protocol,
    real: FeatureSet,
    generated: FeatureSet,
    floor_set: FeatureSet,
    memorization_sets: tuple[FeatureSet, FeatureSet] | None,
    report: Callable[[str], None],
    noun: str,
    max_neighbors_searched: int = 1_000_000,
) -> EvaluationResult:
    """Compute every score of generated samples, with its floor.

    Args:
        protocol: how the sets were made.
        real: features of real items that the generator was not trained on.
        generated: features of the samples.
        floor_set: features of other real items, as many as there are samples if available: the floor is their score,
            and modes are clusters of them.
        memorization_sets: features of the items the generator was trained on, which it may have memorized, and of
            real ones it was not trained on; None: not known.
        report: called with the name of each step.
        noun: one item of the data in words, for messages; the plural has an s.
        max_neighbors_searched: largest number of real items among which neighbors are searched.
    """
    report("distances and manifolds")
    k = protocol.neighbors
    real_distances = compute_self_distances(real.head(max_neighbors_searched).features, k)
    pairwise = compute_cross_scores(real_distances, compute_self_distances(generated.features, k), protocol.is_paired)
    scores = _compute_scores(Comparison(real, generated, pairwise, k))
    report(f"the floor: real {noun}s against real {noun}s")
    floor_pairwise = compute_cross_scores(real_distances, compute_self_distances(floor_set.features, k))
    floors = _compute_scores(Comparison(real, floor_set, floor_pairwise, k), protocol.is_paired)
    modes = _measure_mode_coverage(real, generated, floor_set, report)
    if modes:
        scores[NDB], floors[NDB] = (Score(float(counts.ndb)) for counts in (modes.size_matched, modes.floor))
    memorization = None
    if memorization_sets:
        report(f"memorization of training {noun}s")
        train, held_out = memorization_sets
        memorization = measure_memorization(train.features, held_out.features, generated.features)
        scores[AUTHENTICITY], floors[AUTHENTICITY] = memorization.authenticity, memorization.authenticity_floor
    is_size_matched = len(floor_set) >= len(generated)
    scores_with_floor = {
        metric.name: ScoreWithFloor(metric, scores[metric], floors.get(metric), is_size_matched)
        for metric in sorted(scores, key=table_order)
    }
    warnings = [
        *_sample_size_warnings(real, generated, floor_set, protocol.is_paired, noun),
        *_collapse_warnings(generated, noun),
        *_memorization_warnings(memorization, noun),
    ]
    return EvaluationResult(protocol, scores_with_floor, pairwise, modes, memorization, {}, warnings)


def _compute_scores(comparison: Comparison, is_paired_floor: bool = False) -> dict[MetricInfo, Score]:
    """Return the scores of two sets, by metric.

    Args:
        comparison: the sets.
        is_paired_floor: whether they are the floor of paired sets, for which some metrics have none.
    """
    metrics = {m.name: m for m in find_metrics() if m.has_paired_floor or not is_paired_floor}
    return {metrics[name]: score for name, score in compute_metrics(metrics.values(), comparison).items()}


def _measure_mode_coverage(
    real: FeatureSet, generated: FeatureSet, floor_set: FeatureSet, report: Callable[[str], None]
) -> ModeCoverage | None:
    """Cluster one half of the floor set, and count how the samples and its other half fall into the clusters.

    The items that the clusters were fitted to are not counted: they lie nearer to the centers than any others. NDB is
    computed on as many samples as the other half has items, so that the floor is of the same sizes.
    """
    half = len(floor_set) // 2
    count = min(MAX_MODES, half // MIN_ITEMS_PER_MODE, len(real) // MIN_ITEMS_PER_MODE)
    if count < 2:
        return None
    report("missing modes")
    centers = fit_kmeans(floor_set.features.head(half), count)
    real_modes, real_distances = assign_clusters(real.features, centers)
    real_counts = np.bincount(real_modes, minlength=count)
    generated_modes = assign_clusters(generated.features, centers)[0]
    floor_modes = assign_clusters(floor_set.features, centers)[0][half:]
    all_samples, size_matched, floor = (
        compare_mode_counts(real_counts, np.bincount(modes, minlength=count))
        for modes in (generated_modes, generated_modes[: len(floor_modes)], floor_modes)
    )
    example_rows = {}
    for missing in all_samples.missing:
        in_mode = real_modes == missing.mode
        example_rows[missing.mode] = np.flatnonzero(in_mode)[np.argsort(real_distances[in_mode])][:8]
    return ModeCoverage(all_samples, size_matched, floor, example_rows)


def _sample_size_warnings(
    real: FeatureSet, generated: FeatureSet, floor_set: FeatureSet, paired: bool, noun: str
) -> list[str]:
    min_items, num_features = min(len(real), len(generated)), real.features.num_columns
    warnings = []
    if min_items < MIN_ITEMS_PER_FEATURE * num_features:
        or_floor = "" if paired else ", or compare it with the floor, which has the same bias"
        warnings.append(
            f"{min_items:,} {noun}s are few for a Fréchet distance of {num_features:,} features: it is biased upwards; "
            f"use the kernel distance (kid) instead{or_floor}"
        )
    if len(floor_set) < len(generated):
        warnings.append(
            f"the floor uses {len(floor_set):,} real {noun}s, fewer than the {len(generated):,} samples: scores that "
            f"depend on sample size are not compared with it; `num_samples` {len(floor_set)} makes the sizes equal"
        )
    return warnings


def _collapse_warnings(generated: FeatureSet, noun: str) -> list[str]:
    first = generated.features.block(0)[:1]
    if all(bool((block == first).all()) for block in generated.features.blocks()):
        return [f"mode collapse: all {len(generated):,} samples are one and the same {noun}"]
    return []


def _memorization_warnings(memorization: MemorizationResult | None, noun: str) -> list[str]:
    if memorization is None or not memorization.c_t < C_T_THRESHOLD * memorization.c_t_error:
        return []
    z_score = memorization.c_t / memorization.c_t_error
    return [
        f"memorization: samples lie nearer to the training {noun}s than held-out {noun}s do (C_T "
        f"{memorization.c_t:.1f}, {z_score:.1f} standard deviations): look at the nearest neighbors"
    ]


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _mode_coverage_row(modes: ModeCoverage) -> dict[str, Json]:
    missing = [
        {"mode": m.mode, "num_real": m.num_real, "expected": round(m.expected, 1), "num_generated": m.num_generated}
        for m in modes.all_samples.missing
    ]
    return {
        "num_modes": modes.all_samples.num_modes,
        "ndb": modes.size_matched.ndb,
        "floor_ndb": modes.floor.ndb,
        "js_divergence": modes.size_matched.js_divergence,
        "floor_js_divergence": modes.floor.js_divergence,
        "missing_modes": missing,
    }


def _memorization_row(memorization: MemorizationResult) -> dict[str, Json]:
    return {
        "c_t": _finite_or_none(memorization.c_t),
        "c_t_error": _finite_or_none(memorization.c_t_error),
        "authenticity": memorization.authenticity.value,
        "exact_copies": memorization.num_exact_copies,
        "nearest_ratio": _finite_or_none(memorization.nearest_ratio),
    }
