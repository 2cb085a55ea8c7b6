"""A pipeline of degradations, which makes input-target pairs from target images alone.

Importing this module does not import PyTorch: settings check names and count channels without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zerosum.data.content_hash import hash_contents
from zerosum.data.degradations.catalog import DOWNSAMPLING_FACTORS, SINGLE_CHANNEL, check_degradations
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DegradationPipeline:
    """Degradations, applied in order, as one function of an image and its seed.

    Args:
        names: names in `DEGRADATIONS`.

    Raises:
        BadInput: see `check_degradations`.

    Example:
        >>> pipeline = DegradationPipeline(("gray", "down2"))
        >>> pipeline.input_shape((3, 64, 64))
        (1, 32, 32)
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        check_degradations(self.names)

    @property
    def downsampling_factor(self) -> int:
        """The ratio of the target's side to the input's side."""
        return max(DOWNSAMPLING_FACTORS.get(name, 1) for name in self.names)

    def input_channels(self, target_channels: int) -> int:
        """Return the number of channels of the input for a target with `target_channels` channels.

        Raises:
            BadInput: if a degradation does not support this number of channels.
        """
        if "gray" in self.names and target_channels != 3:
            raise BadInput(
                f"the degradation 'gray' needs color images, but `data.channels` is {target_channels}: set it to 3, or "
                "leave the degradation out"
            )
        for name in ("edges", "jpeg"):
            if name in self.names and target_channels not in {1, 3}:
                raise BadInput(
                    f"the degradation {name!r} needs 1 or 3 channels, but `data.channels` is {target_channels}: set it "
                    "to 1 or 3, or leave the degradation out"
                )
        image_channels = 1 if any(name in self.names for name in SINGLE_CHANNEL) else target_channels
        return image_channels + ("masks" in self.names)

    def input_shape(self, target_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the shape (Ci, h, w) of the input for a target of shape (C, H, W).

        Raises:
            BadInput: if a degradation does not support this shape.
        """
        channels, height, width = self.input_channels(target_shape[0]), target_shape[1], target_shape[2]
        factor = self.downsampling_factor
        if height % factor or width % factor:
            raise BadInput(
                f"images of {width}x{height} cannot be made {factor} times smaller: set `data.size` to multiples of "
                f"{factor}"
            )
        return channels, height // factor, width // factor

    def __call__(self, images: Tensor, seed: Tensor) -> Tensor:
        """Degrade target images to inputs; each input depends on its own target and seed alone.

        Args:
            images: targets (N, C, H, W) float32 in [-1, 1]; rounded to 8-bit levels first.
            seed: (N,) int64.

        Returns:
            Inputs (N, Ci, h, w) float32 in [-1, 1] on the device of the images, as if loaded from an 8-bit file:
            k / 127.5 - 1. With masks, pixels in the hole are 0 and the last channel is the mask: -1 known, 1 hole.

        Raises:
            BadInput: see `input_shape`.
        """
        from zerosum.data.degradations.byte_levels import from_levels, to_levels
        from zerosum.data.degradations.registry import DEGRADATION_FNS

        count, *shape = images.shape
        input_shape = self.input_shape((shape[0], shape[1], shape[2]))
        levels, seed = to_levels(images), seed.to(images.device)
        for name in self.names:
            levels = DEGRADATION_FNS[name](levels, seed)
        assert levels.shape == (count, *input_shape)
        return from_levels(levels)


_SEED_HEADER = "given"  # part of the hash: another header would change every degraded input of an evaluation


def input_seeds(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the seeds (n,) with which images (n, H, W, C) are degraded when the result must be the same every time.

    They are hashes of each image's own pixels, because the tiles of an image share its content hash and should not
    share a mask.
    """
    return hash_contents(_SEED_HEADER, images).view(np.int64) if len(images) else np.zeros(0, np.int64)
