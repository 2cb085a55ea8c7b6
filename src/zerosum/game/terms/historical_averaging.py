"""Historical averaging, a term against oscillation of the players."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class HistoricalAveraging(TermSettings):
    """Squared distance of a player's weights from their own EMA.

    Salimans et al. 2016, arXiv:1606.03498, section 3.3; the paper averages all past weights evenly, this term uses an
    exponential moving average. A player has at most one such term.
    """

    kind: Literal["historical"] = "historical"
    player: Literal["discriminator", "generator"] = "generator"
    """Player whose weights are averaged."""
    weight: Schedule = 1e-3
    """Weight of the term."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    half_life: Schedule = 20_000.0
    """Half-life of the EMA in examples."""

    @property
    def ema_half_life(self) -> Schedule | None:
        """Half-life of the EMA that the term reads, in examples."""
        return self.half_life

    def __call__(self, play: Play) -> Tensor:
        """Return |weights - EMA|^2: a scalar."""
        import torch

        player = play.game.players[self.player]
        pairs = zip(player.parameters, player.averages(player.emas[-1]), strict=True)
        distances = [(weight - average).square().sum() for weight, average in pairs]
        return torch.stack(distances).sum()
