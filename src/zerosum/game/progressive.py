"""One generator against one discriminator, both growing while they play."""

from __future__ import annotations

from typing import Any, Protocol, cast

from torch import Tensor

from zerosum.game.adversarial import AdversarialGame
from zerosum.game.config import ProgressiveGameConfig
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch

TIMING_POINTS = 40
"""Evenly spaced moments at which the networks' size is looked at."""


class GrowableNetwork(Protocol):
    """A network that grows."""

    levels: int
    """How many resolutions it has."""

    def set_growth(self, growth: float) -> None:
        """Be as large as this, from 0 to levels - 1, from now on."""

    def limit_resolution(self, image: Tensor, growth: float) -> Tensor:
        """Pictures as networks of this growth could make them."""


class ProgressiveGame(AdversarialGame):
    """Networks that start with small pictures and are given larger ones (Karras et al. 2017, arXiv:1710.10196).

    How far they have grown is a pure function of the images seen. The data are shown as they look at that stage.
    """

    def __init__(self, *args: Any, config: ProgressiveGameConfig, **kwargs: Any) -> None:
        """Seat two networks that can `grow`; see `Adversarial`."""
        super().__init__(*args, config=config, **kwargs)
        self._growth_schedule = config.growth
        self._growable_networks = [
            cast("GrowableNetwork", module) for module in self.modules() if hasattr(module, "set_growth")
        ]
        self._set_growth(Progress())

    def _set_growth(self, progress: Progress) -> float:
        """Let both networks, and their averages, be as large as they are now; returns their growth."""
        growth = self._growth_schedule(progress, self._growable_networks[0].levels)
        for network in self._growable_networks:
            network.set_growth(growth)
        return growth

    def timing_points(self, total_examples: int) -> list[tuple[Progress, float]]:
        """A moment of each size that the networks have: a round of grown ones takes many times as long."""
        levels = self._growable_networks[0].levels
        found: dict[tuple[int, bool], tuple[Progress, float]] = {}
        for part in range(TIMING_POINTS):
            progress = Progress(0, (2 * part + 1) * total_examples // (2 * TIMING_POINTS))
            growth = self._growth_schedule(progress, levels)
            first, share = found.get((int(growth), growth % 1 > 0), (progress, 0.0))
            found[int(growth), growth % 1 > 0] = first, share + 1 / TIMING_POINTS
        return list(found.values())

    def prepare_real(self, batch: Batch, progress: Progress) -> Tensor:
        """The data as networks of this growth could make them, at full size."""
        return self._growable_networks[0].limit_resolution(batch["real"], self._set_growth(progress))

    def generate(self, batch: Batch, progress: Progress) -> Tensor:
        """The generator's samples, as far as it has grown."""
        self._set_growth(progress)
        return super().generate(batch, progress)
