"""The networks of `lightweight.py`: FastGAN's generator and discriminator for images of 32 or 64 px.

Liu et al. 2021, arXiv:2101.04775. All channels follow from `width`; 64 is the paper's.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

LATENT_SIZE = 256
CHANNEL_FACTORS = {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1}
"""Channels divided by the width, by side in pixels: the paper's table."""


def conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Module:
    """Return a convolution without a bias, with spectral normalization."""
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)
    nn.init.normal_(layer.weight, 0, 0.02)
    return spectral_norm(layer)


def norm(channels: int) -> nn.Module:
    """Return batch norm with scales drawn from N(1, 0.02)."""
    layer = nn.BatchNorm2d(channels)
    nn.init.normal_(layer.weight, 1, 0.02)
    return layer


class NoiseInjection(nn.Module):
    """Add a noise map, the same for all channels, times a learned weight that starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return maps + self.weight * torch.randn_like(maps[:, :1])


def gated_conv(in_channels: int, out_channels: int, *noise: nn.Module) -> nn.Module:
    """Return a convolution with a gated linear unit: (N, in_channels, H, W) to (N, out_channels, H, W)."""
    return nn.Sequential(
        conv(in_channels, 2 * out_channels, 3, 1, 1), *noise, norm(2 * out_channels), nn.GLU(1)
    )  # fmt: skip


def upsample(in_channels: int, out_channels: int) -> nn.Module:
    """Return a block that doubles the size: (N, in_channels, H, W) to (N, out_channels, 2H, 2W)."""
    return nn.Sequential(nn.Upsample(scale_factor=2), gated_conv(in_channels, out_channels))


def noisy_upsample(in_channels: int, out_channels: int) -> nn.Module:
    """Return a block like `upsample`, with two convolutions and noise."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2), gated_conv(in_channels, out_channels, NoiseInjection()),
        gated_conv(out_channels, out_channels, NoiseInjection()),
    )  # fmt: skip


class Excitation(nn.Module):
    """Skip-layer excitation: a small map scales each channel of a large one by 0 to 1."""

    def __init__(self, source_channels: int, target_channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(4), conv(source_channels, target_channels, 4), nn.SiLU(),
            conv(target_channels, target_channels, 1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Map (N, source_channels, h, w) and (N, target_channels, H, W) to (N, target_channels, H, W)."""
        scaled: Tensor = target * self.gate(source)
        return scaled


class Generator(nn.Module):
    """Map a latent to 4x4 pixels, and these to an image by upsampling blocks."""

    def __init__(self, size: int, channels: int, width: int) -> None:
        super().__init__()
        widths = {side: factor * width for side, factor in CHANNEL_FACTORS.items()}
        first = nn.ConvTranspose2d(LATENT_SIZE, 2 * widths[4], 4, bias=False)
        nn.init.normal_(first.weight, 0, 0.02)
        self.first = nn.Sequential(spectral_norm(first), norm(2 * widths[4]), nn.GLU(1))
        sides = [side for side in CHANNEL_FACTORS if 4 < side <= size]
        self.blocks = nn.ModuleList(
            (upsample, noisy_upsample)[index % 2 == 0](widths[side // 2], widths[side])
            for index, side in enumerate(sides)
        )
        self.excite = Excitation(widths[4], widths[size])
        self.last = conv(widths[size], channels, 3, 1, 1)

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (N, 256) to images (N, C, H, W) in [-1, 1]."""
        small = maps = self.first(latents[:, :, None, None])
        for block in self.blocks:
            maps = block(maps)
        return torch.tanh(self.last(self.excite(small, maps)))


def leaky_conv(in_channels: int, out_channels: int, *kernel: int) -> nn.Module:
    """Return a convolution with batch norm and leaky ReLU; kernel, stride and padding as in `conv`."""
    return nn.Sequential(conv(in_channels, out_channels, *kernel), norm(out_channels), nn.LeakyReLU(0.2))


class Downsample(nn.Module):
    """Halve the size by strided convolution and by averages, and return the mean of both."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            leaky_conv(in_channels, out_channels, 4, 2, 1), leaky_conv(out_channels, out_channels, 3, 1, 1)
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), leaky_conv(in_channels, out_channels, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H/2, W/2)."""
        mean: Tensor = (self.main(maps) + self.shortcut(maps)) / 2
        return mean


class Discriminator(nn.Module):
    """Return a map of scores; two decoders reconstruct the image from its feature maps (self-supervision)."""

    def __init__(self, size: int, channels: int, width: int) -> None:
        super().__init__()
        # at each size half the generator's channels
        widths = {side // 2: factor * width for side, factor in CHANNEL_FACTORS.items()}
        sides = [side for side in reversed(widths) if 8 <= side <= size]
        self.first = nn.Sequential(conv(channels, widths[size], 3, 1, 1), nn.LeakyReLU(0.2))
        self.downs = nn.ModuleList(Downsample(widths[2 * side], widths[side]) for side in sides[1:])
        self.excite = nn.ModuleList(Excitation(widths[8 * side], widths[side]) for side in sides[3:])
        self.score = nn.Sequential(leaky_conv(widths[8], widths[4], 1), conv(widths[4], 1, 4))
        self.image_decoder, self.crop_decoder = (
            build_decoder(widths[side], size // 2, channels, width // 2) for side in (8, 16)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Map (N, C, H, W) to scores (N, 1, 5, 5) and feature maps, from the image's size down to 8x8."""
        maps = [self.first(images)]
        for down in self.downs:
            maps.append(down(maps[-1]))
            if len(maps) > 3:  # the source map is eight times as large
                maps[-1] = self.excite[len(maps) - 4](maps[-4], maps[-1])
        return self.score(maps[-1]), maps

    def reconstruction_loss(self, images: Tensor, maps: list[Tensor]) -> Tensor:
        """Return the L1 error of images (N, C, H, W) decoded from their maps: of the whole, and of a random quarter."""
        row, column = torch.randint(2, (2,)).tolist()
        image, crop = self.image_decoder(maps[-1]), self.crop_decoder(quarter(maps[-2], row, column))
        small = F.interpolate(images, image.shape[-1], mode="area")
        return F.l1_loss(image, small) + F.l1_loss(crop, quarter(images, row, column))


def quarter(maps: Tensor, row: int, column: int) -> Tensor:
    """Return one quarter (N, C, H/2, W/2) of (N, C, H, W)."""
    return maps.chunk(2, 2)[row].chunk(2, 3)[column]


def build_decoder(in_channels: int, size: int, channels: int, width: int) -> nn.Module:
    """Return a decoder of (N, in_channels, 8, 8) to images (N, C, size, size) in [-1, 1]."""
    sides = [side for side in CHANNEL_FACTORS if 8 < side <= size]
    widths = [in_channels, *(CHANNEL_FACTORS[side] * width for side in sides)]
    blocks = [upsample(*pair) for pair in itertools.pairwise(widths)]
    return nn.Sequential(*blocks, conv(widths[-1], channels, 3, 1, 1), nn.Tanh())
