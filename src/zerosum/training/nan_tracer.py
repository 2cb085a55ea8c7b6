"""Find the first NaN or infinity of a diverged run by replaying its rounds with checks in every layer.

A round is a function of the checkpoint and the loader's position, so the replay computes the same numbers.
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
    """Raised at the first non-finite number; the message says where it came from."""


class FiniteCheckingAccelerator(Accelerator):
    """An accelerator that checks every gradient before a step and every weight after it."""

    def step(self, player: Player, progress: Progress) -> float:
        """Step as `Accelerator.step` does.

        Raises:
            NonFiniteError: if a gradient or a new weight is not finite.
        """
        for name, parameter in player.network.named_parameters():
            if parameter.grad is not None and not _is_finite(parameter.grad):
                raise NonFiniteError(f"the gradient of {player.name}.{name} in the move of the {player.name}")
        lr = super().step(player, progress)
        for name, parameter in player.network.named_parameters():
            if not _is_finite(parameter):
                raise NonFiniteError(
                    f"the optimizer step of {player.name}.{name} (its gradient was finite, the new weight is not)"
                )
        return lr

    @classmethod
    def from_accelerator(cls, accelerator: Accelerator) -> FiniteCheckingAccelerator:
        """Return a checking copy of an accelerator, with uncompiled networks."""
        return cls(accelerator.device, accelerator.accumulate, accelerator.dtype, accelerator.disable_tf32)


def replay_until_nonfinite(
    game: Game,
    loader: Iterator[Batch],
    accelerator: FiniteCheckingAccelerator,
    progress: Progress,
    batch_size: int,
    end_examples: int,
) -> str:
    """Play rounds until a number is not finite or `end_examples` is reached.

    Args:
        game: the game, restored from a checkpoint.
        loader: the data loader at the checkpoint's position.
        accelerator: checks gradients and weights.
        progress: the checkpoint's progress.
        batch_size: examples in a round.
        end_examples: examples at which to stop.

    Returns:
        The source of the first non-finite number and its round; "" if all numbers were finite.
    """
    game.train()
    with _output_checks(game):
        while progress.examples < end_examples:
            try:
                play_round(game, loader, accelerator, progress, Meter())
            except NonFiniteError as error:
                return f"{error}, in round {progress.round}"
            progress = Progress(progress.round + 1, progress.examples + batch_size)
            for player in game.players.values():
                player.update_ema(batch_size, progress)
    return ""


@contextmanager
def _output_checks(game: Game) -> Iterator[None]:
    """Within this context, raise NonFiniteError at a layer with finite inputs and a non-finite output."""
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
    def check_output(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        if not all(_is_finite(leaf) for leaf in tree_leaves(output)) and all(
            _is_finite(leaf) for leaf in tree_leaves(inputs)
        ):
            raise NonFiniteError(f"the output of {module_name} ({type(module).__name__})")

    return check_output


def _is_finite(leaf: object) -> bool:
    return not isinstance(leaf, Tensor) or not leaf.is_floating_point() or bool(torch.isfinite(leaf).all())
