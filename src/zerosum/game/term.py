"""What a player minimises besides the objective. A term is its own settings and one function of a play, per sample.

Every term has a weight that may be scheduled and an interval: `every = 1` joins the player's main move; `every = k`
is a move of its own every k rounds, scaled up by k (lazy regularisation, Karras et al. 2019, arXiv:1912.04958, app. B).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Protocol

from pydantic import Field, NonNegativeFloat

from zerosum.game.schedule import Schedule
from zerosum.setting import Setting

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play

Interval = Annotated[int, Field(ge=1)]


class Term(Protocol):
    """Something a player minimises beside its objective."""

    player: ClassVar[str]
    """Whose term it is."""
    slopes: ClassVar[frozenset[str]]
    """At which of {"real", "fake"} it needs the discriminator's slope."""

    @property
    def weight(self) -> Schedule:
        """What the term is multiplied by."""

    @property
    def every(self) -> int:
        """Rounds between two times it is played."""

    def __call__(self, play: Play) -> Tensor:
        """The term before weighing, per sample."""


class R1(Setting):
    """Half the squared norm of the discriminator's gradient at the data.

    Mescheder et al. 2018, arXiv:1801.04406, equation 9: weight is the paper's gamma.
    """

    kind: Literal["r1"] = "r1"
    weight: Schedule = 1.0
    """Gamma; 0.0002 x resolution^2 / batch reproduces StyleGAN2's choices."""
    every: Interval = 1
    """Rounds between two times it is played; 16 costs a tenth as much."""
    player: ClassVar[str] = "discriminator"
    slopes: ClassVar[frozenset[str]] = frozenset({"real"})

    def __call__(self, play: Play) -> Tensor:
        """|d D(x) / d x|^2 / 2."""
        return play.real_slope / 2


class R2(Setting):
    """Half the squared norm of the discriminator's gradient at the fakes.

    Mescheder et al. 2018, arXiv:1801.04406, equation 10.
    """

    kind: Literal["r2"] = "r2"
    weight: Schedule = 1.0
    """Gamma, usually the same as R1's."""
    every: Interval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "discriminator"
    slopes: ClassVar[frozenset[str]] = frozenset({"fake"})

    def __call__(self, play: Play) -> Tensor:
        """|d D(G(z)) / d G(z)|^2 / 2."""
        return play.fake_slope / 2


class GradientPenalty(Setting):
    """The discriminator's gradient norm is held at `target` on lines between real and fake.

    Target 1: Gulrajani et al. 2017, arXiv:1704.00028, equation 3. Target 0, zero-centred: Thanh-Tung et al. 2019,
    arXiv:1902.03984.
    """

    kind: Literal["gradient-penalty"] = "gradient-penalty"
    weight: Schedule = 10.0
    """Lambda."""
    target: NonNegativeFloat = 1.0
    """The norm the gradient is drawn to: 1 for WGAN-GP, 0 for the zero-centred penalty."""
    every: Interval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "discriminator"
    slopes: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, play: Play) -> Tensor:
        """(|d D(u) / d u| - target)^2 at u uniform on the line from G(z) to x."""
        from torch.utils._pytree import tree_map

        from zerosum.game import noise

        place = noise.uniform(play.batch["seed"], 1, noise.Purpose.BETWEEN)

        def between(real: Tensor, fake: Tensor) -> Tensor:
            return fake.lerp(real, place.to(real.dtype).view(-1, *[1] * (real.dim() - 1)))

        # the small number keeps the square root's own slope finite where the gradient is exactly 0
        norm = (play.slope_at(tree_map(between, play.real, play.fake)) + 1e-12).sqrt()
        return (norm - self.target).square()


AnyTerm = Annotated[R1 | R2 | GradientPenalty, Field(discriminator="kind")]
