"""StyleGAN2's networks: a generator modulated by styles, and a residual discriminator.

Karras et al. 2019, "Analyzing and Improving the Image Quality of StyleGAN", arXiv:1912.04958, configuration F: every
convolution of the generator is modulated by a style, its image is a sum over all resolutions, and the discriminator is
residual. All resampling uses the filter [1, 3, 3, 1] against aliasing.

Two differences: outside the main path (sum of images, the discriminator's shortcuts) resampling replicates the edges,
where the paper pads with zeros; and style mixing draws a crossover layer for each sample, not one for the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game import seeded_rng
from zerosum.game.shared_batch import batch_shares
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.equalized_lr import EqualizedConv2d, EqualizedLayerFactory, EqualizedLinear, MinibatchStd
from zerosum.networks.heads import HeadFactory, Labels
from zerosum.networks.image_grid import ImageGrid
from zerosum.networks.layers import Downsample, Upsample, init_kaiming
from zerosum.networks.mapping import MappingNetwork, scaled_leaky_relu
from zerosum.networks.modulated_conv import EPSILON, modulated_conv2d
from zerosum.networks.stages import Stages, StagesFromImage, list_stages

MEAN_STYLE_DECAY = 0.998
"""Fraction of the mean style that one training step keeps."""

ConvFn = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Map samples (N, C, H, W), styles (N, C) and weights (O, C, 3, 3) to (N, O, H, W), or to twice the size."""


def blur(sample: Tensor, gain: float, padding: int) -> Tensor:
    """Filter each channel with the separable kernel [1, 3, 3, 1] / 8, times `gain`, with zero padding.

    Args:
        sample: (N, C, H, W).
        gain: factor by which a constant is multiplied.
        padding: zeros beyond each edge.

    Returns:
        (N, C, H + 2 padding - 3, W + 2 padding - 3)
    """
    taps = sample.new_tensor([1.0, 3.0, 3.0, 1.0]) / 8
    filters = (gain * torch.outer(taps, taps)).expand(sample.shape[1], 1, 4, 4)
    return functional.conv2d(sample, filters, padding=padding, groups=sample.shape[1])


def modulated_upsample_conv2d(sample: Tensor, style: Tensor, weight: Tensor) -> Tensor:
    """Double the size and apply a modulated 3x3 convolution.

    Away from the edges this equals `Upsample` followed by `modulated_conv2d`. The convolution is transposed with stride
    2 and comes first, so it works on a quarter of the pixels.

    Args:
        sample: (N, C, H, W).
        style: (N, C) scale of each input channel.
        weight: (O, C, 3, 3).

    Returns:
        (N, O, 2H, 2W)
    """
    upsampled = functional.conv_transpose2d(sample * style[:, :, None, None], weight.transpose(0, 1), stride=2)
    squares = style.square() @ weight.square().sum((2, 3)).T  # (N, O): squared norm of each sample's weights
    # the gain 4 compensates for the inserted zeros
    return blur(upsampled, 4.0, 1) * (squares + EPSILON).rsqrt().to(upsampled.dtype)[:, :, None, None]


# ---------------------------------------------------------------------- the generator


class NoNoise(nn.Module):
    """Replacement of `NoiseInjection` in a generator without noise."""

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """Return (N, C, H, W) unchanged."""
        return hidden


class NoiseInjection(nn.Module):
    """Add a noise map to all channels with a learned strength that starts at 0 (arXiv:1812.04948)."""

    fixed_noise: Tensor

    def __init__(self, layer_index: int, height: int, width: int) -> None:
        """Create the noise of layer `layer_index`, for feature maps of this size."""
        super().__init__()
        self.layer_index, self.height, self.width = layer_index, height, width
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("fixed_noise", self.draw_noise(seeded_rng.derive_seeds(0, 0, 1)))

    def draw_noise(self, seed: Tensor) -> Tensor:
        """Map seeds (N,) int64 to standard normal noise (N, 1, H, W), different in each layer."""
        noise = seeded_rng.normal(
            seeded_rng.fork_seed(seed, self.layer_index), self.height * self.width, seeded_rng.RandomStream.LAYER_NOISE
        )
        return noise.view(-1, 1, self.height, self.width)

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """Add noise to (N, C, H, W); without seeds, the same fixed noise is added to all samples."""
        noise = self.fixed_noise if seed is None else self.draw_noise(seed)
        return hidden + noise.to(hidden.dtype) * self.strength


