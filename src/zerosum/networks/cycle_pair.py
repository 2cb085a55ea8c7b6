"""Pairs of networks for translation in both directions between two domains of images, A and B.

A sample is a tree with one image for each direction. The image of "a_to_b" goes through the networks of the direction
from A to B, that of "b_to_a" through the others: a CycleGAN (Zhu et al. 2017, arXiv:1703.10593) is a game between two
such pairs. The two domains may differ in their channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from zerosum.game.seeded_rng import fork_seed
from zerosum.game.types import A_TO_B, B_TO_A, DiscriminatorOutput, condition_inputs
from zerosum.networks.receptive_field import TranslatorNetwork
from zerosum.networks.stages import Stages, join_stages

ValueT = TypeVar("ValueT")


class GeneratorPair(nn.Module):
    """Two translators between two domains, from A to B and from B to A."""

    def __init__(self, a_to_b: nn.Module, b_to_a: nn.Module) -> None:
        super().__init__()
        assert isinstance(a_to_b, TranslatorNetwork), "the networks of a pair are translators"
        assert isinstance(b_to_a, TranslatorNetwork), "the networks of a pair are translators"
        self.condition_inputs = _shared("condition_inputs", a_to_b.condition_inputs, b_to_a.condition_inputs)
        self.receptive_field_radius = _shared(
            "receptive_field_radius", a_to_b.receptive_field_radius, b_to_a.receptive_field_radius
        )
        self.size_multiple = _shared("size_multiple", a_to_b.size_multiple, b_to_a.size_multiple)
        self.a_to_b, self.b_to_a = a_to_b, b_to_a

    def forward(self, inputs: Mapping[str, Tensor], seed: Tensor | None = None) -> dict[str, Tensor]:
        """Translate one image (N, C, H, W) of each direction, with seeds (N,) if the networks take them.

        `a_to_b` gets the seeds themselves, so it draws as it would alone; `b_to_a` gets seeds derived from them.
        """
        seeds = ({}, {}) if seed is None else ({"seed": seed}, {"seed": fork_seed(seed, 0)})
        return {A_TO_B: self.a_to_b(inputs[A_TO_B], **seeds[0]), B_TO_A: self.b_to_a(inputs[B_TO_A], **seeds[1])}


class DiscriminatorPair(nn.Module):
    """Two discriminators, one for each domain; `domain_b` scores the image of the direction from A to B."""

    def __init__(self, domain_b: nn.Module, domain_a: nn.Module) -> None:
        super().__init__()
        self.condition_inputs = _shared("condition_inputs", condition_inputs(domain_b), condition_inputs(domain_a))
        self.domain_b, self.domain_a = domain_b, domain_a

    def forward(self, sample: Mapping[str, Tensor], inputs: Mapping[str, Tensor] | None = None) -> DiscriminatorOutput:
        """Score one image (N, C, H, W) of each direction, with the inputs they were translated from if they are seen.

        Returns:
            Scores (N, 2, h, w), those of `domain_b` first; discriminators with a single score give (N, 2, 1, 1).
            `feature_maps` holds first the maps of `domain_b`, then those of `domain_a`.
        """
        conditions = ({}, {}) if inputs is None else ({"inputs": inputs[A_TO_B]}, {"inputs": inputs[B_TO_A]})
        output_b: DiscriminatorOutput = self.domain_b(sample[A_TO_B], **conditions[0])
        output_a: DiscriminatorOutput = self.domain_a(sample[B_TO_A], **conditions[1])
        scores = [score.view(len(score), 1, *(score.shape[2:] or (1, 1))) for score in (output_b.score, output_a.score)]
        feature_maps = (*(output_b.feature_maps or ()), *(output_a.feature_maps or ()))
        return DiscriminatorOutput(torch.cat(scores, 1), feature_maps=feature_maps or None)

    def stages_from_sample(self) -> Stages:
        """Return the stages of both discriminators."""
        return join_stages(self.domain_b, self.domain_a)


def _shared(name: str, first: ValueT, second: ValueT) -> ValueT:
    """Return a value that both networks must have in common."""
    assert first == second, f"the two networks of a pair need the same `{name}`"
    return first
