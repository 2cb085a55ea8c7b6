"""The adversarial game with progressive growing."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from zerosum.game.adversarial import AdversarialGame
from zerosum.game.config import ProgressiveGameConfig
from zerosum.game.parts import GameParts
from zerosum.game.sample_tree import single_tensor
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch, Sample

TIMING_POINTS = 40
"""Number of evenly spaced times at which the resolution of the networks is examined."""


@runtime_checkable
class GrowableNetwork(Protocol):
    """A network with progressive growing."""

    levels: int
    """Number of resolutions."""

    def set_growth(self, growth: float) -> None:
        """Set the growth, from 0 to levels - 1; a fraction fades in the next resolution."""

    def limit_resolution(self, image: Tensor, growth: float) -> Tensor:
        """Return the images with the detail that networks of this growth can represent, at full size."""


class ProgressiveGame(AdversarialGame):
    """Networks that start at a low resolution and grow (Karras et al. 2017, arXiv:1710.10196).

    The growth is a pure function of the number of training examples. Real images are reduced to the same resolution.
    """

    def __init__(self, parts: GameParts, config: ProgressiveGameConfig) -> None:
        """Create the game; both networks must be `GrowableNetwork`s. See `AdversarialGame` for the arguments."""
        super().__init__(parts, config)
        self._growth_schedule = config.growth
        self._growable_networks = [module for module in self.modules() if isinstance(module, GrowableNetwork)]
        self._set_growth(Progress())

    def _set_growth(self, progress: Progress) -> float:
        """Set the growth of both networks and their EMAs to the scheduled value, and return it."""
        growth = self._growth_schedule(progress, self._growable_networks[0].levels)
        for network in self._growable_networks:
            network.set_growth(growth)
        return growth

    def timing_points(self, total_examples: int) -> list[tuple[Progress, float]]:
        """Return one time per network size: a round at the full resolution takes many times as long as the first."""
        levels = self._growable_networks[0].levels
        points: dict[tuple[int, bool], tuple[Progress, float]] = {}
        for index in range(TIMING_POINTS):
            progress = Progress(0, (2 * index + 1) * total_examples // (2 * TIMING_POINTS))
            growth = self._growth_schedule(progress, levels)
            first, fraction = points.get((int(growth), growth % 1 > 0), (progress, 0.0))
            points[int(growth), growth % 1 > 0] = first, fraction + 1 / TIMING_POINTS
        return list(points.values())

    def prepare_real(self, batch: Batch, progress: Progress) -> Sample:
        """Return the real images at the resolution of the current growth, resized to full size."""
        return self._growable_networks[0].limit_resolution(single_tensor(batch["real"]), self._set_growth(progress))

    def generate(self, batch: Batch, progress: Progress) -> Sample:
        """Return generated samples at the current growth, at least float32."""
        self._set_growth(progress)
        return super().generate(batch, progress)
