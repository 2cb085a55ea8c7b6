"""The degradations by name: each maps images in levels and their seeds to images in levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from zerosum.data.degradations.catalog import DOWNSAMPLING_FACTORS
from zerosum.data.degradations.compression import jpeg, noise
from zerosum.data.degradations.edges import edges
from zerosum.data.degradations.masks import masks
from zerosum.data.degradations.old_film import scratches
from zerosum.data.degradations.resampling import blur, downsample, gray

DegradationFn = Callable[[Tensor, Tensor], Tensor]
"""(N, C, H, W) levels and (N,) int64 seeds to (N, Ci, h, w) levels."""

DEGRADATION_FNS: Mapping[str, DegradationFn] = {
    "gray": gray,
    "edges": edges,
    **{name: partial(downsample, factor) for name, factor in DOWNSAMPLING_FACTORS.items()},
    "masks": masks,
    "blur": blur,
    "jpeg": jpeg,
    "noise": noise,
    "scratches": scratches,
}
