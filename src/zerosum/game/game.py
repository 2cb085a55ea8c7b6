"""The base class of games: players, their moves, and sampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn

from zerosum.game.play import InputGradientFn, input_gradient_norm_sq
from zerosum.game.player import Player
from zerosum.game.schedule import Progress, Schedule, schedule_bounds, value_at
from zerosum.game.types import Batch, NamedTensors, Sample


class MoveLosses(NamedTuple):
    """Losses and signals of one move."""

    losses: NamedTensors
    """Losses of any shape; the moving player minimizes the sum of their means."""
    signals: NamedTensors
    """Logged quantities that are not minimized."""


class StartingNetwork(NamedTuple):
    """A network of a game that may start from the weights of a checkpoint of another game."""

    network: nn.Module
    prefix: str
    """What the names of its tensors begin with in the game's `state_dict`."""
    saved_prefixes: tuple[str, ...]
    """What they begin with in a checkpoint: the first of these that the checkpoint has."""


@dataclass(frozen=True)
class Move:
    """A loss that one player minimizes, and how often."""

    player: str
    loss_fn: Callable[[Batch, Progress], MoveLosses]
    every_rounds: int = 1
    """Interval: played in rounds divisible by this number, with the loss multiplied by it (lazy regularization)."""
    steps: int = 1
    """Optimizer steps per round, each on its own batch."""
    reuses_batch: bool = False
    """Play on the batch of the preceding move, so that results of that move can be reused."""
    weights: tuple[Schedule, ...] = (1.0,)
    """Weights that `loss_fn` gives its losses; it leaves out those whose weight is 0, and the move is not played while
    all are."""
    during: tuple[int, float] = (0, math.inf)
    """The stage of training, in examples, to which the move belongs: from the first number, and before the second."""

    def has_weight(self, progress: Progress) -> bool:
        """Return whether the move belongs to this time, and any of its losses has a weight other than 0."""
        return any(self.weighted_losses(progress))

    def weighted_losses(self, progress: Progress) -> tuple[bool, ...]:
        """Return of each of `weights` whether the move belongs to this time, and it is other than 0."""
        first, end = self.during
        is_time = first <= progress.examples < end
        return tuple(is_time and bool(value_at(weight, progress)) for weight in self.weights)

    @property
    def bounds(self) -> set[float]:
        """The numbers of examples after which other losses may have a weight than before."""
        return {*self.during}.union(*(schedule_bounds(weight) for weight in self.weights))


class Game(nn.Module):
    """Players and their moves, in order.

    All state of a game lives in parameters and buffers, so that its `state_dict` is a complete checkpoint.
    """

    players: dict[str, Player]
    moves: list[Move]
    input_gradient_fn: InputGradientFn
    """Computes input gradients in plays; a compiling accelerator replaces it by a compiled version."""

    def register_players_and_moves(self, players: Sequence[Player], moves: Sequence[Move]) -> None:
        """Set the players and moves, and register the players' EMAs as submodules, so that checkpoints contain them.

        Args:
            players: the players, with distinct names and parameters.
            moves: the moves of a round, in order.

        Raises:
            ValueError: two players share a name or a parameter, or a move names an unknown player.
        """
        self.players = {player.name: player for player in players}
        if len(self.players) < len(players):
            raise ValueError(f"two players share a name: {[player.name for player in players]}; use unique names")
        owners: dict[int, str] = {}
        for player in players:
            for parameter in player.parameters:
                owner = owners.setdefault(id(parameter), player.name)
                if owner != player.name:
                    raise ValueError(f"players {owner!r} and {player.name!r} share a parameter: use separate networks")
        for move in moves:
            if move.player not in self.players:
                raise ValueError(f"a move has the unknown player {move.player!r}: use one of {list(self.players)}")
        self.moves = list(moves)
        self.input_gradient_fn = input_gradient_norm_sq
        self.emas = nn.ModuleDict({p.name: nn.ModuleList(p.emas) for p in players})

    def starting_networks(self) -> dict[str, StartingNetwork]:
        """Return the networks that may start from a checkpoint of another game, by the name of their player."""
        return {}

    def reset_emas(self) -> None:
        """Set every EMA to the current weights of its network, as at the beginning of training."""
        for player in self.players.values():
            for ema in player.emas:
                ema.network.load_state_dict(player.network.state_dict())

    def timing_points(self, total_examples: int) -> list[tuple[Progress, float]]:
        """Return the times at which to measure the duration of a round, and the fraction of the run each represents.

        There is one for each set of losses that have a weight: others take another time.

        Args:
            total_examples: length of the run.
        """
        bounds = {round(bound) for move in self.moves for bound in move.bounds if 0 < bound < total_examples}
        points: dict[tuple[tuple[bool, ...], ...], tuple[Progress, float]] = {}
        for first, end in pairwise([0, *sorted(bounds), total_examples]):
            progress = Progress(0, first + 1)  # a ramp begins after its first bound
            losses = tuple(move.weighted_losses(progress) for move in self.moves)
            earlier, fraction = points.get(losses, (progress, 0.0))
            points[losses] = earlier, fraction + (end - first) / total_examples
        return list(points.values())

    def can_sample(self, progress: Progress) -> bool:
        """Return whether samples show what training has reached: not before their network makes its first move."""
        return True

    def sample(self, seed: Tensor, label: Tensor | None = None, condition: Sample | None = None) -> Sample:
        """Return one sample per seed; subclasses implement it.

        Args:
            seed: (N,) int64.
            label: (N,) int64 classes; by default a conditional game draws them from the class priors.
            condition: (N, ...) numeric conditions; by default a game with such conditions draws them.

        Returns:
            (N, ...) samples.
        """
        raise NotImplementedError
