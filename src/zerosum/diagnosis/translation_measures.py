"""Signals of a probe of image-to-image translation, computed from inputs, outputs and targets.

Each function returns signals by name; `zerosum.diagnosis.signal_catalog` describes them. In a game in both directions
the probe keeps the signals of the worse direction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.data.images.thumbnails import make_thumbnails, thumbnail_features
from zerosum.diagnosis.measures import Signals
from zerosum.evaluation.metrics.embeddings import (
    NUM_NEIGHBORS,
    EmbeddingSet,
    mean_pairwise_distance,
    near_duplicate_rate,
)

BYTE_STEP = 1 / 127.5
"""Difference of two adjacent 8-bit levels in [-1, 1]; smaller differences are invisible."""
MIN_CORRELATION_STD = 0.01
"""Standard deviation of brightness or color below which its correlation is undefined."""
MIN_IMAGES_FOR_CORRELATION = 16
"""Minimum number of images for a correlation of their means."""
WINDOW_SIZE = 16
"""Side of the windows of the spectrum, in pixels."""
MAX_SPECTRUM_IMAGES = 32
"""Maximum number of images in the spectrum."""


class TranslationDirection(NamedTuple):
    """Images of one direction of translation, float32 on the CPU."""

    inputs: Tensor
    """(N, Ci, h, w)."""
    outputs: Tensor
    """(N, C, H, W)."""
    targets: Tensor
    """(N, C, H, W): the target of each input, or unpaired images of the target domain."""
    fixed_seed_outputs: Tensor
    """(N, C, H, W): like `outputs`, but all with the same seed."""


def worst_direction(signals_per_direction: Sequence[Signals], key: str, higher_is_worse: bool = False) -> Signals:
    """Return the signals of the direction where `key` is lowest, or highest; {} where no direction has the key."""
    candidates = [signals for signals in signals_per_direction if key in signals]
    return (max if higher_is_worse else min)(candidates, key=lambda signals: signals[key], default={})


def mean_abs_ratio(numerator: Tensor, denominator: Tensor) -> float:
    """Return the ratio of mean absolute values; NaN for a denominator below `BYTE_STEP`."""
    size = float(denominator.abs().mean())
    return float(numerator.abs().mean()) / size if size >= BYTE_STEP else math.nan


def distance_signals(direction: TranslationDirection, has_targets: bool) -> Signals:
    """Return the L1 distances of outputs from inputs and, with paired data, from targets."""
    outputs, targets = direction.outputs, direction.targets
    signals = {}
    if direction.inputs.shape == outputs.shape:
        target_change = targets - direction.inputs
        signals["monitor/change_from_input"] = mean_abs_ratio(outputs - direction.inputs, target_change)
        if has_targets:
            signals["monitor/l1_over_input_l1"] = mean_abs_ratio(outputs - targets, target_change)
    if has_targets:
        signals["monitor/l1_over_mean_image_l1"] = mean_abs_ratio(outputs - targets, targets - targets.mean(0))
    return _finite_only(signals)


def input_sensitivity_signals(direction: TranslationDirection) -> Signals:
    """Return how much outputs vary with their inputs at a fixed seed, and the rate of near duplicates among them."""
    features, target_features = thumbnail_features(direction.fixed_seed_outputs), thumbnail_features(direction.targets)
    target_distance = mean_pairwise_distance(target_features)
    if target_distance <= 1e-6:  # for constant targets a constant output is right
        return {}
    signals = {"monitor/input_sensitivity": mean_pairwise_distance(features) / target_distance}
    if len(features) > NUM_NEIGHBORS + 1:
        signals["monitor/near_duplicates"] = near_duplicate_rate(
            EmbeddingSet.from_features(features), EmbeddingSet.from_features(target_features)
        )
    return signals


def color_signals(direction: TranslationDirection, has_targets: bool) -> Signals:
    """Return correlations (-1 to 1) of the outputs' brightness and color with the targets', or unpaired the inputs'."""
    references = direction.targets if has_targets else direction.inputs
    if references.shape != direction.outputs.shape:
        return {}
    outputs, references = make_thumbnails(direction.outputs), make_thumbnails(references)
    signals = _correlation_signals(
        "brightness_correlation", outputs.mean(1, keepdim=True), references.mean(1, keepdim=True)
    )
    if outputs.shape[1] == len("RGB"):
        signals |= _correlation_signals("color_correlation", _opponent_colors(outputs), _opponent_colors(references))
    return _finite_only(signals)


