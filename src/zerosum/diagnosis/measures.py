"""What an examination makes of what it has seen: each sense gives signals by name, as `signals.SIGNALS` explains them.

All distances are in terms of the mean distance between two real examples.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.evaluation.metrics.manifold import compute_cross_scores
from zerosum.evaluation.metrics.modes import compare_mode_counts
from zerosum.evaluation.metrics.thumbnails import (
    EmbeddingSet,
    auc,
    cohens_d,
    mean_pairwise_distance,
    median_nn_distance,
    near_duplicate_rate,
)

Signals = dict[str, float]
NUM_TRACKED_SAMPLES = 16
"""Samples whose way through a run is followed."""
NUM_MEAN_DIRECTIONS = 8
"""Directions along which their middle is followed."""
SATURATION_THRESHOLD = 0.99
"""Beyond this a number of a picture counts as black or white."""


@dataclass
class ProbeOutputs:
    """What two players made of the same examples, part by part."""

    train_scores: list[Tensor] = field(default_factory=list)
    """Scores of training examples, (n,) each."""
    held_out_scores: list[Tensor] = field(default_factory=list)
    """Scores of held-out examples."""
    fake_scores: list[Tensor] = field(default_factory=list)
    """Scores of samples."""
    decision_boundaries: list[Tensor] = field(default_factory=list)
    """The scores above which a sample is called real."""
    fakes: list[Tensor] = field(default_factory=list)
    """The samples, before anything varied them."""
    train_features: list[Tensor] = field(default_factory=list)
    """What the discriminator's last layer is given for training examples, (n, D) each."""
    fake_features: list[Tensor] = field(default_factory=list)
    """The same for samples."""


def score_signals(outputs: ProbeOutputs) -> Signals:
    """How well the discriminator tells, and what it knows by heart."""
    known, unseen, fake = (
        torch.cat(scores) for scores in (outputs.train_scores, outputs.held_out_scores, outputs.fake_scores)
    )
    middle = float(torch.stack(outputs.decision_boundaries).mean())
    return {
        "monitor/auc_train": auc(known, fake),
        "monitor/auc_held_out": auc(unseen, fake),
        "monitor/auc_train_vs_held_out": auc(known, unseen),
        "monitor/score_separation_train": cohens_d(known, fake),
        "monitor/score_separation_held_out": cohens_d(unseen, fake),
        "monitor/score_sign_train": float((known - middle).sign().mean()),
        "monitor/score_sign_held_out": float((unseen - middle).sign().mean()),
        "monitor/probability_held_out": float((unseen - middle).sigmoid().mean()),
        "monitor/probability_fake": float((fake - middle).sigmoid().mean()),
    }


def discriminator_signals(outputs: ProbeOutputs) -> Signals:
    """The same, and how much samples differ in the discriminator's eyes."""
    inner = mean_pairwise_distance(torch.cat(outputs.fake_features)) / max(
        mean_pairwise_distance(torch.cat(outputs.train_features)), 1e-12
    )
    return score_signals(outputs) | {"monitor/feature_diversity": inner}


def diversity_signals(features: Tensor, reference_set: ReferenceSet) -> Signals:
    """How the samples' looks (N, D) lie among themselves, and among the real ones."""
    crowd = EmbeddingSet.from_features(features)
    found = {
        "monitor/energy_distance": reference_set.energy_distance(features, crowd.mean_pairwise_distance),
        "monitor/diversity": crowd.mean_pairwise_distance / reference_set.mean_pairwise_distance,
        "monitor/near_duplicates": near_duplicate_rate(crowd, reference_set.train_embeddings),
        "monitor/nn_distance_ratio": float(
            crowd.nearest_distances.median() / reference_set.train_embeddings.nearest_distances.median().clamp_min(1e-6)
        ),
        "monitor/train_nn_distance_ratio": median_nn_distance(features, reference_set.train_features)
        / max(median_nn_distance(reference_set.held_out_embeddings.features, reference_set.train_features), 1e-6),
    }
    if (
        reference_set.held_out_embeddings.mean_pairwise_distance <= 1e-6
    ):  # data without any variety: nothing can be covered
        return found
    shares = compute_cross_scores(reference_set.held_out_embeddings.self_distances, crowd.self_distances)
    return found | {
        "monitor/precision": shares.precision.value,
        "monitor/recall": shares.recall.value,
        "monitor/coverage": shares.coverage.value,
    }


