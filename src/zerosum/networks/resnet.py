"""Residual networks of the spectral-norm GAN and of BigGAN, which differ in their settings only.

Miyato, Kataoka, Koyama, Yoshida 2018, "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957,
appendix B.4; Brock, Donahue, Simonyan 2018, "Large Scale GAN Training for High Fidelity Natural Image Synthesis",
arXiv:1809.11096, appendix B.

Resampling is that of the papers, nearest neighbor up and mean pooling down. It is fused into the adjacent 3x3
convolution (`layers.UpsampleConv`, `layers.ConvMeanPool`), which is the same function with less than half of the
products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.attention import SelfAttention
from zerosum.networks.batch_norm import BatchNorm2d
from zerosum.networks.heads import ClassEmbedding, HeadFactory, Labels
from zerosum.networks.image_grid import ImageGrid
from zerosum.networks.layers import RELU, ConvMeanPool, LayerFactory, UpsampleConv, tanh_or_identity
from zerosum.networks.stages import Stages, list_stages

NormFactory = Callable[[int, int], nn.Module]
"""Create a norm from the width of its map and of its condition; it is called as `forward(hidden, condition) ->
hidden`."""
_BRANCH_GAIN = 0.5**0.5
"""Gain of each of two summands whose sum is to have unit variance; the ReLU after the sum halves the variance
anyway."""

# ---------------------------------------------------------------------- the conditions of the norms


class SingleLatent(nn.Module):
    """The whole latent enters at the start, and the blocks get no condition."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self, latent_size: int, num_blocks: int) -> None:
        super().__init__()
        self.input_size, self.condition_sizes = latent_size, (0,) * num_blocks

    def forward(self, latent: Tensor, label: Labels | None = None) -> list[Tensor]:
        """Map latents (N, L) to the latents themselves and, for each block, (N, 0)."""
        return [latent, *(latent[:, :0] for _ in self.condition_sizes)]


class HierarchicalLatent(nn.Module):
    """The latent is split: one chunk enters at the start, and each block is conditioned on one of its own.

    BigGAN's hierarchical latent. Chunks are of one size, or the first ones larger by 1.
    """

    condition_inputs: tuple[str, ...] = ()

    def __init__(self, latent_size: int, num_blocks: int) -> None:
        super().__init__()
        least, left = divmod(latent_size, num_blocks + 1)
        self.input_size, *sizes = (least + (index < left) for index in range(num_blocks + 1))
        self.condition_sizes = tuple(sizes)

    def forward(self, latent: Tensor, label: Labels | None = None) -> list[Tensor]:
        """Split latents (N, L) into the chunk of the start and that of each block, (N, size)."""
        return list(torch.split(latent, [self.input_size, *self.condition_sizes], 1))


class ClassConditionedLatent(nn.Module):
    """Prepend a learned vector of the class, shared by all blocks, to the condition of each block."""

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
            tuple(embedding_size + size for size in latent_split.condition_sizes),
        )

    def forward(self, latent: Tensor, label: Labels | None = None) -> list[Tensor]:
        """Map latents (N, L) and labels to the start's part of the latent and the condition of each block."""
        assert label is not None, "a class-conditional generator needs labels: the game passes them"
        vector = self.class_embedding(label).to(latent.dtype)
        start, *conditions = self.latent_split(latent)
        return [start, *(torch.cat([vector, condition], 1) for condition in conditions)]


