"""Metrics of paired images, for models with a target image for each input.

All take batches (N, C, H, W) in [-1, 1], so that the data range is 2, and compute in float64.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.metrics.base import MetricInfo

DATA_RANGE = 2.0
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_K1, SSIM_K2 = 0.01, 0.03
SSIM_CHUNK_ELEMENTS = 2**20
"""Elements of a batch that SSIM processes at a time: it needs about ten times their memory, 80 MB."""


def l1(generated: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference of each pair: (N,), 0 to 2; lower is better.

    Raises:
        BadInput: the shapes differ.
    """
    _check_same_shape(generated.shape, target.shape)
    return (generated.double() - target.double()).abs_().mean((1, 2, 3))


def psnr(generated: Tensor, target: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of each pair: (N,) in dB; higher is better.

    It is 10 log10(2^2 / MSE), and infinite for equal images.

    Raises:
        BadInput: the shapes differ.
    """
    _check_same_shape(generated.shape, target.shape)
    return 10 * (DATA_RANGE**2 / (generated.double() - target.double()).square_().mean((1, 2, 3))).log10()


def ssim(generated: Tensor, target: Tensor) -> Tensor:
    """Return the structural similarity of each pair: (N,), -1 to 1, where 1 means equal images.

    Wang et al. 2004, "Image quality assessment", equation 13: in Gaussian windows of 11 x 11 with sigma 1.5 and the
    constants .01 and .03, averaged over channels and over the windows that lie entirely inside the image. There is no
    padding, as in the authors' code and in scikit-image; torchmetrics pads by reflection and averages these windows,
    too, so it differs by some per cent for small images.

    Raises:
        BadInput: the shapes differ, or the images are smaller than 11 px.
    """
    _check_same_shape(generated.shape, target.shape)
    if min(generated.shape[2:]) < SSIM_WINDOW:
        raise BadInput(
            f"SSIM needs images of at least {SSIM_WINDOW} px, and these are {generated.shape[3]} x {generated.shape[2]}"
        )
    chunk_size = max(1, SSIM_CHUNK_ELEMENTS // math.prod(generated.shape[1:]))
    pairs = zip(torch.split(generated, chunk_size), torch.split(target, chunk_size), strict=True)
    return torch.cat([_ssim(x.double(), y.double()) for x, y in pairs])


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    mean_x, mean_y = _gaussian_blur(x), _gaussian_blur(y)
    covariance = _gaussian_blur(x * y).sub_(mean_x * mean_y)
    squares = _gaussian_blur(x.square() + y.square())  # only the sum of the two variances is needed
    squared_means = mean_x.square() + mean_y.square()
    c1, c2 = (SSIM_K1 * DATA_RANGE) ** 2, (SSIM_K2 * DATA_RANGE) ** 2
    numerator = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return (numerator / ((squared_means + c1) * (squares - squared_means + c2))).mean((1, 2, 3))


def _gaussian_blur(images: Tensor) -> Tensor:
    """Return Gaussian-weighted means, (N, C, H, W) to (N, C, H - 10, W - 10): first along H, then along W."""
    offsets = torch.arange(SSIM_WINDOW, dtype=torch.float64) - SSIM_WINDOW // 2
    gaussian = torch.exp(-offsets.square() / (2 * SSIM_SIGMA**2))
    weights: list[float] = (gaussian / gaussian.sum()).tolist()
    for dim in (2, 3):
        size = images.shape[dim] - SSIM_WINDOW + 1
        blurred = torch.zeros_like(images.narrow(dim, 0, size))
        for offset, weight in enumerate(weights):
            blurred.add_(images.narrow(dim, offset, size), alpha=weight)
        images = blurred
    return images


def _check_same_shape(generated: tuple[int, ...], target: tuple[int, ...]) -> None:
    if tuple(generated) != tuple(target):
        raise BadInput(f"shape mismatch: generated {tuple(generated)} and target {tuple(target)} must be the same")


DESCRIBED_SCORES = (
    MetricInfo("l1", "mean absolute difference, 0 to 2: lower is better", lower_is_better=True),
    MetricInfo("psnr", "peak signal-to-noise ratio in dB: higher is better", lower_is_better=False),
    MetricInfo("ssim", "structural similarity: 1 for equal {noun}s", lower_is_better=False),
    MetricInfo(
        "perceptual",
        "perceptual distance in features of an ImageNet classifier: lower is better",
        lower_is_better=True,
        is_named_by_features=True,
    ),
)
