"""Edit directions in latent or style space: from the weights (SeFa), from samples (GANSpace) or learned (InterFaceGAN).

A direction is a unit vector. Its sign is fixed by a rule: the component with the largest absolute value is positive.
The exception is the direction of a class, which points towards the class.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.errors import BadInput
from zerosum.inference.latent_space import ALL_LAYERS, EditSpace, FeatureFn

MAX_EXACT_FEATURES = 1024
"""Features up to which principal components come from the full covariance; beyond, from a randomized SVD."""
MAX_ELEMENTS = 1 << 26
"""Elements of all rows together: 256 MB of float32."""
TRAIN_FRACTION = 0.7
"""Fraction of the samples that a boundary is fitted to; its accuracy is measured on the others."""
MIN_SAMPLES_PER_SIDE = 16
"""Minimum number of samples on each side of a boundary, both in the fitted and in the test part."""


@dataclass(frozen=True)
class Directions:
    """Edit directions, the strongest first."""

    vectors: Tensor
    """(D, W) float32 unit vectors."""
    strengths: Tensor
    """(D,) in [0, 1]: fraction of the sum of eigenvalues (SeFa) or of the variance (GANSpace), or balanced accuracy of
    the boundary on test samples (InterFaceGAN)."""


def sefa(space: EditSpace, count: int = 10) -> Directions:
    """Return the eigenvectors of A^T A with the largest eigenvalues, A being the weights of the first layer.

    SeFa (Shen and Zhou 2020, "Closed-Form Factorization of Latent Semantics in GANs", arXiv:2007.06600, equation 6).

    Args:
        space: the generator's edit space.
        count: number of directions D.

    Raises:
        BadInput: if `count` is not between 1 and the dimension of the space.
    """
    weights = space.first_layer_weights().double()
    _check_count(count, num_sefa_directions(space))
    values, vectors = torch.linalg.eigh(weights.T @ weights)  # in ascending order
    return Directions(_normalize_sign(vectors.T.flip(0)[:count]), (values.flip(0)[:count] / values.sum()).float())


def num_sefa_directions(space: EditSpace) -> int:
    """Return how many directions SeFa finds: one for each dimension of the space."""
    return space.first_layer_weights().shape[1]


def ganspace(space: EditSpace, latents: Tensor, label: Tensor | None = None, count: int = 10) -> Directions:
    """Return the directions of largest variance of the style vectors, or of the first layer's activations.

    GANSpace (Härkönen et al. 2020, "GANSpace: Discovering Interpretable GAN Controls", arXiv:2004.02546, section 2).
    In a style space the directions are the principal components of the style vectors. In a latent space, whose variance
    is the same in all directions, the principal components are those of the first layer's activations, and the
    directions are the least squares fit of latents to components (equation 2). If that layer is linear, as in R3GAN,
    the directions equal SeFa's.

    Args:
        space: the generator's edit space.
        latents: (N, L), some 10,000 of them.
        label: class of the samples, for class-conditional networks.
        count: number of directions D.

    Raises:
        BadInput: if `count` is not between 1 and the dimension of the space, or there are fewer than 2 `count` latents.
    """
    _check_count(count, num_ganspace_directions(space, latents, label))
    if len(latents) < 2 * count:
        raise BadInput(f"{count} directions from {len(latents)} samples: give at least {2 * count} samples")
    latents = latents[: MAX_ELEMENTS // space.activations(latents[:1], label).shape[1]]
    vectors, rows = space.to_vectors(latents, label).double(), space.activations(latents, label)
    mean = rows.mean(0)
    components, explained_variance = principal_components(rows.sub_(mean), count)
    coordinates = (
        rows.double() @ components.T if rows.shape[1] <= MAX_EXACT_FEATURES else (rows @ components.T.float()).double()
    )
    fitted = torch.linalg.lstsq(coordinates, vectors - vectors.mean(0)).solution  # (count, W)
    return Directions(_normalize_sign(fitted), explained_variance.float())


def num_ganspace_directions(space: EditSpace, latents: Tensor, label: Tensor | None = None) -> int:
    """Return how many directions GANSpace finds: one for each dimension of the space or each activation, if fewer."""
    num_activations, num_dimensions = (fn(latents[:1], label).shape[1] for fn in (space.activations, space.to_vectors))
    return min(num_activations, num_dimensions)


def principal_components(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the principal components (count, F) of centered rows (N, F) and their variance fractions (count,)."""
    if rows.shape[1] <= MAX_EXACT_FEATURES:
        exact = rows.double()
        values, vectors = torch.linalg.eigh(exact.T @ exact)
        return vectors.T.flip(0)[:count], values.flip(0)[:count] / values.sum()
    with torch.random.fork_rng(devices=[]):  # the randomized SVD is seeded, so equal rows give equal components
        torch.manual_seed(0)
        _, sizes, right = torch.svd_lowrank(rows, min(count + 16, *rows.shape), niter=4)
    return right.T[:count].double(), sizes[:count].double().square() / rows.square().sum(dtype=torch.float64)


