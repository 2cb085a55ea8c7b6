"""The whole judgement of a generator: every score beside its floor, what it memorised, and what it does not make."""

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
from zerosum.evaluation.metrics.manifold import (
    PairwiseScores,
    compute_cross_scores,
    compute_pairwise_scores,
    compute_self_distances,
)
from zerosum.evaluation.metrics.memorization import MemorizationResult, measure_memorization
from zerosum.evaluation.metrics.modes import ModeCounts, assign_clusters, compare_mode_counts, fit_kmeans
from zerosum.evaluation.metrics.score import Score
from zerosum.evaluation.protocol import Protocol

LOWER_IS_BETTER = frozenset({"fd", "kid", "ndb"})
"""Scores of which less is better; of the others more is."""
MIN_IMAGES_PER_FEATURE = 3
"""Images for each feature on either side, below which a Fréchet distance between good sets is mostly bias."""
MAX_MODES, MIN_IMAGES_PER_MODE = 50, 40
"""Clusters of the real images: at most, and images a cluster should hold on average."""
SIZE_INDEPENDENT_SCORES = frozenset({"kid", "authenticity", "ndb"})
"""Scores that depend on how many images there are only by chance, or that are worked out on as many as the floor."""
C_T_THRESHOLD = -3.0
"""C_T over its standard deviation by chance, below which samples are copies: of honest generators, one in 700 is."""


@dataclass(frozen=True)
class ScoreWithFloor:
    """A score, and the same score between two parts of the real images of the same sizes."""

    score: Score
    floor: Score | None
    lower_is_better: bool
    """Less is better."""
    is_floor_comparable: bool = True
    """The floor is of as many images as the score, where that matters; else the two are not compared."""

    def ratio_to_floor(self) -> tuple[float, bool] | None:
        """Score over floor, and whether that is only a lower bound, the floor being within its error of 0."""
        if self.floor is None or not self.is_floor_comparable or not math.isfinite(self.score.value):
            return None
        floor, error = self.floor.value, 0.0 if math.isnan(self.floor.error) else self.floor.error
        if self.lower_is_better and floor <= 2 * error:
            return (max(0.0, self.score.value) / (max(floor, 0.0) + 2 * error), True) if error else None
        return (self.score.value / floor, False) if floor else None

    def as_dict(self) -> dict[str, float | bool | None]:
        """For scores.jsonl; what is not a number is null."""
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
    """How samples spread over clusters of the real images."""

    all_samples: ModeCounts
    """Of all samples: which clusters are missing."""
    size_matched: ModeCounts
    """Of as many samples as the floor has images: how many shares are wrong."""
    floor: ModeCounts
    example_rows: Mapping[int, NDArray[np.int64]]
    """For each missing cluster, rows of the real images that samples are held against, nearest to its centre first."""


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """What there is to say of a generator."""

    protocol: Protocol
    scores: Mapping[str, ScoreWithFloor]
    """By short name: fd, kid, is, precision, recall, density, coverage, ..."""
    pairwise: PairwiseScores
    modes: ModeCoverage | None = None
    memorization: MemorizationResult | None = None
    per_class: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def as_row(self, examples: int) -> dict[str, Any]:
        """A line of scores.jsonl for a generator after `examples` images."""
        name = self.protocol.score_name
        return {
            "examples": examples,
            "protocol_description": self.protocol.describe(),
            "protocol": self.protocol.as_dict(),
            "scores": {name(short): judged.as_dict() for short, judged in self.scores.items()},
            "modes": _mode_coverage_row(self.modes) if self.modes else None,
            "memorization": _memorization_row(self.memorization) if self.memorization else None,
            "per_class": dict(self.per_class) or None,
            "warnings": list(self.warnings),
        }


def compute_scores(real: FeatureSet, generated: FeatureSet, neighbors: int) -> dict[str, Score]:
    """Every score of the samples `generated` against `real`, by short name."""
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
    """Judge samples.

    Args:
        protocol: how the sets came about.
        real: the real images that samples are held against, which the generator has not seen.
        generated: the samples.
        floor_set: real images of another part, as many as there are samples where there are so many: the floor is
            theirs, and modes are found among them.
        memorization_sets: the images the generator was trained on, which it may have memorised, and real ones it was not trained
            on; None: not known.
        report: told what is being worked out.
    """
    report("distances and manifolds")
    k = protocol.neighbors
    reals = compute_self_distances(real.features, k)
    rows = compute_cross_scores(reals, compute_self_distances(generated.features, k), protocol.is_paired)
    found = _scores_by_name(real, generated, rows)
    report("the floor: real against real")
    floors = _scores_by_name(
        real, floor_set, compute_cross_scores(reals, compute_self_distances(floor_set.features, k))
    )
    if protocol.is_paired:
        del floors["fd"]  # answers near their own real ones make it too good: it is not of as independent sets
    modes = _measure_mode_coverage(real, generated, floor_set, report)
    if modes:
        found["ndb"] = Score(float(modes.size_matched.ndb))
        floors["ndb"] = Score(float(modes.floor.ndb))
    copies = None
    if memorization_sets:
        report("copies of training images")
        copies = measure_memorization(memorization_sets[0].features, memorization_sets[1].features, generated.features)
        found["authenticity"], floors["authenticity"] = copies.authenticity, copies.authenticity_floor
    alike = len(floor_set) >= len(generated)
    scores = {
        n: ScoreWithFloor(score, floors.get(n), n in LOWER_IS_BETTER, alike or n in SIZE_INDEPENDENT_SCORES)
        for n, score in found.items()
    }
    warnings = [
        *_sample_size_warnings(real, generated, floor_set, protocol.is_paired),
        *_collapse_warnings(generated),
        *_memorization_warnings(copies),
    ]
    return EvaluationResult(protocol, scores, rows, modes, copies, {}, warnings)


