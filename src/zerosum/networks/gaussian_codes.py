"""A generator of codes that is not trained: a normal distribution fitted to codes of real samples.

It shows how much of a game in a latent space is the work of the generator, and how much that of the decoder.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.seeded_rng import RandomStream

_MIN_VARIANCE = 1e-6  # of codes of variance about 1: added, so that the covariance is positive definite


class GaussianCodes(nn.Module):
    """Draw codes from a normal distribution, by the seeds of samples; latents are ignored.

    Example:
        >>> codes = GaussianCodes.fit(torch.randn(100, 4))
        >>> codes(torch.zeros(3, 8), seed=torch.arange(3)).shape
        torch.Size([3, 4])
    """

    condition_inputs: tuple[str, ...] = ("seed",)
    mean: Tensor
    factor: Tensor

    def __init__(self, mean: Tensor, covariance: Tensor, shape: tuple[int, ...]) -> None:
        """Create the distribution with this mean (D,) and covariance (D, D), of codes of a shape of D values."""
        super().__init__()
        self.shape = shape
        jitter = _MIN_VARIANCE * torch.eye(len(mean), dtype=covariance.dtype, device=covariance.device)
        self.register_buffer("mean", mean.float())
        self.register_buffer("factor", torch.linalg.cholesky((covariance + jitter).double()).float())

    @classmethod
    def fit(cls, codes: Tensor) -> GaussianCodes:
        """Return the distribution with the mean and the covariance of codes (N, ...), N of at least 2."""
        rows: Tensor = codes.flatten(1).double()
        return cls(rows.mean(0), rows.T.cov().reshape(rows.shape[1], -1), tuple(codes.shape[1:]))

    def forward(self, latent: Tensor, seed: Tensor) -> Tensor:
        """Return codes (N, ...) of seeds (N,)."""
        noise = seeded_rng.normal(seed, prod(self.shape), RandomStream.GAUSSIAN_CODES).to(self.mean)
        codes: Tensor = self.mean + noise @ self.factor.T
        return codes.view(-1, *self.shape)
