"""StyleGAN2's networks: pictures made by styles, judged by a residual network.

Karras et al. 2019, "Analyzing and Improving the Image Quality of StyleGAN", arXiv:1912.04958, configuration F: every
convolution of the generator is modulated by a style, its pictures are sums over all sizes, and the discriminator is
residual. All resampling goes through the filter [1, 3, 3, 1], so that detail does not alias.

Two things differ: beside the main path (sums of pictures, the discriminator's shortcuts) resampling repeats the edges,
where the paper pads with zeros; and every sample has a cut of its own where styles are mixed, not the batch one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game import seeded_rng
from zerosum.game.types import Verdict
from zerosum.networks.equalized_lr import Convolution, Deviation, EqualisedWeights, Linear
from zerosum.networks.heads import HeadMaker, Labels
from zerosum.networks.layers import Downsample, Upsample, scaled
from zerosum.networks.mapping import Mapping, leaky
from zerosum.networks.modulated_conv import EPSILON, modulated

MEMORY = 0.998
"""What the mean style keeps of itself in a step."""

Convolve = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From samples (N, C, H, W), styles (N, C) and weights (O, C, 3, 3) to (N, O, H, W), or twice the size."""


def blurred(sample: Tensor, gain: float, padding: int) -> Tensor:
    """Each channel under the filter [1, 3, 3, 1] / 8 each way, times `gain`, zeros beyond the edges.

    Args:
        sample: (N, C, H, W).
        gain: what a constant is multiplied by.
        padding: zeros beyond each edge.

    Returns:
        (N, C, H + 2 padding - 3, W + 2 padding - 3)
    """
    taps = sample.new_tensor([1.0, 3.0, 3.0, 1.0]) / 8
    filters = (gain * torch.outer(taps, taps)).expand(sample.shape[1], 1, 4, 4)
    return functional.conv2d(sample, filters, padding=padding, groups=sample.shape[1])


def modulated_doubling(sample: Tensor, style: Tensor, weight: Tensor) -> Tensor:
    """`modulated`, onto twice the size: away from the edges, `Upsample` and then a modulated 3x3 convolution.

    That convolution comes first, transposed and with stride 2, so it works on a quarter of the pixels.

    Args:
        sample: (N, C, H, W).
        style: (N, C) scale of each input channel.
        weight: (O, C, 3, 3).

    Returns:
        (N, O, 2H, 2W)
    """
    spread = functional.conv_transpose2d(sample * style[:, :, None, None], weight.transpose(0, 1), stride=2)
    squares = style.square() @ weight.square().sum((2, 3)).T  # (N, O): of each sample's own weights
    # the gain 4 makes up for the zeros in between
    return blurred(spread, 4.0, 1) * (squares + EPSILON).rsqrt().to(spread.dtype)[:, :, None, None]


# ---------------------------------------------------------------------- the generator


