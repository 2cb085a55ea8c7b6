"""Settings of StyleGAN2's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.networks.configs.base import (
    DiscriminatorConfig,
    GeneratorConfig,
    Width,
    check_square_image,
    count_doublings,
)
from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.heads import HeadFactory


class _StyleGAN2Config(Settings):
    kind: Literal["stylegan2"] = "stylegan2"
    channel_base: Annotated[int, Field(ge=1, le=1 << 20)] = 32768
    """Channels at a size are channel_base / side, at most channel_max. The paper's for 1024 px; 16384 at 256 px."""
    channel_max: Width = 512
    """No size has more channels."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""
        check_square_image(self.kind, shape)

    def stage_widths(self, side: int) -> tuple[int, ...]:
        """Channels at 4x4, 8x8, ..., the picture's size."""
        sides = (4 << size for size in range(count_doublings(side) + 1))
        return tuple(max(1, min(self.channel_base // each, self.channel_max)) for each in sides)


class StyleGAN2GeneratorConfig(_StyleGAN2Config, GeneratorConfig):
    """A mapping network makes styles of latents, and styles modulate the layers that make pictures.

    Karras et al. 2019, arXiv:1912.04958. A class joins the latent before the mapping (arXiv:2006.06676).
    """

    style_size: Width = 512
    """Numbers in a style."""
    mapping_layers: Annotated[int, Field(ge=1, le=32)] = 8
    """Layers of the mapping network; 2 do for small pictures (arXiv:2006.06676)."""
    style_mixing_prob: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Share of samples that are made of two styles in training."""
    noise: bool = True
    """Add noise after every convolution, as strongly as is learned."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What terms and games may need."""
        return frozenset({"styles"})

    def build(
        self,
        latent_size: int,
        shape: tuple[int, ...],
        bounded: bool,
        num_classes: int = 0,
        input_shape: tuple[int, ...] = (),
    ) -> nn.Module:
        """The network, (N, latent) to (N, *shape), told of classes by itself. It takes seeds: `takes` has "seed"."""
        self.check_shape(shape)
        return self.build_network(latent_size, shape, bounded, num_classes)

    def build_network(self, latent_size: int, shape: tuple[int, ...], bounded: bool, num_classes: int) -> nn.Module:
        """The network, (N, latent) to (N, *shape); linear even if bounded, as in the paper."""
        from zerosum.networks import stylegan2
        from zerosum.networks.mapping import ClassConditionedLatent, MappingNetwork, NormalizedLatent

        conditioning = self.condition == "concat"
        start = ClassConditionedLatent(num_classes, self.condition_size) if conditioning else NormalizedLatent()
        mapping = MappingNetwork(
            start, latent_size + conditioning * self.condition_size, self.style_size, self.mapping_layers
        )
        return stylegan2.Generator(
            latent_size,
            shape[0],
            self.stage_widths(shape[1]),
            mapping,
            style_size=self.style_size,
            style_mixing_prob=self.style_mixing_prob,
            uses_noise=self.noise,
        )


class StyleGAN2DiscriminatorConfig(_StyleGAN2Config, DiscriminatorConfig):
    """Residual blocks from the picture down to 4x4, where samples are compared with each other."""

    minibatch_std_group_size: Annotated[int, Field(ge=0, le=1024)] = 4
    """Samples that are compared with each other (minibatch standard deviation, arXiv:1710.10196); 0: none are."""

    @property
    def per_sample(self) -> bool:
        """Whether each sample is judged by itself."""
        return self.minibatch_std_group_size == 0

    def build_network(self, shape: tuple[int, ...], build_head: HeadFactory) -> nn.Module:
        """The network, (N, *shape) to a verdict."""
        from zerosum.networks import stylegan2

        return stylegan2.Discriminator(
            shape[0], self.stage_widths(shape[1])[::-1], self.minibatch_std_group_size, build_head
        )