class UnconditionalNorm(nn.Module):
    """A norm that ignores its condition."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """Normalize (N, C, H, W)."""
        normalized: Tensor = self.norm(hidden)
        return normalized


class ConditionalBatchNorm2d(nn.Module):
    """Batch norm whose gain and bias are linear in a condition t: 1 + A t and B t.

    Dumoulin et al. 2016, arXiv:1610.07629; Miyato and Koyama 2018, arXiv:1802.05637.
    """

    def __init__(self, width: int, condition_size: int, factory: LayerFactory) -> None:
        super().__init__()
        self.norm = BatchNorm2d(width, affine=False)
        # the scale of orthonormal rows or columns: gains start near 1 and differ somewhat between classes
        gain = (condition_size / max(condition_size, width)) ** 0.5
        self.gain, self.bias = (factory.linear(condition_size, width, gain, bias=False) for _ in range(2))

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """Normalize (N, C, H, W) with conditions (N, T)."""
        gain, bias = self.gain(condition)[:, :, None, None], self.bias(condition)[:, :, None, None]
        return torch.addcmul(bias, self.norm(hidden), 1 + gain)


UNCONDITIONAL_NORMS: Mapping[str, NormFactory] = {
    "none": lambda width, condition_size: UnconditionalNorm(nn.Identity()),
    "batch": lambda width, condition_size: UnconditionalNorm(BatchNorm2d(width)),
}
"""Norms without a condition, by the name that settings use."""


def build_conditional_norm_factory(factory: LayerFactory) -> NormFactory:
    """Return a factory of conditional batch norms."""
    return lambda width, condition_size: ConditionalBatchNorm2d(width, condition_size, factory)


# ---------------------------------------------------------------------- the generator


class GeneratorBlock(nn.Module):
    """A residual block that doubles the size: norm, ReLU, upsampling, 3x3, norm, ReLU, 3x3."""

    def __init__(
        self, in_channels: int, out_channels: int, condition_size: int, build_norm: NormFactory, factory: LayerFactory
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = build_norm(in_channels, condition_size), build_norm(out_channels, condition_size)
        self.conv1 = UpsampleConv(factory.conv2d(in_channels, out_channels, kernel_size=3, gain=RELU.gain))
        self.conv2 = factory.conv2d(out_channels, out_channels, kernel_size=3, gain=RELU.gain * _BRANCH_GAIN)
        self.shortcut = factory.conv2d(in_channels, out_channels, gain=_BRANCH_GAIN)

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """Map (N, C_in, H, W) and conditions (N, T) to (N, C_out, 2H, 2W)."""
        branch: Tensor = self.conv1(torch.relu(self.norm1(hidden, condition)))
        branch = self.conv2(torch.relu(self.norm2(branch, condition)))
        # the 1x1 convolution commutes with nearest-neighbor upsampling; before it, it has a quarter of the products
        shortcut = functional.interpolate(self.shortcut(hidden), scale_factor=2.0, mode="nearest")
        return branch + shortcut


class Generator(nn.Module):
    """Map latent vectors to images; `widths` are the channels at 4x4, 8x8, ..., the image's size."""

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        *,
        grid: ImageGrid,
        conditioning: SingleLatent | HierarchicalLatent | ClassConditionedLatent,
        build_norms: tuple[NormFactory, NormFactory],
        factory: LayerFactory,
        attention_side: int,
        bounded: bool,
    ) -> None:
        """Create the generator.

        Args:
            channels: channels of the image.
            widths: channels at 4x4, 8x8, ..., the image's size.
            grid: the grid from which the size is doubled: 4x4 for powers of two.
            conditioning: splits a latent into the start's part and the condition of each block.
            build_norms: create the norms of the blocks, and the last one before the image.
            factory: creates the layers.
            attention_side: side of the feature map after which self-attention is inserted, where the grid is 4x4; 0 for
                none.
            bounded: end with tanh.
        """
        super().__init__()
        self.conditioning, self.condition_inputs = conditioning, conditioning.condition_inputs
        build_block_norm, build_output_norm = build_norms
        self.input_layer = nn.Sequential(
            factory.linear(conditioning.input_size, widths[0] * grid.cells),
            nn.Unflatten(1, (widths[0], grid.height, grid.width)),
        )
        self.blocks = nn.ModuleList(
            GeneratorBlock(in_channels, out_channels, size, build_block_norm, factory)
            for (in_channels, out_channels), size in zip(pairwise(widths), conditioning.condition_sizes, strict=True)
        )
        self.attentions = nn.ModuleList(
            _attention_or_identity(8 << level, attention_side, width, factory) for level, width in enumerate(widths[1:])
        )
        self.output_norm = build_output_norm(widths[-1], 0)
        self.output_layer = nn.Sequential(
            nn.ReLU(), factory.conv2d(widths[-1], channels, kernel_size=3), tanh_or_identity(bounded)
        )

    def forward(self, latent: Tensor, label: Labels | None = None) -> Tensor:
        """Map latents (N, L), and labels if conditional, to images (N, channels, H, W)."""
        start, *conditions = self.conditioning(latent, label)
        hidden = self.input_layer(start)
        for block, attention, condition in zip(self.blocks, self.attentions, conditions, strict=True):
            hidden = attention(block(hidden, condition))
        image: Tensor = self.output_layer(self.output_norm(hidden, latent))
        return image


