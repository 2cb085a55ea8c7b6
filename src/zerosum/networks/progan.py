"""Networks that grow while they are trained: from 4x4 pixels on, each doubling of the picture faded in.

Karras, Aila, Laine, Lehtinen 2017, "Progressive Growing of GANs for Improved Quality, Stability, and Variation",
arXiv:1710.10196, table 2 and figure 2. Weights learn at an equalised rate, the generator's pixels are normalised, and
the discriminator sees how much a batch varies.

Level l is the resolution 4 * 2^l. A growth of k + a (k whole, 0 <= a < 1) says that level k is there in full and level
k + 1 is faded in by a; what lies above is neither computed nor trained. Pictures have their full side at any growth:
the generator repeats pixels up to it, the discriminator averages them down from it. So the gradient penalty measures
slopes in one space throughout, as in the authors' program.
"""

from __future__ import annotations

from itertools import islice, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.equalized_lr import (
    EqualizedConv2d,
    EqualizedLayerFactory,
    EqualizedLinear,
    MinibatchStd,
    pixel_norm,
)
from zerosum.networks.heads import HeadFactory, Labels
from zerosum.networks.layers import LEAKY_RELU, fuse_box_filter, init_kaiming, upsample_conv2d

_HE_GAIN = 2**0.5  # He's, which the paper takes for its leaky ReLU too


def upsample_nearest(image: Tensor, factor: int) -> Tensor:
    """Every pixel repeated `factor` x `factor`: (N, C, H, W) to (N, C, H * times, W * times)."""
    return image if factor == 1 else functional.interpolate(image, scale_factor=float(factor), mode="nearest")


def downsample_mean(image: Tensor, factor: int) -> Tensor:
    """The means of squares of `factor` x `factor` pixels: (N, C, H, W) to (N, C, H / times, W / times)."""
    return image if factor == 1 else functional.avg_pool2d(image, factor)


def fade_in(coarse: Tensor, fine: Tensor, alpha: Tensor) -> Tensor:
    """(1 - share) of the coarse and `alpha` (0-d) of the fine, both (N, C, H, W)."""
    return coarse + (fine - coarse) * alpha


