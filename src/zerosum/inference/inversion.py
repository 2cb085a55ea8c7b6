"""Encoding: the place at which a generator makes a given picture, or comes nearest to it.

Found by descent from a good beginning, in noise that dies away, as in StyleGAN2's projection (Karras et al. 2019,
arXiv:1912.04958, appendix D). What differs: noise and steps are in units of the space's own spread, so that the same
numbers serve any space; pictures are compared as pixels at three sizes and, where a network is given, by what it sees;
the generator's own noise stays as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.errors import BadInput
from zerosum.inference.latent_space import EditSpace, FeatureFn

PIXEL_SCALES = (1, 2, 4)
"""Pixels are compared at the whole, half and quarter size: a shifted edge is then near, not wrong."""


@dataclass(frozen=True)
class InversionOptions:
    """How the place is looked for; the defaults are the paper's, but for fewer steps."""

    steps: int = 500
    """Pictures made and compared; the paper takes 1,000."""
    lr: float = 0.1
    """Adam's learning rate, in standard deviations of a place's numbers."""
    initial_noise_factor: float = 0.05
    """Standard deviation of the first noise, in parts of the usual distance of places from their mean."""
    noise_ramp_length: float = 0.75
    """Share of the steps until which the noise has died away."""
    lr_rampup_length: float = 0.05
    """Share of the steps in which the learning rate rises."""
    lr_rampdown_length: float = 0.25
    """Share of the steps in which it falls to 0."""
    start_candidates: int = 256
    """Places of chance that are looked at for the beginning, beside the mean."""
    per_layer: bool = False
    """Each layer has a style of its own (Abdal et al. 2019, arXiv:1904.03189): nearer to any picture, but farther
    from what the generator knows, so that editing works less well."""
    feature_weight: float = 1.0
    """Weight of the distance between features, beside that between pixels."""

    def lr_at(self, step: int) -> float:
        """The learning rate: a straight rise, and half a cosine's fall."""
        done = (step + 0.5) / self.steps
        left = min(1.0, (1 - done) / self.lr_rampdown_length)
        return self.lr * min(1.0, done / self.lr_rampup_length) * (0.5 - 0.5 * math.cos(math.pi * left))

    def noise_at(self, step: int) -> float:
        """The noise, falling with the square of the steps left."""
        return self.initial_noise_factor * max(0.0, 1 - step / self.steps / self.noise_ramp_length) ** 2


DEFAULT_OPTIONS = InversionOptions()
"""The usual one."""


def no_features(images: Tensor) -> Tensor:
    """No features: pixels alone are compared."""
    return images.new_zeros(len(images), 0)


@dataclass(frozen=True)
class Inversion:
    """Pictures found again in a generator."""

    codes: Tensor
    """(N, layers, W)."""
    images: Tensor
    """(N, C, H, W) in [-1, 1]: what the generator makes there."""
    errors: Tensor
    """(steps + 1, N): at each step, with its noise; the last ones are those of the pictures."""


