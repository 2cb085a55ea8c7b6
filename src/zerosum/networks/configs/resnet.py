"""Settings of the residual networks of the spectral-norm GAN and of BigGAN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from zerosum.errors import BadInput
from zerosum.networks.configs.base import (
    InitName,
    NetworkConfig,
    NormName,
    TensorDiscriminatorConfig,
    TensorGeneratorConfig,
    Widths,
    build_layer_factory,
    check_grid_image,
)
from zerosum.networks.image_grid import count_doublings, find_grid

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import TensorSpec
    from zerosum.networks.heads import HeadFactory
    from zerosum.networks.resnet import ClassConditionedLatent, HierarchicalLatent, SingleLatent

AttentionSide = Literal[0, 8, 16, 32, 64, 128, 256, 512]
"""Side of the feature map with self-attention; 0 for none."""


class _ResNetConfig(NetworkConfig):
    kind: Literal["resnet"] = "resnet"
    attention_side: AttentionSide = 0
    """Side of the feature map after which self-attention is inserted (Zhang et al. 2018, arXiv:1805.08318); 0, or a
    side that the network does not have: none. BigGAN's is 64, at 128 px and above."""
    init: InitName = "kaiming"
    """Initialization of the weights: kaiming preserves the variance; orthogonal is BigGAN's; normal is N(0, 0.02)."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the shape is that of supported images."""
        check_grid_image(self.kind, shape)


def _stage_widths(widths: tuple[int, ...], side: int) -> tuple[int, ...]:
    """Return the channels from 4x4 up to the image's side."""
    count = count_doublings(side) + 1
    return (widths + widths[-1:] * count)[:count]


class ResNetGeneratorConfig(_ResNetConfig, TensorGeneratorConfig):
    """Residual blocks from 4x4 up, each of which doubles the size.

    Miyato et al. 2018, arXiv:1802.05957 (the defaults: its CIFAR-10 network), and BigGAN, Brock et al. 2018,
    arXiv:1809.11096.
    """

    widths: Widths = (256,)
    """Channels at 4x4, 8x8, 16x16, ...: cut to the image's size, the last repeated for larger images. BigGAN's are 16,
    16, 8, 4, 2, 1 times 96 for 128 px, and 16, 16, 8, 8, 4, 2, 1 times 96 for 256 px."""
    norm: NormName = "batch"
    """Norm in every block and before the image."""
    condition: Literal["none", "concat", "conditional-batch-norm"] = "none"  # type: ignore[assignment]
    """Class condition: none; a learned vector of the class that is concatenated with the latent (concat,
    arXiv:1411.1784); or norms whose gain and bias are linear in that vector (conditional-batch-norm,
    arXiv:1802.05637)."""
    condition_size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Number of values in the learned vector of a class, which all blocks share."""
    hierarchical_latent: bool = False
    """Split the latent into a chunk for the start and one for each block, which conditions the block's norms together
    with the class (BigGAN's hierarchical latent)."""
    spectral_norm: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018), as in BigGAN."""

    @model_validator(mode="after")
    def _check_conditional_norm(self) -> Self:
        if self.norm == "none" and (self.condition == "conditional-batch-norm" or self.hierarchical_latent):
            raise ValueError(
                '`condition` "conditional-batch-norm" and `hierarchical_latent` act through the norms, so `norm` must'
                ' be "batch", got "none"'
            )
        if self.hierarchical_latent and self.condition == "concat":
            raise ValueError(
                "`hierarchical_latent` would also split the class vector that `condition` concat appends to the latent:"
                ' set `condition` to "conditional-batch-norm"'
            )
        return self

    def stage_widths(self, side: int) -> tuple[int, ...]:
        """Return the channels from 4x4 up to the image's side."""
        return _stage_widths(self.widths, side)

    def build_network(self, latent_size: int, spec: TensorSpec, num_classes: int) -> nn.Module:
        """Build the network, latents (N, L) to (N, *shape), in [-1, 1] by tanh if bounded.

        Raises:
            BadInput: `hierarchical_latent` is set, and the latent has fewer values than there are chunks.
        """
        from zerosum.networks import resnet

        factory = build_layer_factory(self.init, self.spectral_norm)
        is_conditional = self.hierarchical_latent or self.condition == "conditional-batch-norm"
        output_norm = resnet.UNCONDITIONAL_NORMS[self.norm]
        block_norm = resnet.build_conditional_norm_factory(factory) if is_conditional else output_norm
        grid = find_grid(*spec.shape[1:])
        return resnet.Generator(
            spec.shape[0],
            self.stage_widths(grid.side),
            grid=grid,
            conditioning=self._build_conditioning(latent_size, grid.doublings, num_classes),
            build_norms=(block_norm, output_norm),
            factory=factory,
            attention_side=self.attention_side,
            bounded=spec.bounded,
        )

    def _build_conditioning(
        self, latent_size: int, num_blocks: int, num_classes: int
    ) -> SingleLatent | HierarchicalLatent | ClassConditionedLatent:
        from zerosum.networks import resnet

        if self.hierarchical_latent and latent_size <= num_blocks:
            raise BadInput(
                f"`generator.hierarchical_latent` needs a latent value for each of {num_blocks} blocks and one for the"
                f" start, got {latent_size}: set `latent.size` to {num_blocks + 1} or more, or"
                " `generator.hierarchical_latent` to false."
            )
        latent_split = (
            resnet.HierarchicalLatent(latent_size, num_blocks)
            if self.hierarchical_latent
            else resnet.SingleLatent(latent_size, num_blocks)
        )
        if self.condition != "conditional-batch-norm":
            return latent_split
        return resnet.ClassConditionedLatent(
            latent_split, num_classes, self.condition_size, build_layer_factory(self.init)
        )


