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

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.attention import SelfAttention
from zerosum.networks.heads import ClassEmbedding, HeadFactory, Labels
from zerosum.networks.layers import RELU, ConvMeanPool, LayerFactory, UpsampleConv, tanh_or_identity

NormFactory = Callable[[int, int], nn.Module]
"""From the width of a map, and of what its norm is told, to a norm: `forward(hidden, told) -> hidden`."""
_BRANCH_GAIN = 0.5**0.5
"""The gain of each of two things whose sum is to have the variance of one; what comes after a ReLU has half anyway."""

# ---------------------------------------------------------------------- what norms are told


class SingleLatent(nn.Module):
    """The latent enters at the start, and the blocks are told nothing."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self, latent_size: int, num_blocks: int) -> None:
        super().__init__()
        self.input_size, self.condition_sizes = latent_size, (0,) * num_blocks

    def forward(self, latent: Tensor, label: Labels | None = None) -> list[Tensor]:
        """(N, L) to itself and, for each block, (N, 0)."""
        return [latent, *(latent[:, :0] for _ in self.condition_sizes)]


class HierarchicalLatent(nn.Module):
    """The latent is cut up: a chunk enters at the start, and each block is told of its own.

    BigGAN's hierarchical latent. Chunks are of one size, or the first ones larger by 1.
    """

    condition_inputs: tuple[str, ...] = ()

    def __init__(self, latent_size: int, num_blocks: int) -> None:
        super().__init__()
        least, left = divmod(latent_size, num_blocks + 1)
        self.input_size, *sizes = (least + (place < left) for place in range(num_blocks + 1))
        self.condition_sizes = tuple(sizes)

    def forward(self, latent: Tensor, label: Labels | None = None) -> list[Tensor]:
        """(N, L) to the start's and each block's chunk, (N, size)."""
        return list(torch.split(latent, [self.input_size, *self.condition_sizes], 1))


class ClassConditionedLatent(nn.Module):
    """What blocks are told, and before it a vector of the class: one for all blocks."""

    condition_inputs: tuple[str, ...] = ("label",)

    def __init__(
        self,
        latent_split: SingleLatent | HierarchicalLatent,
        num_classes: int,
        embedding_size: int,
        factory: LayerFactory,
    ) -> None:
        super().__init__()
        self.latent_split = latent_split
        self.class_embedding = ClassEmbedding(num_classes, embedding_size, factory, embedding_size**-0.5)
        self.input_size, self.condition_sizes = (
            latent_split.input_size,
            tuple(embedding_size + more for more in latent_split.condition_sizes),
        )

    def forward(self, latent: Tensor, label: Labels | None = None) -> list[Tensor]:
        """(N, L) and labels to the start's part of the latent and what each block is told."""
        assert label is not None, "a generator of classes needs labels: the game sees to it"
        vector = self.class_embedding(label).to(latent.dtype)
        start, *conditioning = self.latent_split(latent)
        return [start, *(torch.cat([vector, each], 1) for each in conditioning)]


