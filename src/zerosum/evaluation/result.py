"""The result of an evaluation: every score with its floor, memorization, and missing modes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.features.extract import FeatureSet
from zerosum.evaluation.metrics.frechet import frechet_distance
from zerosum.evaluation.metrics.inception_score import inception_score
from zerosum.evaluation.metrics.memorization import MemorizationResult, measure_memorization
from zerosum.evaluation.metrics.modes import ModeCounts, assign_clusters, compare_mode_counts, fit_kmeans
from zerosum.evaluation.metrics.pairwise import (
    PairwiseScores,
    compute_cross_scores,
    compute_pairwise_scores,
    compute_self_distances,
)
from zerosum.evaluation.metrics.score import Score
from zerosum.evaluation.protocol import Protocol

LOWER_IS_BETTER = frozenset({"fd", "kid", "ndb"})
"""Scores of which lower is better; of the others higher is better."""
MIN_IMAGES_PER_FEATURE = 3
"""Images per feature in each set, below which a Fréchet distance between good sets is mostly bias."""
MAX_MODES, MIN_IMAGES_PER_MODE = 50, 40
"""Maximum number of clusters of the real images, and the images a cluster holds on average at least."""
SIZE_INDEPENDENT_SCORES = frozenset({"kid", "authenticity", "ndb"})
"""Scores without a bias of sample size, or computed on as many samples as the floor."""
C_T_THRESHOLD = -3.0
"""C_T in units of its standard deviation by chance, below which samples count as copies.

