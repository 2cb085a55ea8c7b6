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
from zerosum.inference.latent_space import See, Space

SIZES = (1, 2, 4)
"""Pixels are compared at the whole, half and quarter size: a shifted edge is then near, not wrong."""


@dataclass(frozen=True)
class Search:
    """How the place is looked for; the defaults are the paper's, but for fewer steps."""

    steps: int = 500
    """Pictures made and compared; the paper takes 1,000."""
    rate: float = 0.1
    """Adam's learning rate, in standard deviations of a place's numbers."""
    noise: float = 0.05
    """Standard deviation of the first noise, in parts of the usual distance of places from their mean."""
    noisy: float = 0.75
    """Share of the steps until which the noise has died away."""
    rising: float = 0.05
    """Share of the steps in which the learning rate rises."""
    falling: float = 0.25
    """Share of the steps in which it falls to 0."""
    tries: int = 256
    """Places of chance that are looked at for the beginning, beside the mean."""
    apart: bool = False
    """Each layer has a style of its own (Abdal et al. 2019, arXiv:1904.03189): nearer to any picture, but farther
    from what the generator knows, so that editing works less well."""
    features: float = 1.0
    """Weight of the distance between features, beside that between pixels."""

    def rate_at(self, step: int) -> float:
        """The learning rate: a straight rise, and half a cosine's fall."""
        done = (step + 0.5) / self.steps
        left = min(1.0, (1 - done) / self.falling)
        return self.rate * min(1.0, done / self.rising) * (0.5 - 0.5 * math.cos(math.pi * left))

    def noise_at(self, step: int) -> float:
        """The noise, falling with the square of the steps left."""
        return self.noise * max(0.0, 1 - step / self.steps / self.noisy) ** 2


SEARCH = Search()
"""The usual one."""


def blind(pictures: Tensor) -> Tensor:
    """No features: pixels alone are compared."""
    return pictures.new_zeros(len(pictures), 0)


@dataclass(frozen=True)
class Encoding:
    """Pictures found again in a generator."""

    places: Tensor
    """(N, layers, W)."""
    pictures: Tensor
    """(N, C, H, W) in [-1, 1]: what the generator makes there."""
    errors: Tensor
    """(steps + 1, N): at each step, with its noise; the last ones are those of the pictures."""


def encode(
    space: Space,
    wanted: Tensor,
    latents: Tensor,
    *,
    label: Tensor | None = None,
    see: See = blind,
    search: Search = SEARCH,
    seed: int = 0,
) -> Encoding:
    """Look for the places of pictures. What is found for one does not depend on the others beside it.

    Args:
        space: of the generator.
        wanted: (N, C, H, W) in [-1, 1].
        latents: (M, L), some 1,000s of them: where places usually are.
        label: the pictures' class, one row, for networks that take it.
        see: from pictures (N, 3, H, W) about in [-1, 1], on the generator's device, to features (N, F), of which the
            directions are compared; can be differentiated.
        search: how.
        seed: of the noise.

    Returns:
        The same for the same arguments.

    Raises:
        BadInput: the pictures have another shape than the generator's, or there are too few steps or latents.
    """
    _check(space, wanted, latents, label, search)
    points = space.points(latents, label)
    mean, label = points.mean(0), None if label is None else label.to(space.device)
    spread = float((points - mean).square().sum(1).mean().sqrt())
    target = _views(wanted.to(space.device), see, search.features)
    layers = space.layers if search.apart else 1
    start = _nearest(space, torch.cat([mean[None], points[: search.tries]]), target, label, see, search.features)
    found = start[:, None].repeat(1, layers, 1).to(space.device).requires_grad_()

    def error(places: Tensor) -> Tensor:
        made = space.picture(places.expand(-1, space.layers, -1), label)
        return _apart(_views(made, see, search.features), target)

    # what is drawn is the same for all pictures, so that none depends on its neighbours
    chance = torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam([found], spread * points.shape[1] ** -0.5)
    unit, errors = adam.param_groups[0]["lr"], []
    for step in range(search.steps):
        noise = torch.randn(found.shape[1:], generator=chance) * (search.noise_at(step) * spread)
        now = error(found + noise.to(space.device))
        (found.grad,) = torch.autograd.grad(now.sum(), found)
        adam.param_groups[0]["lr"] = unit * search.rate_at(step)
        adam.step()
        errors.append(now.detach())
    with torch.no_grad():
        errors.append(error(found))
    places = found.detach().cpu().expand(-1, space.layers, -1).clone()
    return Encoding(places, space.paint(places, label), torch.stack(errors).float().cpu())


def _nearest(space: Space, points: Tensor, target: Tensor, label: Tensor | None, see: See, weight: float) -> Tensor:
    """Of points (M, W), those whose pictures come nearest to the targets (N, V): (N, W)."""

    def errors(pictures: Tensor) -> Tensor:
        views = _views(pictures.to(space.device), see, weight)
        return torch.stack([_apart(views, row) for row in target], 1)

    far = space.show(points[:, None].expand(-1, space.layers, -1), errors, label)  # (M, N)
    return points[far.argmin(0)]


def _views(pictures: Tensor, see: See, weight: float) -> Tensor:
    """Pictures (N, C, H, W) as rows (N, V) whose squared distances are what the search makes small."""
    sizes = [functional.avg_pool2d(pictures, size).flatten(1) for size in SIZES]
    pixels = [size / (len(SIZES) * size.shape[1]) ** 0.5 for size in sizes]  # a mean over pixels, then over sizes
    colours = pictures[:, :3] if pictures.shape[1] >= 3 else pictures[:, :1].expand(-1, 3, -1, -1)
    return torch.cat([*pixels, weight**0.5 * functional.normalize(see(colours), dim=1)], 1)


def _apart(views: Tensor, target: Tensor) -> Tensor:
    return (views - target).square().sum(1)


def _check(space: Space, wanted: Tensor, latents: Tensor, label: Tensor | None, search: Search) -> None:
    if search.steps < 1:
        raise BadInput(f"steps {search.steps}: the search takes at least one; 500 is usual")
    if len(latents) < 2:
        raise BadInput(f"{len(latents)} latents do not tell where places are; give 1,000s")
    made = space.paint(space.place(latents[:1], label), label).shape[1:]
    if wanted.shape[1:] != made:
        raise BadInput(
            f"the picture is {_said(wanted.shape[1:])}, and this generator makes {_said(made)} (channels x height x "
            f"width); bring it to that shape"
        )


def _said(shape: torch.Size) -> str:
    return " x ".join(map(str, shape))
