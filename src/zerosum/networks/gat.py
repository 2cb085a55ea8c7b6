"""GAT's networks: a transformer as generator, with outputs along its depth, and one as discriminator.

Hyun, Lee, Heo 2025, "Scalable GANs with Transformers", arXiv:2509.24935. The generator modulates plain transformer
blocks by the latent. Heads along its depth add to the image, so that early blocks are trained too; the discriminator
may be given all sums along the depth, see `zerosum.game.multi_level`.

Differences from the paper: networks work on the pixels, or on whatever the samples are. There is no alignment with the
features of a pretrained network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.equalized_lr import EqualizedLinear
from zerosum.networks.heads import HeadFactory, Labels
from zerosum.networks.layers import LayerFactory, init_kaiming
from zerosum.networks.mapping import MappingNetwork
from zerosum.networks.stages import Stages, list_stages
from zerosum.networks.vit import Attention, Block, SwiGLU, patchify, rotary_angles, unpatchify

OUTPUT_STD = 0.5
"""Standard deviation of the images of a new generator, about that of data in [-1, 1]."""
_FACTORY = LayerFactory(init_kaiming)


class RotaryGrid(nn.Module):
    """The positions of a grid of tokens: cosines and sines, which are no weights."""

    cos: Tensor
    sin: Tensor

    def __init__(self, height: int, width: int, head_width: int, unrotated: int = 0) -> None:
        """Create the positions; see `rotary_angles`."""
        super().__init__()
        self.height, self.width = height, width
        angles = rotary_angles(height, width, head_width, unrotated)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)


class ModulatedBlock(nn.Module):
    """A transformer block in which a style scales the input of each branch, and gates its output."""

    def __init__(self, width: int, head_width: int, style_size: int, gain: float) -> None:
        """Create the block; `gain` is the standard deviation of a new branch, before its gate."""
        super().__init__()
        self.affine = EqualizedLinear(style_size, 4 * width, bias_init=1.0)
        # the affine map has the learned scales
        self.norm = nn.RMSNorm(width, 1e-6, elementwise_affine=False)
        self.attention, self.feed_forward = Attention(width, head_width, gain), SwiGLU(width, gain)

    def forward(self, hidden: Tensor, style: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map tokens (N, T, W) and styles (N, S), with positions as in `Attention`, to tokens (N, T, W)."""
        scale1, gate1, scale2, gate2 = self.affine(style)[:, None].chunk(4, 2)
        hidden = hidden + self.attention(self.norm(hidden) * scale1, cos, sin) * gate1
        output: Tensor = hidden + self.feed_forward(self.norm(hidden) * scale2) * gate2
        return output


class Generator(nn.Module):
    """Map latent vectors to images through tokens that start as learned constants."""

    def __init__(
        self,
        channels: int,
        grid: tuple[int, int],
        patch: int,
        mapping: MappingNetwork,
        *,
        width: int,
        depth: int,
        levels: int,
        head_width: int,
    ) -> None:
        """Create the generator.

        Args:
            channels: channels of the image.
            grid: rows and columns of tokens.
            patch: side in pixels of the square that a token becomes.
            mapping: network from latents to styles of `width` values.
            width: values of a token.
            depth: number of blocks, a multiple of `levels`.
            levels: number of outputs along the depth.
            head_width: values of an attention head.
        """
        super().__init__()
        self.mapping, self.condition_inputs = mapping, mapping.condition_inputs
        self.patch, self.blocks_per_level = patch, depth // levels
        self.positions = RotaryGrid(*grid, head_width)
        self.constant = nn.Parameter(torch.randn(grid[0] * grid[1], width))
        gain = (2 * depth) ** -0.5  # all branches together add what the constant has
        self.blocks = nn.ModuleList(ModulatedBlock(width, head_width, width, gain) for _ in range(depth))
        self.norms = nn.ModuleList(nn.RMSNorm(width, 1e-6) for _ in range(levels))
        head_gain = OUTPUT_STD * levels**-0.5
        self.heads = nn.ModuleList(_FACTORY.linear(width, patch * patch * channels, head_gain) for _ in range(levels))

    def forward(
        self,
        latent: Tensor,
        label: Labels | None = None,
        condition: Tensor | None = None,
        all_levels: bool = False,
    ) -> Tensor:
        """Map latents (N, L) to images (N, channels, H, W), unbounded.

        Args:
            latent: (N, L).
            label: classes (N,) or class weights (N, K), if the generator is class-conditional.
            condition: numbers (N, M), if it is conditioned on numbers.
            all_levels: return the image as it is after each level, first level first: (N, levels * channels, H, W).
        """
        style = self.mapping(latent, label, condition)
        hidden = self.constant.to(style.dtype).expand(latent.shape[0], -1, -1)
        outputs: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            hidden = block(hidden, style, self.positions.cos, self.positions.sin)
            level, rest = divmod(index + 1, self.blocks_per_level)
            if not rest:
                output = self.heads[level - 1](self.norms[level - 1](hidden))
                outputs.append(output if not outputs else outputs[-1] + output)
        patches = torch.cat(outputs, 0) if all_levels else outputs[-1]
        images = unpatchify(patches, self.patch, self.positions.height, self.positions.width)
        return torch.cat(images.chunk(len(outputs)), 1) if all_levels else images


class Discriminator(nn.Module):
    """Map images to scores through the token that stands for the whole image."""

    def __init__(
        self,
        channels: int,
        grid: tuple[int, int],
        patch: int,
        build_head: HeadFactory,
        *,
        width: int,
        depth: int,
        head_width: int,
        layer_scale: float,
    ) -> None:
        """Create the discriminator.

        Args:
            channels: channels of the images, of all levels together.
            grid: rows and columns of tokens.
            patch: side in pixels of the square that becomes a token.
            build_head: creates the output layer.
            width: values of a token.
            depth: number of blocks.
            head_width: values of an attention head.
            layer_scale: first value of the layer scales.
        """
        super().__init__()
        self.patch = patch
        self.positions = RotaryGrid(*grid, head_width, unrotated=1)
        self.embed = _FACTORY.linear(patch * patch * channels, width)
        self.class_token = nn.Parameter(torch.randn(width))
        self.blocks = nn.ModuleList(Block(width, head_width, layer_scale) for _ in range(depth))
        self.norm = nn.RMSNorm(width, 1e-6)
        self.head = build_head(width, _FACTORY, True)
        self.condition_inputs = self.head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """Map (N, channels, H, W) to an output with score (N,)."""
        patches = self.embed(patchify(sample, self.patch))
        hidden = torch.cat([self.class_token.to(patches.dtype).expand(len(sample), 1, -1), patches], 1)
        for block in self.blocks:
            hidden = block(hidden, self.positions.cos, self.positions.sin)
        output: DiscriminatorOutput = self.head(self.norm(hidden[:, 0]), label)
        return output

    def stages_from_sample(self) -> Stages:
        """Return the stages from the sample on: the layer of the patches with the first block, then other blocks."""
        first, *further = self.blocks
        return list_stages([self.embed, first], further)
