"""How often the requested class is recognized in samples by a linear probe on the features of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from zerosum.evaluation.features.linear_probe import LinearProbe
from zerosum.evaluation.request import EvaluationTask, get_class_labels

if TYPE_CHECKING:
    from zerosum.evaluation.features.extract import FeatureSet
    from zerosum.run_folder import Json


def probe_classes(
    task: EvaluationTask, feature_sets: Mapping[str, FeatureSet], class_names: tuple[str, ...]
) -> dict[str, Json] | None:
    """Fit a probe to training items, test it on real items, and then on samples.

    Args:
        task: the sets.
        feature_sets: their features: "train", "real", "generated".
        class_names: the classes of the classifier, which are those of the labels.

    Returns:
        `accuracy` of samples (None: no class was requested) and `accuracy_real` (None: they have no classes); None
        without training items.
    """
    train_labels = get_class_labels(task.train, class_names) if task.train else None
    if train_labels is None:
        return None
    probe = LinearProbe.fit(_rows(feature_sets["train"]), train_labels, len(class_names))
    accuracies = {}
    for key, name, sample_set in (("accuracy", "generated", task.generated), ("accuracy_real", "real", task.real)):
        labels = get_class_labels(sample_set, class_names)
        accuracies[key] = None if labels is None else probe.accuracy(_rows(feature_sets[name]), labels)
    return {**accuracies}


def _rows(feature_set: FeatureSet) -> Tensor:
    """Return all features (N, D) in memory."""
    return feature_set.features.take(np.arange(len(feature_set)))