def _measure_mode_coverage(
    real: FeatureSet, generated: FeatureSet, floor_set: FeatureSet, report: Callable[[str], None]
) -> ModeCoverage | None:
    """Clusters of half of the partner's images, and how the samples, and its other half, spread over them.

    The images that made the clusters are not counted: they lie nearer to the centres than any others. The samples whose
    share is compared are as many as the partner's other half, so that the floor is of the same sizes.
    """
    half = len(floor_set) // 2
    count = min(MAX_MODES, half // MIN_IMAGES_PER_MODE, len(real) // MIN_IMAGES_PER_MODE)
    if count < 2:
        return None
    report("modes that are not made")
    centres = fit_kmeans(floor_set.features.head(half), count)
    places, away = assign_clusters(real.features, centres)
    reals, samples = np.bincount(places, minlength=count), assign_clusters(generated.features, centres)[0]
    others = assign_clusters(floor_set.features, centres)[0][half:]
    found, same, floor = (
        compare_mode_counts(reals, np.bincount(each, minlength=count))
        for each in (samples, samples[: len(others)], others)
    )
    nearest = {m.mode: np.flatnonzero(places == m.mode)[np.argsort(away[places == m.mode])][:8] for m in found.missing}
    return ModeCoverage(found, same, floor, nearest)


def _sample_size_warnings(real: FeatureSet, generated: FeatureSet, floor_set: FeatureSet, paired: bool) -> list[str]:
    fewest, wide = min(len(real), len(generated)), real.features.num_columns
    warnings = []
    if fewest < MIN_IMAGES_PER_FEATURE * wide:
        also = "" if paired else ", or compare with the floor, which is biased alike"
        warnings.append(
            f"{fewest:,} images are few for a Fréchet distance of {wide:,} features: it is biased upwards; read the "
            f"kernel distance (kid) instead{also}"
        )
    if len(floor_set) < len(generated):
        warnings.append(
            f"the floor is of {len(floor_set):,} real images, since there are no {len(generated):,} of them: where sizes "
            f"matter, scores are not held against it; --num-samples {len(floor_set)} makes them alike"
        )
    return warnings


def _collapse_warnings(generated: FeatureSet) -> list[str]:
    first = generated.features.block(0)[:1]
    if all(bool((block == first).all()) for block in generated.features.blocks()):
        return [f"all {len(generated):,} samples are one and the same image: the generator has collapsed"]
    return []


def _memorization_warnings(memorization: MemorizationResult | None) -> list[str]:
    if memorization is None or not memorization.c_t < C_T_THRESHOLD * memorization.c_t_error:
        return []
    sure = memorization.c_t / memorization.c_t_error
    return [
        f"samples lie nearer to the training images than other real images do (C_T {memorization.c_t:.1f}, which is "
        f"{sure:.1f} times what chance gives): the generator memorises; look at the nearest neighbours"
    ]


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _mode_coverage_row(modes: ModeCoverage) -> dict[str, Any]:
    missing = [
        {"mode": m.mode, "num_real": m.num_real, "expected": round(m.expected, 1), "num_generated": m.num_generated}
        for m in modes.all_samples.missing
    ]
    both = {"ndb": modes.size_matched.ndb, "floor_ndb": modes.floor.ndb}
    divergences = {"js_divergence": modes.size_matched.js_divergence, "floor_js_divergence": modes.floor.js_divergence}
    return {"num_modes": modes.all_samples.num_modes, **both, **divergences, "missing_modes": missing}


def _memorization_row(memorization: MemorizationResult) -> dict[str, Any]:
    c_t = {"c_t": _finite_or_none(memorization.c_t), "c_t_error": _finite_or_none(memorization.c_t_error)}
    return c_t | {"authenticity": memorization.authenticity.value, "exact_copies": memorization.num_exact_copies}
