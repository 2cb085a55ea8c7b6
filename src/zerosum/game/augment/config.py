"""What the judge is shown of real and fake alike, so that it cannot learn few pictures by heart.

Both are transformed in the same ways before they are judged, and the generator learns through the transforms. While a
good share of pictures is left as it is, the transforms do not leak: what looks most like the data is still what is
shown most often untransformed, so the generator makes pictures that are not transformed (Karras et al. 2020,
arXiv:2006.06676, section 2.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from zerosum.errors import BadInput
from zerosum.game.schedule import Progress, Schedule, schedule_endpoints, value_at
from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

UnitInterval = Annotated[float, Field(ge=0, le=1)]


def _check_probability(schedule: Schedule) -> Schedule:
    if max(schedule_endpoints(schedule)) > 1:
        raise ValueError("a probability lies between 0 and 1")
    return schedule


Probability = Annotated[Schedule, AfterValidator(_check_probability)]
"""A probability, or one that changes over the run."""

Transform = Literal["blit", "geometry", "color", "cutout"]
Transforms = Annotated[tuple[Transform, ...], Field(min_length=1)]
Policy = Annotated[tuple[Literal["color", "translation", "cutout"], ...], Field(min_length=1)]


def _check_image_shape(shape: tuple[int, ...]) -> None:
    """Say in a `BadInput` why samples of this shape cannot be transformed."""
    if len(shape) != 3:
        raise BadInput(
            f'augmentation transforms pictures, and these samples are points {shape}: set its kind to "none".'
        )
    channels, height, width = shape
    if not 1 <= channels <= 4 or height != width:
        raise BadInput(
            "augmentation transforms square pictures of 1 to 4 channels, and these are"
            f' {height} x {width} with {channels}: make them square, or set its kind to "none".'
        )


class AdaptiveProbability(NamedTuple):
    """How a probability is learned while the game is played."""

    initial_p: float
    """Its first value."""
    target: float
    """How sure of the data the judge shall be."""
    every_rounds: int
    """Rounds between two changes."""
    step_size: float
    """The size of a change."""
    max_p: float
    """Its largest value."""


class _BaseAugment(Settings):
    """Transforms whose probability is given, not learned."""

    def adaptive_probability(self, batch_size: int) -> AdaptiveProbability | None:
        """How its probability is learned, in steps of `batch_size` images; None: it is not."""
        return None


class NoAugment(_BaseAugment):
    """The judge is shown the samples themselves."""

    kind: Literal["none"] = "none"

    def check(self, shape: tuple[int, ...]) -> None:
        """Samples of any shape will do."""

    def probability(self, progress: Progress, learned_probability: float | Tensor) -> float | Tensor:
        """0."""
        return 0.0

    def apply(self, sample: Tensor, seed: Tensor, p: Tensor | float) -> Tensor:
        """The sample itself."""
        return sample


class DiffAugment(_BaseAugment):
    """Few strong transforms at a fixed probability: Zhao et al. 2020, arXiv:2006.10738.

    Colour: brightness U(-0.5, 0.5) added, saturation times U(0, 2), contrast times U(0.5, 1.5) about the picture's
    mean. Translation: by whole pixels, up to an eighth of the side each way. Cutout: a square of half the side. What
    translation and cutout leave empty is 0, mid grey. The paper always transforms (p = 1).
    """

    kind: Literal["diffaugment"] = "diffaugment"
    policy: Policy = ("color", "translation", "cutout")
    """Which transforms are made."""
    p: Probability = 1.0
    """The probability of each transform, for each sample."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape cannot be transformed."""
        _check_image_shape(shape)

    def probability(self, progress: Progress, learned_probability: float | Tensor) -> float | Tensor:
        """The probability now."""
        return value_at(self.p, progress)

    def apply(self, sample: Tensor, seed: Tensor, p: Tensor | float) -> Tensor:
        """Pictures as the judge sees them: arguments and result are those of `ADA.apply`."""
        from zerosum.game.augment import transforms

        return transforms.apply_diffaugment(sample, seed, p, self.policy)


