"""FastGAN's networks: a light gated generator, and a discriminator trained to reconstruct its input from its features.

Liu, Zhu, Song, Elgammal 2021, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis",
arXiv:2101.04775. Where the paper is silent (channels, noise, the map of scores), its published code is followed.

In the generator, small feature maps gate the channels of large ones (skip-layer excitation, section 3.1). The
discriminator has decoders that reconstruct the image from its feature maps, so that with few training images it learns
their content instead of memorizing them (section 3.2).

Differences: at 32 px and below, where the paper has no excitation, the 4x4 map gates the last one. The paper decodes a
random quarter of the 16x16 map; here all four quarters are decoded, since the discriminator draws nothing at random,
and the receptive field of a decoder of 3x3 convolutions stays within about a quarter anyway. The published code's
second, smaller discriminator and the excitation in its first are left out.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game.seeded_rng import RandomStream, normal
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.heads import HeadFactory, Labels
from zerosum.networks.image_grid import ImageGrid
from zerosum.networks.layers import LEAKY_RELU, Activation, LayerFactory, Norm, UpsampleConv, tanh_or_identity
from zerosum.networks.stages import Stages, list_stages

PATCH_SIDE = 4
"""Side of the windows of the 8x8 map that are scored separately: there are 5 x 5 of them, and others for images whose
size is no power of two (see `image_grid`)."""


class GatedLinearUnit(nn.Module):
    """Gated linear unit: the second half of the channels gates the first (arXiv:1612.08083)."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, 2C, H, W) to (N, C, H, W)."""
        # on a CPU in channels_last functional.glu takes 2.8 times as long, and this without the copy 1.5 times
        passed, gate = hidden.chunk(2, 1)
        return passed * gate.clone().sigmoid()


GLU = Activation(GatedLinearUnit, 1.7267)
"""The gain g solves g^2 E[sigmoid(g u)^2] = 1 for a standard normal u."""


class NoiseInjection(nn.Module):
    """Add a noise map, the same for all channels, with a learned strength that starts at 0."""

    def __init__(self, layer_index: int) -> None:
        """Create the layer; `layer_index` gives each layer of the network noise of its own."""
        super().__init__()
        self.layer_index = layer_index
        self.strength = nn.Parameter(torch.zeros(1))

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """Add noise from seeds (N,) to (N, C, H, W); without seeds return it unchanged."""
        if seed is None:
            return hidden
        count, _, height, width = hidden.shape
        noise = normal(seed + self.layer_index, height * width, RandomStream.NOISE_INJECTION).view(
            count, 1, height, width
        )
        return hidden + (self.strength * noise).to(hidden.dtype)


class NoNoise(nn.Module):
    """Replacement of `NoiseInjection` in layers without noise."""

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """Return (N, C, H, W) unchanged."""
        return hidden


class GLUConv(nn.Module):
    """A convolution, noise, norm, and a gated linear unit."""

    def __init__(self, conv: nn.Module, noise: nn.Module, out_channels: int, norm: Norm) -> None:
        """Create the layer; `conv` must return 2 * out_channels channels."""
        super().__init__()
        self.conv, self.noise = conv, noise
        self.norm_glu = nn.Sequential(norm.build(2 * out_channels), GLU.build())

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """Map (N, C_in, H, W) and seeds (N,) to (N, C_out, ...), of the size that the convolution returns."""
        activated: Tensor = self.norm_glu(self.noise(self.conv(hidden), seed))
        return activated


class UpBlock(nn.Module):
    """A sequence of gated convolutions, the first of which doubles the size."""

    def __init__(self, *layers: GLUConv) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """Map (N, C_in, H, W) and seeds (N,) to (N, C_out, 2H, 2W)."""
        for layer in self.layers:
            hidden = layer(hidden, seed)
        return hidden


