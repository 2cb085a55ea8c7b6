"""Signals of the weights for every row of the log: they cost almost nothing, so runs without probes have them too.

The change of the weights is that of the last round before a row, so that a resumed run logs the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zerosum.diagnosis.measures import Signals
from zerosum.game.game import Game
from zerosum.game.player import Player

MAX_VALUES = 16_384
"""Number of values of a tensor that are read; of larger tensors, as many at equal distances."""


@dataclass
class WeightSignals:
    """Measures how much a round changes the weights, and how far each EMA is from them."""

    _before: dict[str, list[Tensor]] = field(default_factory=dict)

    def remember(self, game: Game) -> None:
        """Keep the weights before the round that `measure` will measure."""
        self._before = {name: _read_all(player.parameters) for name, player in game.players.items()}

    def measure(self, game: Game) -> Signals:
        """Return the signals of the weights, by log keys "weights/...".

        Args:
            game: the game, one round after `remember`; it is not changed.

        Returns:
            Of each player: the number of its weights ("count"), their norm, their change in the last round relative to
            it ("update", if `remember` was called), and the distance of its first EMA relative to it ("ema_distance",
            if there is one). Only finite numbers. Gradients are none of them, since checkpoints do not hold them.
        """
        players = {name: player for name, player in game.players.items() if player.parameters}
        counts = {
            f"weights/count/{name}": float(sum(p.numel() for p in player.parameters))
            for name, player in players.items()
        }
        squares: dict[str, Tensor] = {}
        for name, player in players.items():
            measured = _sum_squares(player, self._before.get(name))
            squares |= {f"{quantity}/{name}": total for quantity, total in measured.items()}
        self._before = {}
        return {name: value for name, value in (counts | _relative_norms(squares)).items() if math.isfinite(value)}


def _sum_squares(player: Player, before: list[Tensor] | None) -> dict[str, Tensor]:
    """Return the sums of squares () of a player's weights, changes and distances from the EMA."""
    weights = _read_all(player.parameters)
    # each value that is read stands for so many
    scales = [p.numel() / max(1, len(values)) for p, values in zip(player.parameters, weights, strict=True)]
    squares = {"norm": _sum_of_squares(weights, scales)}
    if before is not None:
        squares["update"] = _sum_of_squares(_differences(weights, before), scales)
    if player.emas:
        ema_weights = _read_all(player.averages(player.emas[0]))
        squares["ema_distance"] = _sum_of_squares(_differences(weights, ema_weights), scales)
    return squares


def _differences(first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
    return [one - other for one, other in zip(first, second, strict=True)]


def _relative_norms(squares: dict[str, Tensor]) -> Signals:
    """Return the norms of the weights as they are, and all others relative to those of the same player."""
    if not squares:
        return {}
    # one wait for the device, not one for each number
    norms = dict(zip(squares, torch.stack(list(squares.values())).sqrt().tolist(), strict=True))
    return {
        f"weights/{key}": norm if key.startswith("norm/") else norm / max(norms[f"norm/{key.split('/')[1]}"], 1e-30)
        for key, norm in norms.items()
    }


def _read(tensor: Tensor) -> Tensor:
    """Return up to about `MAX_VALUES` values of a tensor (M,), in a copy."""
    flat = tensor.detach().reshape(-1)
    return flat[:: max(1, math.ceil(len(flat) / MAX_VALUES))].float().clone()


def _read_all(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [_read(tensor) for tensor in tensors]


def _sum_of_squares(tensors: list[Tensor], scales: list[float]) -> Tensor:
    """Return the sum of all squares (), where each value of a tensor stands for `scale` of them."""
    return torch.stack([tensor.square().sum() * scale for tensor, scale in zip(tensors, scales, strict=True)]).sum()