def floor_signals(reference_set: ReferenceSet) -> Signals:
    """What the same numbers are for real examples."""
    if reference_set.held_out_embeddings.mean_pairwise_distance <= 1e-6:
        return {}
    alike = compute_cross_scores(
        reference_set.held_out_embeddings.self_distances, reference_set.train_embeddings.self_distances
    )
    return {"monitor/coverage_floor": alike.coverage.value, "monitor/recall_floor": alike.recall.value}


def mode_signals(features: Tensor, reference_set: ReferenceSet) -> Signals:
    """How many kinds of the data the samples hardly show."""
    many = int(reference_set.mode_labels.max()) + 1
    real, fake = (
        np.bincount(each, minlength=many) for each in (reference_set.mode_labels, reference_set.nearest_modes(features))
    )
    counted = compare_mode_counts(real, fake)
    return {
        "monitor/num_modes": float(many),
        "monitor/missing_modes": float(len(counted.missing)),
        "monitor/mode_js_divergence": counted.js_divergence,
    }


def intra_class_signals(features: Tensor, reference_set: ReferenceSet) -> Signals:
    """The samples' spread within the class asked for, against the reals': in the least varied class, and the median."""
    labels = reference_set.sample_labels
    shares = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        real = np.flatnonzero(reference_set.train_labels == label)[: 4 * len(own)]
        if min(len(own), len(real)) >= 4:
            shares.append(
                mean_pairwise_distance(features[own])
                / max(mean_pairwise_distance(reference_set.train_features[real]), 1e-6)
            )
    if not shares:
        return {}
    return {"monitor/min_class_diversity": min(shares), "monitor/median_class_diversity": float(np.median(shares))}


def class_consistency_signals(features: Tensor, reference_set: ReferenceSet) -> Signals:
    """How many samples look like the class they were asked to be of, by their nearest example; and held-out ones."""
    real = reference_set.nearest_classes(reference_set.held_out_embeddings.features) == reference_set.held_out_labels
    return {
        "monitor/class_consistency": float(
            (reference_set.nearest_classes(features) == reference_set.sample_labels).mean()
        ),
        "monitor/class_consistency_real": float(real.mean()),
    }


def value_range_signals(fakes: Tensor, real: Tensor) -> Signals:
    """Ends of the range, and how much lies there, for samples and training examples (N, ...) of any shape."""
    return {
        "monitor/sample_min": float(fakes.min()),
        "monitor/sample_max": float(fakes.max()),
        "monitor/saturated_fraction": float((fakes.abs() > SATURATION_THRESHOLD).float().mean()),
        "monitor/saturated_fraction_real": float((real.abs() > SATURATION_THRESHOLD).float().mean()),
        "monitor/real_mean": float(real.float().mean()),
        "monitor/real_variance": float(real.float().var(0).mean()),
    }


def trajectory_signals(features: Tensor, reference_set: ReferenceSet) -> Signals:
    """Where the first samples are, each by one number, along a direction of its own; and where the middle of all is.

    A change of such numbers has, root mean square, the length of the way gone (Johnson and Lindenstrauss 1984).
    """
    directions = torch.randn(
        NUM_TRACKED_SAMPLES + NUM_MEAN_DIRECTIONS, features.shape[1], generator=torch.Generator().manual_seed(0)
    )
    places = (features[:NUM_TRACKED_SAMPLES] * directions[:NUM_TRACKED_SAMPLES]).sum(
        1
    ) / reference_set.mean_pairwise_distance
    middle = directions[NUM_TRACKED_SAMPLES:] @ features.mean(0) / reference_set.mean_pairwise_distance
    found = {f"monitor/sample_projection/{number}": float(place) for number, place in enumerate(places)}
    return found | {f"monitor/mean_projection/{number}": float(place) for number, place in enumerate(middle)}


def ema_signals(features: Tensor, ema_features: Tensor, reference_set: ReferenceSet) -> Signals:
    """How far the averaged generator's looks (N, D) are from the playing one's, and how much they cover."""
    lag, apart = (
        float((features - ema_features).norm(dim=1).mean()) / reference_set.mean_pairwise_distance,
        mean_pairwise_distance(ema_features),
    )
    found = {"monitor/ema_lag": lag, "monitor/ema_diversity": apart / reference_set.mean_pairwise_distance}
    found["monitor/ema_energy_distance"] = reference_set.energy_distance(ema_features, apart)
    if reference_set.held_out_embeddings.mean_pairwise_distance > 1e-6:
        found["monitor/ema_coverage"] = compute_cross_scores(
            reference_set.held_out_embeddings.self_distances, EmbeddingSet.from_features(ema_features).self_distances
        ).coverage.value
    return found
