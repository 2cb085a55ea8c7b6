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

from zerosum.game.seeded_rng import Purpose, normal
from zerosum.game.types import Verdict
from zerosum.networks.heads import HeadMaker, Labels
from zerosum.networks.layers import LEAKY_RELU, Activation, Doubling, Norm, Weights, bound

PATCH = 4
"""Side of the windows of the 8x8 map that are scored, each by itself: 5 x 5 of them."""


class Gate(nn.Module):
    """Gated linear unit: the second half of the channels says how much of the first passes (arXiv:1612.08083)."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, 2C, H, W) to (N, C, H, W)."""
        # On a CPU in channels_last functional.glu takes 2.8 times as long, and this without the copy 1.5 times.
        passed, gate = hidden.chunk(2, 1)
        return passed * gate.clone().sigmoid()


GLU = Activation(Gate, 1.7267)
"""Its gain g solves g^2 E[sigmoid(g u)^2] = 1 for a standard normal u."""


class Speckle(nn.Module):
    """Adds a map of noise, the same for all channels, at a learned strength that starts at 0."""

    def __init__(self, place: int) -> None:
        """`place` tells the network's layers apart: each draws noise of its own."""
        super().__init__()
        self.place = place
        self.strength = nn.Parameter(torch.zeros(1))

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, C, H, W) and seeds (N,) to the same shape; without seeds nothing is added."""
        if seed is None:
            return hidden
        count, _, height, width = hidden.shape
        noise = normal(seed + self.place, height * width, Purpose.SPECKLE).view(count, 1, height, width)
        return hidden + (self.strength * noise).to(hidden.dtype)


class Still(nn.Module):
    """No noise, where others have `Speckle`."""

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, C, H, W) as it is."""
        return hidden


class Gated(nn.Module):
    """A convolution, noise, norm, and a gated linear unit."""

    def __init__(self, convolution: nn.Module, noise: nn.Module, outside: int, norm: Norm) -> None:
        """`convolution` makes 2 * outside channels."""
        super().__init__()
        self.convolution, self.noise = convolution, noise
        self.end = nn.Sequential(norm.make(2 * outside), GLU.make())

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, inside, H, W) and seeds (N,) to (N, outside, ...), of the size that the convolution makes."""
        ended: Tensor = self.end(self.noise(self.convolution(hidden), seed))
        return ended


class Up(nn.Module):
    """Gated convolutions in a row, the first of which doubles the size."""

    def __init__(self, *parts: Gated) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, inside, H, W) and seeds (N,) to (N, outside, 2H, 2W)."""
        for part in self.parts:
            hidden = part(hidden, seed)
        return hidden


