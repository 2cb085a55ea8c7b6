"""StyleGAN's mapping network, from latents to styles.

Karras, Laine, Aila 2018, "A Style-Based Generator Architecture for Generative Adversarial Networks", arXiv:1812.04948,
section 2, as in StyleGAN2 (Karras et al. 2019, arXiv:1912.04958); classes as in StyleGAN2-ADA (Karras et al. 2020,
arXiv:2006.06676).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks.equalized_lr import EqualizedLinear, pixel_norm
from zerosum.networks.heads import ClassEmbedding, Labels, count_weights, to_condition_weights
from zerosum.networks.layers import LayerFactory, init_kaiming

LR_MULTIPLIER = 0.01
"""Learning rate of the mapping network relative to the rest of the generator; at the full rate it diverges."""
LEAKY_RELU_GAIN = 2**0.5
"""Factor after every leaky ReLU; it compensates for the variance that the leaky ReLU removes, as throughout
StyleGAN2."""


def scaled_leaky_relu(hidden: Tensor) -> Tensor:
    """Apply leaky ReLU with slope 0.2 and multiply by `LEAKY_RELU_GAIN`."""
    return functional.leaky_relu(hidden, 0.2) * LEAKY_RELU_GAIN


class NormalizedLatent(nn.Module):
    """Normalize the latent, without a condition."""

    condition_inputs: tuple[str, ...] = ()

    def forward(self, latent: Tensor, label: Labels | None = None, condition: Tensor | None = None) -> Tensor:
        """Scale each row of (N, L) to length sqrt(L)."""
        return pixel_norm(latent)


class ClassConcatenatedLatent(nn.Module):
    """Concatenate the normalized latent with the normalized embedding of the class and of numbers."""

    def __init__(self, num_classes: int, embedding_size: int, num_numbers: int = 0) -> None:
        """Create an embedding of classes and numbers, of `embedding_size` values."""
        super().__init__()
        self._num_classes = num_classes
        takes_label = num_classes or not num_numbers
        self.condition_inputs = (*(["label"] if takes_label else []), *(["condition"] if num_numbers else []))
        num_weights = count_weights(num_classes, num_numbers)
        self.class_embedding = ClassEmbedding(num_weights, embedding_size, LayerFactory(init_kaiming))

    def forward(self, latent: Tensor, label: Labels | None = None, condition: Tensor | None = None) -> Tensor:
        """Map latents (N, L), labels and numbers (N, M) to (N, L + embedding_size)."""
        if "condition" in self.condition_inputs:
            assert condition is not None, "the generator needs numbers: the game passes them"
            label = to_condition_weights(label, condition, self._num_classes)
        assert label is not None, "a class-conditional generator needs labels: the game passes them"
        return torch.cat([pixel_norm(latent), pixel_norm(self.class_embedding(label)).to(latent.dtype)], 1)


def build_input_layer(
    is_conditional: bool, num_classes: int, embedding_size: int, num_numbers: int
) -> NormalizedLatent | ClassConcatenatedLatent:
    """Return the input layer of a mapping network; arguments as in `ClassConcatenatedLatent`."""
    return ClassConcatenatedLatent(num_classes, embedding_size, num_numbers) if is_conditional else NormalizedLatent()


class MappingNetwork(nn.Module):
    """Map latents, with labels and numbers if it is conditional, to styles."""

    def __init__(
        self, input_layer: NormalizedLatent | ClassConcatenatedLatent, in_features: int, width: int, num_layers: int
    ) -> None:
        """Create the network.

        Args:
            input_layer: maps a latent, and a label if there are classes, to `in_features` values.
            in_features: number of values that `input_layer` returns.
            width: number of values in a style.
            num_layers: number of linear layers.
        """
        super().__init__()
        self.input_layer, self.condition_inputs = input_layer, input_layer.condition_inputs
        sizes = (in_features, *[width] * num_layers)
        self.layers = nn.ModuleList(
            EqualizedLinear(inputs, outputs, lr_multiplier=LR_MULTIPLIER) for inputs, outputs in pairwise(sizes)
        )

    def forward(self, latent: Tensor, label: Labels | None = None, condition: Tensor | None = None) -> Tensor:
        """Map latents (N, L) to styles (N, width)."""
        style: Tensor = self.input_layer(latent, label, condition)
        for layer in self.layers:
            style = scaled_leaky_relu(layer(style))
        return style


def build_mapping_network(
    latent_size: int,
    width: int,
    num_layers: int,
    *,
    is_conditional: bool,
    num_classes: int,
    condition_size: int,
    num_numbers: int,
) -> MappingNetwork:
    """Return the mapping network of a generator that handles its condition itself.

    Args:
        latent_size: number of values in a latent.
        width: number of values in a style.
        num_layers: number of linear layers.
        is_conditional: whether a learned vector of the condition is concatenated with the latent.
        num_classes: number of classes; 0 for none.
        condition_size: number of values in the vector of the condition.
        num_numbers: number of numbers in a numeric condition.
    """
    input_layer = build_input_layer(is_conditional, num_classes, condition_size, num_numbers)
    return MappingNetwork(input_layer, latent_size + is_conditional * condition_size, width, num_layers)
