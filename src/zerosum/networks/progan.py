"""ProGAN's networks, which grow in training: from 4x4 pixels, each doubling of the resolution is faded in.

Karras, Aila, Laine, Lehtinen 2017, "Progressive Growing of GANs for Improved Quality, Stability, and Variation",
arXiv:1710.10196, table 2 and figure 2. Layers have an equalized learning rate, the generator uses pixel norm, and the
discriminator minibatch standard deviation.

Level l is the resolution 4 * 2^l (see `image_grid`). A growth of k + a (k an integer, 0 <= a < 1) means that level k is
fully active and level k + 1 is faded in with weight a; higher levels are neither computed nor trained. Images have
their full size at any growth: the generator repeats pixels up to it, the discriminator averages them down from it. So
the gradient penalty is always measured in the same space, as in the authors' code.
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
from zerosum.networks.image_grid import ImageGrid, find_grid
from zerosum.networks.layers import LEAKY_RELU, fuse_box_filter, init_kaiming, upsample_conv2d
from zerosum.networks.stages import Stages

_HE_GAIN = 2**0.5  # He's gain for ReLU, which the paper uses for its leaky ReLU too


def upsample_nearest(image: Tensor, factor: int) -> Tensor:
    """Repeat every pixel `factor` x `factor` times: (N, C, H, W) to (N, C, H * factor, W * factor)."""
    return image if factor == 1 else functional.interpolate(image, scale_factor=float(factor), mode="nearest")


def downsample_mean(image: Tensor, factor: int) -> Tensor:
    """Average blocks of `factor` x `factor` pixels: (N, C, H, W) to (N, C, H / factor, W / factor)."""
    return image if factor == 1 else functional.avg_pool2d(image, factor)


def fade_in(coarse: Tensor, fine: Tensor, alpha: Tensor) -> Tensor:
    """Return (1 - alpha) * coarse + alpha * fine for maps (N, C, H, W) and a 0-d `alpha`."""
    return coarse + (fine - coarse) * alpha


def limit_resolution(image: Tensor, growth: float) -> Tensor:
    """Reduce real images to the resolution of a network of this growth, so that missing detail does not reveal fakes.

    Args:
        image: (N, C, H, W).
        growth: from 0 (4x4, or the grid of images of this size) to the number of doublings from there, at which images
            are returned unchanged.

    Returns:
        (N, C, H, W)
    """
    level, alpha = divmod(growth, 1)
    factor = 1 << (find_grid(*image.shape[2:]).doublings - int(level))
    coarse = upsample_nearest(downsample_mean(image, factor), factor)
    if not alpha:
        return coarse
    return coarse.lerp(upsample_nearest(downsample_mean(image, factor // 2), factor // 2), alpha)


class GrowingNetwork(nn.Module):
    """A network of `levels` resolutions that uses only those up to its growth; it starts fully grown.

    The growth is saved and copied with the weights.
    """

    def __init__(self, levels: int) -> None:
        """Create a network of resolutions 4, 8, ..., 4 * 2^(levels - 1)."""
        super().__init__()
        self.levels = levels
        self.set_growth(levels - 1)

    @property
    def growth(self) -> float:
        """Return the growth, from 0 to levels - 1; its fraction is the weight of the next level."""
        return self._growth

    def set_growth(self, growth: float) -> None:
        """Use the levels up to this growth, from 0 to levels - 1."""
        assert 0 <= growth <= self.levels - 1, f"growth {growth} is outside of 0 to {self.levels - 1}"
        self._growth, self.level = float(growth), int(growth)
        self.is_fading = self._growth > self.level
        # a tensor, since a compiled network would be recompiled for each new number; never changed in place, since a
        # backward pass may still need the old one
        self.alpha = torch.tensor(self._growth - self.level, dtype=torch.float32, device="cpu")

    limit_resolution = staticmethod(limit_resolution)

    def get_extra_state(self) -> Tensor:
        """Return the growth as a () float64 tensor, as a checkpoint needs it."""
        return torch.tensor(self._growth, dtype=torch.float64, device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        """Restore the growth from a checkpoint."""
        self.set_growth(float(state))


class Generator(GrowingNetwork):
    """Map latent vectors to images; `widths` are the channels at 4x4, 8x8, ..., the image's size."""

    def __init__(self, latent_size: int, channels: int, widths: tuple[int, ...], grid: ImageGrid) -> None:
        super().__init__(len(widths))
        self.input_layer = nn.Sequential(
            _InputLayer(latent_size, widths[0], grid), _PixelNorm(), *_build_conv_pixel_norm(widths[0])
        )
        self.stages = nn.ModuleList(
            nn.Sequential(
                EqualizedUpsampleConv(in_channels, out_channels, 3, gain=_HE_GAIN),
                LEAKY_RELU.build(),
                _PixelNorm(),
                *_build_conv_pixel_norm(out_channels),
            )
            for in_channels, out_channels in pairwise(widths)
        )
        self.to_rgb = nn.ModuleList(EqualizedConv2d(width, channels, 1) for width in widths)

    def forward(self, latent: Tensor) -> Tensor:
        """Map latents (N, L), which are normalized, to images (N, channels, H, W) of full size, unbounded."""
        hidden: Tensor = self.input_layer(pixel_norm(latent))
        for stage in islice(self.stages, self.level):
            hidden = stage(hidden)
        image: Tensor = self.to_rgb[self.level](hidden)
        top = self.level
        if self.is_fading:
            top += 1
            fine = self.to_rgb[top](self.stages[self.level](hidden))
            image = fade_in(upsample_nearest(image, 2), fine, self.alpha)
        return upsample_nearest(image, 1 << (self.levels - 1 - top))