class Excitation(nn.Module):
    """Skip-layer excitation: a small map says how much of each channel of a large one passes.

    Equation 1 of the paper; `side` is the small map's.
    """

    def __init__(self, small: int, large: int, side: int, weights: Weights) -> None:
        super().__init__()
        self.pool = side // 4
        self.gate = nn.Sequential(
            weights.linear(16 * small, large, LEAKY_RELU.gain, bias=False),
            LEAKY_RELU.make(),
            weights.linear(large, large, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        """(N, small, side, side) and (N, large, H, W) to (N, large, H, W)."""
        # a 4x4 convolution of 4x4 pixels is a product with all of them
        gate: Tensor = self.gate(functional.avg_pool2d(small, self.pool).flatten(1))
        return large * gate[:, :, None, None]


class Generator(nn.Module):
    """Latent vectors to square pictures; `widths` are the channels at 4x4, 8x8, ..., the picture's size."""

    takes = ("seed",)

    def __init__(
        self, latent: int, channels: int, widths: tuple[int, ...], *, norm: Norm, weights: Weights, bounded: bool
    ) -> None:
        super().__init__()
        first = 2 * widths[0]
        self.start = nn.Sequential(
            weights.linear(latent, first * 16, GLU.gain, bias=not norm.shifts),
            nn.Unflatten(1, (first, 4, 4)),
            norm.make(first),
            GLU.make(),
        )
        self.stages = nn.ModuleList(
            _plain(*pair, norm, weights) if stage % 2 else _noisy(*pair, 2 * stage, norm, weights)
            for stage, pair in enumerate(pairwise(widths))
        )
        self.gated = excited(len(widths))
        self.excitations = nn.ModuleList(
            Excitation(widths[small], widths[large], 4 << small, weights) for large, small in self.gated.items()
        )
        self.picture = nn.Sequential(weights.convolution(widths[-1], channels, side=3), bound(bounded))

    def forward(self, latent: Tensor, label: Labels | None = None, seed: Tensor | None = None) -> Tensor:
        """(N, latent) and seeds (N,) to (N, channels, S, S) with S = 2 * 2^len(widths), in [-1, 1] if bounded."""
        maps: list[Tensor] = [self.start(latent)]
        excitations = iter(self.excitations)
        for size, stage in enumerate(self.stages, 1):
            large = stage(maps[-1], seed)
            maps.append(next(excitations)(maps[self.gated[size]], large) if size in self.gated else large)
        picture: Tensor = self.picture(maps[-1])
        return picture


class Down(nn.Module):
    """Half the size in two ways, averaged: strided and plain convolution, and the means of 2x2 pixels."""

    def __init__(self, inside: int, outside: int, *, norm: Norm, weights: Weights) -> None:
        super().__init__()
        self.steep = nn.Sequential(
            weights.halving(inside, outside, LEAKY_RELU.gain, bias=not norm.shifts),
            norm.make(outside),
            LEAKY_RELU.make(),
            *_leaky(outside, outside, 3, norm, weights),
        )
        self.gentle = nn.Sequential(nn.AvgPool2d(2), *_leaky(inside, outside, 1, norm, weights))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, 2H, 2W) to (N, outside, H, W)."""
        mean: Tensor = (self.steep(hidden) + self.gentle(hidden)) / 2
        return mean


class Decoder(nn.Module):
    """Finds the picture again in a map, linear without tanh: what is shown may be brightened past [-1, 1]."""

    def __init__(self, widths: tuple[int, ...], channels: int, *, norm: Norm, weights: Weights) -> None:
        """`widths` are the channels of the map, and after each doubling of its size."""
        super().__init__()
        stages = (
            nn.Sequential(Doubling(_twice(inside, outside, norm, weights)), norm.make(2 * outside), GLU.make())
            for inside, outside in pairwise(widths)
        )
        self.stages = nn.Sequential(*stages, weights.convolution(widths[-1], channels, side=3))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, widths[0], h, w) to (N, channels, h * 2^k, w * 2^k) with k = len(widths) - 1."""
        picture: Tensor = self.stages(hidden)
        return picture


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
        weights: Weights,
        head: HeadMaker,
        decoders: nn.ModuleList,
    ) -> None:
        """`decoders` are of the 8x8 map and of the 16x16 map, or of the first alone, or none."""
        super().__init__()
        self.picture = nn.Sequential(
            weights.convolution(channels, widths[0], side=3, gain=LEAKY_RELU.gain), LEAKY_RELU.make()
        )
        *early, last = (Down(*pair, norm=norm, weights=weights) for pair in pairwise(widths))
        self.early, self.last = nn.Sequential(*early), last
        self.wide = nn.Sequential(*_leaky(widths[-1], 2 * widths[-1], 1, norm, weights))
        self.decoders = decoders
        self.head = head(2 * widths[-1] * PATCH**2, weights, True)
        self.takes = self.head.takes

    @property
    def learning(self) -> bool:
        """Whether it is at its own move: there alone its maps are decoded."""
        return self.training and any(parameter.requires_grad for parameter in self.decoders.parameters())

    def forward(self, sample: Tensor, label: Labels | None = None) -> Verdict:
        """(N, channels, S, S) with S = 4 * 2^len(widths) to a verdict with score (N, 1, 5, 5).

        Its `rebuilt` is (N, k * channels of a picture, h, h) from the k decoders; while it is frozen or in evaluation
        mode, None.
        """
        middle = self.early(self.picture(sample))  # (N, widths[-2], 16, 16)
        small = self.last(middle)  # (N, widths[-1], 8, 8)
        verdict = self._judge(self.wide(small), label)
        if not self.learning:
            return verdict
        rebuilt = [decoder(seen) for decoder, seen in zip(self.decoders, (small, middle), strict=False)]
        return verdict._replace(rebuilt=torch.cat(rebuilt, 1))

    def _judge(self, hidden: Tensor, label: Labels | None) -> Verdict:
        """(N, C, 8, 8) to a verdict on each 4x4 window; the guess of the class is their mean."""
        count, side = len(hidden), hidden.shape[-1] - PATCH + 1
        cut = _by_index if hidden.device.type == "cpu" else _by_unfolding
        windows = cut(hidden, side).flatten(0, 1)  # (N * side^2, 16 * C)
        if label is not None:
            label = label.repeat_interleave(side**2, 0)
        verdict: Verdict = self.head(windows, label)
        classes = verdict.classes
        return verdict._replace(
            score=verdict.score.view(count, 1, side, side),
            classes=None if classes is None else classes.view(count, side**2, -1).mean(1),
        )