class SkipLayerExcitation(nn.Module):
    """Skip-layer excitation: a small feature map gates the channels of a large one.

    Equation 1 of the paper.
    """

    def __init__(
        self, small_channels: int, large_channels: int, pool_size: int, grid_cells: int, factory: LayerFactory
    ) -> None:
        """Create the layer; the small map is averaged over `pool_size` x `pool_size` pixels down to the grid."""
        super().__init__()
        self.pool_size = pool_size
        self.gate = nn.Sequential(
            factory.linear(grid_cells * small_channels, large_channels, LEAKY_RELU.gain, bias=False),
            LEAKY_RELU.build(),
            factory.linear(large_channels, large_channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        """Map (N, C_small, h, w) and (N, C_large, H, W) to (N, C_large, H, W)."""
        # the 4x4 convolution of a 4x4 map is a linear layer, and so is that of another grid
        gate: Tensor = self.gate(functional.avg_pool2d(small, self.pool_size).flatten(1))
        return large * gate[:, :, None, None]


class Generator(nn.Module):
    """Map latent vectors to images; `widths` are the channels at 4x4, 8x8, ..., the image's size."""

    condition_inputs = ("seed",)

    def __init__(
        self,
        latent_size: int,
        channels: int,
        widths: tuple[int, ...],
        *,
        grid: ImageGrid,
        norm: Norm,
        factory: LayerFactory,
        bounded: bool,
    ) -> None:
        super().__init__()
        first = 2 * widths[0]
        self.input_layer = nn.Sequential(
            factory.linear(latent_size, first * grid.cells, GLU.gain, bias=not norm.has_bias),
            nn.Unflatten(1, (first, grid.height, grid.width)),
            norm.build(first),
            GLU.build(),
        )
        self.stages = nn.ModuleList(
            _build_up_block(*pair, norm, factory)
            if stage_index % 2
            else _build_noisy_up_block(*pair, 2 * stage_index, norm, factory)
            for stage_index, pair in enumerate(pairwise(widths))
        )
        self.excitation_sources = choose_excitation_sources(len(widths))
        self.excitations = nn.ModuleList(
            SkipLayerExcitation(widths[small], widths[large], 1 << small, grid.cells, factory)
            for large, small in self.excitation_sources.items()
        )
        self.output_layer = nn.Sequential(
            factory.conv2d(widths[-1], channels, kernel_size=3), tanh_or_identity(bounded)
        )

    def forward(self, latent: Tensor, label: Labels | None = None, seed: Tensor | None = None) -> Tensor:
        """Map latents (N, L) and seeds (N,) to images (N, channels, H, W), 2^(len(widths) - 1) times the grid, in
        [-1, 1] if bounded.
        """
        maps: list[Tensor] = [self.input_layer(latent)]
        excitations = iter(self.excitations)
        for index, stage in enumerate(self.stages, 1):
            large = stage(maps[-1], seed)
            maps.append(
                next(excitations)(maps[self.excitation_sources[index]], large)
                if index in self.excitation_sources
                else large
            )
        image: Tensor = self.output_layer(maps[-1])
        return image


class DownBlock(nn.Module):
    """Halve the size in two branches and average them: strided convolution, and mean pooling."""

    def __init__(self, in_channels: int, out_channels: int, *, norm: Norm, factory: LayerFactory) -> None:
        super().__init__()
        self.strided_branch = nn.Sequential(
            factory.strided_conv2d(in_channels, out_channels, LEAKY_RELU.gain, bias=not norm.has_bias),
            norm.build(out_channels),
            LEAKY_RELU.build(),
            *_build_conv_leaky_relu(out_channels, out_channels, 3, norm, factory),
        )
        self.pooled_branch = nn.Sequential(
            nn.AvgPool2d(2), *_build_conv_leaky_relu(in_channels, out_channels, 1, norm, factory)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, C_in, 2H, 2W) to (N, C_out, H, W)."""
        mean: Tensor = (self.strided_branch(hidden) + self.pooled_branch(hidden)) / 2
        return mean


class Decoder(nn.Module):
    """Reconstruct the image from a feature map. The output has no tanh: an augmented input may exceed [-1, 1]."""

    def __init__(self, widths: tuple[int, ...], channels: int, *, norm: Norm, factory: LayerFactory) -> None:
        """Create the decoder; `widths` are the channels of the feature map, and after each doubling of its size."""
        super().__init__()
        stages = (
            nn.Sequential(
                UpsampleConv(_build_glu_conv(in_channels, out_channels, norm, factory)),
                norm.build(2 * out_channels),
                GLU.build(),
            )
            for in_channels, out_channels in pairwise(widths)
        )
        self.stages = nn.Sequential(*stages, factory.conv2d(widths[-1], channels, kernel_size=3))

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, widths[0], h, w) to (N, channels, h * 2^k, w * 2^k) with k = len(widths) - 1."""
        image: Tensor = self.stages(hidden)
        return image


class Discriminator(nn.Module):
    """Map images to a map of scores, and to reconstructions of the images from its feature maps.

    `widths` are the channels at the image's size, ..., 16x16, 8x8.
    """

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        *,
        norm: Norm,
        factory: LayerFactory,
        build_head: HeadFactory,
        decoders: nn.ModuleList,
    ) -> None:
        """Create the network; `decoders` decode the 8x8 and the 16x16 map, or only the first, or there are none."""
        super().__init__()
        self.input_layer = nn.Sequential(
            factory.conv2d(channels, widths[0], kernel_size=3, gain=LEAKY_RELU.gain), LEAKY_RELU.build()
        )
        *early, last = (DownBlock(*pair, norm=norm, factory=factory) for pair in pairwise(widths))
        self.early_blocks, self.last_block = nn.Sequential(*early), last
        self.expand = nn.Sequential(*_build_conv_leaky_relu(widths[-1], 2 * widths[-1], 1, norm, factory))
        self.decoders = decoders
        self.head = build_head(2 * widths[-1] * PATCH_SIDE**2, factory, True)
        self.condition_inputs = self.head.condition_inputs

    @property
    def is_training_decoders(self) -> bool:
        """Return whether this is the discriminator's own move: only then are its feature maps decoded."""
        return self.training and any(parameter.requires_grad for parameter in self.decoders.parameters())

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """Map (N, channels, H, W) to an output with score (N, 1, 5, 5), or more where the last map is not 8x8.

        The output's `reconstructions` are (N, k * image channels, h, w) from the k decoders, or None while the network
        is frozen or in evaluation mode.
        """
        middle = self.early_blocks(self.input_layer(sample))  # (N, widths[-2], 16, 16)
        small = self.last_block(middle)  # (N, widths[-1], 8, 8)
        output = self._score_windows(self.expand(small), label)
        if not self.is_training_decoders:
            return output
        reconstructions = [
            decoder(feature_map) for decoder, feature_map in zip(self.decoders, (small, middle), strict=False)
        ]
        return output._replace(reconstructions=torch.cat(reconstructions, 1))

    def stages_from_sample(self) -> Stages:
        """Return the stages from the sample on: the input layer, then the blocks that halve the image."""
        return list_stages([self.input_layer], [*self.early_blocks, self.last_block])

    def _score_windows(self, hidden: Tensor, label: Labels | None) -> DiscriminatorOutput:
        """Score each 4x4 window of (N, C, 8, 8); the class logits are the mean over windows."""
        count, rows, columns = len(hidden), *(side - PATCH_SIDE + 1 for side in hidden.shape[2:])
        extract_windows = _extract_windows_by_index if hidden.device.type == "cpu" else _extract_windows_by_unfold
        windows = extract_windows(hidden).flatten(0, 1)  # (N * rows * columns, 16 * C)
        if label is not None:
            label = label.repeat_interleave(rows * columns, 0)
        output: DiscriminatorOutput = self.head(windows, label)
        class_logits = output.class_logits
        return output._replace(
            score=output.score.view(count, 1, rows, columns),
            class_logits=None if class_logits is None else class_logits.view(count, rows * columns, -1).mean(1),
        )


def _extract_windows_by_index(hidden: Tensor) -> Tensor:
    """Return the P windows (N, P, 16 * C) of (N, C, H, W): 5 times as fast as unfolding on a CPU in channels_last.

    On a GPU its gradient is summed in no fixed order, so a run would not be reproducible.
    """
    pixel_indices = torch.arange(hidden.shape[2] * hidden.shape[3]).view(hidden.shape[2:])
    window_indices = pixel_indices.unfold(0, PATCH_SIDE, 1).unfold(1, PATCH_SIDE, 1).flatten()  # (P * 4 * 4,)
    pixels = hidden.permute(0, 2, 3, 1).flatten(1, 2).index_select(1, window_indices)
    return pixels.view(len(hidden), len(window_indices) // PATCH_SIDE**2, -1)


def _extract_windows_by_unfold(hidden: Tensor) -> Tensor:
    """Return the same windows, with a gradient that is summed in a fixed order."""
    columns = functional.unfold(hidden, PATCH_SIDE)  # (N, C * 16, P)
    windows = columns.view(len(hidden), -1, PATCH_SIDE**2, columns.shape[2])
    return windows.permute(0, 3, 2, 1).flatten(2)


def choose_excitation_sources(num_maps: int) -> dict[int, int]:
    """Return which feature map gates which, as {large: small}, for a generator of `num_maps` maps.

    Index 0 is the 4x4 map, 1 the 8x8 map, and so on. As in the paper, the maps of 64, 128, 256 and 512 px are gated by
    those of a sixteenth of their side; in a smaller generator the 4x4 map gates the last one.
    """
    last = num_maps - 1
    return {large: large - 4 for large in range(4, min(last, 7) + 1)} or {last: 0}


def _build_up_block(in_channels: int, out_channels: int, norm: Norm, factory: LayerFactory) -> UpBlock:
    """Build a block of one convolution without noise."""
    return UpBlock(
        GLUConv(UpsampleConv(_build_glu_conv(in_channels, out_channels, norm, factory)), NoNoise(), out_channels, norm)
    )


def _build_noisy_up_block(
    in_channels: int, out_channels: int, layer_index: int, norm: Norm, factory: LayerFactory
) -> UpBlock:
    """Build a block of two convolutions, with noise of indices `layer_index` and `layer_index + 1`."""
    upsample_conv = GLUConv(
        UpsampleConv(_build_glu_conv(in_channels, out_channels, norm, factory)),
        NoiseInjection(layer_index),
        out_channels,
        norm,
    )
    return UpBlock(
        upsample_conv,
        GLUConv(
            _build_glu_conv(out_channels, out_channels, norm, factory),
            NoiseInjection(layer_index + 1),
            out_channels,
            norm,
        ),
    )


def _build_glu_conv(in_channels: int, out_channels: int, norm: Norm, factory: LayerFactory) -> nn.Module:
    """Build a 3x3 convolution that returns the channels of a gated linear unit and of its gate."""
    return factory.conv2d(in_channels, 2 * out_channels, kernel_size=3, gain=GLU.gain, bias=not norm.has_bias)


def _build_conv_leaky_relu(
    in_channels: int, out_channels: int, kernel_size: int, norm: Norm, factory: LayerFactory
) -> tuple[nn.Module, ...]:
    conv = factory.conv2d(
        in_channels, out_channels, kernel_size=kernel_size, gain=LEAKY_RELU.gain, bias=not norm.has_bias
    )
    return conv, norm.build(out_channels), LEAKY_RELU.build()
