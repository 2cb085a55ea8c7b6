"""Residual networks: the spectral-norm GAN's and BigGAN's, which differ in settings only.

Miyato, Kataoka, Koyama, Yoshida 2018, "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957,
appendix B.4; Brock, Donahue, Simonyan 2018, "Large Scale GAN Training for High Fidelity Natural Image Synthesis",
arXiv:1809.11096, appendix B.

Resampling is that of the papers, nearest neighbour up and averages down. It is worked into the 3x3 convolution beside
it (`layers.Doubling`, `layers.Halving`), which is the same function and takes less than half of the products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game.types import Verdict
from zerosum.networks.attention import SelfAttention
from zerosum.networks.heads import ClassVectors, HeadMaker, Labels
from zerosum.networks.layers import RELU, Doubling, Halving, Weights, bound

NormMaker = Callable[[int, int], nn.Module]
"""From the width of a map, and of what its norm is told, to a norm: `forward(hidden, told) -> hidden`."""
_HALF = 0.5**0.5
"""The gain of each of two things whose sum is to have the variance of one; what comes after a ReLU has half anyway."""

# ---------------------------------------------------------------------- what norms are told


class Whole(nn.Module):
    """The latent enters at the start, and the blocks are told nothing."""

    takes: tuple[str, ...] = ()

    def __init__(self, latent: int, blocks: int) -> None:
        super().__init__()
        self.start, self.sizes = latent, (0,) * blocks

    def forward(self, latent: Tensor, label: Labels | None = None) -> list[Tensor]:
        """(N, L) to itself and, for each block, (N, 0)."""
        return [latent, *(latent[:, :0] for _ in self.sizes)]


class Chunks(nn.Module):
    """The latent is cut up: a chunk enters at the start, and each block is told of its own.

    BigGAN's hierarchical latent. Chunks are of one size, or the first ones larger by 1.
    """

    takes: tuple[str, ...] = ()

    def __init__(self, latent: int, blocks: int) -> None:
        super().__init__()
        least, left = divmod(latent, blocks + 1)
        self.start, *sizes = (least + (place < left) for place in range(blocks + 1))
        self.sizes = tuple(sizes)

    def forward(self, latent: Tensor, label: Labels | None = None) -> list[Tensor]:
        """(N, L) to the start's and each block's chunk, (N, size)."""
        return list(torch.split(latent, [self.start, *self.sizes], 1))


class Classed(nn.Module):
    """What blocks are told, and before it a vector of the class: one for all blocks."""

    takes: tuple[str, ...] = ("label",)

    def __init__(self, told: Whole | Chunks, classes: int, size: int, weights: Weights) -> None:
        super().__init__()
        self.told = told
        self.vectors = ClassVectors(classes, size, weights, size**-0.5)
        self.start, self.sizes = told.start, tuple(size + more for more in told.sizes)

    def forward(self, latent: Tensor, label: Labels | None = None) -> list[Tensor]:
        """(N, L) and labels to the start's part of the latent and what each block is told."""
        assert label is not None, "a generator of classes needs labels: the game sees to it"
        vector = self.vectors(label).to(latent.dtype)
        start, *told = self.told(latent)
        return [start, *(torch.cat([vector, each], 1) for each in told)]


class Alike(nn.Module):
    """A norm that is the same for all samples, whatever it is told."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        """(N, C, H, W) and anything to (N, C, H, W)."""
        normalised: Tensor = self.norm(hidden)
        return normalised


class ConditionalNorm(nn.Module):
    """Batch norm whose gain and bias are linear in what it is told: 1 + A t and B t.

    Dumoulin et al. 2016, arXiv:1610.07629; Miyato and Koyama 2018, arXiv:1802.05637.
    """

    def __init__(self, width: int, told: int, weights: Weights) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        # what orthonormal rows or columns have: gains start near 1, and some way apart
        gain = (told / max(told, width)) ** 0.5
        self.gain, self.bias = (weights.linear(told, width, gain, bias=False) for _ in range(2))

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        """(N, C, H, W) and (N, T) to (N, C, H, W)."""
        gain, bias = self.gain(told)[:, :, None, None], self.bias(told)[:, :, None, None]
        return torch.addcmul(bias, self.norm(hidden), 1 + gain)


NORMS: Mapping[str, NormMaker] = {
    "none": lambda width, told: Alike(nn.Identity()),
    "batch": lambda width, told: Alike(nn.BatchNorm2d(width)),
}
"""Norms that are told nothing."""


def conditional(weights: Weights) -> NormMaker:
    """Norms that are told something."""
    return lambda width, told: ConditionalNorm(width, told, weights)


# ---------------------------------------------------------------------- the generator


class Upward(nn.Module):
    """A residual block that doubles the size: norm, ReLU, twice the size, 3x3, norm, ReLU, 3x3."""

    def __init__(self, inside: int, outside: int, told: int, norm: NormMaker, weights: Weights) -> None:
        super().__init__()
        self.before, self.between = norm(inside, told), norm(outside, told)
        self.grow = Doubling(weights.convolution(inside, outside, side=3, gain=RELU.gain))
        self.mix = weights.convolution(outside, outside, side=3, gain=RELU.gain * _HALF)
        self.short = weights.convolution(inside, outside, gain=_HALF)

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        """(N, inside, H, W) and (N, T) to (N, outside, 2H, 2W)."""
        branch = self.grow(torch.relu(self.before(hidden, told)))
        branch = self.mix(torch.relu(self.between(branch, told)))
        # a 1x1 convolution of pixels made four alike is the same before it, at a quarter of the products
        short = functional.interpolate(self.short(hidden), scale_factor=2.0, mode="nearest")
        return branch + short  # type: ignore[no-any-return]


class Generator(nn.Module):
    """Latent vectors to square pictures; `widths` are the channels at 4x4, 8x8, ..., the picture's size."""

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        *,
        told: Whole | Chunks | Classed,
        norms: tuple[NormMaker, NormMaker],
        weights: Weights,
        attention: int,
        bounded: bool,
    ) -> None:
        """`norms`: the blocks' and the last one, before the picture; `attention`: the side of the map it follows."""
        super().__init__()
        self.told, self.takes = told, told.takes
        inner, last = norms
        self.start = nn.Sequential(weights.linear(told.start, widths[0] * 16), nn.Unflatten(1, (widths[0], 4, 4)))
        self.blocks = nn.ModuleList(
            Upward(inside, outside, size, inner, weights)
            for (inside, outside), size in zip(pairwise(widths), told.sizes, strict=True)
        )
        self.after = nn.ModuleList(
            _attentive(8 << place, attention, width, weights) for place, width in enumerate(widths[1:])
        )
        self.norm = last(widths[-1], 0)
        self.picture = nn.Sequential(nn.ReLU(), weights.convolution(widths[-1], channels, side=3), bound(bounded))

    def forward(self, latent: Tensor, label: Labels | None = None) -> Tensor:
        """(N, L), and labels if it takes them, to (N, channels, S, S) with S = 2 * 2^len(widths)."""
        start, *told = self.told(latent, label)
        hidden = self.start(start)
        for block, after, each in zip(self.blocks, self.after, told, strict=True):
            hidden = after(block(hidden, each))
        picture: Tensor = self.picture(self.norm(hidden, latent))
        return picture


