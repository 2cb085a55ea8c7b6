"""Terms of pairs: a sample is to be like the picture that is wanted, pixel by pixel or in some network's eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class L1Reconstruction(TermSettings):
    """The mean absolute difference from the wanted picture. Isola et al. 2017, arXiv:1611.07004, equation 3."""

    kind: Literal["l1"] = "l1"
    weight: Schedule = 100.0
    """What it is multiplied by; the paper's 100 is for pictures in [-1, 1]."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "generator"
    is_paired: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """|G(x) - y|, its mean over channels and pixels: (N,)."""
        return (play.fake_samples - play.real_samples).abs().flatten(1).mean(1)


class FeatureMatching(TermSettings):
    """The discriminator's inner maps of a sample are to be those of the wanted picture.

    Wang et al. 2018, "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs",
    arXiv:1711.11585, equation 4.
    """

    kind: Literal["feature-matching"] = "feature-matching"
    weight: Schedule = 10.0
    """What it is multiplied by; the paper's 10."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "generator"
    is_paired: ClassVar[bool] = True
    requires: ClassVar[frozenset[str]] = frozenset({"feature maps"})

    def __call__(self, play: Play) -> Tensor:
        """Mean absolute differences of maps, their mean over the maps: (N,)."""
        wanted, made = play.real_output.feature_maps, play.fake_output.feature_maps
        assert wanted, "the discriminator shows its maps: checked when the recipe is read"
        assert made, "the discriminator shows its maps: checked when the recipe is read"
        apart = [(x - y).abs().float().flatten(1).mean(1) for x, y in zip(wanted, made, strict=True)]
        return sum(apart[1:], apart[0]) / len(apart)


class PerceptualLoss(TermSettings):
    """A sample is to look like the wanted picture to a network that was trained on photographs.

    Johnson et al. 2016, arXiv:1603.08155; as in Ledig et al. 2016 (SRGAN), arXiv:1609.04802, equation 5. The network is
    EfficientNet-Lite0, from the extra `features`: its own scores then flatter what was trained.
    """

    kind: Literal["perceptual"] = "perceptual"
    weight: Schedule = 1.0
    """What it is multiplied by."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "generator"
    is_paired: ClassVar[bool] = True
    pretrained_features: ClassVar[str] = "lite0"

    def __call__(self, play: Play) -> Tensor:
        """The distance in the network's eyes: (N,)."""
        perceived: Tensor = play.game.perceptual_distance(play.fake_samples, play.real_samples)  # type: ignore[operator]
        return perceived
