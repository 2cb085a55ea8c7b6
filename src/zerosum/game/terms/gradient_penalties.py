"""Gradient penalties of the discriminator: at real samples, at fakes, between them, and around real samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class R1(TermSettings):
    """Half the squared norm of the discriminator's input gradient at real samples.

    Mescheder et al. 2018, arXiv:1801.04406, equation 9; `weight` is the paper's gamma.
    """

    kind: Literal["r1"] = "r1"
    weight: Schedule = 1.0
    """Gamma; 0.0002 x resolution^2 / batch size reproduces StyleGAN2's values. The gradient of a patch discriminator is
    summed over its patches, so it needs about a thousandth: 1e-4 at 64 px with paired data, 1e-5 without."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`. 16 costs a tenth as much as 1."""
    player: ClassVar[str] = "discriminator"
    uses_input_gradients: ClassVar[bool] = True
    input_gradients_at: ClassVar[frozenset[str]] = frozenset({"real"})

    def __call__(self, play: Play) -> Tensor:
        """Return |d D(x) / d x|^2 / 2: (N,)."""
        return play.real_gradient_norm_sq / 2


class R2(TermSettings):
    """Half the squared norm of the discriminator's input gradient at fakes.

    Mescheder et al. 2018, arXiv:1801.04406, equation 10.
    """

    kind: Literal["r2"] = "r2"
    weight: Schedule = 1.0
    """Gamma, usually the same as that of R1."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "discriminator"
    uses_input_gradients: ClassVar[bool] = True
    input_gradients_at: ClassVar[frozenset[str]] = frozenset({"fake"})

    def __call__(self, play: Play) -> Tensor:
        """Return |d D(G(z)) / d G(z)|^2 / 2: (N,)."""
        return play.fake_gradient_norm_sq / 2


class GradientPenalty(TermSettings):
    """Squared difference of the input gradient's norm from `target`, on lines between real and fake samples.

    Target 1 (WGAN-GP): Gulrajani et al. 2017, arXiv:1704.00028, equation 3. Target 0 (zero-centered): Thanh-Tung et al.
    2019, arXiv:1902.03984.
    """

    kind: Literal["gradient-penalty"] = "gradient-penalty"
    weight: Schedule = 10.0
    """Lambda."""
    target: NonNegativeFloat = 1.0
    """Target of the gradient norm: 1 for WGAN-GP, 0 for the zero-centered penalty."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "discriminator"
    uses_input_gradients: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """Return (|d D(u) / d u| - target)^2 at u uniform on the line from G(z) to x: (N,)."""
        from zerosum.game import seeded_rng
        from zerosum.game.play import map_differentiable

        interpolation_weight = seeded_rng.uniform(play.batch["seed"], 1, seeded_rng.RandomStream.INTERPOLATION)

        def interpolate(real: Tensor, fake: Tensor) -> Tensor:
            return fake.lerp(real, interpolation_weight.to(real.dtype).view(-1, *[1] * (real.dim() - 1)))

        # labels and conditions are the same for both
        between = map_differentiable(interpolate, play.real, play.fake)
        return _gradient_norm_penalty(self.target, play.input_gradient_norm_sq(between))


class Dragan(TermSettings):
    """Squared difference of the input gradient's norm from `target`, at perturbed real samples.

    Kodali et al. 2017, "On Convergence and Stability of GANs", arXiv:1705.07215, section 2.4. As in its published code,
    the noise is not normal but uniform in [0, 1), times `noise_scale` and the batch's standard deviation.
    """

    kind: Literal["dragan"] = "dragan"
    weight: Schedule = 10.0
    """Lambda."""
    target: NonNegativeFloat = 1.0
    """Target of the gradient norm."""
    noise_scale: NonNegativeFloat = 0.5
    """Maximum perturbation, in standard deviations of the batch."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "discriminator"
    uses_input_gradients: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """Return (|d D(u) / d u| - target)^2 at u = x + noise_scale * std(x) * U: (N,)."""
        from math import prod

        from zerosum.game import seeded_rng
        from zerosum.game.sample_tree import map_with_seeds

        def perturb(real: Tensor, seed: Tensor) -> Tensor:
            if not real.is_floating_point():
                return real
            noise = seeded_rng.uniform(seed, prod(real.shape[1:]), seeded_rng.RandomStream.PERTURBATION)
            return real + self.noise_scale * _batch_std(real) * noise.to(real.dtype).view_as(real)

        sample, inputs, seed = play.real.sample, play.real.inputs, play.batch["seed"]
        around = play.real._replace(
            sample=map_with_seeds(perturb, sample, seed),
            inputs=None if inputs is None else map_with_seeds(perturb, inputs, seed),
        )
        return _gradient_norm_penalty(self.target, play.input_gradient_norm_sq(around))


def _batch_std(real: Tensor) -> Tensor:
    """Return the standard deviation of all values of a batch, over all parts of the batch: a scalar."""
    from zerosum.game.shared_batch import batch_shares

    shares = batch_shares()
    if shares.parts == 1:
        return real.std(unbiased=False)
    return shares.mean((real - shares.mean(real.mean())).square().mean()).sqrt()


def _gradient_norm_penalty(target: float, gradient_norm_sq: Tensor) -> Tensor:
    """Return (norm - target)^2 of squared norms (N,)."""
    # the epsilon keeps the derivative of the square root finite where the gradient is exactly 0
    return ((gradient_norm_sq + 1e-12).sqrt() - target).square()
