"""FastGAN's networks: light, gated, and a discriminator that must remember what it sees.

Liu, Zhu, Song, Elgammal 2021, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis",
arXiv:2101.04775. Where the paper is silent (channels, noise, the map of scores) its published code is followed.

The generator lets small maps say which channels of large ones pass (skip-layer excitation, section 3.1). The
discriminator has decoders that must find the picture again in its maps, so that with few pictures it learns what they
show and not their names (section 3.2).

What differs: at 32 px and below, where the paper has no excitation, the 4x4 map gates the last one. The paper decodes a
random quarter of the 16x16 map; here it is all four, since nothing in a verdict is drawn, and a decoder of 3x3
convolutions looks no farther than a quarter's anyway. The published code's second, smaller discriminator is left out,
and so is the excitation in its first.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game.seeded_rng import RandomStream, normal
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.heads import HeadFactory, Labels
from zerosum.networks.layers import LEAKY_RELU, Activation, LayerFactory, Norm, UpsampleConv, tanh_or_identity

PATCH_SIDE = 4
"""Side of the windows of the 8x8 map that are scored, each by itself: 5 x 5 of them."""


class GatedLinearUnit(nn.Module):
    """Gated linear unit: the second half of the channels says how much of the first passes (arXiv:1612.08083)."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, 2C, H, W) to (N, C, H, W)."""
        # On a CPU in channels_last functional.glu takes 2.8 times as long, and this without the copy 1.5 times.
        passed, gate = hidden.chunk(2, 1)
        return passed * gate.clone().sigmoid()


GLU = Activation(GatedLinearUnit, 1.7267)
"""Its gain g solves g^2 E[sigmoid(g u)^2] = 1 for a standard normal u."""


class NoiseInjection(nn.Module):
    """Adds a map of noise, the same for all channels, at a learned strength that starts at 0."""

    def __init__(self, layer_index: int) -> None:
        """`layer_index` tells the network's layers apart: each draws noise of its own."""
        super().__init__()
        self.layer_index = layer_index
        self.strength = nn.Parameter(torch.zeros(1))

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, C, H, W) and seeds (N,) to the same shape; without seeds nothing is added."""
        if seed is None:
            return hidden
        count, _, height, width = hidden.shape
        noise = normal(seed + self.layer_index, height * width, RandomStream.NOISE_INJECTION).view(
            count, 1, height, width
        )
        return hidden + (self.strength * noise).to(hidden.dtype)


class NoNoise(nn.Module):
    """No noise, where others have `Speckle`."""

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, C, H, W) as it is."""
        return hidden


class GLUConv(nn.Module):
    """A convolution, noise, norm, and a gated linear unit."""

    def __init__(self, conv: nn.Module, noise: nn.Module, out_channels: int, norm: Norm) -> None:
        """`conv` makes 2 * outside channels."""
        super().__init__()
        self.conv, self.noise = conv, noise
        self.norm_glu = nn.Sequential(norm.build(2 * out_channels), GLU.build())

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, inside, H, W) and seeds (N,) to (N, outside, ...), of the size that the convolution makes."""
        ended: Tensor = self.norm_glu(self.noise(self.conv(hidden), seed))
        return ended


class UpBlock(nn.Module):
    """Gated convolutions in a row, the first of which doubles the size."""

    def __init__(self, *layers: GLUConv) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, inside, H, W) and seeds (N,) to (N, outside, 2H, 2W)."""
        for part in self.layers:
            hidden = part(hidden, seed)
        return hidden


