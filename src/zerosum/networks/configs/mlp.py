"""Settings of fully connected networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.networks.configs.base import (
    ActivationName,
    DropoutRate,
    InitName,
    NetworkConfig,
    NormName,
    TensorDiscriminatorConfig,
    TensorGeneratorConfig,
    Widths,
    build_layer_factory,
    format_shape,
)

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import TensorSpec
    from zerosum.networks.heads import HeadFactory


class _MLPConfig(NetworkConfig):
    kind: Literal["mlp"] = "mlp"
    activation: ActivationName = "leaky_relu"
    """Activation of the hidden layers; leaky_relu has slope 0.2."""
    norm: NormName = "none"
    """Norm after each hidden layer."""
    init: InitName = "kaiming"
    """Initialization of the weights: normal is N(0, 0.02), kaiming preserves the variance, orthogonal preserves it and
    keeps the directions apart."""

    bias_range: float = Field(0.0, ge=0)
    """Distance from the origin within which the kinks of the first layer's units lie; 0: at the origin. For
    unbounded data, set it to about the extent of the data."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that a sample has at least one value.

        Raises:
            BadInput: the shape is empty.
        """
        if not shape or min(shape) < 1:
            raise BadInput(
                f"mlp needs samples with at least one value each, got samples of shape {format_shape(shape)}."
            )


class MLPGeneratorConfig(_MLPConfig, TensorGeneratorConfig):
    """Fully connected generator, for vectors and small images (Goodfellow et al. 2014, arXiv:1406.2661)."""

    widths: Widths = (256, 512, 1024)
    """Widths of the hidden layers from the latent to the sample."""

    output_std: float = Field(1.0, gt=0)
    """Standard deviation of the first samples, if the initialization preserves the variance: samples that cover the
    data from the start help against missing modes. For unbounded data, set it to about their extent."""

    def build_network(self, latent_size: int, spec: TensorSpec, num_classes: int) -> nn.Module:
        """Build the network, latents (N, L) to (N, *shape), in [-1, 1] by tanh if bounded."""
        from zerosum.networks import layers, mlp

        return mlp.Generator(
            latent_size,
            spec.shape,
            self.widths,
            activation=layers.ACTIVATIONS[self.activation],
            norm=layers.NORMS_1D[self.norm],
            factory=build_layer_factory(self.init),
            bias_range=self.bias_range,
            output_std=self.output_std,
            bounded=spec.bounded,
        )


class MLPDiscriminatorConfig(_MLPConfig, TensorDiscriminatorConfig):
    """Fully connected discriminator, for vectors and small images."""

    widths: Widths = (1024, 512, 256)
    """Widths of the hidden layers from the sample to the score."""
    dropout: DropoutRate = 0.3
    """Fraction of hidden values dropped in training; 0 for none."""
    spectral_norm: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018); then leave norm at none."""

    @property
    def uses_batch_norm(self) -> bool:
        """Whether it has batch norm, which makes a sample's score depend on the rest of the batch."""
        return self.norm == "batch"

    @property
    def uses_dropout(self) -> bool:
        """Whether it has dropout, which makes the score of a sample differ between two forward passes."""
        return self.dropout > 0

    def build_network(self, spec: TensorSpec, build_head: HeadFactory) -> nn.Module:
        """Build the network, (N, *shape) to scores (N,)."""
        from zerosum.networks import layers, mlp

        return mlp.Discriminator(
            spec.shape,
            self.widths,
            activation=layers.ACTIVATIONS[self.activation],
            norm=layers.NORMS_1D[self.norm],
            factory=build_layer_factory(self.init, self.spectral_norm),
            bias_range=self.bias_range,
            dropout=self.dropout,
            build_head=build_head,
        )
