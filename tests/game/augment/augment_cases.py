"""Augmentations and random inputs shared by the tests of augmentation."""

import torch

from zerosum.game.augment.config import ADA, DiffAugment, ScheduledADA
from zerosum.game.augment.transforms import UniformDraws, draw_uniforms
from zerosum.game.seeded_rng import derive_seeds

GROUPS = ("blit", "geometry", "color", "cutout")
POLICY = ("color", "translation", "cutout")
SINGLE_TRANSFORMS = {f"ada-{group}": ADA(transforms=(group,)) for group in GROUPS} | {
    f"diffaugment-{transform}": DiffAugment(policy=(transform,)) for transform in POLICY
}
PIPELINES = {
    "ada": ADA(transforms=GROUPS),
    "scheduled-ada": ScheduledADA(),
    "diffaugment": DiffAugment(),
}


def random_images(count: int, channels: int = 3, side: int = 32, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count + channels + side)
    return torch.rand(count, channels, side, side, generator=generator, dtype=dtype) * 2 - 1


def draws_of(count: int) -> UniformDraws:
    return draw_uniforms(derive_seeds(0, 0, count))


def enable_only(draws: UniformDraws, gate: str, column: int) -> UniformDraws:
    """Close all gates of a group but one: 1 is below no probability."""
    closed = torch.ones_like(getattr(draws, gate))
    closed[:, column] = getattr(draws, gate)[:, column]
    return draws._replace(**{gate: closed})
