"""Images whose size is no power of two or that are not square, in every convolutional network."""

from __future__ import annotations

import pytest
import torch
from test_configs import DISCRIMINATORS, GENERATORS
from torch import nn

from zerosum.data.images.size import suggest_rectangle
from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.seeded_rng import derive_seeds
from zerosum.game.types import condition_inputs
from zerosum.networks.configs.fastgan import FastGANDiscriminatorConfig
from zerosum.networks.configs.progan import ProGANDiscriminatorConfig, ProGANGeneratorConfig
from zerosum.networks.configs.projected import ProjectedDiscriminatorConfig
from zerosum.networks.configs.resnet import ResNetDiscriminatorConfig, ResNetGeneratorConfig
from zerosum.networks.image_grid import ImageGrid, check_grid, find_grid

SHAPES = [(3, 32, 48), (3, 48, 32), (1, 28, 28), (3, 48, 80), (3, 16, 36)]
GENERATOR_CONFIGS = [config for config in GENERATORS if config.kind != "mlp"]
DISCRIMINATOR_CONFIGS = [config for config in DISCRIMINATORS if config.kind != "mlp"]


@pytest.mark.parametrize(
    ("height", "width", "grid"),
    [
        (16, 16, (4, 4, 2)),
        (1024, 1024, (4, 4, 8)),
        (64, 96, (4, 6, 4)),
        (96, 64, (6, 4, 4)),
        (96, 96, (6, 6, 4)),
        (28, 28, (7, 7, 2)),
        (64, 256, (4, 16, 4)),
        (240, 320, (15, 20, 4)),
        (33, 32, (33, 32, 0)),
    ],
)
def test_the_grid_is_the_smallest_with_sides_of_at_least_4(height: int, width: int, grid: tuple[int, ...]) -> None:
    assert find_grid(height, width) == ImageGrid(*grid)


def test_powers_of_two_have_the_grid_of_the_papers() -> None:
    for doublings in range(2, 9):
        side = 4 << doublings
        grid = find_grid(side, side)
        assert (grid.height, grid.width, grid.side, grid.cells) == (4, 4, side, 16)


def test_every_size_has_a_suggestion_that_works() -> None:
    for height in range(1, 1100, 13):
        for width in range(1, 1100, 29):
            try:
                check_grid("dcgan", height, width)
            except BadInput as error:
                size = str(error).rpartition("set `data.size` to ")[2].rstrip(".")
                sides = [int(side) for side in size.split("x")]
                check_grid("dcgan", sides[-1], sides[0])


def test_the_sizes_that_are_chosen_for_images_work() -> None:
    for max_size in (48, 64, 96, 128, 256, 512):
        for ratio in (0.25, 0.4, 0.5, 9 / 16, 2 / 3, 0.75, 0.83, 1.2, 4 / 3, 1.5, 16 / 9, 2.0, 2.39, 3.0, 4.0):
            size = suggest_rectangle(ratio, 32, max_size, max_size**2)
            assert size is not None
            check_grid("dcgan", size.height, size.width)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("config", GENERATOR_CONFIGS, ids=lambda config: config.kind)
def test_generators_make_images_of_the_shape(config: object, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    network = config.build(8, TensorSpec(shape, bounded=True))
    inputs = {"seed": derive_seeds(0, 0, 3)} if "seed" in condition_inputs(network) else {}
    latent = torch.randn(3, 8, requires_grad=True)
    images = network(latent, **inputs)
    assert images.shape == (3, *shape)
    assert images.isfinite().all()
    images.square().sum().backward()
    assert latent.grad is not None
    assert latent.grad.abs().min() > 0
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("config", DISCRIMINATOR_CONFIGS, ids=lambda config: config.kind)
def test_discriminators_see_every_pixel(config: object, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    network = config.build(TensorSpec(shape, bounded=True))
    sample = torch.randn(4, *shape, requires_grad=True)
    score = network(sample).score
    assert score.shape[0] == 4
    assert score.isfinite().all()
    score.square().sum().backward()
    assert sample.grad is not None
    assert (sample.grad.abs().sum((0, 1)) > 0).all()


def test_channels_count_from_the_nominal_side() -> None:
    """Widths are those of the square of as many doublings, so that 96x64 images get the networks of 64x64 ones."""

    def widths(config: ResNetGeneratorConfig, shape: tuple[int, int, int]) -> list[int]:
        network = config.build(8, TensorSpec(shape, bounded=True))
        return [module.out_channels for module in network.modules() if isinstance(module, nn.Conv2d)]

    config = ResNetGeneratorConfig(widths=(16, 8, 4, 2))
    assert widths(config, (3, 64, 96)) == widths(config, (3, 64, 64)) == widths(config, (3, 112, 64))


def test_attention_is_on_the_map_of_the_nominal_side() -> None:
    sample = torch.randn(2, 3, 64, 96)
    plain, attentive = (ResNetDiscriminatorConfig(widths=(8,), attention_side=side) for side in (0, 32))
    counts = [
        sum(parameter.numel() for parameter in config.build(TensorSpec((3, 64, 96), bounded=True)).parameters())
        for config in (plain, attentive)
    ]
    assert counts[0] < counts[1]
    assert attentive.build(TensorSpec((3, 64, 96), bounded=True))(sample).score.shape == (2,)


@pytest.mark.parametrize("growth", [0, 0.25, 1, 1.5, 2, 2.75, 3])
def test_networks_grow_from_the_grid(growth: float) -> None:
    torch.manual_seed(0)
    shape = (3, 32, 56)
    generator = ProGANGeneratorConfig(widths=(8,)).build(8, TensorSpec(shape))
    discriminator = ProGANDiscriminatorConfig(widths=(8,)).build(TensorSpec(shape))
    for network in (generator, discriminator):
        network.set_growth(growth)
    fake = generator(torch.randn(4, 8))
    assert fake.shape == (4, *shape)
    assert discriminator(fake).score.shape == (4,)
    top = -(-growth // 1)
    torch.testing.assert_close(generator.limit_resolution(fake, top), fake, rtol=1e-5, atol=1e-5)
    factor = 1 << (3 - int(growth))
    blocks = fake.unflatten(2, (-1, factor)).unflatten(4, (-1, factor))
    is_constant = torch.isclose(blocks, blocks[:, :, :, :1, :, :1], rtol=1e-5, atol=1e-6).all()
    assert bool(is_constant) == (growth == int(growth))


def test_reconstructions_have_the_shape_of_the_images() -> None:
    discriminator = FastGANDiscriminatorConfig(width=8, decoder_width=8).build(TensorSpec((3, 64, 96), bounded=True))
    output = discriminator.train()(torch.randn(2, 3, 64, 96))
    assert output.reconstructions is not None
    assert output.reconstructions.shape == (2, 6, 32, 48)
    assert output.score.shape == (2, 1, 5, 9)


def test_pretrained_features_are_computed_on_squares() -> None:
    assert [ProjectedDiscriminatorConfig().resized_side(side) for side in (16, 96, 224, 240, 256)] == [
        224, 224, 224, 256, 256,
    ]  # fmt: skip
    discriminator = ProjectedDiscriminatorConfig(min_side=32, width=4, max_width=8).build(TensorSpec((3, 48, 32)))
    assert discriminator.features.side == 64
    sample = torch.rand(2, 3, 48, 32, requires_grad=True)
    scores = discriminator(sample).score
    scores.sum().backward()
    assert sample.grad is not None
    assert (sample.grad.abs().sum((0, 1)) > 0).all()
