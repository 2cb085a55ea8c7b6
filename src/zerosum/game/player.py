"""Players: parameters, their optimizer, and their EMAs."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from zerosum.game.optimizer import OptimizerConfig
from zerosum.game.schedule import Progress, Schedule, value_at


class EMA(nn.Module):
    """Exponential moving average (EMA) of a network's weights, with a half-life in examples.

    Yazici et al. 2018, arXiv:1806.04498; the half-life in examples is StyleGAN's.
    """

    def __init__(self, network: nn.Module, half_life: Schedule) -> None:
        """Copy `network`; with a half-life of 0 the EMA equals the network after each update."""
        super().__init__()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.half_life = half_life

    def train(self, mode: bool = True) -> EMA:
        """Keep the EMA in evaluation mode, also when the game is set to training mode."""
        super().train(False)
        return self

    @torch.no_grad()
    def update(self, network: nn.Module, examples: int, progress: Progress) -> None:
        """Update the EMA after `network` has trained on `examples` more examples."""
        half_life = value_at(self.half_life, progress)
        decay = 0.5 ** (examples / half_life) if half_life else 0.0
        # the foreach kernels need plain tensors: they cannot write to a Parameter in place
        ema_weights, weights = _detach_all(self.network.parameters()), _detach_all(network.parameters())
        torch._foreach_lerp_(ema_weights, weights, 1.0 - decay)
        for (name, ema_buffer), buffer in zip(self.network.named_buffers(), network.buffers(), strict=True):
            # batch norm statistics are averaged like weights; spectral norm's unit vectors are copied, because a mean
            # of unit vectors does not have unit length
            if ema_buffer.is_floating_point() and "parametrizations" not in name:
                ema_buffer.lerp_(buffer, 1.0 - decay)
            else:
                ema_buffer.copy_(buffer)


def set_requires_grad(parameters: Iterable[nn.Parameter], requires_grad: bool) -> None:
    """Set `requires_grad` of these parameters. (`nn.Module.requires_grad_` walks the module tree for each call.)"""
    for parameter in parameters:
        parameter.requires_grad = requires_grad


def _detach_all(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach() for parameter in parameters]


class Player:
    """A player of a game: a network that only this player trains, its optimizer, and its EMAs."""

    def __init__(
        self, name: str, network: nn.Module, optimizer_config: OptimizerConfig, half_lives: Sequence[Schedule] = ()
    ) -> None:
        """Create the optimizer and the EMAs.

        Args:
            name: unique name of the player.
            network: the network whose parameters the player trains: all that require gradients at this time.
            optimizer_config: optimizer settings.
            half_lives: half-life of each EMA, in examples.
        """
        self.name, self.network, self.optimizer_config = name, network, optimizer_config
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.optimizer = optimizer_config.build(self.parameters)
        self.emas = [EMA(network, half_life) for half_life in half_lives]

    @contextmanager
    def unfrozen(self) -> Iterator[None]:
        """Record gradients of this player's parameters inside the context, although another player moves."""
        set_requires_grad(self.parameters, True)
        try:
            yield
        finally:
            set_requires_grad(self.parameters, False)

    def averages(self, ema: EMA) -> list[Tensor]:
        """Return the EMA's values of the parameters that the player trains."""
        own = {id(parameter) for parameter in self.parameters}
        pairs = zip(self.network.parameters(), ema.network.parameters(), strict=True)
        return [average for parameter, average in pairs if id(parameter) in own]

    def update_ema(self, examples: int, progress: Progress) -> None:
        """Update the EMAs after a round of `examples` examples."""
        for ema in self.emas:
            ema.update(self.network, examples, progress)
