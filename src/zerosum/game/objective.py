"""Objectives: settings with a discriminator loss and a generator loss, per sample.

Scores are logits: a larger score means more real, and for the objectives with a probability D(x), it is
sigmoid(score). `equilibrium_losses` are the values of the two losses, discriminator first, when the discriminator
cannot distinguish real from fake samples (D(x) = 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, get_args

from pydantic import Field

from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play

LabelSmoothing = Annotated[float, Field(ge=0, lt=0.5)]


def _softplus(x: Tensor) -> Tensor:
    from torch.nn.functional import softplus  # a local import, so that settings are validated without torch

    return softplus(x)


def _logistic_discriminator_loss(play: Play, label_smoothing: float) -> Tensor:
    """Return binary cross-entropy with targets 1 - smoothing (real) and 0 (fake): softplus(-s) = -log sigmoid(s)."""
    real = _softplus(-play.real_score)
    # -(1 - a) log D - a log(1 - D) = softplus(-s) + a s; smoothing is one-sided: the target of fakes stays 0
    return real + label_smoothing * play.real_score + _softplus(play.fake_score)


class Minimax(Settings):
    """The original minimax game with the value V(D, G) = E log D(x) + E log(1 - D(G(z))).

    The generator loss saturates: its gradient vanishes where the discriminator confidently rejects fakes. Goodfellow et
    al. 2014, arXiv:1406.2661, equation 1; one-sided label smoothing: Salimans et al. 2016, arXiv:1606.03498, section
    3.4.
    """

    kind: Literal["minimax"] = "minimax"
    label_smoothing: LabelSmoothing = 0.0
    """One-sided label smoothing: the target of real samples is 1 - label_smoothing."""
    equilibrium_losses: ClassVar[tuple[float, float]] = (2 * math.log(2), -math.log(2))

    def discriminator_loss(self, play: Play) -> Tensor:
        """Return -log D(x) - log(1 - D(G(z)))."""
        return _logistic_discriminator_loss(play, self.label_smoothing)

    def generator_loss(self, play: Play) -> Tensor:
        """Return log(1 - D(G(z)))."""
        return -_softplus(play.fake_score)

    def decision_threshold(self, play: Play) -> Tensor | float:
        """Return the score above which a sample is classified as real."""
        return 0.0


class NonSaturating(Settings):
    """The minimax discriminator loss with a generator that maximizes log D(G(z)).

    Goodfellow et al. 2014, arXiv:1406.2661, section 3.
    """

    kind: Literal["non-saturating"] = "non-saturating"
    label_smoothing: LabelSmoothing = 0.0
    """One-sided label smoothing: the target of real samples is 1 - label_smoothing."""
    equilibrium_losses: ClassVar[tuple[float, float]] = (2 * math.log(2), math.log(2))

    def discriminator_loss(self, play: Play) -> Tensor:
        """Return -log D(x) - log(1 - D(G(z)))."""
        return _logistic_discriminator_loss(play, self.label_smoothing)

    def generator_loss(self, play: Play) -> Tensor:
        """Return -log D(G(z))."""
        return _softplus(-play.fake_score)

    def decision_threshold(self, play: Play) -> Tensor | float:
        """Return the score above which a sample is classified as real."""
        return 0.0


class LeastSquares(Settings):
    """Squared error with the targets 1 (real) and 0 (fake). Mao et al. 2016, arXiv:1611.04076, eq. 9, doubled."""

    kind: Literal["least-squares"] = "least-squares"
    equilibrium_losses: ClassVar[tuple[float, float]] = (0.5, 0.25)

    def discriminator_loss(self, play: Play) -> Tensor:
        """Return (D(x) - 1)^2 + D(G(z))^2."""
        return (play.real_score - 1).square() + play.fake_score.square()

    def generator_loss(self, play: Play) -> Tensor:
        """Return (D(G(z)) - 1)^2."""
        return (play.fake_score - 1).square()

    def decision_threshold(self, play: Play) -> Tensor | float:
        """Return the score above which a sample is classified as real."""
        return 0.5


class Wasserstein(Settings):
    """The critic's estimate of the earth mover's distance. Arjovsky et al. 2017, arXiv:1701.07875, equation 2."""

    kind: Literal["wasserstein"] = "wasserstein"
    equilibrium_losses: ClassVar[tuple[float, float]] = (0.0, math.nan)

    def discriminator_loss(self, play: Play) -> Tensor:
        """Return D(G(z)) - D(x)."""
        return play.fake_score - play.real_score

    def generator_loss(self, play: Play) -> Tensor:
        """Return -D(G(z))."""
        return -play.fake_score

    def decision_threshold(self, play: Play) -> Tensor | float:
        """Return the midpoint of the batch's mean scores; scores are only defined up to a constant."""
        return _score_midpoint(play)


