"""GAN inversion: find the code at which a generator reproduces an image as closely as possible.

The code is optimized by gradient descent from the best of several start candidates, with decaying noise, as in
StyleGAN2's projection (Karras et al. 2019, arXiv:1912.04958, appendix D). Differences: noise and step sizes are
relative to the standard deviation of the space, so that the same options work for any space; images are compared by
pixels at three scales and, if there is a feature network, by features; the generator's noise is not optimized.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.data.kind import ProgressFn, ignore_progress
from zerosum.errors import BadInput
from zerosum.inference.latent_space import EditSpace, FeatureFn

PIXEL_SCALES = (1, 2, 4)
"""Downsampling factors at which pixels are compared. The coarse scales tolerate slightly shifted edges."""


@dataclass(frozen=True)
class InversionOptions:
    """Options of the optimization. The defaults are the paper's, except for fewer steps."""

    steps: int = 500
    """Optimization steps; the paper takes 1,000."""
    lr: float = 0.1
    """Adam's learning rate, in standard deviations of a component of the codes."""
    initial_noise_factor: float = 0.05
    """Standard deviation of the initial noise, relative to the RMS distance of codes from their mean."""
    noise_ramp_length: float = 0.75
    """Fraction of the steps after which the noise is 0."""
    lr_rampup_length: float = 0.05
    """Fraction of the steps in which the learning rate rises from 0."""
    lr_rampdown_length: float = 0.25
    """Fraction of the steps, at the end, in which the learning rate falls to 0."""
    start_candidates: int = 256
    """Random codes that are tried as the starting point, in addition to the mean."""
    per_layer: bool = False
    """Optimize a separate style for each layer (W+; Abdal et al. 2019, arXiv:1904.03189). It reproduces any image more
    closely, but lies farther from the generator's distribution, so that editing works less well."""
    feature_weight: float = 1.0
    """Weight of the feature distance relative to the pixel distance."""

    def lr_at(self, step: int) -> float:
        """Return the learning rate: linear warm-up, then constant, then cosine decay."""
        fraction = (step + 0.5) / self.steps
        remaining = min(1.0, (1 - fraction) / self.lr_rampdown_length)
        return self.lr * min(1.0, fraction / self.lr_rampup_length) * (0.5 - 0.5 * math.cos(math.pi * remaining))

    def noise_at(self, step: int) -> float:
        """Return the noise factor, which falls quadratically to 0."""
        return self.initial_noise_factor * max(0.0, 1 - step / self.steps / self.noise_ramp_length) ** 2


DEFAULT_OPTIONS = InversionOptions()
"""The default options."""


def no_features(images: Tensor) -> Tensor:
    """Return empty features (N, 0), so that images are compared by pixels only."""
    return images.new_zeros(len(images), 0)


@dataclass(frozen=True)
class Inversion:
    """Images inverted into a generator's space."""

    codes: Tensor
    """(N, layers, W) optimized codes."""
    images: Tensor
    """(N, C, H, W) in [-1, 1]: the generator's images of these codes."""
    errors: Tensor
    """(steps + 1, N): the error at each step, with noise; the last row is the error of `images`."""


