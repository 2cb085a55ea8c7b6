"""What the players play for. Each objective is its own settings and two functions of a play, per sample.

Scores are logits: larger means more real, and sigmoid(score) is the D(x) of the introductions where the objective has
one. At `equilibrium` the discriminator cannot tell real from fake (D(x) = 0.5): the values its two losses then have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play

LabelSmoothing = Annotated[float, Field(ge=0, lt=0.5)]


def _softplus(x: Tensor) -> Tensor:
    from torch.nn.functional import softplus  # here, so that settings are checked without torch

    return softplus(x)


def _logistic_discriminator_loss(play: Play, label_smoothing: float) -> Tensor:
    """Binary cross-entropy with targets 1 - smoothing for real and 0 for fake: softplus(-s) = -log sigmoid(s)."""
    real = _softplus(-play.real_score)
    # -(1 - a) log D - a log(1 - D) = softplus(-s) + a s: smoothing is one-sided, fakes keep target 0
    return real + label_smoothing * play.real_score + _softplus(play.fake_score)


class Minimax(Settings):
    """The game of the first paper: both players play for V(D, G) = E log D(x) + E log(1 - D(G(z))).

    The generator's side saturates: its gradient vanishes where the discriminator is sure. Goodfellow et al. 2014,
    arXiv:1406.2661, equation 1; one-sided label smoothing: Salimans et al. 2016, arXiv:1606.03498, section 3.4.
    """

    kind: Literal["minimax"] = "minimax"
    label_smoothing: LabelSmoothing = 0.0
    """One-sided label smoothing: reals are given the target 1 - smoothing."""
    equilibrium_losses: ClassVar[tuple[float, float]] = (2 * math.log(2), -math.log(2))

    def discriminator_loss(self, play: Play) -> Tensor:
        """-log D(x) - log(1 - D(G(z)))."""
        return _logistic_discriminator_loss(play, self.label_smoothing)

    def generator_loss(self, play: Play) -> Tensor:
        """log(1 - D(G(z)))."""
        return -_softplus(play.fake_score)

    def decision_threshold(self, play: Play) -> Tensor | float:
        """The score above which a sample is called real."""
        return 0.0


class NonSaturating(Settings):
    """The discriminator plays minimax; the generator maximises log D(G(z)) instead.

    Goodfellow et al. 2014, arXiv:1406.2661, section 3.
    """

    kind: Literal["non-saturating"] = "non-saturating"
    label_smoothing: LabelSmoothing = 0.0
    """One-sided label smoothing: reals are given the target 1 - smoothing."""
    equilibrium_losses: ClassVar[tuple[float, float]] = (2 * math.log(2), math.log(2))

    def discriminator_loss(self, play: Play) -> Tensor:
        """-log D(x) - log(1 - D(G(z)))."""
        return _logistic_discriminator_loss(play, self.label_smoothing)

    def generator_loss(self, play: Play) -> Tensor:
        """-log D(G(z))."""
        return _softplus(-play.fake_score)

    def decision_threshold(self, play: Play) -> Tensor | float:
        """The score above which a sample is called real."""
        return 0.0


class LeastSquares(Settings):
    """Squared distance to the targets 1 (real) and 0 (fake). Mao et al. 2016, arXiv:1611.04076, eq. 9, doubled."""

    kind: Literal["least-squares"] = "least-squares"
    equilibrium_losses: ClassVar[tuple[float, float]] = (0.5, 0.25)

    def discriminator_loss(self, play: Play) -> Tensor:
        """(D(x) - 1)^2 + D(G(z))^2."""
        return (play.real_score - 1).square() + play.fake_score.square()

    def generator_loss(self, play: Play) -> Tensor:
        """(D(G(z)) - 1)^2."""
        return (play.fake_score - 1).square()

    def decision_threshold(self, play: Play) -> Tensor | float:
        """The score above which a sample is called real."""
        return 0.5


class Wasserstein(Settings):
    """The critic's estimate of the earth mover's distance. Arjovsky et al. 2017, arXiv:1701.07875, equation 2."""

    kind: Literal["wasserstein"] = "wasserstein"
    equilibrium_losses: ClassVar[tuple[float, float]] = (0.0, math.nan)

    def discriminator_loss(self, play: Play) -> Tensor:
        """D(G(z)) - D(x)."""
        return play.fake_score - play.real_score

    def generator_loss(self, play: Play) -> Tensor:
        """-D(G(z))."""
        return -play.fake_score

    def decision_threshold(self, play: Play) -> Tensor | float:
        """Only differences of scores mean anything: half way between the batch's means."""
        return _score_midpoint(play)