class UnconditionalNorm(nn.Module):
    """A norm that is the same for all samples, whatever it is told."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """(N, C, H, W) and anything to (N, C, H, W)."""
        normalised: Tensor = self.norm(hidden)
        return normalised


class ConditionalBatchNorm2d(nn.Module):
    """Batch norm whose gain and bias are linear in what it is told: 1 + A t and B t.

    Dumoulin et al. 2016, arXiv:1610.07629; Miyato and Koyama 2018, arXiv:1802.05637.
    """

    def __init__(self, width: int, condition_size: int, factory: LayerFactory) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        # what orthonormal rows or columns have: gains start near 1, and some way apart
        gain = (condition_size / max(condition_size, width)) ** 0.5
        self.gain, self.bias = (factory.linear(condition_size, width, gain, bias=False) for _ in range(2))

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """(N, C, H, W) and (N, T) to (N, C, H, W)."""
        gain, bias = self.gain(condition)[:, :, None, None], self.bias(condition)[:, :, None, None]
        return torch.addcmul(bias, self.norm(hidden), 1 + gain)


UNCONDITIONAL_NORMS: Mapping[str, NormFactory] = {
    "none": lambda width, told: UnconditionalNorm(nn.Identity()),
    "batch": lambda width, told: UnconditionalNorm(nn.BatchNorm2d(width)),
}
"""Norms that are told nothing."""


def build_conditional_norm_factory(factory: LayerFactory) -> NormFactory:
    """Norms that are told something."""
    return lambda width, told: ConditionalBatchNorm2d(width, told, factory)


# ---------------------------------------------------------------------- the generator


class GeneratorBlock(nn.Module):
    """A residual block that doubles the size: norm, ReLU, twice the size, 3x3, norm, ReLU, 3x3."""

    def __init__(
        self, in_channels: int, out_channels: int, condition_size: int, build_norm: NormFactory, factory: LayerFactory
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = build_norm(in_channels, condition_size), build_norm(out_channels, condition_size)
        self.conv1 = UpsampleConv(factory.conv2d(in_channels, out_channels, kernel_size=3, gain=RELU.gain))
        self.conv2 = factory.conv2d(out_channels, out_channels, kernel_size=3, gain=RELU.gain * _BRANCH_GAIN)
        self.shortcut = factory.conv2d(in_channels, out_channels, gain=_BRANCH_GAIN)

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """(N, inside, H, W) and (N, T) to (N, outside, 2H, 2W)."""
        branch = self.conv1(torch.relu(self.norm1(hidden, condition)))
        branch = self.conv2(torch.relu(self.norm2(branch, condition)))
        # a 1x1 convolution of pixels made four alike is the same before it, at a quarter of the products
        short = functional.interpolate(self.shortcut(hidden), scale_factor=2.0, mode="nearest")
        return branch + short  # type: ignore[no-any-return]


class Generator(nn.Module):
    """Latent vectors to square pictures; `widths` are the channels at 4x4, 8x8, ..., the picture's size."""

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        *,
        conditioning: SingleLatent | HierarchicalLatent | ClassConditionedLatent,
        build_norms: tuple[NormFactory, NormFactory],
        factory: LayerFactory,
        attention_side: int,
        bounded: bool,
    ) -> None:
        """`build_norms`: the blocks' and the last one, before the picture; `attention_side`: the side of the map it follows."""
        super().__init__()
        self.conditioning, self.condition_inputs = conditioning, conditioning.condition_inputs
        inner, last = build_norms
        self.input_layer = nn.Sequential(
            factory.linear(conditioning.input_size, widths[0] * 16), nn.Unflatten(1, (widths[0], 4, 4))
        )
        self.blocks = nn.ModuleList(
            GeneratorBlock(inside, outside, size, inner, factory)
            for (inside, outside), size in zip(pairwise(widths), conditioning.condition_sizes, strict=True)
        )
        self.attentions = nn.ModuleList(
            _attention_or_identity(8 << place, attention_side, width, factory) for place, width in enumerate(widths[1:])
        )
        self.output_norm = last(widths[-1], 0)
        self.output_layer = nn.Sequential(
            nn.ReLU(), factory.conv2d(widths[-1], channels, kernel_size=3), tanh_or_identity(bounded)
        )

    def forward(self, latent: Tensor, label: Labels | None = None) -> Tensor:
        """(N, L), and labels if it takes them, to (N, channels, S, S) with S = 2 * 2^len(widths)."""
        start, *conditioning = self.conditioning(latent, label)
        hidden = self.input_layer(start)
        for block, after, each in zip(self.blocks, self.attentions, conditioning, strict=True):
            hidden = after(block(hidden, each))
        image: Tensor = self.output_layer(self.output_norm(hidden, latent))
        return image


def _attention_or_identity(side: int, attention_side: int, width: int, factory: LayerFactory) -> nn.Module:
    """Self-attention after the map of the side that asks for it; after others, nothing."""
    return SelfAttention(width, factory) if side == attention_side else nn.Identity()