def score_samples(
    space: EditSpace, latents: Tensor, feature_fn: FeatureFn, label: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Generate samples, and return their vectors (N, W) and the features of their images (N, K).

    Args:
        space: the generator's edit space.
        latents: (N, L).
        feature_fn: from images (n, C, H, W) in [-1, 1] on the CPU, n <= 64, to features (n, K), such as probabilities.
        label: class of the samples, for class-conditional networks.
    """
    codes = space.to_codes(latents, label)
    return codes[:, 0], space.generate_features(codes, feature_fn, label)


def interfacegan(
    vectors: Tensor, probabilities: Tensor, class_index: int, class_name: str = "", ridge: float = 1e-4
) -> Directions:
    """Return the direction towards a class: the normal of the linear boundary between this class and the others.

    InterFaceGAN (Shen et al. 2019, "Interpreting the Latent Space of GANs for Semantic Face Editing",
    arXiv:1907.10786, section 3.1), here by logistic regression. Both sides have the same weight in the fit and in the
    accuracy, however many samples they have.

    Args:
        vectors: (N, W), independent samples.
        probabilities: (N, K) of the classes.
        class_index: index of the class; a sample belongs to the class with the largest probability.
        class_name: name of the class, for the error message.
        ridge: weight of the squared norm of the slope, for vectors scaled to unit standard deviation.

    Returns:
        One direction, with its balanced accuracy on the samples that were not fitted.

    Raises:
        BadInput: if too few samples belong to the class, or too few do not.
    """
    is_class = probabilities.argmax(1) == class_index
    rows = vectors.double() - vectors.double().mean(0)
    rows = rows / rows.square().mean().sqrt()
    num_train = round(TRAIN_FRACTION * len(rows))
    for part in (is_class[:num_train], is_class[num_train:]):
        smaller_side = min(int(part.sum()), int((~part).sum()))
        if smaller_side < MIN_SAMPLES_PER_SIDE:
            raise BadInput(
                f"class {class_name or class_index}: {int(is_class.sum())} of {len(is_class)} samples belong to it, "
                f"too few or too many to learn its direction; use more samples or another class"
            )
    slope, offset = _fit_logistic_regression(rows[:num_train], is_class[:num_train], ridge)
    is_test_class = is_class[num_train:]
    is_correct = ((rows[num_train:] @ slope + offset) > 0) == is_test_class
    accuracy = (is_correct[is_test_class].double().mean() + is_correct[~is_test_class].double().mean()) / 2
    return Directions((slope / slope.norm()).float()[None], accuracy.float()[None])


def _fit_logistic_regression(rows: Tensor, is_class: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Return slope (W,) and offset of the logistic regression of `is_class` (N,) on rows (N, W), all float64."""
    target = is_class.double()
    weight = torch.where(is_class, 0.5 / target.sum(), 0.5 / (1 - target).sum())
    parameters = torch.zeros(rows.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [parameters], max_iter=500, tolerance_grad=1e-9, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = rows @ parameters[:-1] + parameters[-1]
        value = functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum")
        value = value + ridge / 2 * parameters[:-1].square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    solution = parameters.detach()
    return solution[:-1], solution[-1]


def std_along(vectors: Tensor, direction: Tensor) -> float:
    """Return the standard deviation of vectors (N, W) along a unit vector (W,): the unit of edit strengths."""
    return float((vectors.double() @ direction.double()).std(unbiased=False))


def traverse(
    codes: Tensor, direction: Tensor, sigma: float, max_sigma: float = 3.0, steps: int = 7, layers: slice = ALL_LAYERS
) -> Tensor:
    """Move codes along a direction, in even steps from `-max_sigma` to `max_sigma`.

    Args:
        codes: (N, layers, W).
        direction: (W,), a unit vector.
        sigma: standard deviation along the direction, from `std_along`.
        max_sigma: largest distance to either side in standard deviations; 2 to 4 is usual.
        steps: codes on the way, both ends included; an odd number has the original code in the middle.
        layers: the layers that move, from `parse_layers`.

    Returns:
        (N, steps, layers, W)

    Raises:
        BadInput: if `steps` is below 2.
    """
    if steps < 2:
        raise BadInput(f"`steps` {steps}: give at least 2, the two ends of the traversal")
    moved = codes[:, None].repeat(1, steps, 1, 1)
    offsets = torch.linspace(-max_sigma, max_sigma, steps) * sigma
    moved[:, :, layers] += offsets[:, None, None] * direction
    return moved


def _check_count(count: int, width: int) -> None:
    if not 1 <= count <= width:
        raise BadInput(f"`count` {count}: this generator's space has {width} directions; give 1 to {width}")


def _normalize_sign(vectors: Tensor) -> Tensor:
    """Normalize vectors (D, W) to float32 unit vectors whose component with the largest absolute value is positive."""
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return functional.normalize(vectors * largest.sign(), dim=1).float()
