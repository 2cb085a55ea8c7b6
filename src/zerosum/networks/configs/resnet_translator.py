"""Settings of the residual translator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.networks.configs.base import (
    InitName,
    InstanceNormName,
    TranslatorConfig,
    Width,
    build_layer_factory,
    check_equal_channels,
)

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import TensorSpec


class ResNetTranslatorConfig(TranslatorConfig):
    """Residual blocks at a quarter of the size.

    Johnson et al. 2016, arXiv:1603.08155; Zhu et al. 2017 (CycleGAN), arXiv:1703.10593.
    """

    kind: Literal["resnet-translator"] = "resnet-translator"
    width: Width = 64
    """Channels at the image's full resolution; they double at every halving."""
    downsamplings: Annotated[int, Field(ge=1, le=5)] = 2
    """Number of halvings before the blocks."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 6
    """Number of residual blocks; the paper has 6 for 128 pixels a side and 9 from 256."""
    norm: InstanceNormName = "instance"
    """Norm after every layer but the last."""
    init: InitName = "kaiming"
    """Initialization of the weights: normal is the paper's N(0, 0.02)."""
    residual: bool = False
    """Add the output to the input, without tanh: for small changes."""
    contrastive_heads: bool = False
    """Heads that project the inner feature maps for the term patch-nce (CUT, Park et al. 2020, arXiv:2007.15651)."""
    contrastive_size: Annotated[int, Field(ge=1, le=4096)] = 256
    """Size of the vectors in which pixels of inner feature maps are compared."""

    @property
    def capabilities(self) -> frozenset[str]:
        """The properties of the network that terms and games may require."""
        return frozenset({"contrastive heads"}) if self.contrastive_heads else frozenset()

    def build_translator(self, input_spec: TensorSpec, output_spec: TensorSpec) -> nn.Module:
        """Build the network, (N, *input_shape) to (N, *output_shape), in [-1, 1] by tanh unless it is residual.

        Raises:
            BadInput: input and output need equally many channels, and differ.
        """
        if self.residual:
            reason, advice = "adds its output to its input", "set `generator.residual` to false"
            check_equal_channels(self.kind, input_spec.shape, output_spec.shape, reason, advice)
        if self.contrastive_heads:
            reason = "compares its output with its input"
            advice = "set `generator.contrastive_heads` to false, and remove the term patch-nce"
            check_equal_channels(self.kind, input_spec.shape, output_spec.shape, reason, advice)
        from zerosum.networks import resnet_translator

        return resnet_translator.ResNetTranslator(
            input_spec.shape[0],
            output_spec.shape[0],
            self.width,
            num_downsamplings=self.downsamplings,
            num_blocks=self.blocks,
            norm=self.norm,
            factory=build_layer_factory(self.init),
            residual=self.residual,
            contrastive_size=self.contrastive_size if self.contrastive_heads else 0,
        )
