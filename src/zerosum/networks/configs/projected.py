"""Settings of Projected GAN's discriminator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from zerosum.networks.configs.base import DiscriminatorConfig, NormName, Width, check_square_image

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.heads import HeadFactory


SideMultipleOf32 = Annotated[int, Field(ge=32, le=1024, multiple_of=32)]


class ProjectedDiscriminatorConfig(DiscriminatorConfig):
    """Small discriminators of the features that a frozen EfficientNet-Lite0 sees (Sauer et al. 2021, arXiv:2111.01007).

    Needs the extra `features`. Do not judge a run by lite0 that was trained on it: its scores are what the generator
    was trained to please.
    """

    kind: Literal["projected"] = "projected"
    condition: Literal["none", "projection"] = "none"
    """How classes are judged: not at all, or by the product of each place's features with a vector of the class
    (projection, arXiv:1802.05637). Planes of a class beside the picture would mean nothing to a trained network."""
    min_side: SideMultipleOf32 = 224
    """Smaller pictures are enlarged to so many pixels a side before they are looked at, as in the authors' programs.
    It costs as its square: 64 a twelfth of 224."""
    max_side: SideMultipleOf32 = 1024
    """Larger pictures are shrunk to so many."""
    width: Annotated[int, Field(ge=1, le=1024)] = 64
    """Channels that the finest features are mixed into; they double at each of the three coarser scales."""
    max_width: Width = 512
    """The discriminators' channels double at every halving up to so many."""
    norm: NormName = "none"
    """Normalisation in the discriminators, beside spectral norm: none, as in the paper's text, or batch, as in its
    authors' programs."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.max_width < self.width:
            raise ValueError(f"max_width must be at least width ({self.width}), got {self.max_width}")
        if self.max_side < self.min_side:
            raise ValueError(f"largest must be at least side ({self.min_side}), got {self.max_side}")
        return self

    @property
    def pretrained_features(self) -> str:
        """EfficientNet-Lite0's."""
        return "lite0"

    @property
    def per_sample(self) -> bool:
        """Whether each sample is judged by itself: batch norm mixes a batch's samples."""
        return self.norm == "none"

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""
        check_square_image(self.kind, shape)

    def resized_side(self, side: int) -> int:
        """Pixels a side that pictures of this side are brought to."""
        return min(max(side, self.min_side), self.max_side)

    def build_network(self, shape: tuple[int, ...], build_head: HeadFactory) -> nn.Module:
        """The network, (N, *shape) to a verdict of patch scores (N, 1, 1, P).

        Raises:
            BadInput: the package with the feature network's weights is missing, or its file is damaged.
        """
        from zerosum.networks import layers, projected

        side, norm = self.resized_side(shape[1]), layers.NORMS_2D[self.norm]
        return projected.Discriminator(side, self.width, self.max_width, norm, build_head)
