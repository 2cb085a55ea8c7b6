"""Symmetries of images: changes under which a real image stays real. Images of one sample change together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.data.dataset import Symmetry
    from zerosum.game.types import Sample


def choose_symmetries(hflip: bool, rotate90: bool) -> tuple[Symmetry, ...]:
    """Return the symmetries that the settings of the same names ask for."""
    chosen = ((random_hflip, hflip), (random_rotate90, rotate90))
    return tuple(symmetry for symmetry, is_chosen in chosen if is_chosen)


def random_hflip(images: Sample, seed: Tensor) -> Sample:
    """Flip each of the images (N, ..., W) left to right with probability 0.5, which its seed (N,) decides."""
    import torch
    from torch.utils._pytree import tree_map

    from zerosum.game import seeded_rng

    flip = seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.HFLIP) < 0.5

    def flip_some(images: Tensor) -> Tensor:
        return torch.where(flip.view(-1, *[1] * (images.dim() - 1)), images.flip(-1), images)

    flipped: Sample = tree_map(flip_some, images)
    return flipped


def random_rotate90(images: Sample, seed: Tensor) -> Sample:
    """Rotate each of the square images (N, ..., S, S) by a multiple of 90 degrees that its seed (N,) determines."""
    import torch
    from torch.utils._pytree import tree_map

    from zerosum.game import seeded_rng

    quarter_turns = (4 * seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.ROTATE90)).floor()

    def rotate_some(images: Tensor) -> Tensor:
        turns, rotated = quarter_turns.view(-1, *[1] * (images.dim() - 1)), images
        for k in (1, 2, 3):
            rotated = torch.where(turns == k, images.rot90(k, (-2, -1)), rotated)
        return rotated

    rotated: Sample = tree_map(rotate_some, images)
    return rotated
