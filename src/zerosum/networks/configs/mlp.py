"""Settings of fully connected networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.networks.configs.base import (
    ActivationName,
    DiscriminatorConfig,
    DropoutRate,
    GeneratorConfig,
    InitName,
    NormName,
    Widths,
    build_layer_factory,
    format_shape,
)
from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.heads import HeadFactory


class _MLPConfig(Settings):
    kind: Literal["mlp"] = "mlp"
    activation: ActivationName = "leaky_relu"
    """The nonlinearity; leaky_relu has slope 0.2."""
    norm: NormName = "none"
    """Normalisation after each hidden layer."""
    init: InitName = "kaiming"
    """First weights: normal is N(0, 0.02), scaled keeps the variance, orthogonal keeps it and mixes best."""

    bias_range: float = Field(0.0, ge=0)
    """How far from the origin the first layer's units bend; 0: at the origin. For points, about their own extent."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""
        if not shape or min(shape) < 1:
            raise BadInput(f"mlp needs samples with at least one value each, got the shape {format_shape(shape)}.")


class MLPGeneratorConfig(_MLPConfig, GeneratorConfig):
    """Fully connected generator, for points and small pictures (Goodfellow et al. 2014, arXiv:1406.2661)."""

    widths: Widths = (256, 512, 1024)
    """Hidden layers from the latent vector to the sample."""

    output_std: float = Field(1.0, gt=0)
    """The standard deviation of the first samples, where init keeps variance: covering the data from the beginning
    keeps modes from being missed. For points, about their own extent."""

    def build_network(self, latent_size: int, shape: tuple[int, ...], bounded: bool, num_classes: int) -> nn.Module:
        """The network, (N, latent) to (N, *shape); in [-1, 1] by tanh if bounded."""
        from zerosum.networks import layers, mlp

        return mlp.Generator(
            latent_size,
            shape,
            self.widths,
            activation=layers.ACTIVATIONS[self.activation],
            norm=layers.NORMS_1D[self.norm],
            factory=build_layer_factory(self.init),
            bias_range=self.bias_range,
            output_std=self.output_std,
            bounded=bounded,
        )


class MLPDiscriminatorConfig(_MLPConfig, DiscriminatorConfig):
    """Fully connected discriminator, for points and small pictures."""

    widths: Widths = (1024, 512, 256)
    """Hidden layers from the sample to the score."""
    dropout: DropoutRate = 0.3
    """Share of hidden values dropped in training; 0 for none."""
    spectral_norm: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018); leave norm at none then."""

    @property
    def per_sample(self) -> bool:
        """Whether each sample is judged by itself: batch norm mixes a batch's samples."""
        return self.norm == "none"

    def build_network(self, shape: tuple[int, ...], build_head: HeadFactory) -> nn.Module:
        """The network, (N, *shape) to a verdict."""
        from zerosum.networks import layers, mlp

        return mlp.Discriminator(
            shape,
            self.widths,
            activation=layers.ACTIVATIONS[self.activation],
            norm=layers.NORMS_1D[self.norm],
            factory=build_layer_factory(self.init, self.spectral_norm),
            bias_range=self.bias_range,
            dropout=self.dropout,
            build_head=build_head,
        )
