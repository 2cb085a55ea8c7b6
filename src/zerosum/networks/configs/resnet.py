"""Settings of the residual networks of the spectral-norm GAN and of BigGAN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from zerosum.errors import BadInput
from zerosum.networks.configs.base import (
    DiscriminatorConfig,
    GeneratorConfig,
    InitName,
    NormName,
    Widths,
    build_layer_factory,
    check_square_image,
    count_doublings,
)
from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.heads import HeadFactory
    from zerosum.networks.resnet import ClassConditionedLatent, HierarchicalLatent, SingleLatent

AttentionSide = Literal[0, 8, 16, 32, 64, 128, 256, 512]


class _ResNetConfig(Settings):
    kind: Literal["resnet"] = "resnet"
    attention_side: AttentionSide = 0
    """Side of the map at which every place looks at every other (self-attention, Zhang et al. 2018, arXiv:1805.08318);
    0, or a side that the network does not come by: none. BigGAN's is 64, at 128 px and above."""
    init: InitName = "kaiming"
    """First weights: scaled keeps the variance; orthogonal is BigGAN's; normal is N(0, 0.02)."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""
        check_square_image(self.kind, shape)


def _stage_widths(widths: tuple[int, ...], side: int) -> tuple[int, ...]:
    """Channels from 4x4 up to the picture's side."""
    count = count_doublings(side) + 1
    return (widths + widths[-1:] * count)[:count]


class ResNetGeneratorConfig(_ResNetConfig, GeneratorConfig):
    """Residual blocks from 4x4 up, each twice the size.

    Miyato et al. 2018, arXiv:1802.05957 (the defaults: its CIFAR-10 network), and BigGAN, Brock et al. 2018,
    arXiv:1809.11096.
    """

    widths: Widths = (256,)
    """Channels at 4x4, 8x8, 16x16, ...: cut to the picture's size, the last repeated for larger pictures. BigGAN's
    are 16, 16, 8, 4, 2, 1 times 96 for 128 px, and 16, 16, 8, 8, 4, 2, 1 times 96 for 256 px."""
    norm: NormName = "batch"
    """Normalisation in every block and before the picture."""
    condition: Literal["none", "concat", "conditional-batch-norm"] = "none"  # type: ignore[assignment]  # one more than others have
    """How it is told the class to make: not at all, by a learned vector beside the latent (concat,
    arXiv:1411.1784), or by its norms, whose gain and bias are linear in that vector (norm, arXiv:1802.05637)."""
    condition_size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Numbers in a class's learned vector, which all blocks share."""
    hierarchical_latent: bool = False
    """Cut the latent into a chunk for the start and one for each block, whose norms it tells, beside the class
    (BigGAN's hierarchical latent)."""
    spectral_norm: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018), as in BigGAN."""

    @model_validator(mode="after")
    def _check_conditional_norm(self) -> Self:
        if self.norm == "none" and (self.condition == "conditional-batch-norm" or self.hierarchical_latent):
            raise ValueError(
                'condition "conditional-batch-norm" and hierarchy speak to the norms, so norm must be "batch", got "none"'
            )
        if self.hierarchical_latent and self.condition == "concat":
            raise ValueError(
                'hierarchy cuts the latent up, and a class beside it too: set condition to "conditional-batch-norm"'
            )
        return self

    def stage_widths(self, side: int) -> tuple[int, ...]:
        """Channels from 4x4 up to the picture's side."""
        return _stage_widths(self.widths, side)

    def build_network(self, latent_size: int, shape: tuple[int, ...], bounded: bool, num_classes: int) -> nn.Module:
        """The network, (N, latent) to (N, *shape); in [-1, 1] by tanh if bounded.

        Raises:
            BadInput: there is a hierarchy, and the latent has fewer numbers than chunks.
        """
        from zerosum.networks import resnet

        drawn = build_layer_factory(self.init, self.spectral_norm)
        conditioning = self.hierarchical_latent or self.condition == "conditional-batch-norm"
        last = resnet.UNCONDITIONAL_NORMS[self.norm]
        return resnet.Generator(
            shape[0],
            self.stage_widths(shape[1]),
            conditioning=self._build_conditioning(latent_size, count_doublings(shape[1]), num_classes),
            build_norms=(resnet.build_conditional_norm_factory(drawn) if conditioning else last, last),
            factory=drawn,
            attention_side=self.attention_side,
            bounded=bounded,
        )

    def _build_conditioning(
        self, latent_size: int, num_blocks: int, num_classes: int
    ) -> SingleLatent | HierarchicalLatent | ClassConditionedLatent:
        from zerosum.networks import resnet

        if self.hierarchical_latent and latent_size <= num_blocks:
            raise BadInput(
                f"--generator.hierarchical_latent needs a latent number for each of {num_blocks} blocks and one for the start, got"
                f" {latent_size}: set `--latent.size {num_blocks + 1}` or more, or `--generator.hierarchical_latent false`."
            )
        part = (
            resnet.HierarchicalLatent(latent_size, num_blocks)
            if self.hierarchical_latent
            else resnet.SingleLatent(latent_size, num_blocks)
        )
        if self.condition != "conditional-batch-norm":
            return part
        return resnet.ClassConditionedLatent(part, num_classes, self.condition_size, build_layer_factory(self.init))


class ResNetDiscriminatorConfig(_ResNetConfig, DiscriminatorConfig):
    """Residual blocks down to 8x8 or 4x4, each half the size, and some that keep it; then a sum over the map.

    Miyato et al. 2018, arXiv:1802.05957 (the defaults: its CIFAR-10 network), and BigGAN, Brock et al. 2018,
    arXiv:1809.11096.
    """

    widths: Widths = (128,)
    """Channels of the blocks that work at 4x4, 8x8, 16x16, ... up to the picture's size, cut and repeated as the
    generator's; BigGAN's are the generator's."""
    last_side: Literal[4, 8] = 8
    """Side of the last map, which is summed up; 4 for pictures above 32 px, as in the papers."""
    extra_blocks: Annotated[int, Field(ge=0, le=16)] = 2
    """Blocks more on the last map, which keep its size; 1 for pictures above 32 px, as in the papers."""
    spectral_norm: bool = True
    """Divide every weight by its largest singular value (Miyato et al. 2018)."""

    def stage_widths(self, side: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Channels of the blocks that halve the size, from the picture's side on, and of those that keep it."""
        widths, end = _stage_widths(self.widths, side), self.last_side // 8
        return widths[:end:-1], (widths[end],) * self.extra_blocks

    def build_network(self, shape: tuple[int, ...], build_head: HeadFactory) -> nn.Module:
        """The network, (N, *shape) to a verdict."""
        from zerosum.networks import resnet

        halving, level = self.stage_widths(shape[1])
        return resnet.Discriminator(
            shape,
            halving,
            level,
            factory=build_layer_factory(self.init, self.spectral_norm),
            attention_side=self.attention_side,
            build_head=build_head,
        )