class Hinge(Settings):
    """Hinge loss with the margins 1 (real) and -1 (fake). Lim and Ye 2017, arXiv:1705.02894, section 3."""

    kind: Literal["hinge"] = "hinge"
    equilibrium_losses: ClassVar[tuple[float, float]] = (2.0, 0.0)

    def discriminator_loss(self, play: Play) -> Tensor:
        """Return max(0, 1 - D(x)) + max(0, 1 + D(G(z)))."""
        return (1 - play.real_score).relu() + (1 + play.fake_score).relu()

    def generator_loss(self, play: Play) -> Tensor:
        """Return -D(G(z))."""
        return -play.fake_score

    def decision_threshold(self, play: Play) -> Tensor | float:
        """Return the score above which a sample is classified as real."""
        return 0.0


class Relativistic(Settings):
    """Relativistic pairing loss: the score of each fake minus the score of a real sample, log(1 + exp(D(G(z)) - D(x))).

    The generator minimizes the same loss with real and fake exchanged.

    Jolicoeur-Martineau 2018, arXiv:1807.00734 (RpGAN); Huang et al. 2024, arXiv:2501.05441, equation 2.
    """

    kind: Literal["relativistic"] = "relativistic"
    equilibrium_losses: ClassVar[tuple[float, float]] = (math.log(2), math.log(2))

    def discriminator_loss(self, play: Play) -> Tensor:
        """Return softplus(D(G(z)) - D(x))."""
        return _softplus(play.fake_score - play.real_score)

    def generator_loss(self, play: Play) -> Tensor:
        """Return softplus(D(x) - D(G(z)))."""
        return _softplus(play.real_score - play.fake_score)

    def decision_threshold(self, play: Play) -> Tensor | float:
        """Return the midpoint of the batch's mean scores; scores are only defined up to a constant."""
        return _score_midpoint(play)


class RelativisticAverage(Settings):
    """Relativistic average loss: scores of real samples minus the mean score of fakes, and the reverse.

    Jolicoeur-Martineau 2018, arXiv:1807.00734 (RaGAN), section 4.2; used by ESRGAN (Wang et al. 2018,
    arXiv:1809.00219).
    """

    kind: Literal["relativistic-average"] = "relativistic-average"
    equilibrium_losses: ClassVar[tuple[float, float]] = (2 * math.log(2), 2 * math.log(2))

    def discriminator_loss(self, play: Play) -> Tensor:
        """Return softplus(E D(G(z)) - D(x)) + softplus(D(G(z)) - E D(x)), with means over the batch and its patches."""
        real, fake = play.real_score, play.fake_score
        return _softplus(fake.mean() - real) + _softplus(fake - real.mean())

    def generator_loss(self, play: Play) -> Tensor:
        """Return softplus(D(x) - E D(G(z))) + softplus(E D(x) - D(G(z)))."""
        real, fake = play.real_score, play.fake_score
        return _softplus(real - fake.mean()) + _softplus(real.mean() - fake)

    def decision_threshold(self, play: Play) -> Tensor | float:
        """Return the midpoint of the batch's mean scores; scores are only defined up to a constant."""
        return _score_midpoint(play)


def _score_midpoint(play: Play) -> Tensor:
    return (play.real_score.mean() + play.fake_score.mean()) / 2


Objective = Annotated[
    Minimax | NonSaturating | LeastSquares | Wasserstein | Hinge | Relativistic | RelativisticAverage,
    Field(discriminator="kind"),
]


def equilibrium_losses(settings: Mapping[str, object]) -> dict[str, float]:
    """Return each player's loss at equilibrium for the settings of an objective.

    Args:
        settings: the `objective` table of a recipe.

    Returns:
        Losses by player name; empty for an unknown objective or with label smoothing.
    """
    classes = {cls.model_fields["kind"].default: cls for cls in get_args(get_args(Objective)[0])}
    kind = settings.get("kind")
    if not isinstance(kind, str) or kind not in classes or settings.get("label_smoothing", 0):
        return {}
    values = zip(("discriminator", "generator"), classes[kind].equilibrium_losses, strict=True)
    return {player: value for player, value in values if not math.isnan(value)}
