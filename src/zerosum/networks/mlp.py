"""Fully connected networks, for vectors or small images (Goodfellow et al. 2014, arXiv:1406.2661).

Generator and discriminator mirror each other: hidden layers of linear, norm and activation between the latent vector
and the sample, and between the sample and its score.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.heads import HeadFactory, Labels
from zerosum.networks.layers import Activation, LayerFactory, Norm, dropout_or_identity, tanh_or_identity
from zerosum.networks.stages import Stages


class Generator(nn.Module):
    """Map latent vectors to samples of any shape."""

    def __init__(
        self,
        latent_size: int,
        shape: tuple[int, ...],
        widths: tuple[int, ...],
        *,
        activation: Activation,
        norm: Norm,
        factory: LayerFactory,
        bias_range: float,
        output_std: float,
        bounded: bool,
    ) -> None:
        super().__init__()
        self.hidden_layers = _build_hidden_layers((latent_size, *widths), activation, norm, factory, dropout=0.0)
        init_first_layer_bias(self.hidden_layers, bias_range)
        self.output_layer = nn.Sequential(
            factory.linear(widths[-1], prod(shape), output_std), nn.Unflatten(1, shape), tanh_or_identity(bounded)
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Map latents (N, L) to samples (N, *shape), in [-1, 1] if bounded."""
        sample: Tensor = self.output_layer(self.hidden_layers(latent))
        return sample


class Discriminator(nn.Module):
    """Map samples of any shape to scores."""

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: tuple[int, ...],
        *,
        activation: Activation,
        norm: Norm,
        factory: LayerFactory,
        bias_range: float,
        dropout: float,
        build_head: HeadFactory,
    ) -> None:
        super().__init__()
        self.hidden_layers = _build_hidden_layers((prod(shape), *widths), activation, norm, factory, dropout)
        init_first_layer_bias(self.hidden_layers, bias_range)
        self.head = build_head(widths[-1], factory, True)
        self.condition_inputs = self.head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """Map samples (N, *shape) to an output with score (N,)."""
        hidden = self.hidden_layers(sample.flatten(1))  # (N, widths[-1])
        output: DiscriminatorOutput = self.head(hidden, label)
        return output

    def stages_from_sample(self) -> Stages:
        """Return the hidden layers."""
        return [[layer] for layer in self.hidden_layers]


def _build_hidden_layers(
    widths: tuple[int, ...], activation: Activation, norm: Norm, factory: LayerFactory, dropout: float
) -> nn.Sequential:
    """Build the hidden layers, (N, widths[0]) to (N, widths[-1]), with this dropout rate."""
    layers = (
        nn.Sequential(
            factory.linear(in_features, out_features, activation.gain, bias=not norm.has_bias),
            norm.build(out_features),
            activation.build(),
            dropout_or_identity(dropout),
        )
        for in_features, out_features in pairwise(widths)
    )
    return nn.Sequential(*layers)


def init_first_layer_bias(hidden_layers: nn.Module, bias_range: float) -> None:
    """Draw the first layer's biases so that the kinks of its units lie within `bias_range` of the origin."""
    first_linear = next(module for module in hidden_layers.modules() if isinstance(module, nn.Linear))
    if bias_range and first_linear.bias is not None:
        with torch.no_grad():
            first_linear.bias.uniform_(-bias_range, bias_range).mul_(first_linear.weight.norm(dim=1))
