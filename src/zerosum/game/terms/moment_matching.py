"""Matching of moments, a term against small differences of frequencies, means and correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class MomentMatching(TermSettings):
    """Squared distance of the first and second moments of fake samples from those of real ones.

    It is the maximum mean discrepancy with the kernel x.y + (x.y)^2, by the estimate without bias (Gretton, Borgwardt,
    Rasch, Schölkopf, Smola 2012, "A Kernel Two-Sample Test"; Li, Swersky, Zemel 2015, arXiv:1502.02761, train
    generators by a discrepancy alone). A discriminator sees one sample at a time, and tells small differences of
    frequencies badly; over a batch, they add up. Samples are scaled so that real ones have a mean squared norm of 1. A
    sample and the real one of its place may have one condition, so they are not compared.
    """

    kind: Literal["moment-matching"] = "moment-matching"
    player: ClassVar[str] = "generator"
    weight: Schedule = 1.0
    """Weight of the term."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""

    def __call__(self, play: Play) -> Tensor:
        """Return the estimate, which may be negative: a scalar."""
        from zerosum.game.sample_tree import flatten_samples
        from zerosum.game.types import at_least_float32

        real = at_least_float32(flatten_samples(play.real_samples)).detach()
        fake = at_least_float32(flatten_samples(play.fake_samples))
        scale = real.square().sum(1).mean().clamp_min(1e-12).rsqrt()
        real, fake = real * scale, fake * scale
        return _mean_kernel(real, real) + _mean_kernel(fake, fake) - 2 * _mean_kernel(fake, real)


def _mean_kernel(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean of the kernel over all pairs of samples (N, D) of different places; 0 for one sample."""
    products = first @ second.T
    kernel = products + products.square()
    count = len(first)
    return (kernel.sum() - kernel.diagonal().sum()) / max(1, count * (count - 1))
