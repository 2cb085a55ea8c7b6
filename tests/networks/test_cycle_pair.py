"""Test pairs of networks: each image of a pair goes through its own network only."""

import pytest
import torch
from torch import Tensor
from translator_checks import random_images

from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.configs import (
    DCGANDiscriminatorConfig,
    PatchGANDiscriminatorConfig,
    ResNetTranslatorConfig,
    UNetGeneratorConfig,
)
from zerosum.networks.cycle_pair import DiscriminatorPair, GeneratorPair

SHAPE = (3, 16, 16)
SPEC = TensorSpec(SHAPE, bounded=True)


def random_pairs(count: int, seed: int = 0) -> dict[str, Tensor]:
    """One image of each direction."""
    return {"a_to_b": random_images(count, SHAPE, seed), "b_to_a": random_images(count, SHAPE, seed + 1)}


def build_generators(**fields: object) -> GeneratorPair:
    config = UNetGeneratorConfig.model_validate({"width": 4, "max_width": 8, **fields})
    return GeneratorPair(*(config.build(0, SPEC, 0, SPEC) for _ in range(2)))


def build_discriminators(**fields: object) -> DiscriminatorPair:
    config = PatchGANDiscriminatorConfig.model_validate({"width": 4, "max_width": 8, **fields})
    return DiscriminatorPair(*(config.build(SPEC, 0, SPEC) for _ in range(2)))


def test_each_direction_has_its_own_network() -> None:
    pair, inputs = build_generators(), random_pairs(3)
    outputs = pair(inputs)
    assert outputs.keys() == {"a_to_b", "b_to_a"}
    assert torch.equal(outputs["a_to_b"], pair.a_to_b(inputs["a_to_b"]))
    assert torch.equal(outputs["b_to_a"], pair.b_to_a(inputs["b_to_a"]))
    assert {name.split(".")[0] for name in pair.state_dict()} == {"a_to_b", "b_to_a"}


def test_a_to_b_draws_the_same_numbers_as_alone() -> None:
    pair, image, seed = build_generators(dropout=0.5, depth=3), random_images(2, SHAPE), torch.tensor([1, 2])
    assert pair.condition_inputs == ("seed",)
    pair.b_to_a.load_state_dict(pair.a_to_b.state_dict())
    outputs = pair({"a_to_b": image, "b_to_a": image}, seed=seed)
    assert torch.equal(outputs["a_to_b"], pair.a_to_b(image, seed=seed))
    assert not torch.allclose(outputs["a_to_b"], outputs["b_to_a"])  # the same weights, but other dropout


def test_shared_attributes_are_passed_on() -> None:
    assert (
        build_generators().receptive_field_radius,
        build_generators().size_multiple,
        build_generators().condition_inputs,
    ) == (None, 4, ())
    config = ResNetTranslatorConfig(width=4, blocks=1, norm="none")
    networks = [config.build(0, SPEC, 0, SPEC) for _ in range(2)]
    assert GeneratorPair(*networks).receptive_field_radius == networks[0].receptive_field_radius
    with pytest.raises(AssertionError, match="receptive_field_radius"):
        GeneratorPair(networks[0], build_generators().a_to_b)


@pytest.mark.parametrize("fields", [{}, {"scales": 2}, {"concat_input": True}])
def test_scores_and_feature_maps_are_concatenated(fields: dict[str, object]) -> None:
    pair, sample, inputs = build_discriminators(**fields), random_pairs(2), random_pairs(2, 2)
    arguments = (inputs, inputs["a_to_b"], inputs["b_to_a"])
    conditioning = [{"inputs": argument} if pair.condition_inputs else {} for argument in arguments]
    output = pair(sample, **conditioning[0])
    output_b = pair.domain_b(sample["a_to_b"], **conditioning[1])
    output_a = pair.domain_a(sample["b_to_a"], **conditioning[2])
    assert torch.equal(output.score, torch.cat([output_b.score, output_a.score], 1))
    assert output.score.shape[:2] == (2, 2)
    assert len(output.feature_maps) == len(output_b.feature_maps) + len(output_a.feature_maps)
    assert all(
        torch.equal(*pair)
        for pair in zip(output.feature_maps, (*output_b.feature_maps, *output_a.feature_maps), strict=True)
    )


def test_single_scores_become_maps() -> None:
    config = DCGANDiscriminatorConfig(width=4, norm="none")
    pair, sample = DiscriminatorPair(config.build(SPEC), config.build(SPEC)), random_pairs(3)
    output = pair(sample)
    assert output.score.shape == (3, 2, 1, 1)
    assert torch.equal(output.score[:, 1, 0, 0], pair.domain_a(sample["b_to_a"]).score)
    assert output.feature_maps is None


def test_gradients_stay_within_their_network() -> None:
    pair, sample = build_discriminators(), random_pairs(1)
    for image in sample.values():
        image.requires_grad_(True)
    pair(sample).score[:, 0].sum().backward()
    assert sample["a_to_b"].grad.abs().sum() > 0
    assert sample["b_to_a"].grad is None or not sample["b_to_a"].grad.any()
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in pair.domain_a.parameters())


def test_domains_may_differ_in_their_channels() -> None:
    gray, color = TensorSpec((1, 16, 16), bounded=True), TensorSpec(SHAPE, bounded=True)
    config = UNetGeneratorConfig(width=4, max_width=8)
    pair = GeneratorPair(config.build(0, color, 0, gray), config.build(0, gray, 0, color))
    outputs = pair({"a_to_b": torch.zeros(2, 1, 16, 16), "b_to_a": torch.zeros(2, *SHAPE)})
    assert {name: images.shape[1] for name, images in outputs.items()} == {"a_to_b": 3, "b_to_a": 1}
