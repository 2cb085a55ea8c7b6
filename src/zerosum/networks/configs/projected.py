"""Settings of Projected GAN's discriminator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from zerosum.networks.configs.base import NormName, TensorDiscriminatorConfig, Width, check_image_size
from zerosum.networks.image_grid import MIN_SIDE

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import TensorSpec
    from zerosum.networks.heads import HeadFactory


SideMultipleOf32 = Annotated[int, Field(ge=32, le=1024, multiple_of=32)]
"""Side in pixels, a multiple of 32."""


class ProjectedDiscriminatorConfig(TensorDiscriminatorConfig):
    """Small discriminators on the features of a frozen EfficientNet-Lite0 (Sauer et al. 2021, arXiv:2111.01007).

    Needs the extra `features`. Do not evaluate a run that was trained on it with the features lite0: its scores are
    what the generator was trained to optimize.
    """

    kind: Literal["projected"] = "projected"
    condition: Literal["none", "projection"] = "none"
    """Class condition: none, or the inner product of each position's features and a vector of the class (projection,
    arXiv:1802.05637). Class planes concatenated with the image would mean nothing to a pretrained network."""
    min_side: SideMultipleOf32 = 224
    """Smaller images are enlarged to this many pixels a side before the features are computed, as in the authors' code.
    Others than squares are resized to squares too. The cost grows with its square: 64 costs a twelfth of 224."""
    max_side: SideMultipleOf32 = 1024
    """Larger images are reduced to this many pixels a side."""
    width: Annotated[int, Field(ge=1, le=1024)] = 64
    """Channels that the finest feature map is mixed into; they double at each of the three coarser scales."""
    max_width: Width = 512
    """Limit of the small discriminators' channels, which double at every halving."""
    norm: NormName = "none"
    """Norm in the small discriminators, besides spectral norm: none, as in the paper, or batch, as in the authors'
    code."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.max_width < self.width:
            raise ValueError(f"`max_width` must be at least `width` ({self.width}), got {self.max_width}")
        if self.max_side < self.min_side:
            raise ValueError(f"`max_side` must be at least `min_side` ({self.min_side}), got {self.max_side}")
        return self

    @property
    def pretrained_features(self) -> str:
        """The name of EfficientNet-Lite0's features."""
        return "lite0"

    @property
    def uses_batch_norm(self) -> bool:
        """Whether it has batch norm, which makes a sample's score depend on the rest of the batch."""
        return self.norm == "batch"

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the shape is an image of at least 16 pixels a side."""
        check_image_size(self.kind, shape, MIN_SIDE)

    def resized_side(self, side: int) -> int:
        """Return the side, a multiple of 32, to which images whose longer side is `side` are resized, in pixels."""
        return min(max(-(-side // 32) * 32, self.min_side), self.max_side)

    def build_network(self, spec: TensorSpec, build_head: HeadFactory) -> nn.Module:
        """Build the network, (N, *shape) to the scores of positions (N, 1, 1, P).

        Raises:
            BadInput: the package with the feature network's weights is missing, or its file is damaged.
        """
        from zerosum.networks import layers, projected

        side, norm = self.resized_side(max(spec.shape[1:])), layers.NORMS_2D[self.norm]
        return projected.Discriminator(side, self.width, self.max_width, norm, build_head)
