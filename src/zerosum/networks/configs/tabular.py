"""Settings of networks for samples of blocks, such as rows of a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.game.sample_spec import Block, TensorSpec, require_single_tensor
from zerosum.networks.configs.base import (
    ActivationName,
    DiscriminatorConfig,
    DropoutRate,
    GeneratorConfig,
    InitName,
    NormName,
    Widths,
    build_layer_factory,
    format_shape,
)

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import SampleSpec


def _require_blocks(spec: SampleSpec) -> TensorSpec:
    """Return the form of samples of one axis, with blocks: numbers without blocks are one block each.

    Raises:
        BadInput: the samples have another form.
    """
    tensor = require_single_tensor(spec, "tabular")
    if len(tensor.shape) != 1:
        raise BadInput(
            f"tabular needs samples of one axis, such as rows, got samples of shape {format_shape(tensor.shape)}:"
            " choose another `generator.kind` and `discriminator.kind`"
        )
    blocks = tensor.blocks or tuple(Block(has_value=True) for _ in range(tensor.shape[0]))
    return replace(tensor, blocks=blocks)


def _takes_given(condition: str, condition_spec: SampleSpec | None, field: str) -> bool:
    """Return whether a network takes given blocks; `field` is the name of its setting `condition`, for the message.

    Raises:
        BadInput: it is to take them, and the data have none.
    """
    if condition == "none":
        return False
    if isinstance(condition_spec, TensorSpec) or condition_spec is None or set(condition_spec) != {"values", "known"}:
        raise BadInput(
            f"`{field}` given: these data have no columns that can be given; set `generator.condition` and "
            '`discriminator.condition` to "none"'
        )
    return True


class TabularGeneratorConfig(GeneratorConfig):
    """Fully connected generator of rows of categories and numbers, of which any may be given."""

    kind: Literal["tabular"] = "tabular"
    widths: Widths = (256, 256)
    """Widths of the hidden layers, each of which is concatenated with its input."""
    activation: ActivationName = "relu"
    """Activation of the hidden layers."""
    norm: NormName = "batch"
    """Norm after each hidden layer."""
    init: InitName = "kaiming"
    """Initialization of the weights."""
    temperature: float = Field(0.5, gt=0)
    """Temperature of the softmax by which categories pass gradients (arXiv:1611.01144)."""
    condition: Literal["none", "given"] = "none"  # type: ignore[assignment]
    """Whether any columns may be given (given), or none."""

    def build(
        self,
        latent_size: int,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, latents (N, L) to rows (N, K).

        Raises:
            BadInput: the samples are no rows, or no columns can be given.
        """
        from zerosum.networks import layers, tabular

        return tabular.Generator(
            latent_size,
            _require_blocks(spec),
            self.widths,
            takes_given=_takes_given(self.condition, condition_spec, "generator.condition"),
            activation=layers.ACTIVATIONS[self.activation],
            norm=layers.NORMS_1D[self.norm],
            factory=build_layer_factory(self.init),
            temperature=self.temperature,
        )


class TabularDiscriminatorConfig(DiscriminatorConfig):
    """Fully connected discriminator of rows of categories and numbers, of which any may be given."""

    kind: Literal["tabular"] = "tabular"
    widths: Widths = (256, 256)
    """Widths of the hidden layers, each of which is concatenated with its input."""
    activation: ActivationName = "leaky_relu"
    """Activation of the hidden layers; leaky_relu has slope 0.2."""
    norm: NormName = "none"
    """Norm after each hidden layer."""
    init: InitName = "kaiming"
    """Initialization of the weights."""
    dropout: DropoutRate = 0.0
    """Fraction of hidden values dropped in training; 0 for none."""
    spectral_norm: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018); then leave norm at none."""
    bias_range: float = Field(0.0, ge=0)
    """Distance from the origin within which the kinks of the first layer's units lie; 0: at the origin. For numbers,
    set it to about their extent."""
    pack: int = Field(1, ge=1, le=64)
    """Number of samples that are scored as one, against mode collapse (PacGAN, arXiv:1712.04086); it must divide
    `training.batch_size`."""
    condition: Literal["none", "given"] = "none"  # type: ignore[assignment]
    """Whether it is told which columns are given (given), or not."""

    @property
    def uses_batch_norm(self) -> bool:
        """Whether it has batch norm, which makes a sample's score depend on the rest of the batch."""
        return self.norm == "batch"

    @property
    def uses_dropout(self) -> bool:
        """Whether it has dropout, which makes the score of a sample differ between two forward passes."""
        return self.dropout > 0

    @property
    def samples_per_score(self) -> int:
        """The packed samples."""
        return self.pack

    @property
    def per_sample(self) -> bool:
        """Whether a score depends on its own sample only."""
        return super().per_sample and self.pack == 1

    def build(
        self,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, rows (N, K) to a `DiscriminatorOutput`.

        Raises:
            BadInput: the samples are no rows, or no columns can be given.
        """
        from zerosum.networks import layers, tabular

        return tabular.Discriminator(
            _require_blocks(spec),
            self.widths,
            takes_given=_takes_given(self.condition, condition_spec, "discriminator.condition"),
            pack=self.pack,
            activation=layers.ACTIVATIONS[self.activation],
            norm=layers.NORMS_1D[self.norm],
            factory=build_layer_factory(self.init, self.spectral_norm),
            dropout=self.dropout,
            bias_range=self.bias_range,
        )