class SkipLayerExcitation(nn.Module):
    """Skip-layer excitation: a small map says how much of each channel of a large one passes.

    Equation 1 of the paper; `small_side` is the small map's.
    """

    def __init__(self, small_channels: int, large_channels: int, small_side: int, factory: LayerFactory) -> None:
        super().__init__()
        self.pool_size = small_side // 4
        self.gate = nn.Sequential(
            factory.linear(16 * small_channels, large_channels, LEAKY_RELU.gain, bias=False),
            LEAKY_RELU.build(),
            factory.linear(large_channels, large_channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        """(N, small, side, side) and (N, large, H, W) to (N, large, H, W)."""
        # a 4x4 convolution of 4x4 pixels is a product with all of them
        gate: Tensor = self.gate(functional.avg_pool2d(small, self.pool_size).flatten(1))
        return large * gate[:, :, None, None]


class Generator(nn.Module):
    """Latent vectors to square pictures; `widths` are the channels at 4x4, 8x8, ..., the picture's size."""

    condition_inputs = ("seed",)

    def __init__(
        self,
        latent_size: int,
        channels: int,
        widths: tuple[int, ...],
        *,
        norm: Norm,
        factory: LayerFactory,
        bounded: bool,
    ) -> None:
        super().__init__()
        first = 2 * widths[0]
        self.input_layer = nn.Sequential(
            factory.linear(latent_size, first * 16, GLU.gain, bias=not norm.has_bias),
            nn.Unflatten(1, (first, 4, 4)),
            norm.build(first),
            GLU.build(),
        )
        self.stages = nn.ModuleList(
            _build_up_block(*pair, norm, factory)
            if setup % 2
            else _build_noisy_up_block(*pair, 2 * setup, norm, factory)
            for setup, pair in enumerate(pairwise(widths))
        )
        self.excitation_sources = choose_excitation_sources(len(widths))
        self.excitations = nn.ModuleList(
            SkipLayerExcitation(widths[small], widths[large], 4 << small, factory)
            for large, small in self.excitation_sources.items()
        )
        self.output_layer = nn.Sequential(
            factory.conv2d(widths[-1], channels, kernel_size=3), tanh_or_identity(bounded)
        )

    def forward(self, latent: Tensor, label: Labels | None = None, seed: Tensor | None = None) -> Tensor:
        """(N, latent) and seeds (N,) to (N, channels, S, S) with S = 2 * 2^len(widths), in [-1, 1] if bounded."""
        maps: list[Tensor] = [self.input_layer(latent)]
        excitations = iter(self.excitations)
        for size, setup in enumerate(self.stages, 1):
            large = setup(maps[-1], seed)
            maps.append(
                next(excitations)(maps[self.excitation_sources[size]], large)
                if size in self.excitation_sources
                else large
            )
        image: Tensor = self.output_layer(maps[-1])
        return image


class DownBlock(nn.Module):
    """Half the size in two ways, averaged: strided and plain convolution, and the means of 2x2 pixels."""

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
        """(N, inside, 2H, 2W) to (N, outside, H, W)."""
        mean: Tensor = (self.strided_branch(hidden) + self.pooled_branch(hidden)) / 2
        return mean


class Decoder(nn.Module):
    """Finds the picture again in a map, linear without tanh: what is shown may be brightened past [-1, 1]."""

    def __init__(self, widths: tuple[int, ...], channels: int, *, norm: Norm, factory: LayerFactory) -> None:
        """`widths` are the channels of the map, and after each doubling of its size."""
        super().__init__()
        stages = (
            nn.Sequential(
                UpsampleConv(_build_glu_conv(inside, outside, norm, factory)), norm.build(2 * outside), GLU.build()
            )
            for inside, outside in pairwise(widths)
        )
        self.stages = nn.Sequential(*stages, factory.conv2d(widths[-1], channels, kernel_size=3))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, widths[0], h, w) to (N, channels, h * 2^k, w * 2^k) with k = len(widths) - 1."""
        image: Tensor = self.stages(hidden)
        return image


class Discriminator(nn.Module):
    """Square pictures to a map of scores, and to pictures found again in its maps.

    `widths` are the channels at the picture's size, ..., 16x16, 8x8.
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
        """`decoders` are of the 8x8 map and of the 16x16 map, or of the first alone, or none."""
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
        """Whether it is at its own move: there alone its maps are decoded."""
        return self.training and any(parameter.requires_grad for parameter in self.decoders.parameters())

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """(N, channels, S, S) with S = 4 * 2^len(widths) to a verdict with score (N, 1, 5, 5).

        Its `rebuilt` is (N, k * channels of a picture, h, h) from the k decoders; while it is frozen or in evaluation
        mode, None.
        """
        middle = self.early_blocks(self.input_layer(sample))  # (N, widths[-2], 16, 16)
        small = self.last_block(middle)  # (N, widths[-1], 8, 8)
        output = self._score_windows(self.expand(small), label)
        if not self.is_training_decoders:
            return output
        rebuilt = [decoder(seen) for decoder, seen in zip(self.decoders, (small, middle), strict=False)]
        return output._replace(reconstructions=torch.cat(rebuilt, 1))

    def _score_windows(self, hidden: Tensor, label: Labels | None) -> DiscriminatorOutput:
        """(N, C, 8, 8) to a verdict on each 4x4 window; the guess of the class is their mean."""
        count, side = len(hidden), hidden.shape[-1] - PATCH_SIDE + 1
        cut = _extract_windows_by_index if hidden.device.type == "cpu" else _extract_windows_by_unfold
        windows = cut(hidden, side).flatten(0, 1)  # (N * side^2, 16 * C)
        if label is not None:
            label = label.repeat_interleave(side**2, 0)
        output: DiscriminatorOutput = self.head(windows, label)
        classes = output.class_logits
        return output._replace(
            score=output.score.view(count, 1, side, side),
            class_logits=None if classes is None else classes.view(count, side**2, -1).mean(1),
        )


def _extract_windows_by_index(hidden: Tensor, windows_per_side: int) -> Tensor:
    """(N, C, H, H) to its windows (N, side^2, 16 * C): 5 times as fast on a CPU in channels_last as unfolding.

    On a GPU its slope's sums come in no fixed order, so a run would not repeat exactly.
    """
    numbers = torch.arange(hidden.shape[-1] ** 2).view(hidden.shape[2:])
    chosen = numbers.unfold(0, PATCH_SIDE, 1).unfold(1, PATCH_SIDE, 1).flatten()  # (side * side * 4 * 4,)
    pixels = hidden.permute(0, 2, 3, 1).flatten(1, 2).index_select(1, chosen)
    return pixels.view(len(hidden), windows_per_side**2, -1)


def _extract_windows_by_unfold(hidden: Tensor, windows_per_side: int) -> Tensor:
    """The same, in a fixed order."""
    windows = functional.unfold(hidden, PATCH_SIDE).view(len(hidden), -1, PATCH_SIDE**2, windows_per_side**2)
    return windows.permute(0, 3, 2, 1).flatten(2)


def choose_excitation_sources(num_maps: int) -> dict[int, int]:
    """Which map is gated by which: numbers of maps, 0 for 4x4, 1 for 8x8, ..., out of so many.

    The paper's are 64, 128, 256 and 512 px, each by the map of a sixteenth; smaller pictures: the last map by 4x4.
    """
    last = num_maps - 1
    return {large: large - 4 for large in range(4, min(last, 7) + 1)} or {last: 0}


def _build_up_block(in_channels: int, out_channels: int, norm: Norm, factory: LayerFactory) -> UpBlock:
    """One convolution without noise."""
    return UpBlock(
        GLUConv(UpsampleConv(_build_glu_conv(in_channels, out_channels, norm, factory)), NoNoise(), out_channels, norm)
    )


def _build_noisy_up_block(
    in_channels: int, out_channels: int, layer_index: int, norm: Norm, factory: LayerFactory
) -> UpBlock:
    """Two convolutions, with noise at `layer_index` and the place after it."""
    first = GLUConv(
        UpsampleConv(_build_glu_conv(in_channels, out_channels, norm, factory)),
        NoiseInjection(layer_index),
        out_channels,
        norm,
    )
    return UpBlock(
        first,
        GLUConv(
            _build_glu_conv(out_channels, out_channels, norm, factory),
            NoiseInjection(layer_index + 1),
            out_channels,
            norm,
        ),
    )


def _build_glu_conv(in_channels: int, out_channels: int, norm: Norm, factory: LayerFactory) -> nn.Module:
    """Makes the channels of a gated linear unit and of its gate."""
    return factory.conv2d(in_channels, 2 * out_channels, kernel_size=3, gain=GLU.gain, bias=not norm.has_bias)


def _build_conv_leaky_relu(
    in_channels: int, out_channels: int, kernel_size: int, norm: Norm, factory: LayerFactory
) -> tuple[nn.Module, ...]:
    convolution = factory.conv2d(
        in_channels, out_channels, kernel_size=kernel_size, gain=LEAKY_RELU.gain, bias=not norm.has_bias
    )
    return convolution, norm.build(out_channels), LEAKY_RELU.build()