def _attention_or_identity(side: int, attention_side: int, width: int, factory: LayerFactory) -> nn.Module:
    """Return self-attention for the feature map of `attention_side`, else the identity."""
    return SelfAttention(width, factory) if side == attention_side else nn.Identity()


# ---------------------------------------------------------------------- the discriminator


class ResidualBlock(nn.Module):
    """branch(x) + shortcut(x)."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H, W), or to half the size."""
        output: Tensor = self.branch(hidden) + self.shortcut(hidden)
        return output


def build_first_block(channels: int, out_channels: int, factory: LayerFactory) -> ResidualBlock:
    """Build the block that halves the image. It has no first ReLU, which would cut off negative pixels."""
    branch = nn.Sequential(
        factory.conv2d(channels, out_channels, kernel_size=3),
        nn.ReLU(),
        ConvMeanPool(factory.conv2d(out_channels, out_channels, kernel_size=3, gain=RELU.gain * _BRANCH_GAIN)),
    )
    return ResidualBlock(branch, _build_downsample_shortcut(channels, out_channels, factory))


def build_downsample_block(in_channels: int, out_channels: int, factory: LayerFactory) -> ResidualBlock:
    """Build a block of ReLU, 3x3, ReLU, 3x3 that halves the size."""
    *first_layers, last_conv = _build_conv_branch(in_channels, out_channels, factory)
    return ResidualBlock(
        nn.Sequential(*first_layers, ConvMeanPool(last_conv)),
        _build_downsample_shortcut(in_channels, out_channels, factory),
    )


def build_same_size_block(in_channels: int, out_channels: int, factory: LayerFactory) -> ResidualBlock:
    """Build a block of ReLU, 3x3, ReLU, 3x3; the shortcut has a 1x1 convolution only where the width changes."""
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
    # the 1x1 convolution commutes with mean pooling
    return nn.Sequential(nn.AvgPool2d(2), factory.conv2d(in_channels, out_channels, gain=_BRANCH_GAIN))


class Discriminator(nn.Module):
    """Map images to scores; `widths` are the channels of the blocks that halve the size, in that order."""

    def __init__(
        self,
        channels: int,
        side: int,
        widths: tuple[int, ...],
        same_size_widths: tuple[int, ...],
        *,
        factory: LayerFactory,
        attention_side: int,
        build_head: HeadFactory,
        last_cells: int = 1,
    ) -> None:
        """Create the discriminator.

        Args:
            channels: channels of the image.
            side: side of the image where the grid of its size is 4x4: see `ImageGrid.side`.
            widths: channels of the blocks that halve the size.
            same_size_widths: channels of the blocks after them, which keep the size.
            factory: creates the layers.
            attention_side: side of the feature map after which self-attention is inserted; 0 for none.
            build_head: creates the output head.
            last_cells: number of cells of the last map, each of which the head has weights for; 1: it gets their sum.
        """
        super().__init__()
        self.sums_last_map = last_cells == 1
        self.input_layer = nn.Sequential(
            build_first_block(channels, widths[0], factory),
            _attention_or_identity(side // 2, attention_side, widths[0], factory),
        )
        stages = (
            nn.Sequential(
                build_downsample_block(in_channels, out_channels, factory),
                _attention_or_identity(side >> (level + 2), attention_side, out_channels, factory),
            )
            for level, (in_channels, out_channels) in enumerate(pairwise(widths))
        )
        self.stages = nn.Sequential(*stages)
        self.same_size_blocks = nn.Sequential(
            *(
                build_same_size_block(in_channels, out_channels, factory)
                for in_channels, out_channels in pairwise((widths[-1], *same_size_widths))
            ),
            nn.ReLU(),
        )
        self.head = build_head((widths + same_size_widths)[-1] * last_cells, factory, True)
        self.condition_inputs = self.head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """Map (N, channels, H, W), and labels if class-conditional, to an output with score (N,)."""
        features = self.same_size_blocks(self.stages(self.input_layer(sample)))
        pooled = features.sum((2, 3)) if self.sums_last_map else features.flatten(1)
        output: DiscriminatorOutput = self.head(pooled, label)
        return output

    def stages_from_sample(self) -> Stages:
        """Return the stages from the sample on: the blocks that halve the image, then those that keep its size."""
        *same_size_blocks, _ = self.same_size_blocks  # without the last activation
        return list_stages([self.input_layer], [*self.stages, *same_size_blocks])
