"""From latents to styles: StyleGAN's mapping network.

Karras, Laine, Aila 2018, "A Style-Based Generator Architecture for Generative Adversarial Networks", arXiv:1812.04948,
section 2, as it stands in StyleGAN2 (Karras et al. 2019, arXiv:1912.04958); with classes as in StyleGAN2-ADA (Karras et
al. 2020, arXiv:2006.06676).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks.equalized_lr import EqualizedLinear, pixel_norm
from zerosum.networks.heads import ClassEmbedding, Labels
from zerosum.networks.layers import LayerFactory, init_kaiming

LR_MULTIPLIER = 0.01
"""How much slower than the rest of the generator the mapping learns; at the full rate it runs away."""
LEAKY_RELU_GAIN = 2**0.5
"""What follows every leaky ReLU: it makes up for the variance that ReLU takes, as in all of StyleGAN2."""


def scaled_leaky_relu(hidden: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, times `GAIN`."""
    return functional.leaky_relu(hidden, 0.2) * LEAKY_RELU_GAIN


class NormalizedLatent(nn.Module):
    """The latent's direction, whatever the class."""

    condition_inputs: tuple[str, ...] = ()

    def forward(self, latent: Tensor, label: Labels | None = None) -> Tensor:
        """(N, L) to (N, L), each row of length sqrt(L)."""
        return pixel_norm(latent)


class ClassConditionedLatent(nn.Module):
    """The latent's direction, and beside it the direction of the class's learned vector."""

    condition_inputs: tuple[str, ...] = ("label",)

    def __init__(self, num_classes: int, embedding_size: int) -> None:
        """`embedding_size` numbers in a class's vector."""
        super().__init__()
        self.class_embedding = ClassEmbedding(num_classes, embedding_size, LayerFactory(init_kaiming))

    def forward(self, latent: Tensor, label: Labels | None = None) -> Tensor:
        """(N, L) and labels to (N, L + size)."""
        assert label is not None, "a generator of classes needs labels: the game sees to it"
        return torch.cat([pixel_norm(latent), pixel_norm(self.class_embedding(label)).to(latent.dtype)], 1)


class MappingNetwork(nn.Module):
    """Latents, and labels where it is told of classes, to styles."""

    def __init__(
        self, input_layer: NormalizedLatent | ClassConditionedLatent, in_features: int, width: int, num_layers: int
    ) -> None:
        """`num_layers` layers from the `inside` numbers that `input_layer` makes of a latent to `width` numbers of style."""
        super().__init__()
        self.input_layer, self.condition_inputs = input_layer, input_layer.condition_inputs
        sizes = (in_features, *[width] * num_layers)
        self.layers = nn.ModuleList(
            EqualizedLinear(before, after, lr_multiplier=LR_MULTIPLIER) for before, after in pairwise(sizes)
        )

    def forward(self, latent: Tensor, label: Labels | None = None) -> Tensor:
        """(N, L) to (N, width)."""
        style: Tensor = self.input_layer(latent, label)
        for layer in self.layers:
            style = scaled_leaky_relu(layer(style))
        return style
