"""Staying near where one has been: against going round in circles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.game import Game
    from zerosum.game.play import Play


class HistoricalAveraging(TermSettings):
    """The squared distance of a player's weights from their own average.

    Historical averaging, Salimans et al. 2016, arXiv:1606.03498, section 3.3; theirs averages all the past evenly, this
    one forgets exponentially. A player has one such term at most.
    """

    kind: Literal["historical"] = "historical"
    player: Literal["discriminator", "generator"] = "generator"
    """Whose weights."""
    weight: Schedule = 1e-3
    """What it is multiplied by."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    half_life: Schedule = 20_000.0
    """Images after which half of an old weight is forgotten."""

    @property
    def ema_half_life(self) -> Schedule | None:
        """The average it looks back on."""
        return self.half_life

    def __call__(self, play: Play) -> Tensor:
        """|weights - average|^2, a scalar."""
        import torch

        game = cast("Game", play.game)
        player = game.players[self.player]
        past = player.emas[-1].network.parameters()
        apart = [(progress - then).square().sum() for progress, then in zip(player.parameters, past, strict=True)]
        return torch.stack(apart).sum()
