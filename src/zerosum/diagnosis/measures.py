"""Signals of a probe, computed from its scores, samples and embeddings.

Each function returns signals by name; `zerosum.diagnosis.signal_catalog` describes them. Distances are relative to the
mean distance between two training examples.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.evaluation.metrics.embeddings import (
    EmbeddingSet,
    mean_pairwise_distance,
    median_nn_distance,
    near_duplicate_rate,
    nearest_share_ratio,
)
from zerosum.evaluation.metrics.modes import compare_mode_counts
from zerosum.evaluation.metrics.pairwise import compute_cross_scores
from zerosum.evaluation.metrics.statistics import auc, cohens_d
from zerosum.game.sample_tree import flatten_samples
from zerosum.game.types import Sample

Signals = dict[str, float]
NUM_TRACKED_SAMPLES = 16
"""Samples of fixed seeds whose movement is tracked during training."""
NUM_MEAN_DIRECTIONS = 8
"""Directions on which the mean of all samples is projected."""
MIN_DISTANCE = 1e-6
"""Distance up to which samples are equal."""
SATURATION_THRESHOLD = 0.99
"""Absolute value beyond which a sample value in [-1, 1] counts as saturated."""


@dataclass
class ProbeOutputs:
    """Outputs of both players for the same batches, one entry per batch."""

    train_scores: list[Tensor] = field(default_factory=list)
    """(n,) scores of training examples."""
    held_out_scores: list[Tensor] = field(default_factory=list)
    """(n,) scores of held-out examples."""
    fake_scores: list[Tensor] = field(default_factory=list)
    """(n,) scores of samples."""
    decision_thresholds: list[Tensor] = field(default_factory=list)
    """() scores above which the discriminator classifies an input as real."""
    fakes: list[Sample] = field(default_factory=list)
    """(n, ...) samples before augmentation."""
    train_features: list[Tensor] = field(default_factory=list)
    """(n, D) inputs of the discriminator's last layer for training examples."""
    fake_features: list[Tensor] = field(default_factory=list)
    """(n, D) inputs of the discriminator's last layer for samples."""


def score_signals(outputs: ProbeOutputs) -> Signals:
    """Return how well the discriminator separates real from fake, on training and on held-out examples."""
    train, held_out, fake = (
        torch.cat(scores) for scores in (outputs.train_scores, outputs.held_out_scores, outputs.fake_scores)
    )
    threshold = float(torch.stack(outputs.decision_thresholds).mean())
    return {
        "monitor/auc_train": auc(train, fake),
        "monitor/auc_held_out": auc(held_out, fake),
        "monitor/auc_train_vs_held_out": auc(train, held_out),
        "monitor/score_separation_train": cohens_d(train, fake),
        "monitor/score_separation_held_out": cohens_d(held_out, fake),
        "monitor/score_sign_train": float((train - threshold).sign().mean()),
        "monitor/score_sign_held_out": float((held_out - threshold).sign().mean()),
        "monitor/probability_held_out": float((held_out - threshold).sigmoid().mean()),
        "monitor/probability_fake": float((fake - threshold).sigmoid().mean()),
    }


def discriminator_signals(outputs: ProbeOutputs) -> Signals:
    """Return the score signals, and the diversity of samples in the discriminator's features."""
    feature_diversity = mean_pairwise_distance(torch.cat(outputs.fake_features)) / max(
        mean_pairwise_distance(torch.cat(outputs.train_features)), 1e-12
    )
    return score_signals(outputs) | {"monitor/feature_diversity": feature_diversity}


def diversity_signals(features: Tensor, reference_set: ReferenceSet) -> Signals:
    """Return diversity, duplicates and coverage of samples, from their embeddings (N, D)."""
    samples = EmbeddingSet.from_features(features)
    train, held_out = reference_set.train_embeddings, reference_set.held_out_embeddings
    signals = {
        "monitor/energy_distance": reference_set.energy_distance(features, samples.mean_pairwise_distance),
        "monitor/diversity": samples.mean_pairwise_distance / reference_set.mean_pairwise_distance,
        "monitor/near_duplicates": near_duplicate_rate(samples, train),
        "monitor/nn_distance_ratio": float(
            samples.nearest_distances.median() / train.nearest_distances.median().clamp_min(1e-6)
        ),
        "monitor/train_nn_distance_ratio": train_nn_distance_ratio(
            median_nn_distance(features, reference_set.train_features),
            median_nn_distance(held_out.features, reference_set.train_features),
        ),
        "monitor/nearest_held_out_ratio": nearest_share_ratio(
            features, reference_set.train_features, held_out.features
        ),
    }
    if held_out.mean_pairwise_distance <= 1e-6:  # constant data: coverage is undefined
        return signals
    scores = compute_cross_scores(held_out.self_distances, samples.self_distances)
    return signals | {
        "monitor/precision": scores.precision.value,
        "monitor/recall": scores.recall.value,
        "monitor/coverage": scores.coverage.value,
    }


def train_nn_distance_ratio(distance: float, held_out_distance: float) -> float:
    """Return the distance of samples to the nearest training example over that of held-out examples.

    It is 1 where both are 0, as of rows of a few categories: all possible ones occur.
    """
    return 1.0 if max(distance, held_out_distance) <= MIN_DISTANCE else distance / max(held_out_distance, MIN_DISTANCE)


