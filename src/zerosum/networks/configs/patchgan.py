"""Settings of the patch discriminator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from zerosum.errors import BadInput
from zerosum.networks.configs.base import (
    MIN_SIDE,
    DiscriminatorConfig,
    InitName,
    InstanceNormName,
    Width,
    build_layer_factory,
    check_image_size,
)

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.heads import HeadFactory


class PatchGANDiscriminatorConfig(DiscriminatorConfig):
    """Judges every place of a picture by what lies around it (PatchGAN, Isola et al. 2017, arXiv:1611.07004)."""

    kind: Literal["patchgan"] = "patchgan"
    condition: Literal["none"] = "none"
    """Patches are judged whatever the class."""
    width: Width = 64
    """Channels after the first halving; they double at every further one."""
    max_width: Width = 512
    """The doubling stops here."""
    layers: Annotated[int, Field(ge=1, le=6)] = 3
    """Halvings: a place sees 16, 34, 70, 142, 286 or 574 pixels each way. Small pictures have fewer, for their scores
    to be 2x2 or more."""
    scales: Annotated[int, Field(ge=1, le=3)] = 1
    """Discriminators, each of which judges the picture at half the size of the one before (arXiv:1711.11585)."""
    full_resolution_channels: Annotated[int, Field(ge=0, le=8192)] = 0
    """Channels of a 3x3 convolution before the first halving; 0: none, as in the paper."""
    norm: InstanceNormName = "instance"
    """Normalisation after every layer but the first and the last."""
    spectral_norm: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018); set norm to none then."""
    init: InitName = "kaiming"
    """First weights: normal is the paper's N(0, 0.02)."""
    concat_input: bool = False
    """Sees what a sample is made from beside it, and judges whether they belong together: for pairs."""

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        if self.max_width < self.width:
            raise ValueError(f"max_width must be at least width ({self.width}), got {self.max_width}")
        return self

    @property
    def capabilities(self) -> frozenset[str]:
        """What terms and games may need."""
        return frozenset({"feature maps"})

    @property
    def sees_input(self) -> bool:
        """Whether it is shown what a sample is made from."""
        return self.concat_input

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""
        check_image_size(self.kind, shape, MIN_SIDE)

    def build(self, shape: tuple[int, ...], num_classes: int = 0, input_shape: tuple[int, ...] = ()) -> nn.Module:
        """The network, (N, *shape) to a verdict of patch scores; beside what is given, (N, *given), if it is to see it.

        Raises:
            BadInput: pictures are too small, or there is nothing to see beside them.
        """
        if not self.concat_input:
            return super().build(shape, num_classes)
        if len(input_shape) != 3:
            raise BadInput("patch is to see what a picture is made from, and it is made of noise: set beside = false.")
        self.check_shape(shape)
        return self._build_scales(shape, input_shape[0])

    def build_network(self, shape: tuple[int, ...], build_head: HeadFactory) -> nn.Module:
        """The network, (N, *shape) to a verdict of patch scores."""
        return self._build_scales(shape, 0)

    def _build_scales(self, shape: tuple[int, ...], extra_channels: int) -> nn.Module:
        """The network over pictures with so many channels more."""
        from zerosum.networks import layers, patchgan

        side, scales = min(shape[1:]), []
        for scale in range(self.scales):
            halvings = patchgan.count_halvings(side >> scale, self.layers)
            widths = tuple(min(self.width << setup, self.max_width) for setup in range(halvings + 1))
            made = build_layer_factory(self.init, self.spectral_norm)
            scales.append(
                patchgan.ScaleDiscriminator(
                    shape[0] + extra_channels, widths, layers.NORMS_2D[self.norm], made, self.full_resolution_channels
                )
            )
        return patchgan.Discriminator(scales, self.concat_input)
