"""Pairs out of one folder: pictures degraded on purpose, so that a network learns the way back.

Nothing here needs PyTorch before a picture is degraded: settings check names and count channels without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zerosum.data.degradations.catalog import _SINGLE_CHANNEL, DOWNSAMPLING_FACTORS, check_degradations
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DegradationPipeline:
    """Degradations in the order they happen, as one function of a picture and its seed.

    Raises:
        BadInput: as `check` says.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        check_degradations(self.names)

    @property
    def downsampling_factor(self) -> int:
        """How many times smaller the given picture is than the wanted one."""
        return max(DOWNSAMPLING_FACTORS.get(name, 1) for name in self.names)

    def input_channels(self, target_channels: int) -> int:
        """How many channels the given picture has where the wanted one has so many.

        Raises:
            BadInput: if a degradation cannot be done on pictures of so many channels.
        """
        if "gray" in self.names and target_channels != 3:
            raise BadInput(
                f"The degradation grey takes colour away, but pictures have {target_channels} channel(s): give colour."
            )
        for name in ("edges", "jpeg"):
            if name in self.names and target_channels not in {1, 3}:
                raise BadInput(
                    f"The degradation {name} needs 1 or 3 channels, but pictures have {target_channels}: leave it out."
                )
        left = 1 if any(name in self.names for name in _SINGLE_CHANNEL) else target_channels
        return left + ("masks" in self.names)

    def input_shape(self, target_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The given picture's shape (Ci, h, w) where the wanted one's is (C, H, W).

        Raises:
            BadInput: if a degradation cannot be done on pictures of this shape.
        """
        channels, height, width = self.input_channels(target_shape[0]), target_shape[1], target_shape[2]
        if height % self.downsampling_factor or width % self.downsampling_factor:
            raise BadInput(
                f"Pictures of {height} x {width} cannot be made {self.downsampling_factor} times smaller: set a size that"
                f" {self.downsampling_factor} divides."
            )
        return channels, height // self.downsampling_factor, width // self.downsampling_factor

    def __call__(self, images: Tensor, seed: Tensor) -> Tensor:
        """The given pictures. Each is a function of its own wanted picture and seed alone.

        Args:
            images: (N, C, H, W) float32 in [-1, 1]; rounded to the levels of a byte first.
            seed: (N,) int64.

        Returns:
            (N, Ci, h, w) float32 in [-1, 1] on the pictures' device, as if read from a file of bytes: k / 127.5 - 1.
            With masks the hole is 0 and the last channel is the mask: -1 known, 1 hole.

        Raises:
            BadInput: as `shape` says.
        """
        from zerosum.data.degradations.byte_levels import from_levels, to_levels
        from zerosum.data.degradations.registry import DEGRADATION_FNS

        count, *shape = images.shape
        given = self.input_shape((shape[0], shape[1], shape[2]))
        made, seed = to_levels(images), seed.to(images.device)
        for name in self.names:
            made = DEGRADATION_FNS[name](made, seed)
        assert made.shape == (count, *given)
        return from_levels(made)


def hole_mask(seed: Tensor, height: int, width: int) -> Tensor:
    """Where each seed's hole lies: (N,) int64 to (N, 1, height, width) float32, 1 in the hole and 0 around it."""
    from zerosum.data.degradations.masks import hole_mask

    return hole_mask(seed, height, width)
