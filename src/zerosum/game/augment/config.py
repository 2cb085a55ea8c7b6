"""Settings of discriminator augmentation, which keeps the discriminator from memorizing small datasets.

Real and fake images are transformed alike before the discriminator, and the generator is trained through the
transforms. While a sufficient fraction of images is not transformed, augmentations do not leak into the generated
images: the untransformed distribution remains the most frequent one, so the generator learns it (Karras et al. 2020,
arXiv:2006.06676, section 2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from zerosum.errors import BadInput
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.game.schedule import Progress, Schedule, schedule_endpoints, value_at
from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

UnitInterval = Annotated[float, Field(ge=0, le=1)]


def _check_probability(schedule: Schedule) -> Schedule:
    if max(schedule_endpoints(schedule)) > 1:
        raise ValueError("a probability must be between 0 and 1")
    return schedule


Probability = Annotated[Schedule, AfterValidator(_check_probability)]
"""A probability, constant or scheduled."""

Transform = Literal["blit", "geometry", "color", "cutout"]
Transforms = Annotated[tuple[Transform, ...], Field(min_length=1)]
Policy = Annotated[tuple[Literal["color", "translation", "cutout"], ...], Field(min_length=1)]


def _check_image_spec(spec: SampleSpec) -> None:
    """Raise `BadInput` if such samples cannot be augmented."""
    if not isinstance(spec, TensorSpec):
        raise BadInput(
            "`augment.kind`: augmentation needs samples that are one tensor, but these consist of "
            f'{" and ".join(spec)}; set it to "none"'
        )
    shape = spec.shape
    if len(shape) != 3:
        raise BadInput(
            "`augment.kind`: augmentation needs images or other samples of shape (channels, height, width), but the "
            f'samples have the shape {shape}; set it to "none"'
        )


class AdaptiveProbability(NamedTuple):
    """How an augmentation probability is learned during training."""

    initial_p: float
    """Initial probability."""
    target: float
    """Target of the overfitting heuristic r_t = E sign D(x) over real samples."""
    every_rounds: int
    """Interval between two updates, in rounds."""
    step_size: float
    """Size of an update."""
    max_p: float
    """Maximum probability."""


class _BaseAugment(Settings):
    """Augmentation with a probability that is not learned."""

    def adaptive_probability(self, batch_size: int) -> AdaptiveProbability | None:
        """Return how the probability is learned with batches of `batch_size` examples; None if it is not learned."""
        return None


class NoAugment(_BaseAugment):
    """No augmentation."""

    kind: Literal["none"] = "none"

    def check(self, spec: SampleSpec) -> None:
        """Accept any samples."""

    def probability(self, progress: Progress, learned_probability: float | Tensor) -> float | Tensor:
        """Return 0."""
        return 0.0

    def apply(self, sample: Tensor, seed: Tensor, p: Tensor | float) -> Tensor:
        """Return the sample unchanged."""
        return sample


class DiffAugment(_BaseAugment):
    """DiffAugment, a few strong transforms: Zhao et al. 2020, arXiv:2006.10738.

    Color: brightness U(-0.5, 0.5) added, saturation times U(0, 2), contrast times U(0.5, 1.5) about the image mean.
    Translation: by whole pixels, up to an eighth of the side in each direction. Cutout: a part of half of each side.
    Translation and cutout fill with 0, medium gray. More than 4 channels are bands, which have no saturation and whose
    brightness and contrast change alike; of 2 or 4 channels the last is alpha and keeps its values. The paper always
    transforms (p = 1).
    """

    kind: Literal["diffaugment"] = "diffaugment"
    policy: Policy = ("color", "translation", "cutout")
    """Transforms to apply."""
    p: Probability = 1.0
    """Probability of each transform, per sample."""

    def check(self, spec: SampleSpec) -> None:
        """Raise `BadInput` if such samples cannot be augmented."""
        _check_image_spec(spec)

    def probability(self, progress: Progress, learned_probability: float | Tensor) -> float | Tensor:
        """Return the scheduled probability."""
        return value_at(self.p, progress)

    def apply(self, sample: Tensor, seed: Tensor, p: Tensor | float) -> Tensor:
        """Augment images; see `ADA.apply` for arguments and result."""
        from zerosum.game.augment import transforms

        return transforms.apply_diffaugment(sample, seed, p, self.policy)


class _ADATransforms(_BaseAugment):
    """ADA's transforms: Karras et al. 2020, arXiv:2006.06676, appendix B.

    - blit: horizontal flip, rotation by a multiple of 90 degrees (of 180, where images are not square), translation by
      whole pixels up to an eighth of the side.
    - geometry: isotropic scaling by 2^N(0, 0.2^2), rotation by any angle, anisotropic scaling by 2^N(0, 0.2^2) along
      one axis and its inverse along the other, a second rotation, translation by N(0, 0.125^2) sides.
    - color: brightness N(0, 0.2^2) added, contrast times 2^N(0, 0.5^2), luma flip, hue rotation by any angle,
      saturation times 2^N(0, 1). Gray images have no hue or saturation, nor have more than 4 channels, which are bands
      and change alike. Of 2 or 4 channels the last, which may be alpha, is left unchanged.
    - cutout: a part of half of each side becomes medium gray.

    Each transform is applied with probability p, independently per sample. Images are padded by reflection.

    Three things differ from the paper. It resamples images at twice their size between 12-tap wavelet filters; this
    implementation interpolates bilinearly, at a small fraction of the cost. Translations by whole pixels are exact;
    other transforms soften the finest detail (a stripe of two pixels keeps a third of its power on average), in real
    and fake images alike. Downscaled images are not low-pass filtered first, because few are scaled down by much: 1 in
    30 to less than 0.7 of its size if both scalings are applied. And the reflection repeats the edge pixel.
    """

    transforms: Transforms = ("blit", "geometry", "color")
    """Groups of transforms; in the paper the first three are best ("bgc"), and cutout adds nothing to them."""
    color_fraction: UnitInterval = 1.0
    """Factor on p for color transforms: 1 in the ADA paper, 0.5 in R3GAN."""

    def check(self, spec: SampleSpec) -> None:
        """Raise `BadInput` if such samples cannot be augmented."""
        _check_image_spec(spec)

    def apply(self, sample: Tensor, seed: Tensor, p: Tensor | float) -> Tensor:
        """Augment images.

        The result is differentiable by the sample any number of times. With p = 0 it equals the sample, bit for bit if
        the images are square and their side is a power of two.

        Args:
            sample: (N, C, H, W) float in [-1, 1].
            seed: (N,) int64; the transform of a sample depends on its own seed only.
            p: probability in [0, 1], a number or a 0-dimensional tensor, which is not synchronized with the CPU.

        Returns:
            (N, C, H, W), at least float32; color transforms may leave [-1, 1].
        """
        from zerosum.game.augment import transforms

        return transforms.apply_ada(sample, seed, p, self.transforms, self.color_fraction)


class ScheduledADA(_ADATransforms):
    """ADA's transforms with a scheduled probability.

    R3GAN (Huang et al. 2024, arXiv:2501.05441) uses it: p rises from 0 along a half cosine, to 0.3 for CIFAR-10 and
    FFHQ and up to 0.55 for StackedMNIST, with cutout, and with half of p for color transforms.
    """

    kind: Literal["scheduled-ada"] = "scheduled-ada"
    p: Probability = 0.3
    """Probability of each transform."""

    def probability(self, progress: Progress, learned_probability: float | Tensor) -> float | Tensor:
        """Return the scheduled probability."""
        return value_at(self.p, progress)


class ADA(_ADATransforms):
    """Adaptive discriminator augmentation: ADA's transforms with a probability that follows overfitting.

    The game stores the probability. Every few rounds it is raised by a fixed step if the overfitting heuristic r_t
    (section 3, equation 1) exceeds `target`, and lowered otherwise.
    """

    kind: Literal["ada"] = "ada"
    target: Annotated[float, Field(gt=-1, lt=1)] = 0.6
    """Target of r_t = E sign D(x) over real samples: 1 means complete overfitting, 0 none."""
    ramp_examples: PositiveInt = 500_000
    """Number of examples in which p can rise from 0 to 1."""
    every_rounds: PositiveInt = 4
    """Interval between two updates of p, in rounds."""
    initial_p: UnitInterval = 0.0
    """Initial p."""
    max_p: UnitInterval = 0.8
    """Maximum p. The paper has no maximum, and finds that augmentations hardly leak below 0.8."""

    @model_validator(mode="after")
    def _check_initial_p(self) -> ADA:
        if self.initial_p > self.max_p:
            raise ValueError(f"`initial_p` {self.initial_p} must not exceed `max_p` {self.max_p}")
        return self

    def probability(self, progress: Progress, learned_probability: float | Tensor) -> float | Tensor:
        """Return the learned probability, at most `max_p`."""
        # works for numbers and for tensors on any device
        excess = (learned_probability - self.max_p) * (learned_probability > self.max_p)
        return learned_probability - excess

    def adaptive_probability(self, batch_size: int) -> AdaptiveProbability | None:
        """Return how the probability is learned with batches of `batch_size` examples."""
        step = min(1.0, batch_size * self.every_rounds / self.ramp_examples)
        return AdaptiveProbability(self.initial_p, self.target, self.every_rounds, step, self.max_p)


AUGMENTS: Mapping[str, Callable[[], NoAugment | DiffAugment | ADA | ScheduledADA]] = {
    "none": NoAugment,
    "diffaugment": DiffAugment,
    "ada": ADA,
    "scheduled-ada": ScheduledADA,
}
"""Augmentations with their default settings, by kind."""
AugmentConfig = Annotated[NoAugment | DiffAugment | ADA | ScheduledADA, Field(discriminator="kind")]
"""Augmentation of the discriminator's input."""
