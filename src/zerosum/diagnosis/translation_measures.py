"""What an examination makes of pictures that were made from others: each sense gives signals by name.

See `signals.SIGNALS`. Where a game goes both ways, each sense speaks of the way that is worse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.diagnosis.measures import Signals
from zerosum.evaluation.metrics.thumbnails import (
    NUM_NEIGHBORS,
    EmbeddingSet,
    make_thumbnails,
    mean_pairwise_distance,
    near_duplicate_rate,
    thumbnail_features,
)

BYTE_STEP = 1 / 127.5
"""The step between two bytes of a picture: what is smaller cannot be seen."""
MIN_CORRELATION_STD = 0.01
"""Brightness or colour that deviates by less correlates with nothing."""
MIN_IMAGES_FOR_CORRELATION = 16
"""Pictures from which the correlation of their means says something."""
WINDOW_SIZE = 16
"""Pixels a side of the windows in which grids are looked for."""
MAX_SPECTRUM_IMAGES = 32
"""Pictures in which they are, at most."""


class TranslationDirection(NamedTuple):
    """Questions one way, what was made of them, and what was wanted; float32 on the CPU."""

    inputs: Tensor
    """(N, Ci, h, w)."""
    outputs: Tensor
    """(N, C, H, W)."""
    targets: Tensor
    """(N, C, H, W); the answers, or others of their kind."""
    fixed_seed_outputs: Tensor
    """(N, C, H, W) the same as `made`, but that all are made with one seed."""


def worst_direction(signals_per_direction: Sequence[Signals], key: str, higher_is_worse: bool = False) -> Signals:
    """The signals of the way on which this one is lowest, or highest; nothing where no way has it."""
    having = [signals for signals in signals_per_direction if key in signals]
    return (max if higher_is_worse else min)(having, key=lambda signals: signals[key], default={})


def mean_abs_ratio(numerator: Tensor, denominator: Tensor) -> float:
    """The mean size of one difference over that of another; not a number where that cannot be seen."""
    size = float(denominator.abs().mean())
    return float(numerator.abs().mean()) / size if size >= BYTE_STEP else math.nan


def distance_signals(direction: TranslationDirection, has_targets: bool) -> Signals:
    """How near what is made is to what was given, and to the truth where that is known."""
    made, wanted = direction.outputs, direction.targets
    found = {}
    if direction.inputs.shape == made.shape:
        apart = wanted - direction.inputs
        found["monitor/change_from_input"] = mean_abs_ratio(made - direction.inputs, apart)
        if has_targets:
            found["monitor/l1_over_input_l1"] = mean_abs_ratio(made - wanted, apart)
    if has_targets:
        found["monitor/l1_over_mean_image_l1"] = mean_abs_ratio(made - wanted, wanted - wanted.mean(0))
    return _finite_only(found)


def input_sensitivity_signals(direction: TranslationDirection) -> Signals:
    """How much pictures vary with what they are made from, and how many have a near copy among them."""
    rows, wanted = thumbnail_features(direction.fixed_seed_outputs), thumbnail_features(direction.targets)
    apart = mean_pairwise_distance(wanted)
    if apart <= 1e-6:  # wanted pictures that are all alike: one answer for all is right
        return {}
    found = {"monitor/input_sensitivity": mean_pairwise_distance(rows) / apart}
    if len(rows) > NUM_NEIGHBORS + 1:
        found["monitor/near_duplicates"] = near_duplicate_rate(
            EmbeddingSet.from_features(rows), EmbeddingSet.from_features(wanted)
        )
    return found


def color_signals(direction: TranslationDirection, has_targets: bool) -> Signals:
    """How brightness and colour follow the truth's, or where that is not known those of what was given; -1 to 1."""
    beside = direction.targets if has_targets else direction.inputs
    if beside.shape != direction.outputs.shape:
        return {}
    made, right = make_thumbnails(direction.outputs), make_thumbnails(beside)
    found = _correlation_signals("brightness_correlation", made.mean(1, keepdim=True), right.mean(1, keepdim=True))
    if made.shape[1] == len("RGB"):
        found |= _correlation_signals("color_correlation", _opponent_colors(made), _opponent_colors(right))
    return _finite_only(found)


