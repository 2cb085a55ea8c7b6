"""Terms of paired translation, which compare an output with its target: L1, feature matching, perceptual loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings
from zerosum.game.terms.protocols import translating_game

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class L1Reconstruction(TermSettings):
    """Mean absolute difference between output and target. Isola et al. 2017, arXiv:1611.07004, equation 3."""

    kind: Literal["l1"] = "l1"
    weight: Schedule = 100.0
    """Weight of the term; the paper's 100 is for images in [-1, 1]."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "generator"
    is_paired: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """Return |G(x) - y|, averaged over channels and pixels: (N,)."""
        from zerosum.game.sample_tree import mean_abs_difference

        return mean_abs_difference(play.fake_samples, play.real_samples)


class FeatureMatching(TermSettings):
    """Mean absolute difference between the discriminator's feature maps of output and target.

    Wang et al. 2018, "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs",
    arXiv:1711.11585, equation 4.
    """

    kind: Literal["feature-matching"] = "feature-matching"
    weight: Schedule = 10.0
    """Weight of the term; 10 is the paper's."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "generator"
    is_paired: ClassVar[bool] = True
    requires: ClassVar[frozenset[str]] = frozenset({"feature maps"})

    def __call__(self, play: Play) -> Tensor:
        """Return the mean absolute difference of each feature map, averaged over the maps: (N,)."""
        real_maps, fake_maps = play.real_output.feature_maps, play.fake_output.feature_maps
        assert real_maps, "the discriminator returns no feature maps: recipe validation checks this"
        assert fake_maps, "the discriminator returns no feature maps: recipe validation checks this"
        distances = [(x - y).abs().float().flatten(1).mean(1) for x, y in zip(real_maps, fake_maps, strict=True)]
        return sum(distances[1:], distances[0]) / len(distances)


class PerceptualLoss(TermSettings):
    """Perceptual loss: distance between output and target in the features of a network pretrained on photographs.

    Johnson et al. 2016, arXiv:1603.08155; as in Ledig et al. 2016 (SRGAN), arXiv:1609.04802, equation 5. The network is
    EfficientNet-Lite0 of the extra `features`; scores in the same features are then biased in favor of the generator.
    """

    kind: Literal["perceptual"] = "perceptual"
    weight: Schedule = 1.0
    """Weight of the term."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "generator"
    is_paired: ClassVar[bool] = True
    pretrained_features: ClassVar[str] = "lite0"

    def __call__(self, play: Play) -> Tensor:
        """Return the distance of the features: (N,)."""
        return translating_game(play).measure_perceptual_distance(play.fake_samples, play.real_samples)