# ---------------------------------------------------------------------- the discriminator


class ResidualBlock(nn.Module):
    """branch(x) + short(x)."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H, W), or half of that."""
        total: Tensor = self.branch(hidden) + self.shortcut(hidden)
        return total


def build_first_block(channels: int, out_channels: int, factory: LayerFactory) -> ResidualBlock:
    """The block that sees the picture, and halves it. It has no first ReLU: that would cut off what is below 0."""
    branch = nn.Sequential(
        factory.conv2d(channels, out_channels, kernel_size=3),
        nn.ReLU(),
        ConvMeanPool(factory.conv2d(out_channels, out_channels, kernel_size=3, gain=RELU.gain * _BRANCH_GAIN)),
    )
    return ResidualBlock(branch, _build_downsample_shortcut(channels, out_channels, factory))


def build_downsample_block(in_channels: int, out_channels: int, factory: LayerFactory) -> ResidualBlock:
    """ReLU, 3x3, ReLU, 3x3, and half the size."""
    *begin, last = _build_conv_branch(in_channels, out_channels, factory)
    return ResidualBlock(
        nn.Sequential(*begin, ConvMeanPool(last)), _build_downsample_shortcut(in_channels, out_channels, factory)
    )


def build_same_size_block(in_channels: int, out_channels: int, factory: LayerFactory) -> ResidualBlock:
    """ReLU, 3x3, ReLU, 3x3; the shortcut has a 1x1 convolution only where the width changes."""
    branch = nn.Sequential(*_build_conv_branch(in_channels, out_channels, factory))
    return ResidualBlock(
        branch,
        nn.Identity() if in_channels == out_channels else factory.conv2d(in_channels, out_channels, gain=_BRANCH_GAIN),
    )


def _build_conv_branch(in_channels: int, out_channels: int, factory: LayerFactory) -> tuple[nn.Module, ...]:
    return (
        nn.ReLU(),
        factory.conv2d(in_channels, out_channels, kernel_size=3, gain=RELU.gain),
        nn.ReLU(),
        factory.conv2d(out_channels, out_channels, kernel_size=3, gain=RELU.gain * _BRANCH_GAIN),
    )


def _build_downsample_shortcut(in_channels: int, out_channels: int, factory: LayerFactory) -> nn.Module:
    # the average of a 1x1 convolution is the convolution of the average
    return nn.Sequential(nn.AvgPool2d(2), factory.conv2d(in_channels, out_channels, gain=_BRANCH_GAIN))


class Discriminator(nn.Module):
    """Square pictures to scores; `widths` are the channels of the blocks that halve the size, in that order."""

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: tuple[int, ...],
        same_size_widths: tuple[int, ...],
        *,
        factory: LayerFactory,
        attention_side: int,
        build_head: HeadFactory,
    ) -> None:
        """`same_size_widths`: channels of the blocks that follow and keep the size; `attention_side`: side of the map it follows."""
        super().__init__()
        channels, side, _ = shape
        self.input_layer = nn.Sequential(
            build_first_block(channels, widths[0], factory),
            _attention_or_identity(side // 2, attention_side, widths[0], factory),
        )
        stages = (
            nn.Sequential(
                build_downsample_block(inside, outside, factory),
                _attention_or_identity(side >> (place + 2), attention_side, outside, factory),
            )
            for place, (inside, outside) in enumerate(pairwise(widths))
        )
        self.stages = nn.Sequential(*stages)
        self.same_size_blocks = nn.Sequential(
            *(
                build_same_size_block(inside, outside, factory)
                for inside, outside in pairwise((widths[-1], *same_size_widths))
            ),
            nn.ReLU(),
        )
        self.head = build_head((widths + same_size_widths)[-1], factory, True)
        self.condition_inputs = self.head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """(N, channels, S, S), and labels if it takes them, to a verdict with score (N,)."""
        seen = self.same_size_blocks(self.stages(self.input_layer(sample)))
        output: DiscriminatorOutput = self.head(seen.sum((2, 3)), label)
        return output