def limit_resolution(image: Tensor, growth: float) -> Tensor:
    """Real pictures as a network of this growth can make them, so that detail it lacks tells nobody apart.

    Args:
        image: (N, C, S, S), S a power of two from 4 on.
        growth: from 0 (4x4) to log2(S) - 2, where pictures are shown as they are.

    Returns:
        (N, C, S, S)
    """
    side = image.shape[-1]
    level, share = divmod(growth, 1)
    times = side >> (int(level) + 2)
    coarse = upsample_nearest(downsample_mean(image, times), times)
    if not share:
        return coarse
    return coarse.lerp(upsample_nearest(downsample_mean(image, times // 2), times // 2), share)


class GrowingNetwork(nn.Module):
    """A network of `levels` resolutions, of which it uses those it has grown to; it begins with all of them.

    Its growth is saved and copied with its weights.
    """

    def __init__(self, levels: int) -> None:
        """A network of resolutions 4, 8, ..., 4 * 2^(levels - 1)."""
        super().__init__()
        self.levels = levels
        self.set_growth(levels - 1)

    @property
    def growth(self) -> float:
        """How far it has grown, from 0 to levels - 1: the fraction says how much of the next level is faded in."""
        return self._growth

    def set_growth(self, growth: float) -> None:
        """Use the levels up to this growth, from 0 to levels - 1, from now on."""
        assert 0 <= growth <= self.levels - 1, f"growth {growth} lies outside of 0 to {self.levels - 1}"
        self._growth, self.level = float(growth), int(growth)
        self.is_fading = self._growth > self.level
        # a tensor, since for each new number a compiled network would be compiled anew; never changed in place, for
        # a backward pass may still want the old one
        self.alpha = torch.tensor(self._growth - self.level, dtype=torch.float32, device="cpu")

    limit_resolution = staticmethod(limit_resolution)

    def get_extra_state(self) -> Tensor:
        """The growth, () float64: a tensor, as all else in a checkpoint."""
        return torch.tensor(self._growth, dtype=torch.float64, device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        """Grow as far as the network was that this state comes from."""
        self.set_growth(float(state))


class Generator(GrowingNetwork):
    """Latent vectors to square pictures; `widths` are the channels at 4x4, 8x8, ..., the picture's side."""

    def __init__(self, latent_size: int, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__(len(widths))
        self.input_layer = nn.Sequential(
            _InputLayer(latent_size, widths[0]), _PixelNorm(), *_build_conv_pixel_norm(widths[0])
        )
        self.stages = nn.ModuleList(
            nn.Sequential(
                EqualizedUpsampleConv(inside, outside, 3, gain=_HE_GAIN),
                LEAKY_RELU.build(),
                _PixelNorm(),
                *_build_conv_pixel_norm(outside),
            )
            for inside, outside in pairwise(widths)
        )
        self.to_rgb = nn.ModuleList(EqualizedConv2d(width, channels, 1) for width in widths)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) to (N, channels, S, S) with S = 2 * 2^levels, unbounded; only a latent's direction counts."""
        hidden: Tensor = self.input_layer(pixel_norm(latent))
        for setup in islice(self.stages, self.level):
            hidden = setup(hidden)
        image: Tensor = self.to_rgb[self.level](hidden)
        top = self.level
        if self.is_fading:
            top += 1
            fine = self.to_rgb[top](self.stages[self.level](hidden))
            image = fade_in(upsample_nearest(image, 2), fine, self.alpha)
        return upsample_nearest(image, 1 << (self.levels - 1 - top))


class Discriminator(GrowingNetwork):
    """Square pictures to scores: the generator's mirror image, `widths` again from 4x4 up."""

    def __init__(self, channels: int, widths: tuple[int, ...], group_size: int, build_head: HeadFactory) -> None:
        """`group_size`: samples whose deviation is shown."""
        super().__init__(len(widths))
        self.from_rgb = nn.ModuleList(
            nn.Sequential(EqualizedConv2d(channels, width, 1, gain=_HE_GAIN), LEAKY_RELU.build()) for width in widths
        )
        self.stages = nn.ModuleList(
            nn.Sequential(
                EqualizedConv2d(inside, inside, 3, gain=_HE_GAIN),
                LEAKY_RELU.build(),
                EqualizedConvMeanPool(inside, outside, 3, gain=_HE_GAIN),
                LEAKY_RELU.build(),
            )
            for outside, inside in pairwise(widths)
        )
        width = widths[0]
        self.final_block = nn.Sequential(
            MinibatchStd(group_size),
            EqualizedConv2d(width + 1, width, 3, gain=_HE_GAIN),
            LEAKY_RELU.build(),
            nn.Flatten(),
            EqualizedLinear(16 * width, width, gain=_HE_GAIN),
            LEAKY_RELU.build(),
        )
        self.head = build_head(width, EqualizedLayerFactory(init_kaiming), True)
        self.condition_inputs = self.head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """(N, channels, S, S) with S = 2 * 2^levels to a verdict with score (N,)."""
        top = self.level + self.is_fading
        sample = downsample_mean(sample, 1 << (self.levels - 1 - top))
        hidden: Tensor = self.from_rgb[top](sample)
        if self.is_fading:
            coarse = self.from_rgb[self.level](downsample_mean(sample, 2))
            hidden = fade_in(coarse, self.stages[self.level](hidden), self.alpha)
        for level in range(self.level - 1, -1, -1):
            hidden = self.stages[level](hidden)
        output: DiscriminatorOutput = self.head(self.final_block(hidden), label)
        return output


class EqualizedUpsampleConv(EqualizedConv2d):
    """The convolution of a picture of twice the size, every pixel repeated."""

    def forward(self, sample: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, 2H, 2W)."""
        return upsample_conv2d(sample, self.weight * self.scale, self.bias)


class EqualizedConvMeanPool(EqualizedConv2d):
    """The mean of each 2x2 pixels of the convolution: (N, inside, 2H, 2W) to (N, outside, H, W).

    As one convolution by a 4x4 kernel, with its second derivatives 2 to 3 times as fast on a CPU. What comes next is an
    activation, so the mean is taken before it, as in the authors' program; the paper's table has it after.
    """

    def forward(self, sample: Tensor) -> Tensor:
        """(N, inside, 2H, 2W) to (N, outside, H, W)."""
        kernel = fuse_box_filter(self.weight * (self.scale / 4))
        return functional.conv2d(sample, kernel, self.bias, stride=2, padding=1)


class _PixelNorm(nn.Module):
    """Pixel norm."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, C, H, W) to the same, each pixel's vector at length sqrt(C)."""
        return pixel_norm(hidden)


class _EqualizedLinearNoBias(nn.Module):
    """A weight N(0, 1) that is scaled when it is used, without a bias."""

    def __init__(self, in_features: int, out_features: int, scale: float) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(torch.randn(out_features, in_features)), scale

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside) to (N, outside)."""
        return functional.linear(hidden, self.weight * self.scale)


class _InputLayer(nn.Module):
    """A 4x4 convolution of the latent, taken as a picture of one pixel: one bias a channel."""

    def __init__(self, latent_size: int, width: int) -> None:
        super().__init__()
        # pixel norm takes the scale out again, so it only sets how fast this layer learns: the authors count all 16
        # places of the kernel as inputs, of which an output pixel meets one
        self.linear = _EqualizedLinearNoBias(latent_size, 16 * width, _HE_GAIN * (16 * latent_size) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(width))
        self.activation = LEAKY_RELU.build()

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) to (N, width, 4, 4)."""
        pixels = self.linear(latent).reshape(len(latent), 4, 4, -1) + self.bias  # (N, 4, 4, width)
        hidden: Tensor = self.activation(pixels.permute(0, 3, 1, 2))
        return hidden


def _build_conv_pixel_norm(width: int) -> tuple[nn.Module, ...]:
    """A stage's second layer: 3x3, as wide as it is."""
    return EqualizedConv2d(width, width, 3, gain=_HE_GAIN), LEAKY_RELU.build(), _PixelNorm()
