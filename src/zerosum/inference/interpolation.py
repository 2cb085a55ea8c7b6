"""Interpolation between latents, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

InterpolationFn = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From two latents (L,) and fractions (K,) in [0, 1] to K interpolated latents (K, L); 0 is the first, 1 the second."""


def lerp(first: Tensor, second: Tensor, fractions: Tensor) -> Tensor:
    """Interpolate linearly between two latents (L,) at fractions (K,): (K, L)."""
    return first + (second - first) * fractions[:, None]


def slerp(first: Tensor, second: Tensor, fractions: Tensor) -> Tensor:
    """Interpolate between two latents (L,) at fractions (K,) along the sphere: (K, L).

    The norm stays typical of normal latents (White 2016, arXiv:1609.04468).
    """
    cosine = torch.dot(first, second) / (first.norm() * second.norm()).clamp_min(1e-12)
    angle = torch.arccos(cosine.clamp(-1, 1))
    if angle.sin() < 1e-4:
        return lerp(first, second, fractions)  # parallel latents: the great circle is not unique
    weighted_sum = torch.sin((1 - fractions) * angle)[:, None] * first + torch.sin(fractions * angle)[:, None] * second
    return weighted_sum / angle.sin()


INTERPOLATIONS: dict[str, InterpolationFn] = {"slerp": slerp, "lerp": lerp}