class SynthesisLayer(nn.Module):
    """A 3x3 convolution modulated by a style, then noise, bias and leaky ReLU."""

    def __init__(self, in_channels: int, out_channels: int, style_size: int, conv_fn: ConvFn, noise: nn.Module) -> None:
        """Create the layer; `conv_fn` keeps or doubles the size, `noise` adds noise or nothing."""
        super().__init__()
        self.affine = EqualizedLinear(style_size, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.conv_fn, self.noise = conv_fn, noise

    def forward(self, hidden: Tensor, style: Tensor, seed: Tensor | None) -> Tensor:
        """Map (N, C_in, H, W) and styles (N, W) to (N, C_out, H, W), or to twice the size."""
        convolved = self.conv_fn(hidden, self.affine(style), self.weight)
        noisy: Tensor = self.noise(convolved, seed)
        return scaled_leaky_relu(noisy + self.bias.to(noisy.dtype)[:, None, None])  # a float32 bias would end bfloat16


class ToRGB(nn.Module):
    """Contribution of one resolution to the image: a modulated 1x1 convolution without demodulation."""

    def __init__(self, in_channels: int, channels: int, style_size: int) -> None:
        super().__init__()
        self.affine = EqualizedLinear(style_size, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(channels, in_channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.scale = in_channels**-0.5

    def forward(self, hidden: Tensor, style: Tensor) -> Tensor:
        """Map (N, C_in, H, W) and styles (N, W) to (N, channels, H, W)."""
        # with so few outputs, weights for each sample cost less than modulating the input
        weights = self.weight * (self.affine(style) * self.scale)[:, None]  # (N, channels, in_channels)
        pixels = hidden.permute(0, 2, 3, 1).flatten(1, 2) @ weights.mT + self.bias  # (N, H W, channels)
        image: Tensor = pixels.unflatten(1, hidden.shape[2:]).permute(0, 3, 1, 2)
        return image


class Generator(nn.Module):
    """Map latent vectors to images; `widths` are the channels at 4x4, 8x8, ..., the image's size.

    Style j modulates the j-th convolution. A to-RGB layer shares its style with the convolution that follows it, and
    the last to-RGB layer uses the last style. So there are two styles per resolution.
    """

    mean_style: Tensor
    """(W,): running mean of the styles in training, the target of truncation."""
    mean_path_length: Tensor
    """(): float32, running mean of the path length that the term path-length measures."""

    def __init__(
        self,
        latent_size: int,
        channels: int,
        widths: tuple[int, ...],
        grid: ImageGrid,
        mapping: MappingNetwork,
        style_size: int,
        style_mixing_prob: float,
        uses_noise: bool,
    ) -> None:
        """Create the generator.

        Args:
            latent_size: number of values in a latent.
            channels: channels of the image.
            widths: channels at 4x4, 8x8, ...
            grid: size of the constant, from which the size is doubled: 4x4 for powers of two.
            mapping: network from latents to styles.
            style_size: number of values in a style.
            style_mixing_prob: fraction of samples that are generated from two styles in training.
            uses_noise: whether noise is added after every convolution.
        """
        super().__init__()
        self.latent_size, self.mapping, self.style_mixing_prob = latent_size, mapping, style_mixing_prob
        self.condition_inputs = (*mapping.condition_inputs, "seed")
        self.constant = nn.Parameter(torch.randn(widths[0], grid.height, grid.width))
        self.synthesis_layers = nn.ModuleList()
        for level, (in_channels, out_channels) in enumerate(pairwise((widths[0], *widths))):
            convs = [
                (in_channels, out_channels, modulated_upsample_conv2d),
                (out_channels, out_channels, modulated_conv2d),
            ]
            convs = convs[1:] if level == 0 else convs  # the constant has the size of the grid already
            for conv_in, conv_out, conv_fn in convs:
                height, width = grid.height << level, grid.width << level
                noise = NoiseInjection(len(self.synthesis_layers), height, width) if uses_noise else NoNoise()
                self.synthesis_layers.append(SynthesisLayer(conv_in, conv_out, style_size, conv_fn, noise))
        self.to_rgb = nn.ModuleList(ToRGB(width, channels, style_size) for width in widths)
        self.upsample = Upsample()
        self.num_layers = 2 * len(widths)
        self.register_buffer("mean_style", torch.zeros(style_size))
        self.register_buffer("mean_path_length", torch.zeros(()))

    def running_path_length(self) -> Tensor:
        """Return the buffer () that holds the running mean of its path lengths."""
        return self.mean_path_length

    def styles(
        self,
        latent: Tensor,
        label: Labels | None = None,
        truncation: float | Tensor = 1.0,
        condition: Tensor | None = None,
    ) -> Tensor:
        """Return the styles of latents, one for each layer; all layers of a sample get the same style.

        Args:
            latent: (N, L).
            label: classes (N,) int64 or class weights (N, K), if the generator is class-conditional.
            truncation: psi in mean + psi (style - mean), a number or (): 1 keeps the styles, 0 returns the mean style.
            condition: numbers (N, M), if the generator is conditioned on numbers.

        Returns:
            (N, layers, W)
        """
        style = self.mapping(latent, label, condition)
        truncated = torch.lerp(self.mean_style.to(style.dtype), style, truncation)
        return truncated[:, None].expand(-1, self.num_layers, -1)

    def synthesize(self, styles: Tensor, seed: Tensor | None = None) -> Tensor:
        """Map styles (N, layers, W), with noise from seeds (N,) int64, to images (N, channels, H, W), unbounded."""
        layer_styles = styles.unbind(1)
        hidden = self.constant.to(styles.dtype).expand(styles.shape[0], -1, -1, -1)
        hidden = self.synthesis_layers[0](hidden, layer_styles[0], seed)
        image: Tensor = self.to_rgb[0](hidden, layer_styles[1])
        for level in range(1, len(self.to_rgb)):
            for index in (2 * level - 1, 2 * level):
                hidden = self.synthesis_layers[index](hidden, layer_styles[index], seed)
            image = self.upsample(image) + self.to_rgb[level](hidden, layer_styles[2 * level + 1])
        return image

    def affine_weights(self) -> list[Tensor]:
        """Return the weights (C, W) of the affine maps from styles to modulations, one for each style, in order.

        For a style shared by a convolution and a to-RGB layer, it is the convolution's.
        """
        affines = [layer.affine for layer in (*self.synthesis_layers, self.to_rgb[-1])]
        return [affine.weight.detach() * affine.scale for affine in affines]

    def forward(
        self,
        latent: Tensor,
        label: Labels | None = None,
        seed: Tensor | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        """Map latents (N, L) to images (N, channels, H, W), 2^(len(widths) - 1) times the grid, unbounded.

        In training mode the mean style is updated, and if there are seeds, styles are mixed.
        """
        styles = self.styles(latent, label, condition=condition)
        if self.training:
            with torch.no_grad():
                mean_style = batch_shares().mean(styles[:, 0].mean(0).to(self.mean_style.dtype))
                self.mean_style.lerp_(mean_style, 1 - MEAN_STYLE_DECAY)
            if seed is not None and self.style_mixing_prob > 0:
                styles = self._mix_styles(styles, label, condition, seed)
        return self.synthesize(styles, seed)

    def _mix_styles(self, styles: Tensor, label: Labels | None, condition: Tensor | None, seed: Tensor) -> Tensor:
        """Return (N, layers, W) in which some samples use the styles of a second latent from a random layer on.

        A fraction `style_mixing_prob` of the samples is mixed, so that the network cannot rely on correlated styles of
        neighboring layers (arXiv:1812.04948, section 3.1).
        """
        second_styles = self.styles(
            seeded_rng.normal(seed, self.latent_size, seeded_rng.RandomStream.STYLE_MIXING).to(styles.dtype),
            label,
            condition=condition,
        )
        mix_draw, cutoff_draw = seeded_rng.uniform(seed, 2, seeded_rng.RandomStream.STYLE_MIXING_CUTOFF).unbind(1)
        cutoff = 1 + torch.floor(cutoff_draw * (self.num_layers - 1))
        first_mixed_layer = torch.where(mix_draw < self.style_mixing_prob, cutoff, self.num_layers)
        is_mixed = torch.arange(self.num_layers, device=seed.device) >= first_mixed_layer[:, None]  # (N, layers)
        return torch.where(is_mixed[:, :, None], second_styles, styles)


# ---------------------------------------------------------------------- the discriminator


class BlurStridedConv(nn.Module):
    """Blur, then a 3x3 convolution of stride 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.scale = (9 * in_channels) ** -0.5

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H / 2, W / 2)."""
        return functional.conv2d(blur(hidden, 1.0, 2), self.weight * self.scale, self.bias, stride=2)


class DiscriminatorBlock(nn.Module):
    """(x + f(x)) / sqrt(2) at half the size: a 1x1 shortcut, and two 3x3 convolutions."""

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
        """Map (N, C_in, H, W) to (N, C_out, H / 2, W / 2)."""
        # the sqrt(2) after the last leaky ReLU and the 1 / sqrt(2) of the sum cancel
        branch = functional.leaky_relu(self.conv2(scaled_leaky_relu(self.conv1(hidden))), 0.2)
        shortcut: Tensor = self.shortcut(hidden)
        return branch + shortcut


class Discriminator(nn.Module):
    """Map images to scores; `widths` are the channels at the image's size, ..., 8x8, 4x4."""

    def __init__(
        self, channels: int, widths: tuple[int, ...], grid: ImageGrid, group_size: int, build_head: HeadFactory
    ) -> None:
        """Create the network; `group_size` is the number of samples compared by minibatch std, 0 for none."""
        super().__init__()
        last_width = widths[-1]
        self.from_rgb = EqualizedLinear(channels, widths[0])
        self.blocks = StagesFromImage(
            *(DiscriminatorBlock(in_channels, out_channels) for in_channels, out_channels in pairwise(widths))
        )
        self.minibatch_std = MinibatchStd(group_size) if group_size else nn.Identity()
        self.final_conv = EqualizedConv2d(last_width + bool(group_size), last_width, 3)
        self.final_linear = EqualizedLinear(grid.cells * last_width, last_width)
        self.head = build_head(last_width, EqualizedLayerFactory(init_kaiming), True)
        self.condition_inputs = self.head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """Map (N, channels, H, W), 2^(len(widths) - 1) times the grid, to an output with score (N,)."""
        # a 1x1 convolution as a matrix product: the memory format of a one-channel image is ambiguous to a convolution
        pixels = scaled_leaky_relu(self.from_rgb(sample.permute(0, 2, 3, 1)))  # (N, H, W, widths[0])
        hidden = self.minibatch_std(self.blocks(pixels.permute(0, 3, 1, 2)))
        features = scaled_leaky_relu(self.final_linear(scaled_leaky_relu(self.final_conv(hidden)).flatten(1)))
        output: DiscriminatorOutput = self.head(features, label)
        return output

    def stages_from_sample(self) -> Stages:
        """Return the stages from the sample on: each halves the image, the first one with the input layer."""
        first, *further = self.blocks
        return list_stages([self.from_rgb, first], further)