A generator that does not copy is below it once in 700 times.
"""


@dataclass(frozen=True)
class ScoreWithFloor:
    """A score, and the same score between two parts of the real images of the same sizes."""

    score: Score
    floor: Score | None
    lower_is_better: bool
    is_floor_comparable: bool = True
    """Whether score and floor may be compared: False where the score depends on sample size and the sizes differ."""

    def ratio_to_floor(self) -> tuple[float, bool] | None:
        """Return score / floor, and whether it is only a lower bound because the floor is within its error of 0.

        None where the two cannot be compared.
        """
        if self.floor is None or not self.is_floor_comparable or not math.isfinite(self.score.value):
            return None
        floor, error = self.floor.value, 0.0 if math.isnan(self.floor.error) else self.floor.error
        if self.lower_is_better and floor <= 2 * error:
            return (max(0.0, self.score.value) / (max(floor, 0.0) + 2 * error), True) if error else None
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
        }


@dataclass(frozen=True, eq=False)
class ModeCoverage:
    """How samples are distributed over clusters of the real images."""

    all_samples: ModeCounts
    """Counts of all samples: they tell which clusters are missing."""
    size_matched: ModeCounts
    """Counts of as many samples as the floor has images: they give NDB and the Jensen-Shannon divergence."""
    floor: ModeCounts
    example_rows: Mapping[int, NDArray[np.int64]]
    """For each missing cluster, rows of real images in it, nearest to its center first."""


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """Everything an evaluation measured of a generator."""

    protocol: Protocol
    scores: Mapping[str, ScoreWithFloor]
    """By short name: fd, kid, is, precision, recall, density, coverage, ..."""
    pairwise: PairwiseScores
    modes: ModeCoverage | None = None
    memorization: MemorizationResult | None = None
    per_class: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def as_row(self, examples: int) -> dict[str, Any]:
        """Return the row of scores.jsonl of a generator trained on `examples` examples."""
        name = self.protocol.score_name
        return {
            "examples": examples,
            "protocol_description": self.protocol.describe(),
            "protocol": self.protocol.as_dict(),
            "scores": {name(short_name): score.as_dict() for short_name, score in self.scores.items()},
            "modes": _mode_coverage_row(self.modes) if self.modes else None,
            "memorization": _memorization_row(self.memorization) if self.memorization else None,
            "per_class": dict(self.per_class) or None,
            "warnings": list(self.warnings),
        }


def compute_scores(real: FeatureSet, generated: FeatureSet, neighbors: int) -> dict[str, Score]:
    """Return every score of generated samples against real images, by short name."""
    return _scores_by_name(real, generated, compute_pairwise_scores(real.features, generated.features, neighbors))


def _scores_by_name(real: FeatureSet, generated: FeatureSet, pairwise: PairwiseScores) -> dict[str, Score]:
    scores = {"kid": pairwise.kernel_distance, "fd": frechet_distance(real.features, generated.features)}
    scores |= {name: getattr(pairwise, name) for name in ("precision", "recall", "density", "coverage")}
    if generated.probabilities is not None:
        scores["is"] = inception_score(generated.probabilities)
    return scores


def evaluate_samples(
    protocol: Protocol,
    real: FeatureSet,
    generated: FeatureSet,
    floor_set: FeatureSet,
    memorization_sets: tuple[FeatureSet, FeatureSet] | None,
    report: Callable[[str], None],
) -> EvaluationResult:
    """Compute every score of generated samples, with its floor.

    Args:
        protocol: how the sets were made.
        real: features of real images that the generator was not trained on.
        generated: features of the samples.
        floor_set: features of other real images, as many as there are samples if available: the floor is their score,
            and modes are clusters of them.
        memorization_sets: features of the images the generator was trained on, which it may have memorized, and of
            real ones it was not trained on; None: not known.
        report: called with the name of each step.
    """
    report("distances and manifolds")
    k = protocol.neighbors
    real_distances = compute_self_distances(real.features, k)
    generated_distances = compute_self_distances(generated.features, k)
    pairwise = compute_cross_scores(real_distances, generated_distances, protocol.is_paired)
    scores = _scores_by_name(real, generated, pairwise)
    report("the floor: real images against real images")
    floor_pairwise = compute_cross_scores(real_distances, compute_self_distances(floor_set.features, k))
    floors = _scores_by_name(real, floor_set, floor_pairwise)
    if protocol.is_paired:
        del floors["fd"]  # samples near their own targets lower it: its sets are not independent, as the floor's are
    modes = _measure_mode_coverage(real, generated, floor_set, report)
    if modes:
        scores["ndb"] = Score(float(modes.size_matched.ndb))
        floors["ndb"] = Score(float(modes.floor.ndb))
    memorization = None
    if memorization_sets:
        report("memorization of training images")
        train, held_out = memorization_sets
        memorization = measure_memorization(train.features, held_out.features, generated.features)
        scores["authenticity"], floors["authenticity"] = memorization.authenticity, memorization.authenticity_floor
    is_size_matched = len(floor_set) >= len(generated)
    scores_with_floor = {
        n: ScoreWithFloor(score, floors.get(n), n in LOWER_IS_BETTER, is_size_matched or n in SIZE_INDEPENDENT_SCORES)
        for n, score in scores.items()
    }
    warnings = [
        *_sample_size_warnings(real, generated, floor_set, protocol.is_paired),
        *_collapse_warnings(generated),
        *_memorization_warnings(memorization),
    ]
    return EvaluationResult(protocol, scores_with_floor, pairwise, modes, memorization, {}, warnings)


def _measure_mode_coverage(
    real: FeatureSet, generated: FeatureSet, floor_set: FeatureSet, report: Callable[[str], None]
) -> ModeCoverage | None:
    """Cluster one half of the floor set, and count how the samples and its other half fall into the clusters.

    The images that the clusters were fitted to are not counted: they lie nearer to the centers than any others. NDB is
    computed on as many samples as the other half has images, so that the floor is of the same sizes.
    """
    half = len(floor_set) // 2
    count = min(MAX_MODES, half // MIN_IMAGES_PER_MODE, len(real) // MIN_IMAGES_PER_MODE)
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


def _sample_size_warnings(real: FeatureSet, generated: FeatureSet, floor_set: FeatureSet, paired: bool) -> list[str]:
    min_images, num_features = min(len(real), len(generated)), real.features.num_columns
    warnings = []
    if min_images < MIN_IMAGES_PER_FEATURE * num_features:
        or_floor = "" if paired else ", or compare it with the floor, which has the same bias"
        warnings.append(
            f"{min_images:,} images are few for a Fréchet distance of {num_features:,} features: it is biased upwards; "
            f"use the kernel distance (kid) instead{or_floor}"
        )
    if len(floor_set) < len(generated):
        warnings.append(
            f"the floor uses {len(floor_set):,} real images, fewer than the {len(generated):,} samples: scores that "
            f"depend on sample size are not compared with it; `num_samples` {len(floor_set)} makes the sizes equal"
        )
    return warnings


def _collapse_warnings(generated: FeatureSet) -> list[str]:
    first = generated.features.block(0)[:1]
    if all(bool((block == first).all()) for block in generated.features.blocks()):
        return [f"mode collapse: all {len(generated):,} samples are one and the same image"]
    return []


def _memorization_warnings(memorization: MemorizationResult | None) -> list[str]:
    if memorization is None or not memorization.c_t < C_T_THRESHOLD * memorization.c_t_error:
        return []
    z_score = memorization.c_t / memorization.c_t_error
    return [
        f"memorization: samples lie nearer to the training images than held-out images do (C_T {memorization.c_t:.1f}, "
        f"{z_score:.1f} standard deviations): look at the nearest neighbors"
    ]


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _mode_coverage_row(modes: ModeCoverage) -> dict[str, Any]:
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


def _memorization_row(memorization: MemorizationResult) -> dict[str, Any]:
    return {
        "c_t": _finite_or_none(memorization.c_t),
        "c_t_error": _finite_or_none(memorization.c_t_error),
        "authenticity": memorization.authenticity.value,
        "exact_copies": memorization.num_exact_copies,
    }
