"""Test pairs of networks: each image of a pair goes through its own network only."""

import pytest
import torch
from translator_checks import random_images

from zerosum.networks.configs import (
    DCGANDiscriminatorConfig,
    PatchGANDiscriminatorConfig,
    ResNetTranslatorConfig,
    UNetGeneratorConfig,
)
from zerosum.networks.cycle_pair import DiscriminatorPair, GeneratorPair

SHAPE = (3, 16, 16)
PAIR_SHAPE = (2, *SHAPE)


def build_generators(**fields: object) -> GeneratorPair:
    config = UNetGeneratorConfig.model_validate({"width": 4, "max_width": 8, **fields})
    return GeneratorPair(*(config.build(0, SHAPE, True, 0, SHAPE) for _ in range(2)))


def build_discriminators(**fields: object) -> DiscriminatorPair:
    config = PatchGANDiscriminatorConfig.model_validate({"width": 4, "max_width": 8, **fields})
    return DiscriminatorPair(*(config.build(SHAPE, 0, SHAPE) for _ in range(2)))


def test_each_direction_has_its_own_network() -> None:
    pair, inputs = build_generators(), random_images(3, PAIR_SHAPE)
    outputs = pair(inputs)
    assert outputs.shape == (3, *PAIR_SHAPE)
    assert torch.equal(outputs[:, 0], pair.a_to_b(inputs[:, 0]))
    assert torch.equal(outputs[:, 1], pair.b_to_a(inputs[:, 1]))
    cycled = pair(outputs.flip(1)).flip(1)
    assert torch.equal(cycled[:, 0], pair.b_to_a(pair.a_to_b(inputs[:, 0])))
    assert {name.split(".")[0] for name in pair.state_dict()} == {"a_to_b", "b_to_a"}


def test_a_to_b_draws_the_same_numbers_as_alone() -> None:
    pair, image, seed = build_generators(dropout=0.5, depth=3), random_images(2, SHAPE), torch.tensor([1, 2])
    assert pair.condition_inputs == ("seed",)
    pair.b_to_a.load_state_dict(pair.a_to_b.state_dict())
    outputs = pair(torch.stack([image, image], 1), seed=seed)
    assert torch.equal(outputs[:, 0], pair.a_to_b(image, seed=seed))
    assert not torch.allclose(outputs[:, 0], outputs[:, 1])  # the same weights, but other dropout


def test_shared_attributes_are_passed_on() -> None:
    assert (
        build_generators().receptive_field_radius,
        build_generators().size_multiple,
        build_generators().condition_inputs,
    ) == (None, 4, ())
    config = ResNetTranslatorConfig(width=4, blocks=1, norm="none")
    networks = [config.build(0, SHAPE, True, 0, SHAPE) for _ in range(2)]
    assert GeneratorPair(*networks).receptive_field_radius == networks[0].receptive_field_radius
    with pytest.raises(AssertionError, match="receptive_field_radius"):
        GeneratorPair(networks[0], build_generators().a_to_b)


@pytest.mark.parametrize("fields", [{}, {"scales": 2}, {"concat_input": True}])
def test_scores_and_feature_maps_are_concatenated(fields: dict[str, object]) -> None:
    pair, sample, inputs = build_discriminators(**fields), random_images(2, PAIR_SHAPE), random_images(2, PAIR_SHAPE, 1)
    arguments = (inputs, inputs[:, 0], inputs[:, 1])
    conditioning = [{"inputs": argument} if pair.condition_inputs else {} for argument in arguments]
    output = pair(sample, **conditioning[0])
    output_b, output_a = pair.domain_b(sample[:, 0], **conditioning[1]), pair.domain_a(sample[:, 1], **conditioning[2])
    assert torch.equal(output.score, torch.cat([output_b.score, output_a.score], 1))
    assert output.score.shape[:2] == (2, 2)
    assert len(output.feature_maps) == len(output_b.feature_maps) + len(output_a.feature_maps)
    assert all(
        torch.equal(*pair)
        for pair in zip(output.feature_maps, (*output_b.feature_maps, *output_a.feature_maps), strict=True)
    )


def test_single_scores_become_maps() -> None:
    config = DCGANDiscriminatorConfig(width=4, norm="none")
    pair, sample = DiscriminatorPair(config.build(SHAPE), config.build(SHAPE)), random_images(3, PAIR_SHAPE)
    output = pair(sample)
    assert output.score.shape == (3, 2, 1, 1)
    assert torch.equal(output.score[:, 1, 0, 0], pair.domain_a(sample[:, 1]).score)
    assert output.feature_maps is None


def test_gradients_stay_within_their_network() -> None:
    pair, sample = build_discriminators(), random_images(1, PAIR_SHAPE).requires_grad_(True)
    pair(sample).score[:, 0].sum().backward()
    assert sample.grad[:, 0].abs().sum() > 0
    assert sample.grad[:, 1].abs().sum() == 0
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in pair.domain_a.parameters())
