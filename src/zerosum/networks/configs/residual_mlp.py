"""Settings of fully connected networks with residual blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec, require_single_tensor
from zerosum.networks.configs.base import (
    DiscriminatorConfig,
    GeneratorConfig,
    InitName,
    NetworkConfig,
    Width,
    build_layer_factory,
)

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import SampleSpec


def count_given(condition: str, condition_spec: SampleSpec | None, field: str) -> int:
    """Return how many values a condition has of which any may be unknown; 0 for none.

    Args:
        condition: the setting, none or given.
        condition_spec: what a condition of the data is.
        field: the setting's name, for the message.

    Raises:
        BadInput: the network is to take them, and the data have none.
    """
    if condition == "none":
        return 0
    values = condition_spec.get("values") if isinstance(condition_spec, Mapping) else None
    if not isinstance(values, TensorSpec) or len(values.shape) != 1:
        raise BadInput(f'`{field}` given: these data have no values that can be given; set it to "none"')
    return values.shape[0]


class _ResidualMLPConfig(NetworkConfig):
    kind: Literal["residual-mlp"] = "residual-mlp"
    width: Width = 512
    """Width of the hidden layers."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual blocks, each of two layers."""
    init: InitName = "kaiming"
    """Initialization of the weights."""


class ResidualMLPGeneratorConfig(_ResidualMLPConfig, GeneratorConfig):
    """Fully connected generator with residual blocks, for codes and other vectors (arXiv:1512.03385)."""

    condition: Literal["none", "given"] = "none"  # type: ignore[assignment]
    """Whether values such as wanted properties may be given (given), or none."""
    linear_path: bool = False
    """Add a linear map of latents, which begins as the identity: where samples are close to normally distributed, as
    codes are, the rest learns the difference alone."""

    def build(
        self,
        latent_size: int,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, latents (N, L) to samples (N, ...).

        Raises:
            BadInput: the samples are not one tensor, or nothing can be given.
        """
        from zerosum.networks import residual_mlp

        return residual_mlp.Generator(
            latent_size,
            require_single_tensor(spec, self.kind).shape,
            width=self.width,
            blocks=self.blocks,
            num_given=count_given(self.condition, condition_spec, "generator.condition"),
            factory=build_layer_factory(self.init),
            linear_path=self.linear_path,
        )


class ResidualMLPDiscriminatorConfig(_ResidualMLPConfig, DiscriminatorConfig):
    """Fully connected discriminator with residual blocks, for codes and other vectors."""

    spectral_norm: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018)."""
    condition: Literal["none", "given"] = "none"  # type: ignore[assignment]
    """Whether it is told what is given (given), or not."""

    def build(
        self,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, samples (N, ...) to a `DiscriminatorOutput`.

        Raises:
            BadInput: the samples are not one tensor, or nothing can be given.
        """
        from zerosum.networks import residual_mlp

        return residual_mlp.Discriminator(
            require_single_tensor(spec, self.kind).shape,
            width=self.width,
            blocks=self.blocks,
            num_given=count_given(self.condition, condition_spec, "discriminator.condition"),
            factory=build_layer_factory(self.init, self.spectral_norm),
        )
