"""An autopsy: a run that lost its numbers is played again, exactly, to see which layer lost the first.

A round is a function of the checkpoint and the stream's position, so what happened happens again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from zerosum.game.game import Game
from zerosum.game.player import Player
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter


class NonFiniteError(ArithmeticError):
    """Where the first number that is not finite came from."""


class FiniteCheckingAccelerator(Accelerator):
    """A machine that looks at every gradient before a step, and at every weight after it."""

    def step(self, player: Player, progress: Progress) -> float:
        """As `Machine.step`; raises NotFinite where the step is not finite."""
        for name, parameter in player.network.named_parameters():
            if parameter.grad is not None and not _is_finite(parameter.grad):
                raise NonFiniteError(f"the gradient of {player.name}.{name}, at the move of the {player.name}")
        rate = super().step(player, progress)
        for name, parameter in player.network.named_parameters():
            if not _is_finite(parameter):
                raise NonFiniteError(
                    f"the step of {player.name}.{name}: its gradient was finite, the new weight is not"
                )
        return rate

    @classmethod
    def from_accelerator(cls, accelerator: Accelerator) -> FiniteCheckingAccelerator:
        """The same machine, careful, its networks as they are written."""
        return cls(accelerator.device, accelerator.accumulate, accelerator.dtype, accelerator.disable_tf32)


def replay_until_nonfinite(
    game: Game,
    loader: Iterator[Batch],
    accelerator: FiniteCheckingAccelerator,
    progress: Progress,
    batch_size: int,
    end_examples: int,
) -> str:
    """Play on until a number is not finite, or `end_examples` images are reached.

    Returns:
        What gave it, and in which round; empty where nothing did.
    """
    game.train()
    with _output_checks(game):
        while progress.examples < end_examples:
            try:
                play_round(game, loader, accelerator, progress, Meter())
            except NonFiniteError as found:
                return f"{found}, in round {progress.round}"
            progress = Progress(progress.round + 1, progress.examples + batch_size)
            for player in game.players.values():
                player.update_ema(batch_size, progress)
    return ""


@contextmanager
def _output_checks(game: Game) -> Iterator[None]:
    """While it lasts, a layer whose output is not finite though all it was given is raises NotFinite."""
    hooks = []
    for name, module in game.named_modules():
        if not list(module.children()) and not name.startswith("emas."):
            hooks.append(module.register_forward_hook(_make_output_check(name)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _make_output_check(module_name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
    def look(module: nn.Module, given: tuple[object, ...], made: object) -> None:
        if not all(_is_finite(leaf) for leaf in tree_leaves(made)) and all(
            _is_finite(leaf) for leaf in tree_leaves(given)
        ):
            raise NonFiniteError(f"the output of {module_name} ({type(module).__name__})")

    return look


def _is_finite(leaf: object) -> bool:
    return not isinstance(leaf, Tensor) or not leaf.is_floating_point() or bool(torch.isfinite(leaf).all())
