"""Pairs of networks for unpaired translation in both directions.

A sample is (2, C, H, W), one image of each domain. The first goes through the network from domain A to B, the second
through that from B to A: a CycleGAN (Zhu et al. 2017, arXiv:1703.10593) is a game between two such pairs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zerosum.game.seeded_rng import fork_seed
from zerosum.game.types import DiscriminatorOutput


class GeneratorPair(nn.Module):
    """Two translators between domains of one image shape, from A to B and from B to A."""

    def __init__(self, a_to_b: nn.Module, b_to_a: nn.Module) -> None:
        super().__init__()
        self.a_to_b, self.b_to_a = a_to_b, b_to_a
        self.condition_inputs: tuple[str, ...] = _read_shared_attribute("condition_inputs", a_to_b, b_to_a)
        self.receptive_field_radius: int | None = _read_shared_attribute("receptive_field_radius", a_to_b, b_to_a)
        self.size_multiple: int = _read_shared_attribute("size_multiple", a_to_b, b_to_a)

    def forward(self, inputs: Tensor, seed: Tensor | None = None) -> Tensor:
        """Translate (N, 2, C, H, W), with seeds (N,) if the networks take them, to the same shape.

        `a_to_b` gets the seeds themselves, so it draws as it would alone; `b_to_a` gets seeds derived from them.
        """
        seeds = ({}, {}) if seed is None else ({"seed": seed}, {"seed": fork_seed(seed, 0)})
        outputs = (self.a_to_b(inputs[:, 0], **seeds[0]), self.b_to_a(inputs[:, 1], **seeds[1]))
        return torch.stack(outputs, 1)


class DiscriminatorPair(nn.Module):
    """Two discriminators, one for each domain; `domain_b` scores the first image, a translation from A to B."""

    def __init__(self, domain_b: nn.Module, domain_a: nn.Module) -> None:
        super().__init__()
        self.domain_b, self.domain_a = domain_b, domain_a
        self.condition_inputs: tuple[str, ...] = _read_shared_attribute("condition_inputs", domain_b, domain_a)

    def forward(self, sample: Tensor, inputs: Tensor | None = None) -> DiscriminatorOutput:
        """Map (N, 2, C, H, W), and the inputs they were translated from, to an output with scores (N, 2, h, w).

        Discriminators with a single score give (N, 2, 1, 1). `feature_maps` holds first the maps of `domain_b`, then
        those of `domain_a`.
        """
        conditions = ({}, {}) if inputs is None else ({"inputs": inputs[:, 0]}, {"inputs": inputs[:, 1]})
        output_b: DiscriminatorOutput = self.domain_b(sample[:, 0], **conditions[0])
        output_a: DiscriminatorOutput = self.domain_a(sample[:, 1], **conditions[1])
        scores = [score.view(len(score), 1, *(score.shape[2:] or (1, 1))) for score in (output_b.score, output_a.score)]
        feature_maps = (*(output_b.feature_maps or ()), *(output_a.feature_maps or ()))
        return DiscriminatorOutput(torch.cat(scores, 1), feature_maps=feature_maps or None)


def _read_shared_attribute(name: str, first: nn.Module, second: nn.Module) -> Any:
    """Return an attribute that both networks must have in common."""
    value = getattr(first, name)
    assert value == getattr(second, name), f"the two networks of a pair need the same `{name}`"
    return value
