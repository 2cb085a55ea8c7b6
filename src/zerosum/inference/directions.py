"""Directions in which a generator's samples change in one respect: read off the weights, off many places, or learned.

Each is a unit vector, and the sign is fixed by a rule: the number farthest from 0 is positive. Only a direction learned
for a class points by itself, to more of the class.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.errors import BadInput
from zerosum.inference.latent_space import ALL_LAYERS, EditSpace, FeatureFn

MAX_EXACT_FEATURES = 1024
"""Numbers in a row, up to which components come from the whole covariance; beyond, the leading ones are searched."""
MAX_ELEMENTS = 1 << 26
"""Numbers in all rows together: 256 MB."""
TRAIN_FRACTION = 0.7
"""Share of the samples that a boundary is learned from; the others tell how well it parts them."""
MIN_SAMPLES_PER_SIDE = 16
"""Samples on either side of a boundary, of those it is learned from and of the others."""


@dataclass(frozen=True)
class Directions:
    """Unit vectors, the strongest first."""

    vectors: Tensor
    """(D, W) float32."""
    strengths: Tensor
    """(D,) in [0, 1]: of the sum of eigenvalues, or of the variance; a boundary's: of samples it puts on their side."""


def sefa(space: EditSpace, count: int = 10) -> Directions:
    """The directions that the first weights A stretch most: eigenvectors of A^T A.

    SeFa (Shen and Zhou 2020, "Closed-Form Factorization of Latent Semantics in GANs", arXiv:2007.06600, equation 6).

    Raises:
        BadInput: the space has fewer directions.
    """
    weights = space.first_layer_weights().double()
    _check_count(count, weights.shape[1])
    values, vectors = torch.linalg.eigh(weights.T @ weights)  # rising
    return Directions(_normalize_sign(vectors.T.flip(0)[:count]), (values.flip(0)[:count] / values.sum()).float())


