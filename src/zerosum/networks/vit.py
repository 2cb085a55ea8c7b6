"""Blocks of vision transformers, as today's language models have them.

RMS norm before every branch (Zhang and Sennrich 2019, arXiv:1910.07467), a gated feed-forward branch (SwiGLU, Shazeer
2020, arXiv:2002.05202), normalized queries and keys (Dehghani et al. 2023, arXiv:2302.05442), rotary positions (Su et
al. 2021, arXiv:2104.09864) in two dimensions, and PyTorch's fused attention, which cannot be differentiated twice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks.layers import LayerFactory, init_kaiming

ROTARY_BASE = 100.0
"""Ratio of the fastest to the slowest rotation. Language models use 10,000 for thousands of positions; a grid has at
most some dozens on each side."""
_FACTORY = LayerFactory(init_kaiming)


def rotary_angles(height: int, width: int, head_width: int, unrotated: int = 0) -> Tensor:
    """Return the rotation angles of the tokens of a grid, row by row.

    The first half of the angles depends on the row, the second on the column, each with frequencies in a geometric
    series.

    Args:
        height: rows of the grid.
        width: columns of the grid.
        head_width: values of a query or key, a multiple of 4.
        unrotated: number of tokens before the grid that have no position.

    Returns:
        (unrotated + height * width, head_width / 2)
    """
    frequencies = ROTARY_BASE ** -(torch.arange(head_width // 4) / (head_width // 4))
    rows, columns = (torch.arange(float(length))[:, None] * frequencies for length in (height, width))
    angles = torch.cat([rows[:, None].expand(-1, width, -1), columns.expand(height, -1, -1)], 2).flatten(0, 1)
    return torch.cat([torch.zeros(unrotated, head_width // 2), angles])


def rotate(vectors: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate each pair of values (x_i, x_(i + D / 2)) of vectors (..., T, D) by the angles (T, D / 2)."""
    first, second = vectors.chunk(2, -1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


class Attention(nn.Module):
    """Self-attention with normalized, rotated queries and keys."""

    def __init__(self, width: int, head_width: int, gain: float) -> None:
        """Create the layer; `gain` is the standard deviation of its outputs where the values have 1."""
        super().__init__()
        self.head_width = head_width
        self.to_qkv = _FACTORY.linear(width, 3 * width, bias=False)
        self.out = _FACTORY.linear(width, width, gain, bias=False)
        self.query_norm, self.key_norm = nn.RMSNorm(head_width, 1e-6), nn.RMSNorm(head_width, 1e-6)

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map tokens (N, T, W), with the cosines and sines (T, D / 2) of their positions, to the same shape."""
        qkv = self.to_qkv(hidden).unflatten(2, (3, -1, self.head_width)).transpose(1, 3)  # (N, heads, 3, T, D)
        query, key, value = qkv.unbind(2)
        cos, sin = cos.to(query.dtype), sin.to(query.dtype)
        query = rotate(self.query_norm(query).to(value.dtype), cos, sin)
        key = rotate(self.key_norm(key).to(value.dtype), cos, sin)
        attended = functional.scaled_dot_product_attention(query, key, value)
        output: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return output


class SwiGLU(nn.Module):
    """A feed-forward branch of two layers, in which one half of the hidden values gates the other."""

    def __init__(self, width: int, gain: float) -> None:
        """Create the branch; it has as many weights as one of the usual width 4 W."""
        super().__init__()
        hidden_width = max(8, 8 * round(width / 3))  # 8/3 W, a multiple of 8
        self.widen = _FACTORY.linear(width, 2 * hidden_width, bias=False)
        self.narrow = _FACTORY.linear(hidden_width, width, gain * 2**0.5, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map tokens (N, T, W) to the same shape."""
        gate, value = self.widen(hidden).chunk(2, 2)
        output: Tensor = self.narrow(functional.silu(gate) * value)
        return output


class LayerScale(nn.Module):
    """A learned factor for each channel of a branch, small at first (Touvron et al. 2021, arXiv:2103.17239)."""

    def __init__(self, width: int, initial: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((width,), initial))

    def forward(self, hidden: Tensor) -> Tensor:
        """Map tokens (N, T, W) to the same shape."""
        return hidden * self.scale.to(hidden.dtype)


class Block(nn.Module):
    """A transformer block whose branches are added through layer scales."""

    def __init__(self, width: int, head_width: int, initial_scale: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(width, 1e-6), nn.RMSNorm(width, 1e-6)
        self.attention, self.feed_forward = Attention(width, head_width, 1.0), SwiGLU(width, 1.0)
        self.scale1, self.scale2 = LayerScale(width, initial_scale), LayerScale(width, initial_scale)

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map tokens (N, T, W), with the cosines and sines (T, D / 2) of their positions, to the same shape."""
        hidden = hidden + self.scale1(self.attention(self.norm1(hidden), cos, sin))
        output: Tensor = hidden + self.scale2(self.feed_forward(self.norm2(hidden)))
        return output


def patchify(image: Tensor, patch: int) -> Tensor:
    """Cut images (N, C, h p, w p) into patches (N, h w, p p C), row by row."""
    count, channels, height, width = image.shape
    grid = image.permute(0, 2, 3, 1).reshape(count, height // patch, patch, width // patch, patch, channels)
    return grid.transpose(2, 3).reshape(count, -1, patch * patch * channels)


def unpatchify(patches: Tensor, patch: int, height: int, width: int) -> Tensor:
    """Put patches (N, h w, p p C) together to images (N, C, h p, w p): the inverse of `patchify`."""
    count, channels = patches.shape[0], patches.shape[2] // patch**2
    grid = patches.view(count, height, width, patch, patch, channels).permute(0, 5, 1, 3, 2, 4)
    return grid.reshape(count, channels, height * patch, width * patch)