class Discriminator(GrowingNetwork):
    """Map images to scores; it mirrors the generator, and `widths` are again the channels from 4x4 up."""

    def __init__(
        self, channels: int, widths: tuple[int, ...], grid: ImageGrid, group_size: int, build_head: HeadFactory
    ) -> None:
        """Create the network; `group_size` is the number of samples compared by minibatch std."""
        super().__init__(len(widths))
        self.from_rgb = nn.ModuleList(
            nn.Sequential(EqualizedConv2d(channels, width, 1, gain=_HE_GAIN), LEAKY_RELU.build()) for width in widths
        )
        self.stages = nn.ModuleList(
            nn.Sequential(
                EqualizedConv2d(in_channels, in_channels, 3, gain=_HE_GAIN),
                LEAKY_RELU.build(),
                EqualizedConvMeanPool(in_channels, out_channels, 3, gain=_HE_GAIN),
                LEAKY_RELU.build(),
            )
            for out_channels, in_channels in pairwise(widths)
        )
        width = widths[0]
        self.final_block = nn.Sequential(
            MinibatchStd(group_size),
            EqualizedConv2d(width + 1, width, 3, gain=_HE_GAIN),
            LEAKY_RELU.build(),
            nn.Flatten(),
            EqualizedLinear(grid.cells * width, width, gain=_HE_GAIN),
            LEAKY_RELU.build(),
        )
        self.head = build_head(width, EqualizedLayerFactory(init_kaiming), True)
        self.condition_inputs = self.head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """Map (N, channels, H, W) of full size to an output with score (N,)."""
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

    def stages_from_sample(self) -> Stages:
        """Return the stages from the sample on: each halves the image, with the input layer of its resolution."""
        levels = range(self.levels - 1, 0, -1)
        return [[self.from_rgb[level], self.stages[level - 1]] for level in levels]


class EqualizedUpsampleConv(EqualizedConv2d):
    """Nearest-neighbor upsampling, then the convolution, fused into one."""

    def forward(self, sample: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, 2H, 2W)."""
        return upsample_conv2d(sample, self.weight * self.scale, self.bias)


class EqualizedConvMeanPool(EqualizedConv2d):
    """The convolution, then the mean of each 2x2 pixels, fused into one.

    One convolution with a 4x4 kernel is, second derivatives included, 2 to 3 times as fast on a CPU. The mean is taken
    before the activation that follows, as in the authors' code; the paper's table has it after.
    """

    def forward(self, sample: Tensor) -> Tensor:
        """Map (N, C_in, 2H, 2W) to (N, C_out, H, W)."""
        kernel = fuse_box_filter(self.weight * (self.scale / 4))
        return functional.conv2d(sample, kernel, self.bias, stride=2, padding=1)


class _PixelNorm(nn.Module):
    """Pixel norm as a layer."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Scale each pixel's channel vector of (N, C, H, W) to length sqrt(C)."""
        return pixel_norm(hidden)


class _EqualizedLinearNoBias(nn.Module):
    """A linear layer without bias whose N(0, 1) weight is scaled at run time."""

    def __init__(self, in_features: int, out_features: int, scale: float) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(torch.randn(out_features, in_features)), scale

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, in_features) to (N, out_features)."""
        return functional.linear(hidden, self.weight * self.scale)


class _InputLayer(nn.Module):
    """A 4x4 convolution of the latent as a one-pixel image (or one of the grid), with one bias per channel."""

    def __init__(self, latent_size: int, width: int, grid: ImageGrid) -> None:
        super().__init__()
        self.grid = grid
        # pixel norm removes the scale again, so it only sets this layer's learning rate: the authors count all 16
        # kernel positions in the fan-in, of which an output pixel uses one
        scale = _HE_GAIN * (16 * latent_size) ** -0.5
        self.linear = _EqualizedLinearNoBias(latent_size, grid.cells * width, scale)
        self.bias = nn.Parameter(torch.zeros(width))
        self.activation = LEAKY_RELU.build()

    def forward(self, latent: Tensor) -> Tensor:
        """Map latents (N, L) to (N, width, 4, 4), or the grid's size."""
        pixels = self.linear(latent).unflatten(1, (self.grid.height, self.grid.width, -1)) + self.bias
        hidden: Tensor = self.activation(pixels.permute(0, 3, 1, 2))
        return hidden


def _build_conv_pixel_norm(width: int) -> tuple[nn.Module, ...]:
    """Build the second layer of a stage, a 3x3 convolution of constant width."""
    return EqualizedConv2d(width, width, 3, gain=_HE_GAIN), LEAKY_RELU.build(), _PixelNorm()
