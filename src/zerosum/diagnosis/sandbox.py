"""A game's double: a copy on which anything may be tried, so that the game itself is only looked at."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from zerosum.game.game import Game, Move
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch

DryStepFn = Callable[[Game, Move, Batch, Progress], Mapping[str, float]]
"""Makes a move in a game on a batch, on this process alone; gives the means of its terms, as the log names them."""

GameT = TypeVar("GameT", bound=Game)


@contextmanager
def sandboxed_copy(game: GameT) -> Iterator[GameT]:
    """A copy of the game, its optimizers included; the dice are put back when it goes."""
    with torch.random.fork_rng():
        # how slopes are worked out is the machine's, and may hold what cannot be copied
        yield copy.deepcopy(game, {id(game.input_gradient_fn): game.input_gradient_fn}).train()


class StepEffect(NamedTuple):
    """What one round did to a player."""

    grad_norm: float
    """The norm of its gradient in the round's last step."""
    min_layer_gradient: float
    """The smallest of its layers' gradients over their weights, as a share of the median layer's."""
    update_ratio: float
    """By how much the round changed its weights, as a share of them."""


def dry_run_round(
    game: Game, batch: Batch, progress: Progress, dry_step: DryStepFn
) -> tuple[dict[str, StepEffect], dict[str, float]]:
    """Play the moves of every round once, on a double; what became of each player, and the terms by name."""
    trials: dict[str, StepEffect] = {}
    terms: dict[str, float] = {}
    for move in game.moves:
        if move.every_rounds == 1:
            parameters = game.players[move.player].parameters
            before = [parameter.detach().clone() for parameter in parameters]
            terms |= dry_step(game, move, batch, progress)
            trials[move.player] = _measure_step(parameters, before)
    return trials, terms


def _measure_step(parameters: Sequence[nn.Parameter], before: Sequence[Tensor]) -> StepEffect:
    steps = torch.stack([(progress.detach() - was).norm() for progress, was in zip(parameters, before, strict=True)])
    sizes = torch.stack([was.norm() for was in before])
    gradients = torch.stack([was.new_zeros(()) if p.grad is None else p.grad.norm() for p, was in
                             zip(parameters, before, strict=True)])  # fmt: skip
    # vectors (biases, gains) begin at 0 or 1 and say little of how far a gradient reaches
    layers = torch.tensor([p.dim() > 1 for p in parameters], device=sizes.device) & (sizes > 0)
    shares = (gradients / sizes)[layers]
    still = float(shares.min() / shares.median().clamp_min(1e-30)) if len(shares) else 1.0
    return StepEffect(float(gradients.norm()), still, float(steps.norm() / sizes.norm().clamp_min(1e-30)))
