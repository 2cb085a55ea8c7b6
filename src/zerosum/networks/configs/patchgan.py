"""Settings of the PatchGAN discriminator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zerosum.errors import BadInput
from zerosum.game.sample_spec import require_single_tensor
from zerosum.networks.configs.base import (
    InitName,
    InstanceNormName,
    TensorDiscriminatorConfig,
    Width,
    build_layer_factory,
    check_image_size,
)
from zerosum.networks.image_grid import MIN_SIDE

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import SampleSpec, TensorSpec
    from zerosum.networks.heads import HeadFactory


class PatchGANDiscriminatorConfig(TensorDiscriminatorConfig):
    """Scores every position of an image by its surroundings (PatchGAN, Isola et al. 2017, arXiv:1611.07004)."""

    kind: Literal["patchgan"] = "patchgan"
    keeps_weights_across_sizes: ClassVar[bool] = True
    condition: Literal["none"] = "none"
    """PatchGAN has no class condition."""
    width: Width = 64
    """Channels after the first halving; they double at every further one."""
    max_width: Width = 512
    """Limit of the doubled channels."""
    layers: Annotated[int, Field(ge=1, le=6)] = 3
    """Number of halvings: the patch of a position is 16, 34, 70, 142, 286 or 574 pixels a side. Small images get fewer,
    so that the score map is at least 2x2."""
    scales: Annotated[int, Field(ge=1, le=3)] = 1
    """Number of discriminators, each of which scores the image at half the size of the last (arXiv:1711.11585)."""
    full_resolution_channels: Annotated[int, Field(ge=0, le=8192)] = 0
    """Channels of a 3x3 convolution before the first halving; 0 for none, as in the paper."""
    norm: InstanceNormName = "instance"
    """Norm after every layer but the first and the last."""
    spectral_norm: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018); then set norm to none."""
    init: InitName = "kaiming"
    """Initialization of the weights: normal is the paper's N(0, 0.02)."""
    concat_input: bool = False
    """Concatenate each sample with the input it was translated from, for paired translation."""

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        if self.max_width < self.width:
            raise ValueError(f"`max_width` must be at least `width` ({self.width}), got {self.max_width}")
        return self

    @property
    def capabilities(self) -> frozenset[str]:
        """The properties of the network that terms and games may require."""
        return frozenset({"feature maps"})

    @property
    def sees_input(self) -> bool:
        """Whether the discriminator also gets the input that a sample was translated from."""
        return self.concat_input

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the shape is an image of at least 16 pixels a side."""
        check_image_size(self.kind, shape, MIN_SIDE)

    def build(
        self,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, (N, C, H, W) to patch scores, with inputs (N, Ci, H, W) if `concat_input` is set.

        Raises:
            BadInput: images are too small, or `concat_input` is set and there are no inputs.
        """
        if not self.concat_input:
            return super().build(spec, num_classes)
        input_shape = () if input_spec is None else require_single_tensor(input_spec, self.kind).shape
        if len(input_shape) != 3:
            raise BadInput(
                "`discriminator.concat_input` needs input images, but samples are generated from latents: set it to"
                " false."
            )
        shape = require_single_tensor(spec, self.kind).shape
        self.check_shape(shape)
        return self._build_scales(shape, input_shape[0])

    def build_network(self, spec: TensorSpec, build_head: HeadFactory) -> nn.Module:
        """Build the network, (N, *shape) to patch scores."""
        return self._build_scales(spec.shape, 0)

    def _build_scales(self, shape: tuple[int, ...], extra_channels: int) -> nn.Module:
        """Build the network for images with `extra_channels` more channels."""
        from zerosum.networks import layers, patchgan

        side, scales = min(shape[1:]), []
        for scale in range(self.scales):
            halvings = patchgan.count_halvings(side >> scale, self.layers)
            widths = tuple(min(self.width << level, self.max_width) for level in range(halvings + 1))
            factory = build_layer_factory(self.init, self.spectral_norm)
            scales.append(
                patchgan.ScaleDiscriminator(
                    shape[0] + extra_channels,
                    widths,
                    layers.NORMS_2D[self.norm],
                    factory,
                    self.full_resolution_channels,
                )
            )
        return patchgan.Discriminator(scales, self.concat_input)
