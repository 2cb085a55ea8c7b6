"""A game: its players, their moves, and what it can show to people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from zerosum.game.play import InputGradientFn, input_gradient_norm_sq
from zerosum.game.player import Player
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch, NamedTensors


class MoveLosses(NamedTuple):
    """What a move comes to."""

    losses: NamedTensors
    """Minimised by the mover: the means are added up."""
    signals: NamedTensors
    """Only watched."""


@dataclass(frozen=True)
class Move:
    """One player's move."""

    player: str
    loss_fn: Callable[[Batch, Progress], MoveLosses]
    every_rounds: int = 1
    """Played on rounds divisible by this; its loss is scaled up by as much."""
    steps: int = 1
    """Optimizer steps in one round, each on a batch of its own."""
    reuses_batch: bool = False
    """Played on the batch of the move before it, so that what that move made of it need not be made anew."""


class Game(nn.Module):
    """Players and their moves in order. Whatever it remembers is a buffer, so a checkpoint of it is everything."""

    players: dict[str, Player]
    moves: list[Move]
    input_gradient_fn: InputGradientFn
    """How its plays work out slopes; a machine that compiles puts its own in place."""

    def register_players(self, players: Sequence[Player], moves: Sequence[Move]) -> None:
        """Seat the players; their averages become part of the game, so that they are saved with it.

        Raises:
            ValueError: two players share a name or a parameter, or a move names no player.
        """
        self.players = {player.name: player for player in players}
        if len(self.players) < len(players):
            raise ValueError(f"two players share a name: {[player.name for player in players]}")
        owners: dict[int, str] = {}
        for player in players:
            for parameter in player.parameters:
                owner = owners.setdefault(id(parameter), player.name)
                if owner != player.name:
                    raise ValueError(f"players {owner} and {player.name} share a parameter: give each its own")
        for move in moves:
            if move.player not in self.players:
                raise ValueError(f"a move names {move.player!r}, who does not play: {list(self.players)}")
        self.moves = list(moves)
        self.input_gradient_fn = input_gradient_norm_sq
        self.emas = nn.ModuleDict({p.name: nn.ModuleList(p.emas) for p in players})

    def timing_points(self, total_examples: int) -> list[tuple[Progress, float]]:
        """When to look at how long a round takes, in a run of so many images, and what share of it each stands for."""
        return [(Progress(), 1.0)]

    def sample(self, seed: Tensor, label: Tensor | None = None) -> Tensor:
        """Samples for people, one for each seed: (N,) int64 to the game's samples. Each kind of game says how.

        Of these classes, (N,) int64, where it knows any; otherwise of classes as common as in the data.
        """
        raise NotImplementedError
