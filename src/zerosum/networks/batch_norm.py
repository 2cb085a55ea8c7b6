"""Batch norm whose statistics are those of the whole batch, also where several ranks share the batch.

Ioffe and Szegedy 2015, arXiv:1502.03167.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zerosum.game.shared_batch import BatchShares, batch_shares


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _normalize_shared_batch(norm: nn.modules.batchnorm._BatchNorm, hidden: Tensor, shares: BatchShares) -> Tensor:
    """Normalize this part (N, C, ...) of a batch by the statistics of all parts, and update the running statistics.

    The mean is subtracted before squares are taken: in float32, the difference of two means of squares would lose the
    variance of channels whose mean is large. It costs a second, small reduction.
    """
    values = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
    dims = [dim for dim in range(hidden.ndim) if dim != 1]
    shape = [1, -1, *[1] * (hidden.ndim - 2)]
    mean = shares.mean(values.mean(dims))
    centered = values - mean.view(shape)
    variance = shares.mean(centered.square().mean(dims))
    _update_running_statistics(norm, mean, variance, shares.parts * hidden.numel() // hidden.shape[1])
    scale = (variance + norm.eps).rsqrt()
    if not norm.affine:
        return (centered * scale.view(shape)).to(hidden.dtype)
    return torch.addcmul(norm.bias.view(shape), centered, (scale * norm.weight).view(shape)).to(hidden.dtype)


@torch.no_grad()
def _update_running_statistics(
    norm: nn.modules.batchnorm._BatchNorm, mean: Tensor, variance: Tensor, count: int
) -> None:
    """Update the running statistics from a mean and a biased variance (C,) over `count` values, as PyTorch does."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), norm.momentum)
    unbiased = variance * (count / max(count - 1, 1))
    norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), norm.momentum)
    norm.num_batches_tracked.add_(1)


class BatchNorm1d(nn.BatchNorm1d):
    """Batch norm of (N, C) over the whole batch."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Normalize (N, C)."""
        shares = batch_shares()
        is_shared = self.training and shares.parts > 1
        normalized: Tensor = _normalize_shared_batch(self, hidden, shares) if is_shared else super().forward(hidden)
        return normalized


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm of (N, C, H, W) over the whole batch."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Normalize (N, C, H, W)."""
        shares = batch_shares()
        is_shared = self.training and shares.parts > 1
        normalized: Tensor = _normalize_shared_batch(self, hidden, shares) if is_shared else super().forward(hidden)
        return normalized
