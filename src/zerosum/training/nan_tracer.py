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
from zerosum.game.schedule import Now
from zerosum.game.types import Batch
from zerosum.training.accelerator import Machine
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter


class NotFinite(ArithmeticError):
    """Where the first number that is not finite came from."""


class Careful(Machine):
    """A machine that looks at every gradient before a step, and at every weight after it."""

    def step(self, player: Player, now: Now) -> float:
        """As `Machine.step`; raises NotFinite where the step is not finite."""
        for name, parameter in player.network.named_parameters():
            if parameter.grad is not None and not _finite(parameter.grad):
                raise NotFinite(f"the gradient of {player.name}.{name}, at the move of the {player.name}")
        rate = super().step(player, now)
        for name, parameter in player.network.named_parameters():
            if not _finite(parameter):
                raise NotFinite(f"the step of {player.name}.{name}: its gradient was finite, the new weight is not")
        return rate

    @classmethod
    def like(cls, machine: Machine) -> Careful:
        """The same machine, careful, its networks as they are written."""
        return cls(machine.device, machine.accumulate, machine.precision, machine.strict)


def autopsy(game: Game, stream: Iterator[Batch], machine: Careful, now: Now, batch: int, end: int) -> str:
    """Play on until a number is not finite, or `end` images are reached.

    Returns:
        What gave it, and in which round; empty where nothing did.
    """
    game.train()
    with _watched(game):
        while now.images < end:
            try:
                play_round(game, stream, machine, now, Meter())
            except NotFinite as found:
                return f"{found}, in round {now.round}"
            now = Now(now.round + 1, now.images + batch)
            for player in game.players.values():
                player.follow(batch, now)
    return ""


@contextmanager
def _watched(game: Game) -> Iterator[None]:
    """While it lasts, a layer whose output is not finite though all it was given is raises NotFinite."""
    hooks = []
    for name, module in game.named_modules():
        if not list(module.children()) and not name.startswith("averages."):
            hooks.append(module.register_forward_hook(_look(name)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _look(name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
    def look(module: nn.Module, given: tuple[object, ...], made: object) -> None:
        if not all(_finite(leaf) for leaf in tree_leaves(made)) and all(_finite(leaf) for leaf in tree_leaves(given)):
            raise NotFinite(f"the output of {name} ({type(module).__name__})")

    return look


def _finite(leaf: object) -> bool:
    return not isinstance(leaf, Tensor) or not leaf.is_floating_point() or bool(torch.isfinite(leaf).all())