class _ADATransforms(_BaseAugment):
    """ADA's transforms: Karras et al. 2020, arXiv:2006.06676, appendix B.

    - blit: mirrored, turned by a multiple of 90 degrees, shifted by whole pixels up to an eighth of the side.
    - geometry: scaled by 2^N(0, 0.2^2), turned by any angle, stretched one way by 2^N(0, 0.2^2) and shrunk as much
      the other, turned again, shifted by N(0, 0.125^2) sides.
    - colour: brightness N(0, 0.2^2) added, contrast times 2^N(0, 0.5^2), luma flipped, hue turned by any angle,
      saturation times 2^N(0, 1). Grey pictures have no hue or saturation, and alpha none of these.
    - cutout: a square of half the side becomes mid grey.

    Each transform is made with probability p, for each sample on its own. Beyond its edges a picture is mirrored.

    Three things differ from the paper. It moves pictures at twice their size, between wavelet filters of 12 taps; here
    they are interpolated between four pixels, at a small part of the cost. A picture moved by whole pixels stays exact,
    in any other the finest detail is softened (a stripe of two pixels keeps a third of its power on average), in real
    and fake alike. One that is shrunk is not smoothed first, as few are shrunk by much: 1 in 30 below 0.7 of its size
    where both scale and stretch act. And the mirror
    repeats the edge pixel.
    """

    transforms: Transforms = ("blit", "geometry", "color")
    """Groups of transforms; the paper finds the first three best ("bgc"), and cutout of no use to them."""
    color_fraction: UnitInterval = 1.0
    """Transforms of colour are made with this share of p: 1 in the paper, 0.5 in R3GAN's."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape cannot be transformed."""
        _check_image_shape(shape)

    def apply(self, sample: Tensor, seed: Tensor, p: Tensor | float) -> Tensor:
        """Pictures as the judge sees them.

        Differentiable in the sample, twice and more often. At p = 0 it returns the sample, bit for bit where S is a
        power of two.

        Args:
            sample: (N, C, S, S) float in [-1, 1], C from 1 to 4.
            seed: (N,) int64: what happens to a sample follows from its own seed alone.
            p: in [0, 1], a number or a tensor of no dimensions; nothing waits for its value.

        Returns:
            (N, C, S, S), at least float32, beyond [-1, 1] where colours are changed.
        """
        from zerosum.game.augment import transforms

        return transforms.apply_ada(sample, seed, p, self.transforms, self.color_fraction)


class ScheduledADA(_ADATransforms):
    """ADA's transforms with a probability that follows a schedule.

    R3GAN (Huang et al. 2024, arXiv:2501.05441) does so: p rises along half a cosine from 0, to 0.3 for CIFAR-10 and
    FFHQ and up to 0.55 for StackedMNIST, with cutout, and with half of p for colours.
    """

    kind: Literal["scheduled-ada"] = "scheduled-ada"
    p: Probability = 0.3
    """The probability of each transform."""

    def probability(self, progress: Progress, learned_probability: float | Tensor) -> float | Tensor:
        """The probability now."""
        return value_at(self.p, progress)


class ADA(_ADATransforms):
    """ADA's transforms with a probability that follows how well the discriminator knows the data.

    It is held in the game. Every few rounds it is moved by a fixed step: up where r_t, by which the paper measures
    overfitting (section 3, equation 1), is above `target`, down where it is below.
    """

    kind: Literal["ada"] = "ada"
    target: Annotated[float, Field(gt=-1, lt=1)] = 0.6
    """Of r_t = E sign D(x) over reals: 1 where the discriminator knows them all, 0 where it cannot tell."""
    ramp_examples: PositiveInt = 500_000
    """Images in which p can go from 0 to 1."""
    every_rounds: PositiveInt = 4
    """Rounds between two changes of p."""
    initial_p: UnitInterval = 0.0
    """The first p."""
    max_p: UnitInterval = 0.8
    """The largest p. The paper has no bound, and finds that transforms hardly leak below 0.8."""

    @model_validator(mode="after")
    def _check_initial_p(self) -> ADA:
        if self.initial_p > self.max_p:
            raise ValueError("start is above most: give a smaller start")
        return self

    def probability(self, progress: Progress, learned_probability: float | Tensor) -> float | Tensor:
        """The probability the game holds, up to `most`."""
        return learned_probability - (learned_probability - self.max_p) * (
            learned_probability > self.max_p
        )  # numbers and tensors alike, on any device

    def adaptive_probability(self, batch_size: int) -> AdaptiveProbability | None:
        """How its probability is learned, in steps of `batch_size` images."""
        step = min(1.0, batch_size * self.every_rounds / self.ramp_examples)
        return AdaptiveProbability(self.initial_p, self.target, self.every_rounds, step, self.max_p)


AugmentConfig = Annotated[NoAugment | DiffAugment | ADA | ScheduledADA, Field(discriminator="kind")]
"""What the judge is shown."""