def _correlation_signals(name: str, outputs: Tensor, references: Tensor) -> Signals:
    """How (N, C, h, w) correlate within pictures, and their means (N, C) between them."""
    means = [each.mean((2, 3), keepdim=True) for each in (outputs, references)]
    found = {f"monitor/{name}": _correlation(outputs - means[0], references - means[1])}
    if len(outputs) >= MIN_IMAGES_FOR_CORRELATION:
        found[f"monitor/{name}_between"] = _correlation(*(each - each.mean(0) for each in means))
    return found


def _opponent_colors(images: Tensor) -> Tensor:
    """(N, 2, h, w) red against green and blue against both, of RGB pictures."""
    red, green, blue = images.unbind(1)
    return torch.stack([red - green, blue - (red + green) / 2], 1)


def _correlation(first: Tensor, second: Tensor) -> float:
    """Of centred numbers; not a number where either hardly deviates."""
    sizes = [float(each.square().mean().sqrt()) for each in (first, second)]
    return float((first * second).mean()) / (sizes[0] * sizes[1]) if min(sizes) >= MIN_CORRELATION_STD else math.nan


def checkerboard_signals(direction: TranslationDirection) -> Signals:
    """How far the spectrum stands out where grids of 2 and 4 pixels are, and how strong such grids are.

    Upsampling that treats neighbouring pixels unlike leaves them (Odena, Dumoulin and Olah 2016, "Deconvolution and
    Checkerboard Artifacts", doi:10.23915/distill.00003).
    """
    if min(direction.outputs.shape[-2:]) < WINDOW_SIZE:
        return {}
    (peak, ripple), (real_peak, real_ripple) = (
        _spectrum_peaks(images[:MAX_SPECTRUM_IMAGES]) for images in (direction.outputs, direction.targets)
    )
    found = {"monitor/checkerboard_peak": peak, "monitor/checkerboard_peak_real": real_peak}
    return found | {"monitor/checkerboard_rms": ripple, "monitor/checkerboard_rms_real": real_ripple}


def _spectrum_peaks(images: Tensor) -> tuple[float, float]:
    """Power at a grid's frequencies over that at their neighbours', the highest; the grids' root mean square.

    Natural spectra are smooth, a grid is a line in them: windows of 16 pixels hold it whole, wherever it is in a
    picture and however strong. What cannot be seen in bytes is no peak.
    """
    windows = images.unfold(2, WINDOW_SIZE, WINDOW_SIZE).unfold(3, WINDOW_SIZE, WINDOW_SIZE)
    # a pattern weaker than a byte's rounding stands out of nothing
    power = torch.fft.fft2(windows).abs().square().mean((0, 1, 2, 3)) / WINDOW_SIZE**4 + BYTE_STEP**2 / 12
    down, right = ((power.roll(1, axis) + power.roll(-1, axis)) / 2 for axis in (0, 1))
    step = WINDOW_SIZE // 4
    lines = torch.cat([power[::step, step::step].flatten(), power[step::step, 0]])
    beside = torch.cat([right[::step, step::step].flatten(), down[step::step, 0]])
    return float((lines / beside).max()), float((lines - beside).clamp_min(0).sum().sqrt())


def cycle_signals(inputs: Tensor, reconstructions: Tensor, noisy_reconstructions: Tensor) -> Signals:
    """How far pictures (N, C, H, W) are from themselves, there and back again; and back from a rougher copy."""
    usual = inputs - inputs.mean(0)
    return _finite_only(
        {
            "monitor/cycle_error": mean_abs_ratio(reconstructions - inputs, usual),
            "monitor/cycle_error_noisy": mean_abs_ratio(noisy_reconstructions - inputs, usual),
        }
    )


def _finite_only(signals: Signals) -> Signals:
    return {name: value for name, value in signals.items() if math.isfinite(value)}