def ganspace(space: EditSpace, latents: Tensor, label: Tensor | None = None, count: int = 10) -> Directions:
    """The directions in which places, or what the first layer makes of them, vary most.

    GANSpace (Härkönen et al. 2020, "GANSpace: Discovering Interpretable GAN Controls", arXiv:2004.02546, section 2).
    In a style space the principal components of places are the directions themselves. In a latent space, where all
    directions vary alike, they are those of the first layer's activations, and a direction is what of the latent
    goes with a component: the least squares fit of latents to components (its equation 2). Where that layer is
    linear, as in R3GAN, they are SeFa's.

    Args:
        space: of the generator.
        latents: (N, L), some 10,000 of them.
        label: of the samples, for networks that take one.
        count: how many directions.

    Raises:
        BadInput: the space has fewer directions, or there are too few latents.
    """
    wide = space.activations(latents[:1], label).shape[1]
    _check_count(count, min(wide, space.to_vectors(latents[:1], label).shape[1]))
    if len(latents) < 2 * count:
        raise BadInput(f"{count} directions among {len(latents)} samples: give at least {2 * count} samples")
    latents = latents[: MAX_ELEMENTS // wide]
    points, rows = space.to_vectors(latents, label).double(), space.activations(latents, label)
    mean = rows.mean(0)
    components, shares = principal_components(rows.sub_(mean), count)
    along = (
        rows.double() @ components.T if rows.shape[1] <= MAX_EXACT_FEATURES else (rows @ components.T.float()).double()
    )
    fitted = torch.linalg.lstsq(along, points - points.mean(0)).solution  # (count, W)
    return Directions(_normalize_sign(fitted), shares.float())


def principal_components(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The principal components of centred rows (N, F): unit vectors (count, F) and their shares of the variance."""
    if rows.shape[1] <= MAX_EXACT_FEATURES:
        exact = rows.double()
        values, vectors = torch.linalg.eigh(exact.T @ exact)
        return vectors.T.flip(0)[:count], values.flip(0)[:count] / values.sum()
    with torch.random.fork_rng(devices=[]):  # the search begins at random: at the same place each time
        torch.manual_seed(0)
        _, sizes, right = torch.svd_lowrank(rows, min(count + 16, *rows.shape), niter=4)
    return right.T[:count].double(), sizes[:count].double().square() / rows.square().sum(dtype=torch.float64)


def score_samples(
    space: EditSpace, latents: Tensor, feature_fn: FeatureFn, label: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Points (N, W) of latents (N, L), and what `feature_fn` says of their pictures (N, K): what boundaries are learned from.

    `feature_fn` is shown pictures (N, C, H, W) in [-1, 1] on the CPU, at most 64 at a time.
    """
    places = space.to_codes(latents, label)
    return places[:, 0], space.generate_features(places, feature_fn, label)


def interfacegan(
    vectors: Tensor, probabilities: Tensor, class_index: int, class_name: str = "", ridge: float = 1e-4
) -> Directions:
    """The direction towards a class: the normal of the flat boundary that parts it from the rest, one vector.

    InterFaceGAN (Shen et al. 2019, "Interpreting the Latent Space of GANs for Semantic Face Editing",
    arXiv:1907.10786, section 3.1), here by logistic regression. Both sides count the same, however many samples they
    have, in the fit and in the share.

    Args:
        vectors: (N, W), drawn independently of each other.
        probabilities: (N, K) of the classes.
        class_index: which class; a sample is of it if no class is likelier.
        class_name: how the class is called, for the error.
        ridge: weight of the squared length of the boundary's slope, in units of the points' spread.

    Raises:
        BadInput: too few of the samples are of the class, or too few are not.
    """
    inside = probabilities.argmax(1) == class_index
    rows = vectors.double() - vectors.double().mean(0)
    rows = rows / rows.square().mean().sqrt()
    first = round(TRAIN_FRACTION * len(rows))
    for part in (inside[:first], inside[first:]):
        fewest = min(int(part.sum()), int((~part).sum()))
        if fewest < MIN_SAMPLES_PER_SIDE:
            raise BadInput(
                f"class {class_name or class_index}: {int(inside.sum())} of {len(inside)} samples are of it, too few or too many "
                f"to learn its direction; take more samples, or another class"
            )
    slope, offset = _fit_logistic_regression(rows[:first], inside[:first], ridge)
    right = ((rows[first:] @ slope + offset) > 0) == inside[first:]
    share = (right[inside[first:]].double().mean() + right[~inside[first:]].double().mean()) / 2
    return Directions((slope / slope.norm()).float()[None], share.float()[None])


def _fit_logistic_regression(rows: Tensor, is_class: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Slope (W,) and offset of the logistic regression of `is_class` (N,) on rows (N, W), all float64."""
    target = is_class.double()
    weight = torch.where(is_class, 0.5 / target.sum(), 0.5 / (1 - target).sum())
    flat = torch.zeros(rows.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [flat], max_iter=500, tolerance_grad=1e-9, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        search.zero_grad()
        logits = rows @ flat[:-1] + flat[-1]
        value = functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum")
        value = value + ridge / 2 * flat[:-1].square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(loss)  # type: ignore[no-untyped-call]
    solution = flat.detach()
    return solution[:-1], solution[-1]


def std_along(vectors: Tensor, direction: Tensor) -> float:
    """The standard deviation of points (N, W) along a unit vector (W,): the unit in which one moves."""
    return float((vectors.double() @ direction.double()).std(unbiased=False))


def traverse(
    codes: Tensor, direction: Tensor, sigma: float, max_sigma: float = 3.0, steps: int = 7, layers: slice = ALL_LAYERS
) -> Tensor:
    """Places moved along a direction, in even steps from `-reach` to `max_sigma`.

    Args:
        codes: (N, layers, W).
        direction: (W,), a unit vector.
        sigma: length of 1 in reach, from `deviation` of many places.
        max_sigma: how far to either side; 2 to 4 is usual.
        steps: places on the way, ends included; an odd number has the place itself in the middle.
        layers: those that move, from `band`.

    Returns:
        (N, steps, layers, W)

    Raises:
        BadInput: there are fewer than 2 steps.
    """
    if steps < 2:
        raise BadInput(f"steps {steps}: a strip has at least its two ends")
    moved = codes[:, None].repeat(1, steps, 1, 1)
    way = torch.linspace(-max_sigma, max_sigma, steps) * sigma
    moved[:, :, layers] += way[:, None, None] * direction
    return moved


def _check_count(count: int, width: int) -> None:
    if not 1 <= count <= width:
        raise BadInput(f"{count} directions: this generator's space has {width}; ask for 1 to {width}")


def _normalize_sign(vectors: Tensor) -> Tensor:
    """Unit vectors (D, W) float32 whose number farthest from 0 is positive."""
    farthest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return functional.normalize(vectors * farthest.sign(), dim=1).float()
