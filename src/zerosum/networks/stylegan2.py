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
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.equalized_lr import EqualizedConv2d, EqualizedLayerFactory, EqualizedLinear, MinibatchStd
from zerosum.networks.heads import HeadFactory, Labels
from zerosum.networks.layers import Downsample, Upsample, init_kaiming
from zerosum.networks.mapping import MappingNetwork, scaled_leaky_relu
from zerosum.networks.modulated_conv import EPSILON, modulated_conv2d

MEAN_STYLE_DECAY = 0.998
"""What the mean style keeps of itself in a step."""

ConvFn = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From samples (N, C, H, W), styles (N, C) and weights (O, C, 3, 3) to (N, O, H, W), or twice the size."""


def blur(sample: Tensor, gain: float, padding: int) -> Tensor:
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


def modulated_upsample_conv2d(sample: Tensor, style: Tensor, weight: Tensor) -> Tensor:
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
    return blur(spread, 4.0, 1) * (squares + EPSILON).rsqrt().to(spread.dtype)[:, :, None, None]


# ---------------------------------------------------------------------- the generator


class NoNoise(nn.Module):
    """No noise."""

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, C, S, S) to the same."""
        return hidden


class NoiseInjection(nn.Module):
    """One picture of noise, added to all channels as strongly as is learned; from strength 0 (arXiv:1812.04948)."""

    fixed_noise: Tensor

    def __init__(self, layer_index: int, side: int) -> None:
        """The `layer_index`-th layer's noise, for pictures of this side."""
        super().__init__()
        self.layer_index, self.side = layer_index, side
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("fixed_noise", self.draw_noise(seeded_rng.derive_seeds(0, 0, 1)))

    def draw_noise(self, seed: Tensor) -> Tensor:
        """(N,) int64 seeds to (N, 1, side, side) standard normal noise, another in each layer."""
        numbers = seeded_rng.normal(
            seeded_rng.fork_seed(seed, self.layer_index), self.side**2, seeded_rng.RandomStream.LAYER_NOISE
        )
        return numbers.view(-1, 1, self.side, self.side)

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, C, S, S) to the same; the same noise for all samples and always where there are no seeds."""
        drawn = self.fixed_noise if seed is None else self.draw_noise(seed)
        return hidden + drawn.to(hidden.dtype) * self.strength


class SynthesisLayer(nn.Module):
    """A convolution of 3x3 modulated by a style, noise, bias, leaky ReLU."""

    def __init__(self, in_channels: int, out_channels: int, style_size: int, conv_fn: ConvFn, noise: nn.Module) -> None:
        """`conv_fn` says whether the size doubles, `noise` what noise is added."""
        super().__init__()
        self.affine = EqualizedLinear(style_size, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.conv_fn, self.noise = conv_fn, noise

    def forward(self, hidden: Tensor, style: Tensor, seed: Tensor | None) -> Tensor:
        """(N, inside, H, W) and styles (N, style) to (N, outside, H, W), or twice the size."""
        convolved = self.conv_fn(hidden, self.affine(style), self.weight)
        noisy: Tensor = self.noise(convolved, seed)
        return scaled_leaky_relu(noisy + self.bias.to(noisy.dtype)[:, None, None])  # else bfloat16 would end here


class ToRGB(nn.Module):
    """What a size adds to the picture: a modulated 1x1 convolution, without demodulation."""

    def __init__(self, in_channels: int, channels: int, style_size: int) -> None:
        super().__init__()
        self.affine = EqualizedLinear(style_size, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(channels, in_channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.scale = in_channels**-0.5

    def forward(self, hidden: Tensor, style: Tensor) -> Tensor:
        """(N, inside, H, W) and styles (N, style) to (N, channels, H, W)."""
        # so few outputs that weights for each sample cost less than modulating what goes in
        weights = self.weight * (self.affine(style) * self.scale)[:, None]  # (N, channels, inside)
        pixels = hidden.permute(0, 2, 3, 1).flatten(1, 2) @ weights.mT + self.bias  # (N, H W, channels)
        image: Tensor = pixels.unflatten(1, hidden.shape[2:]).permute(0, 3, 1, 2)
        return image


class Generator(nn.Module):
    """Latent vectors to square pictures; `widths` are the channels at 4x4, 8x8, ..., the picture's size.

    Style j goes to the j-th convolution; to-RGB shares its style with the convolution that follows it, and the last
    style is the last to-RGB's own. So there are two styles a size.
    """

    mean_style: Tensor
    """(W,): running mean of the styles of training, towards which truncation pulls."""
    mean_path_length: Tensor
    """(): float32, running mean of what the term path-length measures."""

    def __init__(
        self,
        latent_size: int,
        channels: int,
        widths: tuple[int, ...],
        mapping: MappingNetwork,
        style_size: int,
        style_mixing_prob: float,
        uses_noise: bool,
    ) -> None:
        """A generator.

        Args:
            latent_size: numbers in a latent.
            channels: of the picture.
            widths: channels at 4x4, 8x8, ...
            mapping: from latents to styles.
            style_size: numbers in a style.
            style_mixing_prob: share of samples that are made of two styles in training.
            uses_noise: whether noise is added to what the layers make.
        """
        super().__init__()
        self.latent_size, self.mapping, self.style_mixing_prob = latent_size, mapping, style_mixing_prob
        self.condition_inputs = (*mapping.condition_inputs, "seed")
        self.constant = nn.Parameter(torch.randn(widths[0], 4, 4))
        self.synthesis_layers = nn.ModuleList()
        for size, (inside, outside) in enumerate(pairwise((widths[0], *widths))):
            steps = [(inside, outside, modulated_upsample_conv2d), (outside, outside, modulated_conv2d)]
            steps = steps[1:] if size == 0 else steps  # the constant has this size already
            for before, after, convolve in steps:
                grain = NoiseInjection(len(self.synthesis_layers), 4 << size) if uses_noise else NoNoise()
                self.synthesis_layers.append(SynthesisLayer(before, after, style_size, convolve, grain))
        self.to_rgb = nn.ModuleList(ToRGB(width, channels, style_size) for width in widths)
        self.upsample = Upsample()
        self.num_layers = 2 * len(widths)
        self.register_buffer("mean_style", torch.zeros(style_size))
        self.register_buffer("mean_path_length", torch.zeros(()))

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
        return pulled[:, None].expand(-1, self.num_layers, -1)

    def synthesize(self, styles: Tensor, seed: Tensor | None = None) -> Tensor:
        """Pictures of styles (N, layers, W), with noise of seeds (N,) int64: (N, channels, S, S), unbounded."""
        each = styles.unbind(1)
        hidden = self.constant.to(styles.dtype).expand(styles.shape[0], -1, -1, -1)
        hidden = self.synthesis_layers[0](hidden, each[0], seed)
        image: Tensor = self.to_rgb[0](hidden, each[1])
        for size in range(1, len(self.to_rgb)):
            for layer in (2 * size - 1, 2 * size):
                hidden = self.synthesis_layers[layer](hidden, each[layer], seed)
            image = self.upsample(image) + self.to_rgb[size](hidden, each[2 * size + 1])
        return image

    def affine_weights(self) -> list[Tensor]:
        """The weights (C, W) that make the layers' modulations of styles, one for each of `layers`, in order.

        Of a style that a convolution shares with a to-RGB, the convolution's.
        """
        affines = [layer.affine for layer in (*self.synthesis_layers, self.to_rgb[-1])]
        return [affine.weight.detach() * affine.scale for affine in affines]

    def forward(self, latent: Tensor, label: Labels | None = None, seed: Tensor | None = None) -> Tensor:
        """(N, latent) to (N, channels, S, S) with S = 2 * 2^len(widths), unbounded.

        In training the mean style follows, and where there are seeds, styles are mixed.
        """
        styles = self.styles(latent, label)
        if self.training:
            with torch.no_grad():
                self.mean_style.lerp_(styles[:, 0].mean(0).to(self.mean_style.dtype), 1 - MEAN_STYLE_DECAY)
            if seed is not None and self.style_mixing_prob > 0:
                styles = self._mix_styles(styles, label, seed)
        return self.synthesize(styles, seed)

    def _mix_styles(self, styles: Tensor, label: Labels | None, seed: Tensor) -> Tensor:
        """(N, layers, W): of a share `mixing` of samples, the layers from some cut on take another latent's styles.

        So the network cannot count on neighbouring styles being related (arXiv:1812.04948, section 3.1).
        """
        other = self.styles(
            seeded_rng.normal(seed, self.latent_size, seeded_rng.RandomStream.STYLE_MIXING).to(styles.dtype), label
        )
        whether, where = seeded_rng.uniform(seed, 2, seeded_rng.RandomStream.STYLE_MIXING_CUTOFF).unbind(1)
        cut = 1 + torch.floor(where * (self.num_layers - 1))
        first = torch.where(whether < self.style_mixing_prob, cut, self.num_layers)
        late = torch.arange(self.num_layers, device=seed.device) >= first[:, None]  # (N, layers)
        return torch.where(late[:, :, None], other, styles)


# ---------------------------------------------------------------------- the discriminator


class BlurStridedConv(nn.Module):
    """The filter, and a convolution of 3x3 with stride 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.scale = (9 * in_channels) ** -0.5

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H / 2, W / 2)."""
        return functional.conv2d(blur(hidden, 1.0, 2), self.weight * self.scale, self.bias, stride=2)


class DiscriminatorBlock(nn.Module):
    """(x + f(x)) / sqrt 2 at half the size: a shortcut of 1x1, and two convolutions of 3x3."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (
            EqualizedConv2d(in_channels, in_channels, 3),
            BlurStridedConv(in_channels, out_channels),
        )
        self.shortcut = nn.Sequential(
            Downsample(), EqualizedConv2d(in_channels, out_channels, 1, gain=2**-0.5, bias=False)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H / 2, W / 2)."""
        # the root of 2 after the last leaky ReLU and the one below the sum cancel
        branch = functional.leaky_relu(self.conv2(scaled_leaky_relu(self.conv1(hidden))), 0.2)
        shortcut: Tensor = self.shortcut(hidden)
        return branch + shortcut


class Discriminator(nn.Module):
    """Square pictures to verdicts; `widths` are the channels at the picture's size, ..., 8x8, 4x4."""

    def __init__(self, channels: int, widths: tuple[int, ...], group_size: int, build_head: HeadFactory) -> None:
        """`group_size` samples are compared with each other, 0 for none."""
        super().__init__()
        last = widths[-1]
        self.from_rgb = EqualizedLinear(channels, widths[0])
        self.blocks = nn.Sequential(*(DiscriminatorBlock(inside, outside) for inside, outside in pairwise(widths)))
        self.minibatch_std = MinibatchStd(group_size) if group_size else nn.Identity()
        self.final_conv = EqualizedConv2d(last + bool(group_size), last, 3)
        self.final_linear = EqualizedLinear(16 * last, last)
        self.head = build_head(last, EqualizedLayerFactory(init_kaiming), True)
        self.condition_inputs = self.head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """(N, channels, S, S) with S = 2 * 2^len(widths) to a verdict with score (N,)."""
        # a 1x1 convolution as a matrix product: of one channel, a convolution would not know its memory format
        pixels = scaled_leaky_relu(self.from_rgb(sample.permute(0, 2, 3, 1)))  # (N, S, S, widths[0])
        hidden = self.minibatch_std(self.blocks(pixels.permute(0, 3, 1, 2)))
        features = scaled_leaky_relu(self.final_linear(scaled_leaky_relu(self.final_conv(hidden)).flatten(1)))
        output: DiscriminatorOutput = self.head(features, label)
        return output
