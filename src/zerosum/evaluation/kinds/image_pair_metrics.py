"""Metrics that compare each image of a translation with its target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.dataset import as_tensor
from zerosum.evaluation.features.registry import is_lite0_installed
from zerosum.evaluation.kinds.pair_metrics import PairMetrics
from zerosum.evaluation.metrics.paired import SSIM_WINDOW, l1, psnr, ssim
from zerosum.game.sample_spec import require_single_tensor

if TYPE_CHECKING:
    from zerosum.data.dataset import Dataset
    from zerosum.networks.perceptual import PerceptualDistance

PERCEPTUAL_NETWORK, PERCEPTUAL_METRIC = "lite0", "perceptual_lite0"
"""EfficientNet-Lite0, and the perceptual distance in its feature maps."""


def rounding_psnr_db(steps: float) -> float:
    """Return the PSNR of rounding to so many steps, which identical images are given instead of infinity.

    Example:
        >>> round(rounding_psnr_db(255), 1)  # bytes
        58.9
    """
    return float(10 * np.log10(steps**2 * 12))


class ImagePairMetrics(PairMetrics):
    """L1, PSNR and SSIM of images (N, C, H, W) and, if its weights are installed, a perceptual distance."""

    def __init__(self, dataset: Dataset) -> None:
        """Start without pairs.

        Args:
            dataset: the targets, whose codec rounds outputs as files do.
        """
        super().__init__()
        shape, self._codec = require_single_tensor(dataset.spec, "translation").shape, dataset.codec
        self._perceptual_distance = _load_perceptual_distance(max(shape[1:])) if is_lite0_installed() else None

    def compare(self, generated: Tensor, target: Tensor) -> Mapping[str, Tensor]:
        """Return each metric of each pair (N,); SSIM is NaN for images below 11 px."""
        generated = as_tensor(self._codec.round(generated))
        is_small = min(generated.shape[2:]) < SSIM_WINDOW
        values = {
            "l1": l1(generated, target),
            "psnr": psnr(generated, target),
            "ssim": torch.full((len(generated),), math.nan) if is_small else ssim(generated, target),
        }
        if self._perceptual_distance is not None:
            with torch.no_grad():
                values[PERCEPTUAL_METRIC] = self._perceptual_distance(generated, target)
        return values

    def adjust(self, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values (N,) with the PSNR limited to that of rounding: a uniform image may be met exactly."""
        return np.minimum(values, rounding_psnr_db(self._codec.steps)) if name == "psnr" else values


def _load_perceptual_distance(image_size: int) -> PerceptualDistance:
    from zerosum.networks.perceptual import PerceptualDistance

    return PerceptualDistance(image_size).eval()
