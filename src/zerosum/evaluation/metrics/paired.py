"""How alike two images of a pair are, for models that are told which image to make.

All take batches (N, C, H, W) in [-1, 1], so that the range of the data is 2, and work in float64.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import Table
from zerosum.evaluation.metrics.class_counts import mean
from zerosum.evaluation.metrics.score import Score

RANGE = 2.0
WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
PIXELS = 2**20
"""Numbers of a batch that SSIM looks at in one go: it needs about ten times the memory, 80 MB."""


def l1(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference of each pair (N,), 0 to 2: less is better."""
    _check_shapes(made.shape, wanted.shape)
    return (made.double() - wanted.double()).abs_().mean((1, 2, 3))


def psnr(made: Tensor, wanted: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each pair (N,) in dB, 10 log10 (2^2 / mean square): infinite of equal images."""
    _check_shapes(made.shape, wanted.shape)
    return 10 * (RANGE**2 / (made.double() - wanted.double()).square_().mean((1, 2, 3))).log10()


def ssim(made: Tensor, wanted: Tensor) -> Tensor:
    """Structural similarity of each pair (N,), -1 to 1, 1 of equal images.

    Wang et al. 2004, "Image quality assessment", equation 13: in Gaussian windows of 11 x 11 with sigma 1.5 and the
    constants .01 and .03, averaged over channels and over the windows that lie wholly inside the image. Nothing is
    padded, as in the authors' code and in scikit-image; torchmetrics pads by reflection and averages these windows
    too, and so differs by some per cent in small images.

    Raises:
        BadInput: other shapes, or images below 11 px.
    """
    _check_shapes(made.shape, wanted.shape)
    if min(made.shape[2:]) < WINDOW:
        raise BadInput(f"SSIM needs images of at least {WINDOW} px; these are {made.shape[3]} x {made.shape[2]}.")
    step = max(1, PIXELS // math.prod(made.shape[1:]))
    pairs = zip(torch.split(made, step), torch.split(wanted, step), strict=True)
    return torch.cat([_ssim(x.double(), y.double()) for x, y in pairs])


def feature_distances(made: Table, wanted: Table) -> NDArray[np.float64]:
    """The Euclidean distance between the features of each pair (N,), from tables (N, D) in the same order."""
    _check_shapes((len(made), made.width), (len(wanted), wanted.width))
    both = zip(made.blocks(), wanted.blocks(), strict=True)
    return np.concatenate([np.empty(0), *((x.double() - y.double()).square_().sum(1).sqrt_().numpy() for x, y in both)])


class Likeness:
    """Gathers pairs, a batch at a time, and gives the mean scores of all."""

    def __init__(self) -> None:
        self._values: dict[str, list[Tensor]] = {"l1": [], "psnr": [], "ssim": []}

    def update(self, made: Tensor, wanted: Tensor) -> None:
        """Add pairs (N, C, H, W) in [-1, 1]."""
        self._values["l1"].append(l1(made, wanted))
        self._values["psnr"].append(psnr(made, wanted))
        small = min(made.shape[2:]) < WINDOW
        self._values["ssim"].append(torch.full((len(made),), math.nan) if small else ssim(made, wanted))

    def values(self) -> dict[str, NDArray[np.float64]]:
        """Each measure of each pair (N,), in the order of the pairs; SSIM is NaN of images below 11 px."""
        return {name: torch.cat([torch.empty(0).double(), *parts]).numpy() for name, parts in self._values.items()}

    def scores(self) -> dict[str, Score]:
        """Means over pairs, by name: l1, psnr (infinite where any pair is equal) and ssim."""
        return {name: mean(values) for name, values in self.values().items()}


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    mean_x, mean_y = _blur(x), _blur(y)
    between = _blur(x * y).sub_(mean_x * mean_y)
    spread = _blur(x.square() + y.square())  # both variances are only needed together
    means = mean_x.square() + mean_y.square()
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    above = (2 * mean_x * mean_y + c1) * (2 * between + c2)
    return (above / ((means + c1) * (spread - means + c2))).mean((1, 2, 3))


def _blur(images: Tensor) -> Tensor:
    """Gaussian windows' means, (N, C, H, W) to (N, C, H - 10, W - 10): first down the columns, then along the rows."""
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    heights = torch.exp(-offsets.square() / (2 * SIGMA**2))
    weights: list[float] = (heights / heights.sum()).tolist()
    for dim in (2, 3):
        size = images.shape[dim] - WINDOW + 1
        blurred = torch.zeros_like(images.narrow(dim, 0, size))
        for offset, weight in enumerate(weights):
            blurred.add_(images.narrow(dim, offset, size), alpha=weight)
        images = blurred
    return images


def _check_shapes(made: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if tuple(made) != tuple(wanted):
        raise BadInput(f"Pairs must be of one shape; made are {tuple(made)} and wanted are {tuple(wanted)}.")
