"""A game's double: a copy on which anything may be tried, so that the game itself is only looked at."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from zerosum.game.game import Game, Move
from zerosum.game.schedule import Now
from zerosum.game.types import Batch

Try = Callable[[Game, Move, Batch, Now], Mapping[str, float]]
"""Makes a move in a game on a batch, on this process alone; gives the means of its terms, as the log names them."""

AnyGame = TypeVar("AnyGame", bound=Game)


@contextmanager
def double(game: AnyGame) -> Iterator[AnyGame]:
    """A copy of the game, its optimizers included; the dice are put back when it goes."""
    with torch.random.fork_rng():
        # how slopes are worked out is the machine's, and may hold what cannot be copied
        yield copy.deepcopy(game, {id(game.differentiate): game.differentiate}).train()


class Trial(NamedTuple):
    """What one round did to a player."""

    gradient: float
    """The norm of its gradient in the round's last step."""
    stillest: float
    """The smallest of its layers' gradients over their weights, as a share of the median layer's."""
    stride: float
    """By how much the round changed its weights, as a share of them."""


def try_round(game: Game, batch: Batch, now: Now, attempt: Try) -> tuple[dict[str, Trial], dict[str, float]]:
    """Play the moves of every round once, on a double; what became of each player, and the terms by name."""
    trials: dict[str, Trial] = {}
    terms: dict[str, float] = {}
    for move in game.moves:
        if move.every == 1:
            parameters = game.players[move.player].parameters
            before = [parameter.detach().clone() for parameter in parameters]
            terms |= attempt(game, move, batch, now)
            trials[move.player] = _became(parameters, before)
    return trials, terms


def _became(parameters: Sequence[nn.Parameter], before: Sequence[Tensor]) -> Trial:
    steps = torch.stack([(now.detach() - was).norm() for now, was in zip(parameters, before, strict=True)])
    sizes = torch.stack([was.norm() for was in before])
    gradients = torch.stack([was.new_zeros(()) if p.grad is None else p.grad.norm() for p, was in
                             zip(parameters, before, strict=True)])  # fmt: skip
    # vectors (biases, gains) begin at 0 or 1 and say little of how far a gradient reaches
    layers = torch.tensor([p.dim() > 1 for p in parameters], device=sizes.device) & (sizes > 0)
    shares = (gradients / sizes)[layers]
    still = float(shares.min() / shares.median().clamp_min(1e-30)) if len(shares) else 1.0
    return Trial(float(gradients.norm()), still, float(steps.norm() / sizes.norm().clamp_min(1e-30)))