def _by_index(hidden: Tensor, side: int) -> Tensor:
    """(N, C, H, H) to its windows (N, side^2, 16 * C): 5 times as fast on a CPU in channels_last as unfolding.

    On a GPU its slope's sums come in no fixed order, so a run would not repeat exactly.
    """
    numbers = torch.arange(hidden.shape[-1] ** 2).view(hidden.shape[2:])
    chosen = numbers.unfold(0, PATCH, 1).unfold(1, PATCH, 1).flatten()  # (side * side * 4 * 4,)
    pixels = hidden.permute(0, 2, 3, 1).flatten(1, 2).index_select(1, chosen)
    return pixels.view(len(hidden), side**2, -1)


def _by_unfolding(hidden: Tensor, side: int) -> Tensor:
    """The same, in a fixed order."""
    windows = functional.unfold(hidden, PATCH).view(len(hidden), -1, PATCH**2, side**2)
    return windows.permute(0, 3, 2, 1).flatten(2)


def excited(sizes: int) -> dict[int, int]:
    """Which map is gated by which: numbers of maps, 0 for 4x4, 1 for 8x8, ..., out of so many.

    The paper's are 64, 128, 256 and 512 px, each by the map of a sixteenth; smaller pictures: the last map by 4x4.
    """
    last = sizes - 1
    return {large: large - 4 for large in range(4, min(last, 7) + 1)} or {last: 0}


def _plain(inside: int, outside: int, norm: Norm, weights: Weights) -> Up:
    """One convolution without noise."""
    return Up(Gated(Doubling(_twice(inside, outside, norm, weights)), Still(), outside, norm))


def _noisy(inside: int, outside: int, place: int, norm: Norm, weights: Weights) -> Up:
    """Two convolutions, with noise at `place` and the place after it."""
    first = Gated(Doubling(_twice(inside, outside, norm, weights)), Speckle(place), outside, norm)
    return Up(first, Gated(_twice(outside, outside, norm, weights), Speckle(place + 1), outside, norm))


def _twice(inside: int, outside: int, norm: Norm, weights: Weights) -> nn.Module:
    """Makes the channels of a gated linear unit and of its gate."""
    return weights.convolution(inside, 2 * outside, side=3, gain=GLU.gain, bias=not norm.shifts)


def _leaky(inside: int, outside: int, side: int, norm: Norm, weights: Weights) -> tuple[nn.Module, ...]:
    convolution = weights.convolution(inside, outside, side=side, gain=LEAKY_RELU.gain, bias=not norm.shifts)
    return convolution, norm.make(outside), LEAKY_RELU.make()