class Still(nn.Module):
    """No noise."""

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, C, S, S) to the same."""
        return hidden


class Noise(nn.Module):
    """One picture of noise, added to all channels as strongly as is learned; from strength 0 (arXiv:1812.04948)."""

    fixed: Tensor

    def __init__(self, number: int, side: int) -> None:
        """The `number`-th layer's noise, for pictures of this side."""
        super().__init__()
        self.number, self.side = number, side
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("fixed", self.drawn(seeded_rng.seeds(0, 0, 1)))

    def drawn(self, seed: Tensor) -> Tensor:
        """(N,) int64 seeds to (N, 1, side, side) standard normal noise, another in each layer."""
        numbers = seeded_rng.normal(seeded_rng.fork(seed, self.number), self.side**2, seeded_rng.Purpose.NOISE)
        return numbers.view(-1, 1, self.side, self.side)

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, C, S, S) to the same; the same noise for all samples and always where there are no seeds."""
        drawn = self.fixed if seed is None else self.drawn(seed)
        return hidden + drawn.to(hidden.dtype) * self.strength


class Layer(nn.Module):
    """A convolution of 3x3 modulated by a style, noise, bias, leaky ReLU."""

    def __init__(self, inside: int, outside: int, style: int, convolve: Convolve, grain: nn.Module) -> None:
        """`convolve` says whether the size doubles, `grain` what noise is added."""
        super().__init__()
        self.affine = Linear(style, inside, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outside, inside, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outside))
        self.convolve, self.grain = convolve, grain

    def forward(self, hidden: Tensor, style: Tensor, seed: Tensor | None) -> Tensor:
        """(N, inside, H, W) and styles (N, style) to (N, outside, H, W), or twice the size."""
        convolved = self.convolve(hidden, self.affine(style), self.weight)
        noisy: Tensor = self.grain(convolved, seed)
        return leaky(noisy + self.bias.to(noisy.dtype)[:, None, None])  # else bfloat16 would end here


class Picture(nn.Module):
    """What a size adds to the picture: a modulated 1x1 convolution, without demodulation."""

    def __init__(self, inside: int, channels: int, style: int) -> None:
        super().__init__()
        self.affine = Linear(style, inside, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inside))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.scale = inside**-0.5

    def forward(self, hidden: Tensor, style: Tensor) -> Tensor:
        """(N, inside, H, W) and styles (N, style) to (N, channels, H, W)."""
        # so few outputs that weights for each sample cost less than modulating what goes in
        weights = self.weight * (self.affine(style) * self.scale)[:, None]  # (N, channels, inside)
        pixels = hidden.permute(0, 2, 3, 1).flatten(1, 2) @ weights.mT + self.bias  # (N, H W, channels)
        picture: Tensor = pixels.unflatten(1, hidden.shape[2:]).permute(0, 3, 1, 2)
        return picture


class Generator(nn.Module):
    """Latent vectors to square pictures; `widths` are the channels at 4x4, 8x8, ..., the picture's size.

    Style j goes to the j-th convolution; to-RGB shares its style with the convolution that follows it, and the last
    style is the last to-RGB's own. So there are two styles a size.
    """

    mean_style: Tensor
    """(W,): running mean of the styles of training, towards which truncation pulls."""
    path_length: Tensor
    """(): float32, running mean of what the term path-length measures."""

    def __init__(
        self,
        latent: int,
        channels: int,
        widths: tuple[int, ...],
        mapping: Mapping,
        style: int,
        mixing: float,
        noisy: bool,
    ) -> None:
        """A generator.

        Args:
            latent: numbers in a latent.
            channels: of the picture.
            widths: channels at 4x4, 8x8, ...
            mapping: from latents to styles.
            style: numbers in a style.
            mixing: share of samples that are made of two styles in training.
            noisy: whether noise is added to what the layers make.
        """
        super().__init__()
        self.latent, self.mapping, self.mixing = latent, mapping, mixing
        self.takes = (*mapping.takes, "seed")
        self.constant = nn.Parameter(torch.randn(widths[0], 4, 4))
        self.convolutions = nn.ModuleList()
        for size, (inside, outside) in enumerate(pairwise((widths[0], *widths))):
            steps = [(inside, outside, modulated_doubling), (outside, outside, modulated)]
            steps = steps[1:] if size == 0 else steps  # the constant has this size already
            for before, after, convolve in steps:
                grain = Noise(len(self.convolutions), 4 << size) if noisy else Still()
                self.convolutions.append(Layer(before, after, style, convolve, grain))
        self.pictures = nn.ModuleList(Picture(width, channels, style) for width in widths)
        self.upsample = Upsample()
        self.layers = 2 * len(widths)
        self.register_buffer("mean_style", torch.zeros(style))
        self.register_buffer("path_length", torch.zeros(()))

    def styles(self, latent: Tensor, label: Labels | None = None, truncation: float = 1.0) -> Tensor:
        """The styles of latents, one for each layer, the same for all of a sample's.

        Args:
            latent: (N, L).
            label: (N,) int64 classes or (N, K) weights of them, where the generator takes any.
            truncation: psi; mean + psi (style - mean): 1 leaves styles as they are, 0 makes all the mean.

        Returns:
            (N, layers, W)
        """
        style = self.mapping(latent, label)
        pulled = torch.lerp(self.mean_style.to(style.dtype), style, truncation)
        return pulled[:, None].expand(-1, self.layers, -1)

    def synthesise(self, styles: Tensor, seed: Tensor | None = None) -> Tensor:
        """Pictures of styles (N, layers, W), with noise of seeds (N,) int64: (N, channels, S, S), unbounded."""
        each = styles.unbind(1)
        hidden = self.constant.to(styles.dtype).expand(styles.shape[0], -1, -1, -1)
        hidden = self.convolutions[0](hidden, each[0], seed)
        picture: Tensor = self.pictures[0](hidden, each[1])
        for size in range(1, len(self.pictures)):
            for layer in (2 * size - 1, 2 * size):
                hidden = self.convolutions[layer](hidden, each[layer], seed)
            picture = self.upsample(picture) + self.pictures[size](hidden, each[2 * size + 1])
        return picture

    def affine_weights(self) -> list[Tensor]:
        """The weights (C, W) that make the layers' modulations of styles, one for each of `layers`, in order.

        Of a style that a convolution shares with a to-RGB, the convolution's.
        """
        affines = [layer.affine for layer in (*self.convolutions, self.pictures[-1])]
        return [affine.weight.detach() * affine.scale for affine in affines]

    def forward(self, latent: Tensor, label: Labels | None = None, seed: Tensor | None = None) -> Tensor:
        """(N, latent) to (N, channels, S, S) with S = 2 * 2^len(widths), unbounded.

        In training the mean style follows, and where there are seeds, styles are mixed.
        """
        styles = self.styles(latent, label)
        if self.training:
            with torch.no_grad():
                self.mean_style.lerp_(styles[:, 0].mean(0).to(self.mean_style.dtype), 1 - MEMORY)
            if seed is not None and self.mixing > 0:
                styles = self._mixed(styles, label, seed)
        return self.synthesise(styles, seed)

    def _mixed(self, styles: Tensor, label: Labels | None, seed: Tensor) -> Tensor:
        """(N, layers, W): of a share `mixing` of samples, the layers from some cut on take another latent's styles.

        So the network cannot count on neighbouring styles being related (arXiv:1812.04948, section 3.1).
        """
        other = self.styles(seeded_rng.normal(seed, self.latent, seeded_rng.Purpose.MIX).to(styles.dtype), label)
        whether, where = seeded_rng.uniform(seed, 2, seeded_rng.Purpose.CUT).unbind(1)
        cut = 1 + torch.floor(where * (self.layers - 1))
        first = torch.where(whether < self.mixing, cut, self.layers)
        late = torch.arange(self.layers, device=seed.device) >= first[:, None]  # (N, layers)
        return torch.where(late[:, :, None], other, styles)


# ---------------------------------------------------------------------- the discriminator


class Halving(nn.Module):
    """The filter, and a convolution of 3x3 with stride 2."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outside))
        self.scale = (9 * inside) ** -0.5

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H / 2, W / 2)."""
        return functional.conv2d(blurred(hidden, 1.0, 2), self.weight * self.scale, self.bias, stride=2)


class Block(nn.Module):
    """(x + f(x)) / sqrt 2 at half the size: a shortcut of 1x1, and two convolutions of 3x3."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.same, self.halving = Convolution(inside, inside, 3), Halving(inside, outside)
        self.shortcut = nn.Sequential(Downsample(), Convolution(inside, outside, 1, gain=2**-0.5, bias=False))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H / 2, W / 2)."""
        # the root of 2 after the last leaky ReLU and the one below the sum cancel
        branch = functional.leaky_relu(self.halving(leaky(self.same(hidden))), 0.2)
        shortcut: Tensor = self.shortcut(hidden)
        return branch + shortcut


class Discriminator(nn.Module):
    """Square pictures to verdicts; `widths` are the channels at the picture's size, ..., 8x8, 4x4."""

    def __init__(self, channels: int, widths: tuple[int, ...], group: int, head: HeadMaker) -> None:
        """`group` samples are compared with each other, 0 for none."""
        super().__init__()
        last = widths[-1]
        self.picture = Linear(channels, widths[0])
        self.blocks = nn.Sequential(*(Block(inside, outside) for inside, outside in pairwise(widths)))
        self.deviation = Deviation(group) if group else nn.Identity()
        self.end = Convolution(last + bool(group), last, 3)
        self.features = Linear(16 * last, last)
        self.head = head(last, EqualisedWeights(scaled), True)
        self.takes = self.head.takes

    def forward(self, sample: Tensor, label: Labels | None = None) -> Verdict:
        """(N, channels, S, S) with S = 2 * 2^len(widths) to a verdict with score (N,)."""
        # a 1x1 convolution as a matrix product: of one channel, a convolution would not know its memory format
        pixels = leaky(self.picture(sample.permute(0, 2, 3, 1)))  # (N, S, S, widths[0])
        hidden = self.deviation(self.blocks(pixels.permute(0, 3, 1, 2)))
        features = leaky(self.features(leaky(self.end(hidden)).flatten(1)))
        verdict: Verdict = self.head(features, label)
        return verdict