class ResNetDiscriminatorConfig(_ResNetConfig, TensorDiscriminatorConfig):
    """Residual blocks that halve the size down to 8x8 or 4x4, and some that keep it; then a sum over the map.

    Miyato et al. 2018, arXiv:1802.05957 (the defaults: its CIFAR-10 network), and BigGAN, Brock et al. 2018,
    arXiv:1809.11096.
    """

    widths: Widths = (128,)
    """Channels of the blocks at 4x4, 8x8, 16x16, ... up to the image's size, cut and repeated as in the generator;
    BigGAN's are the generator's."""
    last_side: Literal[4, 8] = 8
    """Side of the last map, over which the features are summed; 4 for images above 32 px, as in the papers."""
    extra_blocks: Annotated[int, Field(ge=0, le=16)] = 2
    """Number of further blocks on the last map, which keep its size; 1 for images above 32 px, as in the papers."""
    spectral_norm: bool = True
    """Divide every weight by its largest singular value (Miyato et al. 2018)."""
    pooling: Literal["sum", "none"] = "sum"
    """sum: features are summed over the last map, as in the papers; none: the score has weights for each position of
    it, for data whose rows and columns mean different things, such as spectrograms."""

    def stage_widths(self, side: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the channels of the blocks that halve the size, from the image's side on, and of the others."""
        widths, last_level = _stage_widths(self.widths, side), self.last_side // 8
        return widths[:last_level:-1], (widths[last_level],) * self.extra_blocks

    def build_network(self, spec: TensorSpec, build_head: HeadFactory) -> nn.Module:
        """Build the network, (N, *shape) to scores (N,)."""
        from zerosum.networks import resnet

        grid = find_grid(*spec.shape[1:])
        widths, same_size_widths = self.stage_widths(grid.side)
        return resnet.Discriminator(
            spec.shape[0],
            grid.side,
            widths,
            same_size_widths,
            factory=build_layer_factory(self.init, self.spectral_norm),
            attention_side=self.attention_side,
            build_head=build_head,
            last_cells=1 if self.pooling == "sum" else (spec.shape[1] >> len(widths)) * (spec.shape[2] >> len(widths)),
        )
