"""The networks of `references_translation.py`: plain torch, written from the papers.

All channels follow from `width`; 64 is the papers'. Images have three channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def initialize(network: nn.Module) -> nn.Module:
    """Draw weights of convolutions from N(0, .02) and scales of batch norms from N(1, .02), and return the network."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, 0.02)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, 0.02)
    return network


class UNet(nn.Module):
    """pix2pix's generator: a U-Net that halves the image as often as possible, with skip connections.

    Dropout in the inner three levels is its only noise; dropout and batch norm stay in training mode at test time. The
    innermost map has no norm, which would set a batch of one at 1x1 to zero.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        levels = min(8, (size & -size).bit_length() - 1)
        widths = [width * min(8, 2**level) for level in range(levels)]
        self.downs, self.ups = nn.ModuleList([nn.Conv2d(3, width, 4, 2, 1)]), nn.ModuleList()
        for level in range(1, levels):
            down = nn.Conv2d(widths[level - 1], widths[level], 4, 2, 1)
            norm = nn.BatchNorm2d(widths[level]) if level < levels - 1 else nn.Identity()
            self.downs.append(nn.Sequential(nn.LeakyReLU(0.2), down, norm))
        for level in reversed(range(1, levels)):
            in_channels, out_channels = widths[level] * (1 if level == levels - 1 else 2), widths[level - 1]
            up = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1)
            dropout = nn.Dropout(0.5 if level >= levels - 3 else 0)
            self.ups.append(nn.Sequential(nn.ReLU(), up, nn.BatchNorm2d(out_channels), dropout))
        self.ups.append(nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2 * width, 3, 4, 2, 1), nn.Tanh()))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, H, W) to the same shape, in [-1, 1]."""
        maps = [inputs]
        for down in self.downs:
            maps.append(down(maps[-1]))
        x: Tensor = self.ups[0](maps.pop())
        for up in self.ups[1:]:
            x = up(torch.cat((maps.pop(), x), 1))
        return x


def patchgan(channels: int, width: int, norm: Callable[[int], nn.Module]) -> nn.Module:
    """Return the 70x70 PatchGAN: (N, channels, H, W) to scores (N, 1, H/8 - 2, W/8 - 2), each of 70x70 pixels."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for in_factor, out_factor, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
        conv = nn.Conv2d(in_factor * width, out_factor * width, 4, stride, 1)
        layers += [conv, norm(out_factor * width), nn.LeakyReLU(0.2)]
    return initialize(nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1)))


class ResidualBlock(nn.Module):
    """CycleGAN's residual block of two convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        residual: Tensor = self.main(maps)
        return maps + residual


def resnet(size: int, width: int) -> nn.Module:
    """Return CycleGAN's generator, with 6 blocks up to 128 px and 9 above: (N, 3, H, W) to the same, in [-1, 1]."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU()]
    for in_channels, out_channels in ((width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(in_channels, out_channels, 3, 2, 1), nn.InstanceNorm2d(out_channels), nn.ReLU()]
    layers += [ResidualBlock(4 * width) for _ in range(6 if size <= 128 else 9)]
    for in_channels, out_channels in ((4 * width, 2 * width), (2 * width, width)):
        up = nn.ConvTranspose2d(in_channels, out_channels, 3, 2, 1, output_padding=1)
        layers += [up, nn.InstanceNorm2d(out_channels), nn.ReLU()]
    return initialize(nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()))


class DenseBlock(nn.Module):
    """A dense block: five convolutions, each of all maps before it; a fifth of the result is added to the input."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        out_channels = [growth] * 4 + [width]
        self.convs = nn.ModuleList(nn.Conv2d(width + i * growth, out, 3, 1, 1) for i, out in enumerate(out_channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        features = [maps]
        for conv in self.convs[:-1]:
            features.append(F.leaky_relu(conv(torch.cat(features, 1)), 0.2))
        residual: Tensor = self.convs[-1](torch.cat(features, 1))
        return maps + 0.2 * residual


class ResidualInResidual(nn.Module):
    """A residual block of three dense blocks (RRDB)."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.main = nn.Sequential(*(DenseBlock(width, growth) for _ in range(3)))

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        residual: Tensor = self.main(maps)
        return maps + 0.2 * residual


class RRDB(nn.Module):
    """ESRGAN's generator without norms: 23 blocks at the small size, then two upsamplings with a convolution each."""

    def __init__(self, width: int, blocks: int = 23) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, 1, 1)
        trunk = [ResidualInResidual(width, width // 2) for _ in range(blocks)]
        self.trunk = nn.Sequential(*trunk, nn.Conv2d(width, width, 3, 1, 1))
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, 1, 1), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(width, width, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, 3, 3, 1, 1)]
        self.last = nn.Sequential(*layers)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
                layer.weight.data *= 0.1

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, 4h, 4w)."""
        maps = self.first(inputs)
        outputs: Tensor = self.last(maps + self.trunk(maps))
        return outputs


def vgg_discriminator(size: int, width: int) -> nn.Module:
    """Return ESRGAN's discriminator: (N, 3, size, size) to scores (N, 1)."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1), nn.LeakyReLU(0.2)]
    in_channels = width
    for out_channels in (width, 2 * width, 4 * width, 8 * width, 8 * width):
        if len(layers) > 2:
            layers += [
                nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False),
                nn.BatchNorm2d(out_channels),
                nn.LeakyReLU(0.2),
            ]
        layers += [
            nn.Conv2d(out_channels, out_channels, 4, 2, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2),
        ]
        in_channels = out_channels
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(in_channels * (size // 32) ** 2, 100), nn.LeakyReLU(0.2), nn.Linear(100, 1)
    )
