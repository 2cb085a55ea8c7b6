"""Settings of FastGAN's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zerosum.networks.configs.base import (
    InitName,
    NetworkConfig,
    NormName,
    TensorDiscriminatorConfig,
    TensorGeneratorConfig,
    Width,
    build_layer_factory,
    check_grid_image,
)
from zerosum.networks.image_grid import find_grid

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import TensorSpec
    from zerosum.networks.heads import HeadFactory

WIDTH_MULTIPLIERS = {4: 16.0, 8: 8.0, 16: 4.0, 32: 2.0, 64: 2.0, 128: 1.0, 256: 0.5, 512: 0.25, 1024: 0.125}
"""Channels relative to `width`, by the side of the map, as in the published code."""
MIN_CHANNELS = 4
"""Least channels of any map, however narrow the network is."""


class _FastGANConfig(NetworkConfig):
    kind: Literal["fastgan"] = "fastgan"
    init: InitName = "kaiming"
    """Initialization of the weights: kaiming preserves the variance from layer to layer, normal is N(0, 0.02), for
    networks with norm."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the shape is that of supported images."""
        check_grid_image(self.kind, shape)


class FastGANGeneratorConfig(_FastGANConfig, TensorGeneratorConfig):
    """Gated up-blocks with noise, whose large maps are gated by small ones (Liu et al. 2021, arXiv:2101.04775).

    The paper also divides the weights by their spectral norm; here there is only batch norm, which undoes any scale.
    """

    width: Width = 64
    """Channels at 128 px: 16 times as many at 4x4, 8 at 8x8, 4 at 16x16, 2 at 32 and 64, halved beyond 128."""
    norm: NormName = "batch"
    """Norm before every gated linear unit."""

    def stage_widths(self, side: int) -> tuple[int, ...]:
        """Return the channels from 4x4 up to the image's side."""
        return tuple(count_channels(self.width, size) for size in WIDTH_MULTIPLIERS if size <= side)

    def build_network(self, latent_size: int, spec: TensorSpec, num_classes: int) -> nn.Module:
        """Build the network, latents (N, L) to (N, *shape), in [-1, 1] by tanh if bounded."""
        from zerosum.networks import fastgan, layers

        grid = find_grid(*spec.shape[1:])
        return fastgan.Generator(
            latent_size,
            spec.shape[0],
            self.stage_widths(grid.side),
            grid=grid,
            norm=layers.NORMS_2D[self.norm],
            factory=build_layer_factory(self.init),
            bounded=spec.bounded,
        )


class FastGANDiscriminatorConfig(_FastGANConfig, TensorDiscriminatorConfig):
    """Down-blocks of two branches, and decoders that reconstruct the image from the feature maps.

    It scores 5 x 5 positions of an image, or more where its size is no power of two. A gradient penalty takes the
    gradient of their sum, so a weight tuned for a single score is 25^2 times as strong here.
    """

    width: Width = 64
    """Channels at 64 px: twice as many at each halving, 8 times as many at 8x8."""
    norm: NormName = "none"
    """Norm after every layer but the first and the last; the paper's is batch. With a gradient penalty use none: batch
    norm makes a sample's score depend on the rest of the batch."""
    spectral_norm: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018, arXiv:1802.05957), as the paper does."""
    decoder_width: int = Field(32, ge=0, le=8192)
    """Channels of the decoders at 128 px, and more at smaller sizes, as in the generator; 0 for no decoders. The term
    self-supervision trains them."""
    reconstruction_side: Literal[8, 16, 32, 64, 128, 256, 512] = 128
    """Side of the reconstructed images; at most half the image's side."""

    @property
    def uses_batch_norm(self) -> bool:
        """Whether it has batch norm, which makes a sample's score depend on the rest of the batch."""
        return self.norm == "batch"

    @property
    def capabilities(self) -> frozenset[str]:
        """The properties of the network that terms and games may require."""
        return frozenset({"reconstruction decoder"} if self.decoder_width else ())

    def stage_widths(self, side: int) -> tuple[int, ...]:
        """Return the channels from the image's side down to 8x8."""
        return tuple(
            max(64 * self.width // size, MIN_CHANNELS) for size in reversed(WIDTH_MULTIPLIERS) if 8 <= size <= side
        )

    def build_network(self, spec: TensorSpec, build_head: HeadFactory) -> nn.Module:
        """Build the network, (N, *shape) to scores (N, 1, 5, 5), or a map of another size."""
        from zerosum.networks import fastgan, layers

        return fastgan.Discriminator(
            spec.shape[0],
            self.stage_widths(find_grid(*spec.shape[1:]).side),
            norm=layers.NORMS_2D[self.norm],
            factory=build_layer_factory(self.init, self.spectral_norm),
            build_head=build_head,
            decoders=self._build_decoders(spec.shape),
        )

    def _build_decoders(self, shape: tuple[int, ...]) -> nn.ModuleList:
        """Build the decoder of the 8x8 map, and that of the 16x16 map if the reconstruction is not smaller."""
        from torch import nn

        from zerosum.networks import fastgan, layers

        # the planes of a class condition are not reconstructed
        image_channels = shape[0] - (self.condition_size if self.condition == "concat" else 0)
        image_side = find_grid(*shape[1:]).side
        target_side = min(self.reconstruction_side, image_side // 2)
        *_, middle, small = self.stage_widths(image_side)
        decoders = (
            fastgan.Decoder(
                (
                    width,
                    *(
                        count_channels(self.decoder_width, size)
                        for size in WIDTH_MULTIPLIERS
                        if side < size <= target_side
                    ),
                ),
                image_channels,
                norm=layers.NORMS_2D[self.norm],
                factory=build_layer_factory(self.init, self.spectral_norm),
            )
            for side, width in ((8, small), (16, middle))
            if self.decoder_width and side <= target_side
        )
        return nn.ModuleList(decoders)


def count_channels(width: int, side: int) -> int:
    """Return the channels of a feature map of this side, in a network of this width."""
    return max(int(width * WIDTH_MULTIPLIERS[side]), MIN_CHANNELS)
