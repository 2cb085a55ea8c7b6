"""Penalties on how steep the discriminator is: at the data, at the fakes, between them, around the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class R1(TermSettings):
    """Half the squared norm of the discriminator's gradient at the data.

    Mescheder et al. 2018, arXiv:1801.04406, equation 9: weight is the paper's gamma.
    """

    kind: Literal["r1"] = "r1"
    weight: Schedule = 1.0
    """Gamma; 0.0002 x resolution^2 / batch reproduces StyleGAN2's choices. A patch discriminator's slopes add up over
    its patches, so that it wants about a thousand times less: 1e-4 at 64 px with pairs, 1e-5 without."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played; 16 costs a tenth as much."""
    player: ClassVar[str] = "discriminator"
    uses_input_gradients: ClassVar[bool] = True
    input_gradients_at: ClassVar[frozenset[str]] = frozenset({"real"})

    def __call__(self, play: Play) -> Tensor:
        """|d D(x) / d x|^2 / 2."""
        return play.real_gradient_norm_sq / 2


class R2(TermSettings):
    """Half the squared norm of the discriminator's gradient at the fakes.

    Mescheder et al. 2018, arXiv:1801.04406, equation 10.
    """

    kind: Literal["r2"] = "r2"
    weight: Schedule = 1.0
    """Gamma, usually the same as R1's."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "discriminator"
    uses_input_gradients: ClassVar[bool] = True
    input_gradients_at: ClassVar[frozenset[str]] = frozenset({"fake"})

    def __call__(self, play: Play) -> Tensor:
        """|d D(G(z)) / d G(z)|^2 / 2."""
        return play.fake_gradient_norm_sq / 2


class GradientPenalty(TermSettings):
    """The discriminator's gradient norm is held at `target` on lines between real and fake.

    Target 1: Gulrajani et al. 2017, arXiv:1704.00028, equation 3. Target 0, zero-centred: Thanh-Tung et al. 2019,
    arXiv:1902.03984.
    """

    kind: Literal["gradient-penalty"] = "gradient-penalty"
    weight: Schedule = 10.0
    """Lambda."""
    target: NonNegativeFloat = 1.0
    """The norm the gradient is drawn to: 1 for WGAN-GP, 0 for the zero-centred penalty."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "discriminator"
    uses_input_gradients: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """(|d D(u) / d u| - target)^2 at u uniform on the line from G(z) to x."""
        from torch.utils._pytree import tree_map

        from zerosum.game import seeded_rng
        from zerosum.game.play import is_differentiable

        place = seeded_rng.uniform(play.batch["seed"], 1, seeded_rng.RandomStream.INTERPOLATION)

        def interpolate(real: Tensor, fake: Tensor) -> Tensor:
            if not is_differentiable(real):
                return real  # a class, which both share
            return fake.lerp(real, place.to(real.dtype).view(-1, *[1] * (real.dim() - 1)))

        return _gradient_norm_penalty(
            self.target, play.input_gradient_norm_sq(tree_map(interpolate, play.real, play.fake))
        )


class Dragan(TermSettings):
    """The discriminator's gradient norm is held at `target` around the data.

    Kodali et al. 2017, "On Convergence and Stability of GANs", arXiv:1705.07215, section 2.4. As in its published code,
    the noise is uniform in [0, 1) times `reach` and the batch's standard deviation, not normal.
    """

    kind: Literal["dragan"] = "dragan"
    weight: Schedule = 10.0
    """Lambda."""
    target: NonNegativeFloat = 1.0
    """The norm the gradient is drawn to."""
    noise_scale: NonNegativeFloat = 0.5
    """How far around the data, in standard deviations of the batch."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "discriminator"
    uses_input_gradients: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """(|d D(u) / d u| - target)^2 at u = x + reach * std(x) * U."""
        from math import prod

        from torch.utils._pytree import tree_map

        from zerosum.game import seeded_rng
        from zerosum.game.play import is_differentiable

        def perturb(real: Tensor) -> Tensor:
            if not is_differentiable(real):
                return real
            away = seeded_rng.uniform(play.batch["seed"], prod(real.shape[1:]), seeded_rng.RandomStream.PERTURBATION)
            return real + self.noise_scale * real.std(unbiased=False) * away.to(real.dtype).view_as(real)

        return _gradient_norm_penalty(self.target, play.input_gradient_norm_sq(tree_map(perturb, play.real)))


def _gradient_norm_penalty(target: float, gradient_norm_sq: Tensor) -> Tensor:
    """(norm - target)^2, from squared norms."""
    # the small number keeps the square root's own slope finite where the gradient is exactly 0
    return ((gradient_norm_sq + 1e-12).sqrt() - target).square()
