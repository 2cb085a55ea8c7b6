"""The networks of `references_translation.py`, as their authors have them; plain torch, written from the papers.

Channels all follow from `width`; 64 is the papers'. Pictures have three.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def drawn(network: nn.Module) -> nn.Module:
    """The same network, with convolutions drawn from N(0, .02) and norms' scales from N(1, .02)."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, 0.02)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, 0.02)
    return network


class UNet(nn.Module):
    """pix2pix's generator: halves the picture as often as it can and comes back up, each level seeing its twin.

    Dropout in the inner three levels is its only noise, and like batch norm it stays as in training at test time. The
    innermost map has no norm: of a batch of one, at 1x1, nothing would be left.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        levels = min(8, (size & -size).bit_length() - 1)
        wide = [width * min(8, 2**level) for level in range(levels)]
        self.downs, self.ups = nn.ModuleList([nn.Conv2d(3, width, 4, 2, 1)]), nn.ModuleList()
        for level in range(1, levels):
            down = nn.Conv2d(wide[level - 1], wide[level], 4, 2, 1)
            norm = nn.BatchNorm2d(wide[level]) if level < levels - 1 else nn.Identity()
            self.downs.append(nn.Sequential(nn.LeakyReLU(0.2), down, norm))
        for level in reversed(range(1, levels)):
            inside, outside = wide[level] * (1 if level == levels - 1 else 2), wide[level - 1]
            up = nn.ConvTranspose2d(inside, outside, 4, 2, 1)
            dropout = nn.Dropout(0.5 if level >= levels - 3 else 0)
            self.ups.append(nn.Sequential(nn.ReLU(), up, nn.BatchNorm2d(outside), dropout))
        self.ups.append(nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2 * width, 3, 4, 2, 1), nn.Tanh()))

    def forward(self, given: Tensor) -> Tensor:
        """(N, 3, H, W) to the same, in [-1, 1]."""
        maps = [given]
        for down in self.downs:
            maps.append(down(maps[-1]))
        x: Tensor = self.ups[0](maps.pop())
        for up in self.ups[1:]:
            x = up(torch.cat((maps.pop(), x), 1))
        return x


def patches(channels: int, width: int, norm: Callable[[int], nn.Module]) -> nn.Module:
    """The 70x70 PatchGAN: (N, channels, H, W) to scores (N, 1, H/8 - 2, W/8 - 2), each of 70x70 pixels."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for inside, outside, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
        conv = nn.Conv2d(inside * width, outside * width, 4, stride, 1)
        layers += [conv, norm(outside * width), nn.LeakyReLU(0.2)]
    return drawn(nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1)))


class Residual(nn.Module):
    """CycleGAN's block: two convolutions beside a straight way."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        added: Tensor = self.main(maps)
        return maps + added


def resnet(size: int, width: int) -> nn.Module:
    """CycleGAN's generator, of 6 blocks up to 128 px and 9 above: (N, 3, H, W) to the same, in [-1, 1]."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU()]
    for inside, outside in ((width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(inside, outside, 3, 2, 1), nn.InstanceNorm2d(outside), nn.ReLU()]
    layers += [Residual(4 * width) for _ in range(6 if size <= 128 else 9)]
    for inside, outside in ((4 * width, 2 * width), (2 * width, width)):
        up = nn.ConvTranspose2d(inside, outside, 3, 2, 1, output_padding=1)
        layers += [up, nn.InstanceNorm2d(outside), nn.ReLU()]
    return drawn(nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()))


class Dense(nn.Module):
    """Five convolutions, each seeing all maps before it; a fifth of what they find is added."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        outsides = [growth] * 4 + [width]
        self.convs = nn.ModuleList(nn.Conv2d(width + i * growth, out, 3, 1, 1) for i, out in enumerate(outsides))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        seen = [maps]
        for conv in self.convs[:-1]:
            seen.append(F.leaky_relu(conv(torch.cat(seen, 1)), 0.2))
        added: Tensor = self.convs[-1](torch.cat(seen, 1))
        return maps + 0.2 * added


class InResidual(nn.Module):
    """Three dense blocks in a residual one: RRDB."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.main = nn.Sequential(*(Dense(width, growth) for _ in range(3)))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        added: Tensor = self.main(maps)
        return maps + 0.2 * added


class RRDB(nn.Module):
    """ESRGAN's generator: 23 blocks at the small size, then twice nearest neighbours and a convolution. No norms."""

    def __init__(self, width: int, blocks: int = 23) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, 1, 1)
        trunk = [InResidual(width, width // 2) for _ in range(blocks)]
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

    def forward(self, given: Tensor) -> Tensor:
        """(N, 3, h, w) to (N, 3, 4h, 4w)."""
        maps = self.first(given)
        large: Tensor = self.last(maps + self.trunk(maps))
        return large


def vgg_style(size: int, width: int) -> nn.Module:
    """ESRGAN's discriminator: (N, 3, size, size) to scores (N, 1)."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1), nn.LeakyReLU(0.2)]
    inside = width
    for outside in (width, 2 * width, 4 * width, 8 * width, 8 * width):
        if len(layers) > 2:
            layers += [nn.Conv2d(inside, outside, 3, 1, 1, bias=False), nn.BatchNorm2d(outside), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(outside, outside, 4, 2, 1, bias=False), nn.BatchNorm2d(outside), nn.LeakyReLU(0.2)]
        inside = outside
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(inside * (size // 32) ** 2, 100), nn.LeakyReLU(0.2), nn.Linear(100, 1)
    )
