"""GAT's networks: shapes, outputs along the depth, gradients, conditions and refused settings."""

import json
import tomllib

import pytest
import tomli_w
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.types import condition_inputs
from zerosum.networks import configs
from zerosum.networks.configs.gat import GATDiscriminatorConfig, GATGeneratorConfig

GENERATOR = GATGeneratorConfig(patch=4, width=16, depth=4, levels=2, head_width=8)
DISCRIMINATOR = GATDiscriminatorConfig(patch=4, width=16, depth=2, head_width=8)


def build_generator(shape: tuple[int, ...] = (3, 16, 24), **settings: object) -> nn.Module:
    torch.manual_seed(0)
    return GENERATOR.model_copy(update=settings).build(6, TensorSpec(shape, bounded=True))


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 64, 64), (3, 16, 48), (64, 8, 8), (2, 100, 20)])
def test_shapes(shape: tuple[int, ...]) -> None:
    channels, *size = shape
    generator = build_generator(shape)
    levels = generator(torch.randn(2, 6), all_levels=True)
    assert generator(torch.randn(2, 6)).shape == (2, *shape)
    assert levels.shape == (2, 2 * channels, *size)
    discriminator = DISCRIMINATOR.build(TensorSpec((2 * channels, *size)))
    assert discriminator(levels).score.shape == (2,)


def test_the_image_is_the_last_level_and_heads_add_up() -> None:
    generator, latent = build_generator(), torch.randn(2, 6)
    first, last = generator(latent, all_levels=True).chunk(2, 1)
    torch.testing.assert_close(generator(latent), last)
    with torch.no_grad():
        generator.heads[1].weight.zero_()
        torch.testing.assert_close(generator(latent), first)
    assert (first != last).any()


def test_a_new_generator_gives_different_images_of_moderate_values() -> None:
    images = build_generator(depth=8, levels=4)(torch.randn(32, 6))
    assert 0.2 < images.std() < 1.2
    assert images.std(0).mean() > 0.05


def test_a_sample_does_not_depend_on_the_batch() -> None:
    generator, latent = build_generator(), torch.randn(3, 6)
    torch.testing.assert_close(generator(latent)[1:2], generator(latent[1:2]), atol=1e-5, rtol=0)
    discriminator, images = DISCRIMINATOR.build(TensorSpec((3, 16, 24))), torch.randn(3, 3, 16, 24)
    torch.testing.assert_close(discriminator(images).score[1:2], discriminator(images[1:2]).score, atol=1e-5, rtol=0)


def test_all_weights_get_gradients_from_the_last_output() -> None:
    generator = build_generator()
    discriminator = DISCRIMINATOR.build(TensorSpec((3, 16, 24)))
    discriminator(generator(torch.randn(4, 6))).score.square().sum().backward()
    for network in (generator, discriminator):
        missing = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        assert not missing


@pytest.mark.parametrize("condition", ["none", "concat", "projection", "auxiliary-classifier"])
def test_class_conditions(condition: str) -> None:
    generator = GENERATOR.model_copy(update={"condition": "concat"}).build(6, TensorSpec((1, 16, 16)), 3)
    config = DISCRIMINATOR.model_copy(update={"condition": condition})
    discriminator = config.build(TensorSpec((2, 16, 16)), 3)
    latent, labels = torch.randn(1, 6).expand(3, -1), torch.arange(3)
    images = generator(latent, label=labels, all_levels=True)
    assert (images[0] != images[1]).any()
    named = {"label": labels} if "label" in condition_inputs(discriminator) else {}
    assert discriminator(images, **named).score.shape == (3,)


def test_settings_round_trip_through_toml_and_json() -> None:
    for union, config in ((configs.AnyGeneratorConfig, GENERATOR), (configs.AnyDiscriminatorConfig, DISCRIMINATOR)):
        adapter = TypeAdapter(union)
        assert adapter.validate_python(tomllib.loads(tomli_w.dumps(config.model_dump(mode="json")))) == config
        assert adapter.validate_python(json.loads(config.model_dump_json())) == config


def test_bad_settings_are_refused_with_advice() -> None:
    with pytest.raises(ValidationError, match="multiple of `head_width` 64; set `width` 128"):
        GATDiscriminatorConfig(width=100)
    with pytest.raises(ValidationError, match="multiple of `levels` 4; set `depth` 8"):
        GATGeneratorConfig(depth=7)
    with pytest.raises(BadInput, match=r"a multiple of 4, got 30x32: set `data\.size` to 28x32"):
        GENERATOR.build(6, TensorSpec((3, 32, 30)))
    with pytest.raises(BadInput, match="at most 4096 tokens, and images of 512x256 pixels would be 8192"):
        GENERATOR.build(6, TensorSpec((3, 256, 512)))
    with pytest.raises(BadInput, match="1 to 64 channels, got 65"):
        GENERATOR.build(6, TensorSpec((65, 16, 16)))
    with pytest.raises(BadInput, match="needs images"):
        GENERATOR.build(6, TensorSpec((2,)))
