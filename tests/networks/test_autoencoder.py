"""The convolutional autoencoder: sizes of images and codes, standardized codes, and what it refuses."""

import pytest
import torch

from zerosum import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.autoencoder import DecodedGenerator
from zerosum.networks.configs import ConvolutionalAutoencoderConfig, DCGANGeneratorConfig, PatchGANDiscriminatorConfig


def small(**settings) -> ConvolutionalAutoencoderConfig:
    return ConvolutionalAutoencoderConfig(width=4, **settings)


@pytest.mark.parametrize(
    ("shape", "factor", "code_shape"),
    [
        ((3, 64, 64), 4, (4, 16, 16)),
        ((1, 64, 64), 8, (4, 16, 16)),
        ((3, 128, 128), 8, (4, 16, 16)),
        ((4, 32, 32), 4, (4, 16, 16)),
        ((2, 96, 64), 4, (4, 24, 16)),
        ((12, 64, 192), 2, (4, 32, 96)),
        ((3, 36, 64), 4, (4, 18, 32)),
    ],
)
def test_images_of_any_size_and_channels(shape: tuple[int, ...], factor: int, code_shape: tuple[int, ...]) -> None:
    config, spec = small(factor=factor), TensorSpec(shape, bounded=True)
    assert config.code_spec(spec) == TensorSpec(code_shape)
    network = config.build(spec)
    codes = network.encode(torch.rand(2, *shape) * 2 - 1)
    assert codes.shape == (2, *code_shape)
    decoded = network.decode(50 * codes)
    assert decoded.shape == (2, *shape)
    assert decoded.abs().max() <= 1


def test_values_that_are_not_bounded_are_decoded_without_tanh() -> None:
    network = small().build(TensorSpec((3, 32, 32)))
    assert network.decode(100 * torch.randn(2, 4, 16, 16)).abs().max() > 1


def test_codes_are_standardized_by_the_batch_and_then_by_running_statistics() -> None:
    torch.manual_seed(0)
    network, images = small().build(TensorSpec((3, 32, 32))), torch.randn(16, 3, 32, 32) + 3
    codes = network.encode(images)
    torch.testing.assert_close(codes.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(codes.var((0, 2, 3)), torch.ones(4), rtol=0, atol=1e-2)
    for _ in range(100):
        network.encode(images)
    network.eval()
    torch.testing.assert_close(network.encode(images), codes, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(network.encode(images[:1]), network.encode(images)[:1], rtol=1e-4, atol=1e-4)


def test_the_reconstruction_loss_is_the_mean_absolute_difference() -> None:
    network, images = small().build(TensorSpec((3, 32, 32))).eval(), torch.randn(4, 3, 32, 32)
    reconstruction = network(images, torch.zeros(4, 4, 16, 16))
    expected = (network.decode(network.encode(images)) - images).abs().mean((1, 2, 3))
    torch.testing.assert_close(reconstruction.loss, expected)
    assert reconstruction.sample.shape == images.shape


def test_a_decoded_generator_takes_what_its_generator_takes() -> None:
    config, spec = small(), TensorSpec((3, 32, 32), bounded=True)
    generator = DCGANGeneratorConfig(width=4, condition="concat").build(8, config.code_spec(spec), num_classes=3)
    network = DecodedGenerator(generator, config.build(spec)).eval()
    assert network.condition_inputs == ("label",)
    assert network(torch.randn(2, 8), label=torch.tensor([0, 2])).shape == (2, 3, 32, 32)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (TensorSpec((2,)), "needs images"),
        (TensorSpec((3, 16, 16)), "at least 32 pixels"),
        (TensorSpec((3, 33, 64)), "multiple of 2"),
        (TensorSpec((3, 64, 2048)), "at most 1024 pixels"),
        ({"a": TensorSpec((3, 64, 64)), "b": TensorSpec((2,))}, "one tensor"),
    ],
)
def test_samples_that_have_no_codes_are_refused(spec: object, words: str) -> None:
    with pytest.raises(BadInput, match=words) as refusal:
        small().code_spec(spec)
    assert "autoencoder.kind" in str(refusal.value)


def test_the_discriminator_of_patches_is_its_own() -> None:
    assert small(discriminator={"width": 8}).patch_discriminator == PatchGANDiscriminatorConfig(width=8)
