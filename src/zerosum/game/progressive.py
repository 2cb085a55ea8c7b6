"""One generator against one discriminator, both growing while they play."""

from __future__ import annotations

from typing import Any, Protocol, cast

from torch import Tensor

from zerosum.game.adversarial import Adversarial
from zerosum.game.config import ProgressiveGame
from zerosum.game.schedule import Now
from zerosum.game.types import Batch

MOMENTS = 40
"""Evenly spaced moments at which the networks' size is looked at."""


class Growing(Protocol):
    """A network that grows."""

    levels: int
    """How many resolutions it has."""

    def grow(self, growth: float) -> None:
        """Be as large as this, from 0 to levels - 1, from now on."""

    def shown(self, picture: Tensor, growth: float) -> Tensor:
        """Pictures as networks of this growth could make them."""


class Progressive(Adversarial):
    """Networks that start with small pictures and are given larger ones (Karras et al. 2017, arXiv:1710.10196).

    How far they have grown is a pure function of the images seen. The data are shown as they look at that stage.
    """

    def __init__(self, *parts: Any, rules: ProgressiveGame, **more: Any) -> None:
        """Seat two networks that can `grow`; see `Adversarial`."""
        super().__init__(*parts, rules=rules, **more)
        self._growth = rules.growth
        self._growing = [cast("Growing", module) for module in self.modules() if hasattr(module, "grow")]
        self._grow(Now())

    def _grow(self, now: Now) -> float:
        """Let both networks, and their averages, be as large as they are now; returns their growth."""
        growth = self._growth(now, self._growing[0].levels)
        for network in self._growing:
            network.grow(growth)
        return growth

    def moments(self, images: int) -> list[tuple[Now, float]]:
        """A moment of each size that the networks have: a round of grown ones takes many times as long."""
        levels = self._growing[0].levels
        found: dict[tuple[int, bool], tuple[Now, float]] = {}
        for part in range(MOMENTS):
            now = Now(0, (2 * part + 1) * images // (2 * MOMENTS))
            growth = self._growth(now, levels)
            first, share = found.get((int(growth), growth % 1 > 0), (now, 0.0))
            found[int(growth), growth % 1 > 0] = first, share + 1 / MOMENTS
        return list(found.values())

    def show(self, batch: Batch, now: Now) -> Tensor:
        """The data as networks of this growth could make them, at full size."""
        return self._growing[0].shown(batch["real"], self._grow(now))

    def imagine(self, batch: Batch, now: Now) -> Tensor:
        """The generator's samples, as far as it has grown."""
        self._grow(now)
        return super().imagine(batch, now)
