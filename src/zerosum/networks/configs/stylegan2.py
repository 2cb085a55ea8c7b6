"""Settings of StyleGAN2's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from zerosum.game.sample_spec import require_single_tensor
from zerosum.networks.configs.base import (
    GeneratorConfig,
    NetworkConfig,
    TensorDiscriminatorConfig,
    Width,
    check_grid_image,
)
from zerosum.networks.image_grid import count_doublings, find_grid

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import SampleSpec, TensorSpec
    from zerosum.networks.heads import HeadFactory


class _StyleGAN2Config(NetworkConfig):
    kind: Literal["stylegan2"] = "stylegan2"
    keeps_weights_across_sizes: ClassVar[bool] = True
    channel_base: Annotated[int, Field(ge=1, le=1 << 20)] = 32768
    """The channels at a size are channel_base / side, at most channel_max. The paper's for 1024 px; 16384 at 256 px."""
    channel_max: Width = 512
    """Limit of the channels at any size."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the shape is that of supported images."""
        check_grid_image(self.kind, shape)

    def stage_widths(self, side: int) -> tuple[int, ...]:
        """Return the channels at 4x4, 8x8, ..., the image's size."""
        sides = (4 << level for level in range(count_doublings(side) + 1))
        return tuple(max(1, min(self.channel_base // map_side, self.channel_max)) for map_side in sides)


class StyleGAN2GeneratorConfig(_StyleGAN2Config, GeneratorConfig):
    """A mapping network maps latents to styles, which modulate the layers of the synthesis network.

    Karras et al. 2019, arXiv:1912.04958. A class condition is concatenated with the latent before the mapping
    (arXiv:2006.06676).
    """

    style_size: Width = 512
    """Number of values in a style."""
    mapping_layers: Annotated[int, Field(ge=1, le=32)] = 8
    """Number of layers of the mapping network; 2 suffice for small images (arXiv:2006.06676)."""
    style_mixing_prob: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Fraction of samples that are generated from two styles in training."""
    noise: bool = True
    """Add noise after every convolution, with a learned strength."""

    @property
    def capabilities(self) -> frozenset[str]:
        """The properties of the network that terms and games may require."""
        return frozenset({"styles"})

    @property
    def mixes_styles(self) -> bool:
        """Whether samples are generated from two styles in training, for which it draws normal latents itself."""
        return self.style_mixing_prob > 0

    def build(
        self,
        latent_size: int,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, latents (N, L) to (N, *shape); it handles the condition itself and takes seeds.

        It is linear even if samples are bounded, as in the paper.

        Raises:
            BadInput: the shape is not supported, or the samples are not one tensor.
        """
        shape = require_single_tensor(spec, self.kind).shape
        self.check_shape(shape)
        from zerosum.networks import mapping, stylegan2
        from zerosum.networks.conditioning import count_numbers

        mapping_network = mapping.build_mapping_network(
            latent_size,
            self.style_size,
            self.mapping_layers,
            is_conditional=self.condition == "concat",
            num_classes=num_classes,
            condition_size=self.condition_size,
            num_numbers=count_numbers(condition_spec),
        )
        grid = find_grid(*shape[1:])
        return stylegan2.Generator(
            latent_size,
            shape[0],
            self.stage_widths(grid.side),
            grid,
            mapping_network,
            style_size=self.style_size,
            style_mixing_prob=self.style_mixing_prob,
            uses_noise=self.noise,
        )


class StyleGAN2DiscriminatorConfig(_StyleGAN2Config, TensorDiscriminatorConfig):
    """Residual blocks from the image's side down to 4x4, then minibatch standard deviation."""

    minibatch_std_group_size: Annotated[int, Field(ge=0, le=1024)] = 4
    """Number of samples over which minibatch standard deviation (arXiv:1710.10196) is taken; 0 for none."""

    @property
    def per_sample(self) -> bool:
        """Whether a score depends on its own sample only: not with minibatch standard deviation."""
        return self.minibatch_std_group_size == 0

    def build_network(self, spec: TensorSpec, build_head: HeadFactory) -> nn.Module:
        """Build the network, (N, *shape) to scores (N,)."""
        from zerosum.networks import stylegan2

        grid = find_grid(*spec.shape[1:])
        widths = self.stage_widths(grid.side)[::-1]
        return stylegan2.Discriminator(spec.shape[0], widths, grid, self.minibatch_std_group_size, build_head)
