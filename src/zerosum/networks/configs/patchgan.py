"""Settings of the patch discriminator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from zerosum.errors import BadInput
from zerosum.networks.configs.base import SMALLEST, DiscriminatorShape, Init, MapNorm, Width, check_any_size, weights

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.heads import HeadMaker


class PatchDiscriminator(DiscriminatorShape):
    """Judges every place of a picture by what lies around it (PatchGAN, Isola et al. 2017, arXiv:1611.07004)."""

    kind: Literal["patch"] = "patch"
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
    detail: Annotated[int, Field(ge=0, le=8192)] = 0
    """Channels of a 3x3 convolution before the first halving; 0: none, as in the paper."""
    norm: MapNorm = "instance"
    """Normalisation after every layer but the first and the last."""
    spectral: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018); set norm to none then."""
    init: Init = "scaled"
    """First weights: normal is the paper's N(0, 0.02)."""
    beside: bool = False
    """Sees what a sample is made from beside it, and judges whether they belong together: for pairs."""

    @model_validator(mode="after")
    def _widths_grow(self) -> Self:
        if self.max_width < self.width:
            raise ValueError(f"max_width must be at least width ({self.width}), got {self.max_width}")
        return self

    @property
    def can(self) -> frozenset[str]:
        """What terms and games may need."""
        return frozenset({"show maps"})

    @property
    def sees_given(self) -> bool:
        """Whether it is shown what a sample is made from."""
        return self.beside

    def check(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""
        check_any_size(self.kind, shape, SMALLEST)

    def build(self, shape: tuple[int, ...], classes: int = 0, given: tuple[int, ...] = ()) -> nn.Module:
        """The network, (N, *shape) to a verdict of patch scores; beside what is given, (N, *given), if it is to see it.

        Raises:
            BadInput: pictures are too small, or there is nothing to see beside them.
        """
        if not self.beside:
            return super().build(shape, classes)
        if len(given) != 3:
            raise BadInput("patch is to see what a picture is made from, and it is made of noise: set beside = false.")
        self.check(shape)
        return self._over(shape, given[0])

    def network(self, shape: tuple[int, ...], head: HeadMaker) -> nn.Module:
        """The network, (N, *shape) to a verdict of patch scores."""
        return self._over(shape, 0)

    def _over(self, shape: tuple[int, ...], more: int) -> nn.Module:
        """The network over pictures with so many channels more."""
        from zerosum.networks import layers, patchgan

        side, scales = min(shape[1:]), []
        for scale in range(self.scales):
            halvings = patchgan.halvings(side >> scale, self.layers)
            widths = tuple(min(self.width << stage, self.max_width) for stage in range(halvings + 1))
            made = weights(self.init, self.spectral)
            scales.append(patchgan.Scale(shape[0] + more, widths, layers.NORMS[self.norm], made, self.detail))
        return patchgan.Discriminator(scales, self.beside)