def _attentive(side: int, attention: int, width: int, weights: Weights) -> nn.Module:
    """Self-attention after the map of the side that asks for it; after others, nothing."""
    return SelfAttention(width, weights) if side == attention else nn.Identity()


# ---------------------------------------------------------------------- the discriminator


class Residual(nn.Module):
    """branch(x) + short(x)."""

    def __init__(self, branch: nn.Module, short: nn.Module) -> None:
        super().__init__()
        self.branch, self.short = branch, short

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H, W), or half of that."""
        total: Tensor = self.branch(hidden) + self.short(hidden)
        return total


def first(channels: int, outside: int, weights: Weights) -> Residual:
    """The block that sees the picture, and halves it. It has no first ReLU: that would cut off what is below 0."""
    branch = nn.Sequential(
        weights.convolution(channels, outside, side=3),
        nn.ReLU(),
        Halving(weights.convolution(outside, outside, side=3, gain=RELU.gain * _HALF)),
    )
    return Residual(branch, _halved(channels, outside, weights))


def downward(inside: int, outside: int, weights: Weights) -> Residual:
    """ReLU, 3x3, ReLU, 3x3, and half the size."""
    *begin, last = _branch(inside, outside, weights)
    return Residual(nn.Sequential(*begin, Halving(last)), _halved(inside, outside, weights))


def level(inside: int, outside: int, weights: Weights) -> Residual:
    """ReLU, 3x3, ReLU, 3x3; the shortcut has a 1x1 convolution only where the width changes."""
    branch = nn.Sequential(*_branch(inside, outside, weights))
    return Residual(branch, nn.Identity() if inside == outside else weights.convolution(inside, outside, gain=_HALF))


def _branch(inside: int, outside: int, weights: Weights) -> tuple[nn.Module, ...]:
    return (
        nn.ReLU(),
        weights.convolution(inside, outside, side=3, gain=RELU.gain),
        nn.ReLU(),
        weights.convolution(outside, outside, side=3, gain=RELU.gain * _HALF),
    )


def _halved(inside: int, outside: int, weights: Weights) -> nn.Module:
    # the average of a 1x1 convolution is the convolution of the average
    return nn.Sequential(nn.AvgPool2d(2), weights.convolution(inside, outside, gain=_HALF))


class Discriminator(nn.Module):
    """Square pictures to scores; `widths` are the channels of the blocks that halve the size, in that order."""

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: tuple[int, ...],
        levels: tuple[int, ...],
        *,
        weights: Weights,
        attention: int,
        head: HeadMaker,
    ) -> None:
        """`levels`: channels of the blocks that follow and keep the size; `attention`: side of the map it follows."""
        super().__init__()
        channels, side, _ = shape
        self.picture = nn.Sequential(
            first(channels, widths[0], weights), _attentive(side // 2, attention, widths[0], weights)
        )
        stages = (
            nn.Sequential(
                downward(inside, outside, weights), _attentive(side >> (place + 2), attention, outside, weights)
            )
            for place, (inside, outside) in enumerate(pairwise(widths))
        )
        self.stages = nn.Sequential(*stages)
        self.levels = nn.Sequential(
            *(level(inside, outside, weights) for inside, outside in pairwise((widths[-1], *levels))), nn.ReLU()
        )
        self.head = head((widths + levels)[-1], weights, True)
        self.takes = self.head.takes

    def forward(self, sample: Tensor, label: Labels | None = None) -> Verdict:
        """(N, channels, S, S), and labels if it takes them, to a verdict with score (N,)."""
        seen = self.levels(self.stages(self.picture(sample)))
        verdict: Verdict = self.head(seen.sum((2, 3)), label)
        return verdict
