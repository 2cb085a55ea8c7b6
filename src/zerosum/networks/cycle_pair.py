"""Two networks for couples of pictures: one for the way there, one for the way back.

A couple is (2, C, H, W), a picture of either kind. What stands first goes through `there`, what stands second through
`back`: a CycleGAN (Zhu et al. 2017, arXiv:1703.10593) is a game between such pairs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zerosum.game.seeded_rng import fork_seed
from zerosum.game.types import DiscriminatorOutput


class GeneratorPair(nn.Module):
    """Two translators of pictures of one shape."""

    def __init__(self, a_to_b: nn.Module, b_to_a: nn.Module) -> None:
        super().__init__()
        self.a_to_b, self.b_to_a = a_to_b, b_to_a
        self.condition_inputs: tuple[str, ...] = _read_shared_attribute("condition_inputs", a_to_b, b_to_a)
        self.receptive_field_radius: int | None = _read_shared_attribute("receptive_field_radius", a_to_b, b_to_a)
        self.size_multiple: int = _read_shared_attribute("size_multiple", a_to_b, b_to_a)

    def forward(self, inputs: Tensor, seed: Tensor | None = None) -> Tensor:
        """Couples (N, 2, C, H, W), and seeds (N,) where the networks take them, to couples of the same shape.

        Going there draws as the network by itself would; the way back draws numbers of its own.
        """
        seeds = ({}, {}) if seed is None else ({"seed": seed}, {"seed": fork_seed(seed, 0)})
        made = (self.a_to_b(inputs[:, 0], **seeds[0]), self.b_to_a(inputs[:, 1], **seeds[1]))
        return torch.stack(made, 1)


class DiscriminatorPair(nn.Module):
    """Two discriminators, each of the kind that stands where it does."""

    def __init__(self, domain_b: nn.Module, domain_a: nn.Module) -> None:
        super().__init__()
        self.domain_b, self.domain_a = domain_b, domain_a
        self.condition_inputs: tuple[str, ...] = _read_shared_attribute("condition_inputs", domain_b, domain_a)

    def forward(self, sample: Tensor, inputs: Tensor | None = None) -> DiscriminatorOutput:
        """Couples (N, 2, C, H, W), and the couples they are made from, to a verdict with score (N, 2, h, w).

        Of networks with a single score: (N, 2, 1, 1). `seen` holds first the maps of the one, then of the other.
        """
        beside = ({}, {}) if inputs is None else ({"inputs": inputs[:, 0]}, {"inputs": inputs[:, 1]})
        there: DiscriminatorOutput = self.domain_b(sample[:, 0], **beside[0])
        back: DiscriminatorOutput = self.domain_a(sample[:, 1], **beside[1])
        scores = [score.view(len(score), 1, *(score.shape[2:] or (1, 1))) for score in (there.score, back.score)]
        seen = (*(there.feature_maps or ()), *(back.feature_maps or ()))
        return DiscriminatorOutput(torch.cat(scores, 1), feature_maps=seen or None)


def _read_shared_attribute(name: str, first: nn.Module, second: nn.Module) -> Any:
    """What both networks tell of themselves: they are built of one shape."""
    conditioning = getattr(first, name)
    assert conditioning == getattr(second, name), f"two networks of different {name} are no pair"
    return conditioning