def invert_images(
    space: EditSpace,
    images: Tensor,
    latents: Tensor,
    *,
    label: Tensor | None = None,
    feature_fn: FeatureFn = no_features,
    options: InversionOptions = DEFAULT_OPTIONS,
    seed: int = 0,
) -> Inversion:
    """Look for the places of pictures. What is found for one does not depend on the others beside it.

    Args:
        space: of the generator.
        images: (N, C, H, W) in [-1, 1].
        latents: (M, L), some 1,000s of them: where places usually are.
        label: the pictures' class, one row, for networks that take it.
        feature_fn: from pictures (N, 3, H, W) about in [-1, 1], on the generator's device, to features (N, F), of which the
            directions are compared; can be differentiated.
        options: how.
        seed: of the noise.

    Returns:
        The same for the same arguments.

    Raises:
        BadInput: the pictures have another shape than the generator's, or there are too few steps or latents.
    """
    _check_arguments(space, images, latents, label, options)
    points = space.to_vectors(latents, label)
    mean, label = points.mean(0), None if label is None else label.to(space.device)
    spread = float((points - mean).square().sum(1).mean().sqrt())
    target = _comparison_features(images.to(space.device), feature_fn, options.feature_weight)
    layers = space.layers if options.per_layer else 1
    start = _nearest_vectors(
        space,
        torch.cat([mean[None], points[: options.start_candidates]]),
        target,
        label,
        feature_fn,
        options.feature_weight,
    )
    found = start[:, None].repeat(1, layers, 1).to(space.device).requires_grad_()

    def error(places: Tensor) -> Tensor:
        made = space.synthesize(places.expand(-1, space.layers, -1), label)
        return _squared_distance(_comparison_features(made, feature_fn, options.feature_weight), target)

    # what is drawn is the same for all pictures, so that none depends on its neighbours
    chance = torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam([found], spread * points.shape[1] ** -0.5)
    unit, errors = adam.param_groups[0]["lr"], []
    for step in range(options.steps):
        noise = torch.randn(found.shape[1:], generator=chance) * (options.noise_at(step) * spread)
        progress = error(found + noise.to(space.device))
        (found.grad,) = torch.autograd.grad(progress.sum(), found)
        adam.param_groups[0]["lr"] = unit * options.lr_at(step)
        adam.step()
        errors.append(progress.detach())
    with torch.no_grad():
        errors.append(error(found))
    places = found.detach().cpu().expand(-1, space.layers, -1).clone()
    return Inversion(places, space.generate(places, label), torch.stack(errors).float().cpu())


def _nearest_vectors(
    space: EditSpace,
    vectors: Tensor,
    target: Tensor,
    label: Tensor | None,
    feature_fn: FeatureFn,
    feature_weight: float,
) -> Tensor:
    """Of points (M, W), those whose pictures come nearest to the targets (N, V): (N, W)."""

    def errors(pictures: Tensor) -> Tensor:
        views = _comparison_features(pictures.to(space.device), feature_fn, feature_weight)
        return torch.stack([_squared_distance(views, row) for row in target], 1)

    far = space.generate_features(vectors[:, None].expand(-1, space.layers, -1), errors, label)  # (M, N)
    return vectors[far.argmin(0)]


def _comparison_features(images: Tensor, feature_fn: FeatureFn, feature_weight: float) -> Tensor:
    """Pictures (N, C, H, W) as rows (N, V) whose squared distances are what the search makes small."""
    sizes = [functional.avg_pool2d(images, size).flatten(1) for size in PIXEL_SCALES]
    pixels = [
        size / (len(PIXEL_SCALES) * size.shape[1]) ** 0.5 for size in sizes
    ]  # a mean over pixels, then over sizes
    colors = images[:, :3] if images.shape[1] >= 3 else images[:, :1].expand(-1, 3, -1, -1)
    return torch.cat([*pixels, feature_weight**0.5 * functional.normalize(feature_fn(colors), dim=1)], 1)


def _squared_distance(features: Tensor, target: Tensor) -> Tensor:
    return (features - target).square().sum(1)


def _check_arguments(
    space: EditSpace, images: Tensor, latents: Tensor, label: Tensor | None, options: InversionOptions
) -> None:
    if options.steps < 1:
        raise BadInput(f"steps {options.steps}: the search takes at least one; 500 is usual")
    if len(latents) < 2:
        raise BadInput(f"{len(latents)} latents do not tell where places are; give 1,000s")
    made = space.generate(space.to_codes(latents[:1], label), label).shape[1:]
    if images.shape[1:] != made:
        raise BadInput(
            f"the picture is {_format_shape(images.shape[1:])}, and this generator makes {_format_shape(made)} (channels x height x "
            f"width); bring it to that shape"
        )


def _format_shape(shape: torch.Size) -> str:
    return " x ".join(map(str, shape))