def invert_images(
    space: EditSpace,
    images: Tensor,
    latents: Tensor,
    *,
    label: Tensor | None = None,
    feature_fn: FeatureFn = no_features,
    options: InversionOptions = DEFAULT_OPTIONS,
    seed: int = 0,
    progress: ProgressFn = ignore_progress,
) -> Inversion:
    """Find the codes of images by optimization. The result of an image does not depend on the other images.

    Args:
        space: the generator's edit space.
        images: (N, C, H, W) in [-1, 1].
        latents: (M, L), several thousand, for the mean, the standard deviation and the start candidates.
        label: class of the images, one row, for class-conditional networks.
        feature_fn: differentiable function from images (N, 3, H, W) roughly in [-1, 1], on the generator's device, to
            features (N, F), which are normalized and compared.
        options: options of the optimization.
        seed: seed of the noise.
        progress: called after each step with the numbers of steps done and of all steps.

    Returns:
        The codes, their images and the errors; equal for equal arguments.

    Raises:
        BadInput: if the images do not have the generator's shape, or there are too few steps or latents.
    """
    _check_arguments(space, images, latents, label, options)
    vectors = space.to_vectors(latents, label)
    mean, label = vectors.mean(0), None if label is None else label.to(space.device)
    spread = float((vectors - mean).square().sum(1).mean().sqrt())
    target = _comparison_features(images.to(space.device), feature_fn, options.feature_weight)
    layers = space.num_layers if options.per_layer else 1
    start = _nearest_vectors(
        space,
        torch.cat([mean[None], vectors[: options.start_candidates]]),
        target,
        label,
        feature_fn,
        options.feature_weight,
    )
    codes = start[:, None].repeat(1, layers, 1).to(space.device).requires_grad_()

    def error_of(noisy_codes: Tensor) -> Tensor:
        generated = space.synthesize(noisy_codes.expand(-1, space.num_layers, -1), label)
        return _squared_distance(_comparison_features(generated, feature_fn, options.feature_weight), target)

    # all images share the noise, so that the result of one does not depend on the others
    rng = torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam([codes], spread * vectors.shape[1] ** -0.5)
    unit_lr, errors = adam.param_groups[0]["lr"], []
    for step in range(options.steps):
        noise = torch.randn(codes.shape[1:], generator=rng) * (options.noise_at(step) * spread)
        error = error_of(codes + noise.to(space.device))
        (codes.grad,) = torch.autograd.grad(error.sum(), codes)
        adam.param_groups[0]["lr"] = unit_lr * options.lr_at(step)
        adam.step()
        errors.append(error.detach())
        progress(step + 1, options.steps)
    with torch.no_grad():
        errors.append(error_of(codes))
    final_codes = codes.detach().cpu().expand(-1, space.num_layers, -1).clone()
    return Inversion(final_codes, space.generate(final_codes, label), torch.stack(errors).float().cpu())


def _nearest_vectors(
    space: EditSpace,
    vectors: Tensor,
    target: Tensor,
    label: Tensor | None,
    feature_fn: FeatureFn,
    feature_weight: float,
) -> Tensor:
    """Return for each target (N, V) the vector, of (M, W), whose image is nearest to it: (N, W)."""

    def distances_to_targets(images: Tensor) -> Tensor:
        features = _comparison_features(images.to(space.device), feature_fn, feature_weight)
        return torch.stack([_squared_distance(features, row) for row in target], 1)

    codes = vectors[:, None].expand(-1, space.num_layers, -1)
    distances = space.generate_features(codes, distances_to_targets, label)  # (M, N)
    return vectors[distances.argmin(0)]


def _comparison_features(images: Tensor, feature_fn: FeatureFn, feature_weight: float) -> Tensor:
    """Return features (N, V) of images (N, C, H, W) whose squared distances are minimized."""
    scaled = [functional.avg_pool2d(images, scale).flatten(1) for scale in PIXEL_SCALES]
    # squared distances are means over pixels, then over scales
    pixels = [values / (len(PIXEL_SCALES) * values.shape[1]) ** 0.5 for values in scaled]
    colors = images[:, :3] if images.shape[1] >= 3 else images[:, :1].expand(-1, 3, -1, -1)
    return torch.cat([*pixels, feature_weight**0.5 * functional.normalize(feature_fn(colors), dim=1)], 1)


def _squared_distance(features: Tensor, target: Tensor) -> Tensor:
    return (features - target).square().sum(1)


def _check_arguments(
    space: EditSpace, images: Tensor, latents: Tensor, label: Tensor | None, options: InversionOptions
) -> None:
    if options.steps < 1:
        raise BadInput(f"`steps` {options.steps}: give at least 1; 500 is usual")
    if len(latents) < 2:
        raise BadInput(
            f"{len(latents)} latents are too few to estimate mean and standard deviation; give several thousand"
        )
    generated_shape = space.generate(space.to_codes(latents[:1], label), label).shape[1:]
    if images.shape[1:] != generated_shape:
        raise BadInput(
            f"shape mismatch: the image is {_format_shape(images.shape[1:])} and the generator makes "
            f"{_format_shape(generated_shape)} (channels x height x width); convert the image to that shape"
        )


def _format_shape(shape: torch.Size) -> str:
    return " x ".join(map(str, shape))
