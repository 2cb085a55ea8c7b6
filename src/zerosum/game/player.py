"""Players: who learns, how, and the averages that follow."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from zerosum.game.optimizer import Rule
from zerosum.game.schedule import Now, Schedule, at


class Average(nn.Module):
    """An exponential moving average of a network's weights, its half-life counted in images.

    Yazici et al. 2018, arXiv:1806.04498; the half-life's unit is StyleGAN's.
    """

    def __init__(self, network: nn.Module, half_life_images: Schedule) -> None:
        """Start as a copy of `network`; a half-life of 0 images follows it exactly."""
        super().__init__()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.half_life_images = half_life_images

    def train(self, mode: bool = True) -> Average:
        """Averages are always in evaluation mode, whatever the game around them does."""
        super().train(False)
        return self

    @torch.no_grad()
    def follow(self, network: nn.Module, images: int, now: Now) -> None:
        """Move towards `network` after it has trained on `images` more images."""
        half_life = at(self.half_life_images, now)
        keep = 0.5 ** (images / half_life) if half_life else 0.0
        # the foreach kernels want plain tensors: a Parameter cannot be the target of one
        ours, theirs = _plain(self.network.parameters()), _plain(network.parameters())
        torch._foreach_lerp_(ours, theirs, 1.0 - keep)
        for (name, average), live in zip(self.network.named_buffers(), network.buffers(), strict=True):
            # batch norm's statistics belong to the averaged weights, but a mean of directions is no direction
            if average.is_floating_point() and "parametrizations" not in name:
                average.lerp_(live, 1.0 - keep)
            else:
                average.copy_(live)


def require(parameters: Iterable[nn.Parameter], wanted: bool) -> None:
    """Let gradients reach these parameters, or not. (A module walks its tree for it.)"""
    for parameter in parameters:
        parameter.requires_grad = wanted


def _plain(parameters: object) -> list[Tensor]:
    return [p.detach() for p in parameters]  # type: ignore[attr-defined]


class Player:
    """One side of the game: the parameters it alone may change, how it changes them, and its averages."""

    def __init__(self, name: str, network: nn.Module, rule: Rule, half_lives_images: Sequence[Schedule] = ()) -> None:
        """Enter the game with `network`; one average is kept for each half-life."""
        self.name, self.network, self.rule = name, network, rule
        self.parameters = list(network.parameters())
        self.optimizer = rule.build(self.parameters)
        self.averages = [Average(network, half_life) for half_life in half_lives_images]

    @contextmanager
    def thawed(self) -> Iterator[None]:
        """Keep how this player's parameters made what is made here, though it is not its move but the next one."""
        require(self.parameters, True)
        try:
            yield
        finally:
            require(self.parameters, False)

    def follow(self, images: int, now: Now) -> None:
        """Let the averages follow after a round of `images` images."""
        for average in self.averages:
            average.follow(self.network, images, now)
