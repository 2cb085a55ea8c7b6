"""Players: who learns, how, and the averages that follow."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from zerosum.game.optimizer import OptimizerConfig
from zerosum.game.schedule import Progress, Schedule, value_at


class EMA(nn.Module):
    """An exponential moving average of a network's weights, its half-life counted in images.

    Yazici et al. 2018, arXiv:1806.04498; the half-life's unit is StyleGAN's.
    """

    def __init__(self, network: nn.Module, half_life: Schedule) -> None:
        """Start as a copy of `network`; a half-life of 0 images follows it exactly."""
        super().__init__()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.half_life = half_life

    def train(self, mode: bool = True) -> EMA:
        """Averages are always in evaluation mode, whatever the game around them does."""
        super().train(False)
        return self

    @torch.no_grad()
    def update(self, network: nn.Module, examples: int, progress: Progress) -> None:
        """Move towards `network` after it has trained on `examples` more images."""
        half_life = value_at(self.half_life, progress)
        keep = 0.5 ** (examples / half_life) if half_life else 0.0
        # the foreach kernels want plain tensors: a Parameter cannot be the target of one
        ours, theirs = _detach_all(self.network.parameters()), _detach_all(network.parameters())
        torch._foreach_lerp_(ours, theirs, 1.0 - keep)
        for (name, average), live in zip(self.network.named_buffers(), network.buffers(), strict=True):
            # batch norm's statistics belong to the averaged weights, but a mean of directions is no direction
            if average.is_floating_point() and "parametrizations" not in name:
                average.lerp_(live, 1.0 - keep)
            else:
                average.copy_(live)


def set_requires_grad(parameters: Iterable[nn.Parameter], requires_grad: bool) -> None:
    """Let gradients reach these parameters, or not. (A module walks its tree for it.)"""
    for parameter in parameters:
        parameter.requires_grad = requires_grad


def _detach_all(parameters: object) -> list[Tensor]:
    return [p.detach() for p in parameters]  # type: ignore[attr-defined]


class Player:
    """One side of the game: the parameters it alone may change, how it changes them, and its averages."""

    def __init__(
        self, name: str, network: nn.Module, optimizer_config: OptimizerConfig, half_lives: Sequence[Schedule] = ()
    ) -> None:
        """Enter the game with `network`; one average is kept for each half-life."""
        self.name, self.network, self.optimizer_config = name, network, optimizer_config
        self.parameters = list(network.parameters())
        self.optimizer = optimizer_config.build(self.parameters)
        self.emas = [EMA(network, half_life) for half_life in half_lives]

    @contextmanager
    def unfrozen(self) -> Iterator[None]:
        """Keep how this player's parameters made what is made here, though it is not its move but the next one."""
        set_requires_grad(self.parameters, True)
        try:
            yield
        finally:
            set_requires_grad(self.parameters, False)

    def update_ema(self, examples: int, progress: Progress) -> None:
        """Let the averages follow after a round of `examples` images."""
        for average in self.emas:
            average.update(self.network, examples, progress)
