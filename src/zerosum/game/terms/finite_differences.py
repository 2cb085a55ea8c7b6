"""Gradient penalties of the discriminator by finite differences: without second derivatives, for any network.

For normal noise e, the mean of ((D(x + s e) - D(x)) / s)^2 tends to |d D(x) / d x|^2 as s tends to 0. It costs one
more forward pass, where the exact penalty needs the derivative of a gradient, which fused attention does not have. Lin
et al. 2025, arXiv:2501.08316; divided by s as in Hyun, Lee and Heo 2025, arXiv:2509.24935.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import DiscriminatorInput, Play

StepSize = Annotated[float, Field(gt=0, le=1)]


class _ApproximatePenalty(TermSettings):
    weight: Schedule = 0.1
    """Weight; as R1 and R2 are halved, it corresponds to half their gamma. A patch discriminator's score is summed over
    its patches, so it needs about a thousandth."""
    step: StepSize = 0.01
    """Standard deviation of the noise that is added, s: small against the values of a sample, which lie in [-1, 1]."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "discriminator"
    uses_input_gradients: ClassVar[bool] = True
    uses_finite_differences: ClassVar[bool] = True


class R1Approximate(_ApproximatePenalty):
    """Squared slope of the score at real samples, in a random direction: about the squared norm of its gradient."""

    kind: Literal["r1-approximate"] = "r1-approximate"
    float32_scores_at: ClassVar[frozenset[str]] = frozenset({"real"})

    def __call__(self, play: Play) -> Tensor:
        """Return ((D(x + s e) - D(x)) / s)^2: (N,)."""
        return _slope_sq(play, play.real, play.real_score, self.step, 0)


class R2Approximate(_ApproximatePenalty):
    """Squared slope of the score at fakes, in a random direction: about the squared norm of its gradient."""

    kind: Literal["r2-approximate"] = "r2-approximate"
    float32_scores_at: ClassVar[frozenset[str]] = frozenset({"fake"})

    def __call__(self, play: Play) -> Tensor:
        """Return ((D(G(z) + s e) - D(G(z))) / s)^2: (N,)."""
        return _slope_sq(play, play.fake, play.fake_score, self.step, 1)


def _slope_sq(play: Play, center: DiscriminatorInput, score: Tensor, step: float, fork: int) -> Tensor:
    """Return the squared slopes (N,) of the score; patch scores (N, 1, h, w) are summed, as `R1` sums them."""
    from zerosum.game import seeded_rng
    from zerosum.game.sample_tree import map_with_seeds

    def perturb(values: Tensor, seed: Tensor) -> Tensor:
        if not values.is_floating_point():
            return values
        noise = seeded_rng.coarse_normal(seed, values[0].numel(), seeded_rng.RandomStream.FINITE_DIFFERENCE)
        return values.detach() + step * noise.view(values.shape).to(values.dtype)

    seed, inputs = seeded_rng.fork_seed(play.batch["seed"], fork), center.inputs
    around = center._replace(
        sample=map_with_seeds(perturb, center.sample, seed),
        inputs=None if inputs is None else map_with_seeds(perturb, inputs, seeded_rng.fork_seed(seed, 0)),
    )
    slope = (play.float32_score(around) - score) / step
    return slope.reshape(len(slope), -1).sum(1).square()