def _correlation_signals(name: str, outputs: Tensor, references: Tensor) -> Signals:
    """Return the correlation of (N, C, h, w) within images, and of the image means (N, C) between images."""
    means = [values.mean((2, 3), keepdim=True) for values in (outputs, references)]
    signals = {f"monitor/{name}": _correlation(outputs - means[0], references - means[1])}
    if len(outputs) >= MIN_IMAGES_FOR_CORRELATION:
        signals[f"monitor/{name}_between"] = _correlation(*(mean - mean.mean(0) for mean in means))
    return signals


def _opponent_colors(images: Tensor) -> Tensor:
    """Return red minus green, and blue minus yellow, (N, 2, h, w), of RGB images (N, 3, h, w)."""
    red, green, blue = images.unbind(1)
    return torch.stack([red - green, blue - (red + green) / 2], 1)


def _correlation(first: Tensor, second: Tensor) -> float:
    """Return the correlation of centered values; NaN if either standard deviation is below `MIN_CORRELATION_STD`."""
    stds = [float(values.square().mean().sqrt()) for values in (first, second)]
    return float((first * second).mean()) / (stds[0] * stds[1]) if min(stds) >= MIN_CORRELATION_STD else math.nan


def checkerboard_signals(direction: TranslationDirection) -> Signals:
    """Return the strength of patterns with a period of 2 or 4 pixels, of outputs and of targets.

    Upsampling that treats adjacent pixels differently leaves them (Odena, Dumoulin and Olah 2016, "Deconvolution and
    Checkerboard Artifacts", doi:10.23915/distill.00003).
    """
    if min(direction.outputs.shape[-2:]) < WINDOW_SIZE:
        return {}
    (peak, rms), (real_peak, real_rms) = (
        _spectrum_peaks(images[:MAX_SPECTRUM_IMAGES]) for images in (direction.outputs, direction.targets)
    )
    signals = {"monitor/checkerboard_peak": peak, "monitor/checkerboard_peak_real": real_peak}
    return signals | {"monitor/checkerboard_rms": rms, "monitor/checkerboard_rms_real": real_rms}


def _spectrum_peaks(images: Tensor) -> tuple[float, float]:
    """Return the peak of the spectrum at the pattern's frequencies and the pattern's root mean square.

    Natural spectra are smooth, and a periodic pattern is a line in them: its power is compared with the mean power of
    the two neighboring frequencies. Windows of 16 pixels contain whole periods at any position.
    """
    windows = images.unfold(2, WINDOW_SIZE, WINDOW_SIZE).unfold(3, WINDOW_SIZE, WINDOW_SIZE)
    # the rounding noise of 8 bits is added, so that an invisible pattern is no peak
    power = torch.fft.fft2(windows).abs().square().mean((0, 1, 2, 3)) / WINDOW_SIZE**4 + BYTE_STEP**2 / 12
    vertical, horizontal = ((power.roll(1, axis) + power.roll(-1, axis)) / 2 for axis in (0, 1))
    step = WINDOW_SIZE // 4
    lines = torch.cat([power[::step, step::step].flatten(), power[step::step, 0]])
    neighbors = torch.cat([horizontal[::step, step::step].flatten(), vertical[step::step, 0]])
    return float((lines / neighbors).max()), float((lines - neighbors).clamp_min(0).sum().sqrt())


def cycle_signals(inputs: Tensor, reconstructions: Tensor, noisy_reconstructions: Tensor) -> Signals:
    """Return the cycle reconstruction error, relative to the L1 distance of the mean image.

    Args:
        inputs: (N, C, H, W).
        reconstructions: the same shape, translated back from the outputs.
        noisy_reconstructions: the same shape, translated back from the outputs with a little noise.
    """
    mean_change = inputs - inputs.mean(0)
    return _finite_only(
        {
            "monitor/cycle_error": mean_abs_ratio(reconstructions - inputs, mean_change),
            "monitor/cycle_error_noisy": mean_abs_ratio(noisy_reconstructions - inputs, mean_change),
        }
    )


def _finite_only(signals: Signals) -> Signals:
    return {name: value for name, value in signals.items() if math.isfinite(value)}
