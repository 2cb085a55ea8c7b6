"""Settings of GAT's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zerosum.errors import BadInput
from zerosum.game.sample_spec import require_single_tensor
from zerosum.networks.configs.base import (
    MAX_CHANNELS,
    GeneratorConfig,
    NetworkConfig,
    TensorDiscriminatorConfig,
    Width,
    check_image_size,
)

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import SampleSpec, TensorSpec
    from zerosum.networks.heads import HeadFactory

MAX_TOKENS = 4096
"""Largest number of tokens: the cost of attention is proportional to its square."""


class _GATConfig(NetworkConfig):
    kind: Literal["gat"] = "gat"
    max_channels: ClassVar[int] = MAX_CHANNELS
    """Largest number of channels."""
    patch: Annotated[int, Field(ge=1, le=64)] = 4
    """Side of a token in pixels: half of it costs four times as much and more."""
    width: Width = 384
    """Values of a token. Scale `optimizer.lr` by the inverse."""
    depth: Annotated[int, Field(ge=1, le=64)] = 12
    """Number of transformer blocks."""
    head_width: Annotated[int, Field(ge=4, le=256, multiple_of=4)] = 64
    """Values of an attention head, of which there are width / head_width."""

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.width % self.head_width:
            raise ValueError(
                f"`width` {self.width} must be a multiple of `head_width` {self.head_width}; set `width` "
                f"{max(1, round(self.width / self.head_width)) * self.head_width}"
            )
        return self

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the shape is that of supported images.

        Raises:
            BadInput: the samples are no images, or their sides are not twice the patch or more, in whole patches.
        """
        check_image_size(self.kind, shape, 2 * self.patch, self.patch, self.max_channels)
        tokens = shape[1] // self.patch * (shape[2] // self.patch)
        if tokens > MAX_TOKENS:
            raise BadInput(
                f"{self.kind} has at most {MAX_TOKENS} tokens, and images of {shape[2]}x{shape[1]} pixels would be "
                f"{tokens}: set `generator.patch` and `discriminator.patch` to {2 * self.patch}, or `data.size` to "
                "smaller sides."
            )

    def grid(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return the rows and columns of tokens of images of this shape."""
        return shape[1] // self.patch, shape[2] // self.patch


class GATGeneratorConfig(_GATConfig, GeneratorConfig):
    """A transformer modulated by the latent, with outputs along its depth (Hyun et al. 2025, arXiv:2509.24935).

    A class condition is concatenated with the latent before the mapping.
    """

    levels: Annotated[int, Field(ge=1, le=16)] = 4
    """Number of outputs along the depth, which add up to the image. The game multi-level trains all of them."""

    @model_validator(mode="after")
    def _check_levels(self) -> Self:
        if self.depth % self.levels:
            raise ValueError(
                f"`depth` {self.depth} must be a multiple of `levels` {self.levels}; set `depth` "
                f"{max(1, round(self.depth / self.levels)) * self.levels}"
            )
        return self

    @property
    def num_outputs(self) -> int:
        """Number of images that the network can return for each latent."""
        return self.levels

    @property
    def capabilities(self) -> frozenset[str]:
        """The properties of the network that terms and games may require."""
        return frozenset({"outputs of several levels"})

    def build(
        self,
        latent_size: int,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, latents (N, L) to (N, *shape); it handles the condition itself.

        It is linear even if samples are bounded, as in the paper.

        Raises:
            BadInput: the shape is not supported, or the samples are not one tensor.
        """
        shape = require_single_tensor(spec, self.kind).shape
        self.check_shape(shape)
        from zerosum.networks import gat, mapping
        from zerosum.networks.conditioning import count_numbers

        mapping_network = mapping.build_mapping_network(
            latent_size,
            self.width,
            2,
            is_conditional=self.condition == "concat",
            num_classes=num_classes,
            condition_size=self.condition_size,
            num_numbers=count_numbers(condition_spec),
        )
        return gat.Generator(
            shape[0],
            self.grid(shape),
            self.patch,
            mapping_network,
            width=self.width,
            depth=self.depth,
            levels=self.levels,
            head_width=self.head_width,
        )


class GATDiscriminatorConfig(_GATConfig, TensorDiscriminatorConfig):
    """A plain transformer with a token for the whole image, whose value is scored."""

    # the images of all levels are stacked as channels
    max_channels: ClassVar[int] = 16 * MAX_CHANNELS
    layer_scale: Annotated[float, Field(gt=0, le=1)] = 0.1
    """First value of the factors on each branch of a block (arXiv:2103.17239)."""

    @property
    def has_second_derivatives(self) -> bool:
        """Whether its input gradients can be differentiated again: those of fused attention cannot."""
        return False

    def build_network(self, spec: TensorSpec, build_head: HeadFactory) -> nn.Module:
        """Build the network, (N, *shape) to scores (N,)."""
        from zerosum.networks import gat

        return gat.Discriminator(
            spec.shape[0],
            self.grid(spec.shape),
            self.patch,
            build_head,
            width=self.width,
            depth=self.depth,
            head_width=self.head_width,
            layer_scale=self.layer_scale,
        )
