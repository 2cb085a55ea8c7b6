"""Test the U-Net: sizes, receptive field, skip connections, and dropout as a function of the seed."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from translator_checks import (
    assert_any_size,
    assert_per_sample,
    assert_tiles_equal_the_full_image,
    measure_radius,
    random_images,
)

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.configs import UNetGeneratorConfig
from zerosum.networks.layers import InstanceNorm
from zerosum.networks.unet import UNet

SHAPE = (3, 16, 16)


def build_network(
    input_shape: tuple[int, ...] = (1, 16, 16), shape: tuple[int, ...] = SHAPE, seed: int = 0, **fields: object
) -> UNet:
    torch.manual_seed(seed)
    network = UNetGeneratorConfig.model_validate({"width": 4, "max_width": 8, **fields}).build(
        0, TensorSpec(shape, bounded=True), 0, TensorSpec(input_shape, bounded=True)
    )
    assert isinstance(network, UNet)
    return network


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"norm": "none"},
        {"full_resolution_channels": 4},
        {"dropout": 0.5},
        {"depth": 5},
        {"depth": 1},
        {"depth": 1, "full_resolution_channels": 2},
    ],
)
def test_any_size_is_translated_per_sample(fields: dict[str, object]) -> None:
    network = build_network(**fields)
    assert_any_size(network, 1, 3)
    assert_per_sample(network, 1)
    assert network(50 * random_images(1, (1, 16, 16)), seed=torch.tensor([1])).abs().max() <= 1


def test_parameter_count_of_the_papers_network() -> None:
    """Check 64 to 512 channels and 8 halvings at 256 pixels; the decoder is 3x3 where the paper's is 4x4."""
    with torch.device("meta"):
        network = UNetGeneratorConfig(norm="none", depth=8).build(
            0, TensorSpec((3, 256, 256), bounded=True), 0, TensorSpec((3, 256, 256), bounded=True)
        )
    widths = [64, 128, 256, 512, 512, 512, 512, 512]
    encoder_parameters = sum(16 * a * b + b for a, b in zip([3, *widths], widths, strict=False))
    decoder_in, decoder_out = [512, 1024, 1024, 1024, 1024, 512, 256, 128], [512, 512, 512, 512, 256, 128, 64, 3]
    decoder_parameters = sum(9 * a * b + b for a, b in zip(decoder_in, decoder_out, strict=True))
    assert sum(parameter.numel() for parameter in network.parameters()) == encoder_parameters + decoder_parameters


@pytest.mark.parametrize(("side", "depth"), [(8, 1), (16, 2), (48, 3), (64, 4), (256, 6)])
def test_default_depth_goes_down_to_four_pixels(side: int, depth: int) -> None:
    assert len(UNetGeneratorConfig().stage_widths(side)) == depth
    assert UNetGeneratorConfig(width=8, max_width=16, depth=3).stage_widths(side) == (8, 16, 16)


@pytest.mark.parametrize("fields", [{"depth": 1}, {"depth": 2}, {"depth": 2, "full_resolution_channels": 4}])
def test_receptive_field_radius_is_exact(fields: dict[str, object]) -> None:
    network = build_network(norm="none", **fields)
    assert network.receptive_field_radius is not None
    assert measure_radius(network, 1, 64) == network.receptive_field_radius
    assert_tiles_equal_the_full_image(network, 1, 64)
    assert build_network(**fields).receptive_field_radius is None


def test_skip_connections_reach_the_output() -> None:
    """Set the innermost map to a constant: the skip connections still carry the input to the output."""
    network, inputs = build_network(norm="none", depth=3), random_images(2, (1, 16, 16))
    nn.init.zeros_(network.down_blocks[-1][0].weight)
    outputs = network(inputs)
    assert outputs.std() > 0.01
    assert not torch.equal(outputs[0], outputs[1])


