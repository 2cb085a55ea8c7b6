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

from zerosum.game.types import Verdict
from zerosum.networks.equalized_lr import Convolution, Deviation, EqualisedWeights, Linear, normalised
from zerosum.networks.heads import HeadMaker, Labels
from zerosum.networks.layers import LEAKY_RELU, doubled, scaled, widened

_GAIN = 2**0.5  # He's, which the paper takes for its leaky ReLU too


def enlarged(picture: Tensor, times: int) -> Tensor:
    """Every pixel repeated `times` x `times`: (N, C, H, W) to (N, C, H * times, W * times)."""
    return picture if times == 1 else functional.interpolate(picture, scale_factor=float(times), mode="nearest")


def reduced(picture: Tensor, times: int) -> Tensor:
    """The means of squares of `times` x `times` pixels: (N, C, H, W) to (N, C, H / times, W / times)."""
    return picture if times == 1 else functional.avg_pool2d(picture, times)


def faded(coarse: Tensor, fine: Tensor, share: Tensor) -> Tensor:
    """(1 - share) of the coarse and `share` (0-d) of the fine, both (N, C, H, W)."""
    return coarse + (fine - coarse) * share


def shown(picture: Tensor, growth: float) -> Tensor:
    """Real pictures as a network of this growth can make them, so that detail it lacks tells nobody apart.

    Args:
        picture: (N, C, S, S), S a power of two from 4 on.
        growth: from 0 (4x4) to log2(S) - 2, where pictures are shown as they are.

    Returns:
        (N, C, S, S)
    """
    side = picture.shape[-1]
    level, share = divmod(growth, 1)
    times = side >> (int(level) + 2)
    coarse = enlarged(reduced(picture, times), times)
    if not share:
        return coarse
    return coarse.lerp(enlarged(reduced(picture, times // 2), times // 2), share)


class Growing(nn.Module):
    """A network of `levels` resolutions, of which it uses those it has grown to; it begins with all of them.

    Its growth is saved and copied with its weights.
    """

    def __init__(self, levels: int) -> None:
        """A network of resolutions 4, 8, ..., 4 * 2^(levels - 1)."""
        super().__init__()
        self.levels = levels
        self.grow(levels - 1)

    @property
    def growth(self) -> float:
        """How far it has grown, from 0 to levels - 1: the fraction says how much of the next level is faded in."""
        return self._growth

    def grow(self, growth: float) -> None:
        """Use the levels up to this growth, from 0 to levels - 1, from now on."""
        assert 0 <= growth <= self.levels - 1, f"growth {growth} lies outside of 0 to {self.levels - 1}"
        self._growth, self.level = float(growth), int(growth)
        self.fading = self._growth > self.level
        # a tensor, since for each new number a compiled network would be compiled anew; never changed in place, for
        # a backward pass may still want the old one
        self.share = torch.tensor(self._growth - self.level, dtype=torch.float32, device="cpu")

    shown = staticmethod(shown)

    def get_extra_state(self) -> Tensor:
        """The growth, () float64: a tensor, as all else in a checkpoint."""
        return torch.tensor(self._growth, dtype=torch.float64, device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        """Grow as far as the network was that this state comes from."""
        self.grow(float(state))


class Generator(Growing):
    """Latent vectors to square pictures; `widths` are the channels at 4x4, 8x8, ..., the picture's side."""

    def __init__(self, latent: int, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__(len(widths))
        self.start = nn.Sequential(_Start(latent, widths[0]), _Pixels(), *_same(widths[0]))
        self.stages = nn.ModuleList(
            nn.Sequential(Doubling(inside, outside, 3, gain=_GAIN), LEAKY_RELU.make(), _Pixels(), *_same(outside))
            for inside, outside in pairwise(widths)
        )
        self.pictures = nn.ModuleList(Convolution(width, channels, 1) for width in widths)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) to (N, channels, S, S) with S = 2 * 2^levels, unbounded; only a latent's direction counts."""
        hidden: Tensor = self.start(normalised(latent))
        for stage in islice(self.stages, self.level):
            hidden = stage(hidden)
        picture: Tensor = self.pictures[self.level](hidden)
        top = self.level
        if self.fading:
            top += 1
            fine = self.pictures[top](self.stages[self.level](hidden))
            picture = faded(enlarged(picture, 2), fine, self.share)
        return enlarged(picture, 1 << (self.levels - 1 - top))


class Discriminator(Growing):
    """Square pictures to scores: the generator's mirror image, `widths` again from 4x4 up."""

    def __init__(self, channels: int, widths: tuple[int, ...], group: int, head: HeadMaker) -> None:
        """`group`: samples whose deviation is shown."""
        super().__init__(len(widths))
        self.pictures = nn.ModuleList(
            nn.Sequential(Convolution(channels, width, 1, gain=_GAIN), LEAKY_RELU.make()) for width in widths
        )
        self.stages = nn.ModuleList(
            nn.Sequential(
                Convolution(inside, inside, 3, gain=_GAIN),
                LEAKY_RELU.make(),
                Halving(inside, outside, 3, gain=_GAIN),
                LEAKY_RELU.make(),
            )
            for outside, inside in pairwise(widths)
        )
        width = widths[0]
        self.end = nn.Sequential(
            Deviation(group),
            Convolution(width + 1, width, 3, gain=_GAIN),
            LEAKY_RELU.make(),
            nn.Flatten(),
            Linear(16 * width, width, gain=_GAIN),
            LEAKY_RELU.make(),
        )
        self.head = head(width, EqualisedWeights(scaled), True)
        self.takes = self.head.takes

    def forward(self, sample: Tensor, label: Labels | None = None) -> Verdict:
        """(N, channels, S, S) with S = 2 * 2^levels to a verdict with score (N,)."""
        top = self.level + self.fading
        sample = reduced(sample, 1 << (self.levels - 1 - top))
        hidden: Tensor = self.pictures[top](sample)
        if self.fading:
            coarse = self.pictures[self.level](reduced(sample, 2))
            hidden = faded(coarse, self.stages[self.level](hidden), self.share)
        for level in range(self.level - 1, -1, -1):
            hidden = self.stages[level](hidden)
        verdict: Verdict = self.head(self.end(hidden), label)
        return verdict


class Doubling(Convolution):
    """The convolution of a picture of twice the size, every pixel repeated."""

    def forward(self, sample: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, 2H, 2W)."""
        return doubled(sample, self.weight * self.scale, self.bias)


class Halving(Convolution):
    """The mean of each 2x2 pixels of the convolution: (N, inside, 2H, 2W) to (N, outside, H, W).

    As one convolution by a 4x4 kernel, with its second derivatives 2 to 3 times as fast on a CPU. What comes next is an
    activation, so the mean is taken before it, as in the authors' program; the paper's table has it after.
    """

    def forward(self, sample: Tensor) -> Tensor:
        """(N, inside, 2H, 2W) to (N, outside, H, W)."""
        kernel = widened(self.weight * (self.scale / 4))
        return functional.conv2d(sample, kernel, self.bias, stride=2, padding=1)


class _Pixels(nn.Module):
    """Pixel norm."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, C, H, W) to the same, each pixel's vector at length sqrt(C)."""
        return normalised(hidden)


class _Matrix(nn.Module):
    """A weight N(0, 1) that is scaled when it is used, without a bias."""

    def __init__(self, inside: int, outside: int, scale: float) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(torch.randn(outside, inside)), scale

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside) to (N, outside)."""
        return functional.linear(hidden, self.weight * self.scale)


class _Start(nn.Module):
    """A 4x4 convolution of the latent, taken as a picture of one pixel: one bias a channel."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        # pixel norm takes the scale out again, so it only sets how fast this layer learns: the authors count all 16
        # places of the kernel as inputs, of which an output pixel meets one
        self.matrix = _Matrix(latent, 16 * width, _GAIN * (16 * latent) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(width))
        self.active = LEAKY_RELU.make()

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) to (N, width, 4, 4)."""
        pixels = self.matrix(latent).reshape(len(latent), 4, 4, -1) + self.bias  # (N, 4, 4, width)
        hidden: Tensor = self.active(pixels.permute(0, 3, 1, 2))
        return hidden


def _same(width: int) -> tuple[nn.Module, ...]:
    """A stage's second layer: 3x3, as wide as it is."""
    return Convolution(width, width, 3, gain=_GAIN), LEAKY_RELU.make(), _Pixels()