def floor_signals(reference_set: ReferenceSet) -> Signals:
    """Return coverage and recall of held-out examples by training examples, the best that samples can reach."""
    if reference_set.held_out_embeddings.mean_pairwise_distance <= 1e-6:
        return {}
    scores = compute_cross_scores(
        reference_set.held_out_embeddings.self_distances, reference_set.train_embeddings.self_distances
    )
    return {"monitor/coverage_floor": scores.coverage.value, "monitor/recall_floor": scores.recall.value}


def mode_signals(features: Tensor, reference_set: ReferenceSet) -> Signals:
    """Return how many modes of the data are missing among samples, from their embeddings (N, D)."""
    num_modes = int(reference_set.mode_labels.max()) + 1
    real_counts, fake_counts = (
        np.bincount(labels, minlength=num_modes)
        for labels in (reference_set.mode_labels, reference_set.nearest_modes(features))
    )
    counts = compare_mode_counts(real_counts, fake_counts)
    return {
        "monitor/num_modes": float(num_modes),
        "monitor/missing_modes": float(len(counts.missing)),
        "monitor/mode_js_divergence": counts.js_divergence,
    }


def intra_class_signals(features: Tensor, reference_set: ReferenceSet) -> Signals:
    """Return the diversity within classes relative to real examples: of the least diverse class, and the median.

    A class counts from 4 samples and 4 training examples on; without such a class there are no signals.
    """
    labels = reference_set.sample_labels
    ratios = []
    for label in np.unique(labels):
        fake_indices = np.flatnonzero(labels == label)
        real_indices = np.flatnonzero(reference_set.train_labels == label)[: 4 * len(fake_indices)]
        if min(len(fake_indices), len(real_indices)) >= 4:
            ratios.append(
                mean_pairwise_distance(features[fake_indices])
                / max(mean_pairwise_distance(reference_set.train_features[real_indices]), 1e-6)
            )
    if not ratios:
        return {}
    return {"monitor/min_class_diversity": min(ratios), "monitor/median_class_diversity": float(np.median(ratios))}


def class_consistency_signals(features: Tensor, reference_set: ReferenceSet) -> Signals:
    """Return how often the nearest training example has the requested class, and the same for held-out examples."""
    held_out_classes = reference_set.nearest_classes(reference_set.held_out_embeddings.features)
    return {
        "monitor/class_consistency": float(
            (reference_set.nearest_classes(features) == reference_set.sample_labels).mean()
        ),
        "monitor/class_consistency_real": float((held_out_classes == reference_set.held_out_labels).mean()),
    }


def value_range_signals(fake_samples: Sample, real_samples: Sample) -> Signals:
    """Return the value range and saturation of samples and the statistics of training examples, both (N, ...)."""
    fakes, real = (
        sample if isinstance(sample, Tensor) else flatten_samples(sample) for sample in (fake_samples, real_samples)
    )
    return {
        "monitor/sample_min": float(fakes.min()),
        "monitor/sample_max": float(fakes.max()),
        "monitor/saturated_fraction": float((fakes.abs() > SATURATION_THRESHOLD).float().mean()),
        "monitor/saturated_fraction_real": float((real.abs() > SATURATION_THRESHOLD).float().mean()),
        "monitor/real_mean": float(real.float().mean()),
        "monitor/real_variance": float(real.float().var(0).mean()),
    }


def trajectory_signals(features: Tensor, reference_set: ReferenceSet) -> Signals:
    """Return random projections of the first samples, one direction each, and of the mean of all samples.

    The root mean square of the changes of these numbers estimates the distance moved (Johnson and Lindenstrauss 1984).
    """
    directions = torch.randn(
        NUM_TRACKED_SAMPLES + NUM_MEAN_DIRECTIONS, features.shape[1], generator=torch.Generator().manual_seed(0)
    )
    scale = reference_set.mean_pairwise_distance
    projections = (features[:NUM_TRACKED_SAMPLES] * directions[:NUM_TRACKED_SAMPLES]).sum(1) / scale
    mean_projection = directions[NUM_TRACKED_SAMPLES:] @ features.mean(0) / scale
    signals = {f"monitor/sample_projection/{index}": float(value) for index, value in enumerate(projections)}
    return signals | {f"monitor/mean_projection/{index}": float(value) for index, value in enumerate(mean_projection)}


def ema_signals(features: Tensor, ema_features: Tensor, reference_set: ReferenceSet) -> Signals:
    """Return how far the samples of the EMA generator are from those of the generator, and their coverage.

    Args:
        features: (N, D) embeddings of the generator's samples.
        ema_features: (N, D) embeddings of the EMA generator's samples of the same seeds.
        reference_set: the real examples.
    """
    scale, ema_diversity = reference_set.mean_pairwise_distance, mean_pairwise_distance(ema_features)
    signals = {
        "monitor/ema_lag": float((features - ema_features).norm(dim=1).mean()) / scale,
        "monitor/ema_diversity": ema_diversity / scale,
        "monitor/ema_energy_distance": reference_set.energy_distance(ema_features, ema_diversity),
    }
    held_out = reference_set.held_out_embeddings
    if held_out.mean_pairwise_distance > 1e-6:
        ema_samples = EmbeddingSet.from_features(ema_features)
        scores = compute_cross_scores(held_out.self_distances, ema_samples.self_distances)
        signals["monitor/ema_coverage"] = scores.coverage.value
    return signals