class Hinge(Settings):
    """Scores are pushed past the margins 1 and -1 and no farther. Lim and Ye 2017, arXiv:1705.02894, section 3."""

    kind: Literal["hinge"] = "hinge"
    equilibrium_losses: ClassVar[tuple[float, float]] = (2.0, 0.0)

    def discriminator_loss(self, play: Play) -> Tensor:
        """max(0, 1 - D(x)) + max(0, 1 + D(G(z)))."""
        return (1 - play.real_score).relu() + (1 + play.fake_score).relu()

    def generator_loss(self, play: Play) -> Tensor:
        """-D(G(z))."""
        return -play.fake_score

    def decision_threshold(self, play: Play) -> Tensor | float:
        """The score above which a sample is called real."""
        return 0.0


class Relativistic(Settings):
    """Each fake is judged against a real: log(1 + exp(D(G(z)) - D(x))), and the generator plays the mirror image.

    Jolicoeur-Martineau 2018, arXiv:1807.00734 (RpGAN); Huang et al. 2024, arXiv:2501.05441, equation 2.
    """

    kind: Literal["relativistic"] = "relativistic"
    equilibrium_losses: ClassVar[tuple[float, float]] = (math.log(2), math.log(2))

    def discriminator_loss(self, play: Play) -> Tensor:
        """softplus(D(G(z)) - D(x))."""
        return _softplus(play.fake_score - play.real_score)

    def generator_loss(self, play: Play) -> Tensor:
        """softplus(D(x) - D(G(z)))."""
        return _softplus(play.real_score - play.fake_score)

    def decision_threshold(self, play: Play) -> Tensor | float:
        """Only differences of scores mean anything: half way between the batch's means."""
        return _score_midpoint(play)


class RelativisticAverage(Settings):
    """Each sample is judged against the other kind's mean score: real ones are to be more real than fakes are usually.

    Jolicoeur-Martineau 2018, arXiv:1807.00734 (RaGAN), section 4.2; of ESRGAN (Wang et al. 2018, arXiv:1809.00219).
    """

    kind: Literal["relativistic-average"] = "relativistic-average"
    equilibrium_losses: ClassVar[tuple[float, float]] = (2 * math.log(2), 2 * math.log(2))

    def discriminator_loss(self, play: Play) -> Tensor:
        """softplus(E D(G(z)) - D(x)) + softplus(D(G(z)) - E D(x)), means over the batch and its patches."""
        real, fake = play.real_score, play.fake_score
        return _softplus(fake.mean() - real) + _softplus(fake - real.mean())

    def generator_loss(self, play: Play) -> Tensor:
        """softplus(D(x) - E D(G(z))) + softplus(E D(x) - D(G(z)))."""
        real, fake = play.real_score, play.fake_score
        return _softplus(real - fake.mean()) + _softplus(real.mean() - fake)

    def decision_threshold(self, play: Play) -> Tensor | float:
        """Only differences of scores mean anything: half way between the batch's means."""
        return _score_midpoint(play)


def _score_midpoint(play: Play) -> Tensor:
    return (play.real_score.mean() + play.fake_score.mean()) / 2


Objective = Annotated[
    Minimax | NonSaturating | LeastSquares | Wasserstein | Hinge | Relativistic | RelativisticAverage,
    Field(discriminator="kind"),
]


def equilibrium_losses(settings: Mapping[str, Any]) -> dict[str, float]:
    """Each player's loss where the discriminator cannot tell, under an objective's settings; empty if unknown."""
    kinds = {kind.model_fields["kind"].default: kind for kind in get_args(get_args(Objective)[0])}
    kind = settings.get("kind", "")
    if kind not in kinds or settings.get("smoothing", 0):
        return {}
    values = zip(("discriminator", "generator"), kinds[kind].equilibrium_losses, strict=True)
    return {player: value for player, value in values if not math.isnan(value)}
