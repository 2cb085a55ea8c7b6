"""Statistics of single samples that training logs: how much their values vary, and how many are saturated."""

from __future__ import annotations

import torch

from zerosum.game.sample_tree import flatten_samples
from zerosum.game.types import NamedTensors, Sample

MIN_VALUES = 64
"""Samples of fewer values have no such statistics."""
VALUE_STRIDE = 4
"""One of so many values is read, so that the statistics take about a thousandth of a round."""
SATURATION_THRESHOLD = 0.99
"""Absolute value beyond which a value in [-1, 1] counts as saturated."""


@torch.no_grad()
def compare_values(real: Sample, fakes: Sample) -> NamedTensors:
    """Return statistics of real samples and of fakes, one value (N,) per sample.

    Args:
        real: (N, ...) real samples.
        fakes: (N, ...) generated samples.

    Returns:
        "real_contrast" and "fake_contrast", the standard deviation of the values within a sample, 0 for an image of
        one color; "real_saturation" and "fake_saturation", the fraction of values beyond `SATURATION_THRESHOLD`.
        Nothing for samples of fewer than `MIN_VALUES` values.

    Example:
        >>> import torch
        >>> statistics = compare_values(torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8))
        >>> float(statistics["real_saturation"]), float(statistics["fake_saturation"])
        (0.0, 1.0)
    """
    statistics: NamedTensors = {}
    for side, samples in (("real", real), ("fake", fakes)):
        values = flatten_samples(samples).float()
        if values.shape[1] < MIN_VALUES:
            return {}
        values = values[:, ::VALUE_STRIDE]
        statistics[f"{side}_contrast"] = values.std(1)
        statistics[f"{side}_saturation"] = (values.abs() > SATURATION_THRESHOLD).float().mean(1)
    return statistics
