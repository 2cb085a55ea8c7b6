"""Fully connected networks with residual blocks, for codes and other vectors of numbers, of whose condition parts may
be unknown.

He, Zhang, Ren, Sun 2015, "Deep Residual Learning for Image Recognition", arXiv:1512.03385, with linear layers.
"""

from __future__ import annotations

from math import prod

from torch import Tensor, nn

from zerosum.game.given_values import GivenValues
from zerosum.game.types import DiscriminatorOutput, Sample
from zerosum.networks.layers import LEAKY_RELU, LayerFactory, to_score
from zerosum.networks.stages import Stages

_LINEAR_PATH_GAIN = 0.05
"""Standard deviation of what is added to a linear map of latents at the start, about."""


def join_given(vectors: Tensor, condition: Sample | None) -> Tensor:
    """Return vectors (N, F) with what is known of a condition: (N, F + 2P).

    Args:
        vectors: the vectors.
        condition: see `zerosum.game.given_values`; None: the vectors are returned.
    """
    return vectors if condition is None else GivenValues.of(condition).join(vectors)


class ResidualBlock(nn.Module):
    """x + f(x) with two linear layers, of which the second has a small gain."""

    def __init__(self, width: int, gain: float, factory: LayerFactory) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            LEAKY_RELU.build(),
            factory.linear(width, width, LEAKY_RELU.gain),
            LEAKY_RELU.build(),
            factory.linear(width, width, LEAKY_RELU.gain * gain),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, width) to the same shape."""
        branch: Tensor = self.branch(hidden)
        return hidden + branch


def _build_blocks(width: int, count: int, factory: LayerFactory) -> nn.Sequential:
    """Return residual blocks after which the variance has about doubled, whatever their number."""
    return nn.Sequential(*(ResidualBlock(width, count**-0.5, factory) for _ in range(count)))


class Generator(nn.Module):
    """Map latent vectors, and what is known of a condition, to samples of any shape."""

    def __init__(
        self, latent_size: int, shape: tuple[int, ...], *, width: int, blocks: int, num_given: int,
        factory: LayerFactory, linear_path: bool = False,
    ) -> None:  # fmt: skip
        """Build the network.

        Args:
            latent_size: values of a latent.
            shape: of a sample, without the batch axis.
            width: of the hidden layers.
            blocks: number of residual blocks, each of two layers.
            num_given: values of a condition; 0 for none.
            factory: creates the layers.
            linear_path: add a linear map of latents to the samples. It begins as the identity, and the rest small: the
                first samples are latents, up to a little.
        """
        super().__init__()
        self.condition_inputs = ("condition",) if num_given else ()
        gain = _LINEAR_PATH_GAIN if linear_path else 0.5**0.5
        self.input_layer = factory.linear(latent_size + 2 * num_given, width)
        self.blocks = _build_blocks(width, blocks, factory)
        self.output_layer = nn.Sequential(
            LEAKY_RELU.build(), factory.linear(width, prod(shape), LEAKY_RELU.gain * gain), nn.Unflatten(1, shape)
        )
        self.linear_path = nn.Linear(latent_size, prod(shape), bias=False) if linear_path else None
        if self.linear_path is not None:
            nn.init.eye_(self.linear_path.weight)

    def forward(self, latent: Tensor, condition: Sample | None = None) -> Tensor:
        """Map latents (N, L) to samples (N, *shape)."""
        sample: Tensor = self.output_layer(self.blocks(self.input_layer(join_given(latent, condition))))
        return sample if self.linear_path is None else sample + self.linear_path(latent).view_as(sample)


class Discriminator(nn.Module):
    """Map samples of any shape, and what is known of their condition, to scores."""

    def __init__(
        self, shape: tuple[int, ...], *, width: int, blocks: int, num_given: int, factory: LayerFactory
    ) -> None:
        """Build the network; see `Generator`."""
        super().__init__()
        self.condition_inputs = ("condition",) if num_given else ()
        self.input_layer = factory.linear(prod(shape) + 2 * num_given, width)
        self.blocks = _build_blocks(width, blocks, factory)
        self.output_layer = nn.Sequential(LEAKY_RELU.build(), factory.linear(width, 1, LEAKY_RELU.gain * 0.5**0.5))

    def forward(self, sample: Tensor, condition: Sample | None = None) -> DiscriminatorOutput:
        """Map samples (N, *shape) to an output with score (N,)."""
        hidden = self.blocks(self.input_layer(join_given(sample.flatten(1), condition)))
        return DiscriminatorOutput(to_score(self.output_layer(hidden)))

    def stages_from_sample(self) -> Stages:
        """Return the input layer, and each block."""
        return [[self.input_layer], *([block] for block in self.blocks)]