def test_no_norm_next_to_the_image_nor_of_a_single_pixel() -> None:
    network = build_network(depth=4)
    assert [any(isinstance(layer, InstanceNorm) for layer in block) for block in network.down_blocks] == [
        False,
        True,
        True,
        True,
    ]
    assert not any(isinstance(layer, InstanceNorm) for layer in network.output_layer.modules())
    hidden = torch.randn(2, 3, 1, 1)
    assert torch.equal(InstanceNorm(3)(hidden), hidden)
    torch.testing.assert_close(
        InstanceNorm(3)(torch.randn(2, 3, 2, 2)).mean((2, 3)), torch.zeros(2, 3), atol=1e-6, rtol=0
    )


def test_instance_norm_equals_torch() -> None:
    hidden, norm, expected_norm = torch.randn(2, 3, 5, 7), InstanceNorm(3), nn.InstanceNorm2d(3, affine=True)
    torch.testing.assert_close(norm(hidden), expected_norm(hidden))


def test_dropout_is_a_function_of_the_seed() -> None:
    network, inputs, seed = (
        build_network(dropout=0.5, depth=3).train(),
        random_images(2, (1, 16, 16)),
        torch.tensor([3, 4]),
    )
    assert network.condition_inputs == ("seed",)
    assert build_network().condition_inputs == ()
    output = network(inputs, seed=seed)
    torch.manual_seed(99)
    assert torch.equal(network.eval()(inputs, seed=seed), output)
    assert not torch.allclose(network(inputs, seed=seed + 1), output)
    assert not torch.equal(*network(inputs[:1].expand(2, -1, -1, -1), seed=seed))


def test_dropout_preserves_the_mean_and_drops_the_set_fraction() -> None:
    dropout, hidden = build_network(dropout=0.3, depth=3).up_blocks[0].dropout, torch.ones(64, 8, 4, 4)
    output = dropout(hidden, torch.arange(64))
    fraction = (output == 0).float().mean().item()
    assert fraction == pytest.approx(0.3, abs=5 * (0.21 / hidden.numel()) ** 0.5)  # five standard errors
    assert torch.equal(output[output != 0], torch.full_like(output[output != 0], 1 / 0.7))
    assert not torch.equal(output[0], output[1])


def test_only_the_innermost_up_blocks_have_dropout() -> None:
    rates = [block.dropout.rate for block in build_network(dropout=0.5, depth=6).up_blocks]
    assert rates == [0.5, 0.5, 0.5, 0.0, 0.0]


def test_invalid_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="`max_width` must be at least `width`"):
        UNetGeneratorConfig(width=8, max_width=4)
    with pytest.raises(ValidationError):
        UNetGeneratorConfig(norm="batch")
    with pytest.raises(ValidationError):
        UNetGeneratorConfig(condition="concat")


@pytest.mark.parametrize(
    ("input_shape", "shape", "match"),
    [
        ((), SHAPE, r"^unet translates images and cannot generate them from latents: set `game.kind` to"),
        ((2,), SHAPE, r"^unet translates images, got inputs of shape \(2\)"),
        ((3, 8, 8), SHAPE, r"the inputs are 8x8 and the targets 16x16"),
        ((3, 4, 4), (3, 4, 4), r"at least 8 pixels, got 4x4: set `data.size` to 8\.$"),
        ((3, 16, 16), (65, 16, 16), "^unet"),
        ((3, 16, 16), (2,), "^unet"),
    ],
)
def test_unsupported_shapes_are_refused(input_shape: tuple[int, ...], shape: tuple[int, ...], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        UNetGeneratorConfig().build(0, TensorSpec(shape), 0, TensorSpec(input_shape) if input_shape else None)


@pytest.mark.parametrize("channels", [0, 4])
def test_residual_output_starts_near_the_input(channels: int) -> None:
    inputs = random_images(2, (3, 16, 16))
    change = build_network((3, 16, 16), residual=True, full_resolution_channels=channels)(inputs) - inputs
    assert 1e-3 < change.std() < 0.3
    assert (build_network((3, 16, 16), full_resolution_channels=channels)(inputs) - inputs).std() > 0.3


def test_residual_network_needs_equal_channels() -> None:
    with pytest.raises(BadInput, match=r"need equally many channels, got 1 and 3: set `generator\."):
        build_network((1, 16, 16), residual=True)
