"""A copy of a game for experiments, so that a probe never changes the game that is trained."""

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

TrialStepFn = Callable[[Game, Move, Batch, Progress], Mapping[str, float]]
"""Makes a move of a game on a batch, on this process alone, and returns the mean of each loss by its log name."""

GameT = TypeVar("GameT", bound=Game)


@contextmanager
def sandboxed_copy(game: GameT) -> Iterator[GameT]:
    """Yield a copy of the game in training mode, with its optimizers; the global random state is restored at exit."""
    with torch.random.fork_rng():
        # the function that computes input gradients belongs to the accelerator and may not be copyable (compiled code)
        yield copy.deepcopy(game, {id(game.input_gradient_fn): game.input_gradient_fn}).train()


class StepEffect(NamedTuple):
    """Effect of one round on a player; the field names are parts of the log keys."""

    grad_norm: float
    """Norm of the gradient in the last step of the round."""
    min_layer_gradient: float
    """The smallest ratio of gradient norm to weight norm of a layer, divided by the median over layers."""
    update_ratio: float
    """Norm of the change of the weights, divided by the norm of the weights."""


def trial_round(
    game: Game, batch: Batch, progress: Progress, trial_step: TrialStepFn
) -> tuple[dict[str, StepEffect], dict[str, float]]:
    """Play the moves that belong to every round once.

    Args:
        game: a sandboxed copy; its weights change.
        batch: the batch of every move.
        progress: the position in the training.
        trial_step: makes a move.

    Returns:
        The effect on each player by its name, and the losses by their log names.
    """
    effects: dict[str, StepEffect] = {}
    losses: dict[str, float] = {}
    for move in game.moves:
        if move.every_rounds == 1 and move.has_weight(progress):
            parameters = game.players[move.player].parameters
            before = [parameter.detach().clone() for parameter in parameters]
            losses |= trial_step(game, move, batch, progress)
            effects[move.player] = _measure_step(parameters, before)
    return effects, losses


def _measure_step(parameters: Sequence[nn.Parameter], before: Sequence[Tensor]) -> StepEffect:
    pairs = list(zip(parameters, before, strict=True))
    updates = torch.stack([(parameter.detach() - old).norm() for parameter, old in pairs])
    sizes = torch.stack([old.norm() for old in before])
    gradients = torch.stack([old.new_zeros(()) if p.grad is None else p.grad.norm() for p, old in pairs])
    # biases and gains begin at 0 or 1: their ratio does not show how far a gradient reaches
    is_layer = torch.tensor([p.dim() > 1 for p in parameters], device=sizes.device) & (sizes > 0)
    ratios = (gradients / sizes)[is_layer]
    min_layer_gradient = float(ratios.min() / ratios.median().clamp_min(1e-30)) if len(ratios) else 1.0
    return StepEffect(
        float(gradients.norm()), min_layer_gradient, float(updates.norm() / sizes.norm().clamp_min(1e-30))
    )
