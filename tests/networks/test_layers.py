"""Test resampling against its definition, and weights, norms and scores against their documentation."""

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from zerosum.networks import layers

TAPS = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])).double()


def filter_channels(sample: Tensor, taps: Tensor) -> Tensor:
    """Filter every channel separately, without padding, with stride 1."""
    count = sample.shape[1]
    return functional.conv2d(sample, taps.expand(count, 1, 4, 4), groups=count)


def insert_zeros(sample: Tensor) -> Tensor:
    batch, channels, height, width = sample.shape
    enlarged = sample.new_zeros(batch, channels, 2 * height, 2 * width)
    enlarged[:, :, ::2, ::2] = sample
    return enlarged


def test_upsampling_equals_zero_insertion_and_a_filter() -> None:
    sample = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    padded = functional.pad(sample, (1, 1, 1, 1), mode="replicate")
    expected = filter_channels(insert_zeros(padded), TAPS / 16)[:, :, :10, :14]
    torch.testing.assert_close(layers.Upsample()(sample), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(layers.Upsample()(sample.float()).double(), expected, rtol=0, atol=1e-6)


def test_upsampling_equals_a_depthwise_transposed_convolution() -> None:
    sample = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    padded = functional.pad(sample, (1, 1, 1, 1), mode="replicate")
    taps = (TAPS / 16).expand(3, 1, 4, 4)
    expected = functional.conv_transpose2d(padded, taps, stride=2, padding=3, groups=3)
    torch.testing.assert_close(layers.Upsample()(sample), expected, rtol=0, atol=1e-12)


def test_downsampling_equals_a_filter_of_stride_2() -> None:
    sample = torch.randn(2, 3, 8, 12, dtype=torch.float64)
    padded = functional.pad(sample, (1, 1, 1, 1), "replicate")
    filtered = filter_channels(padded, TAPS / 64)[:, :, ::2, ::2]
    # float64 sums of 16 terms in an order that depends on the processor: about 1e-16 per term
    torch.testing.assert_close(layers.Downsample()(sample), filtered, rtol=0, atol=1e-12)
    torch.testing.assert_close(layers.Downsample()(sample.float()).double(), filtered, rtol=0, atol=1e-6)
    # the implementation of other devices
    torch.testing.assert_close(layers._downsample_by_conv(sample), filtered, rtol=0, atol=1e-12)


def test_downsampling_in_bfloat16_only_rounds() -> None:
    sample = torch.randn(2, 3, 8, 12)
    down = layers.Downsample()
    torch.testing.assert_close(down(sample.bfloat16()).float(), down(sample), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("resample", [layers.Upsample(), layers.Downsample()])
def test_resampling_preserves_a_constant_up_to_the_edge(resample: nn.Module) -> None:
    sample = torch.full((1, 2, 8, 8), 0.7)
    result = resample(sample)
    torch.testing.assert_close(result, torch.full_like(result, 0.7), rtol=0, atol=1e-6)


@pytest.mark.parametrize("resample", [layers.Upsample(), layers.Downsample()])
def test_resampling_is_twice_differentiable(resample: nn.Module) -> None:
    sample = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(resample, sample)
    assert gradgradcheck(resample, sample)


def test_resampling_keeps_channels_last_and_has_no_state() -> None:
    sample = torch.randn(2, 8, 8, 8).to(memory_format=torch.channels_last)
    for resample in (layers.Upsample(), layers.Downsample()):
        assert resample(sample).is_contiguous(memory_format=torch.channels_last)
        assert resample.state_dict() == {}


@pytest.mark.parametrize("bias", [True, False])
def test_fused_convolutions_equal_resampling_and_convolution(bias: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 5, 3, padding=1, bias=bias).double()
    hidden = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    upsampled = functional.interpolate(hidden, scale_factor=2.0, mode="nearest")
    torch.testing.assert_close(layers.UpsampleConv(layer)(hidden), layer(upsampled), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        layers.ConvMeanPool(layer)(hidden), functional.avg_pool2d(layer(hidden), 2), rtol=1e-12, atol=1e-12
    )


def build_layer(init: str, kind: str) -> nn.Module:
    factory = layers.LayerFactory(layers.INITS[init])
    gain = layers.LEAKY_RELU.gain
    return {
        "linear": lambda: factory.linear(256, 192, gain),
        "strided_conv": lambda: factory.strided_conv2d(32, 64, gain),
        "conv_transpose": lambda: factory.conv_transpose2d(64, 32, gain),
        "grouped": lambda: factory.conv2d(64, 64, kernel_size=3, groups=4, gain=gain),
    }[kind]()


@pytest.mark.parametrize("kind", ["linear", "strided_conv", "conv_transpose", "grouped"])
@pytest.mark.parametrize("init", ["kaiming", "orthogonal"])
def test_kaiming_and_orthogonal_weights_preserve_the_variance(init: str, kind: str) -> None:
    torch.manual_seed(0)
    layer = build_layer(init, kind)
    in_features = layer.weight.shape[1] if kind in ("linear", "strided_conv") else 64
    sample = torch.randn(64, in_features) if kind == "linear" else torch.randn(8, in_features, 32, 32)
    output = layer(functional.leaky_relu(sample, 0.2) if kind == "linear" else sample)
    output = output if kind == "linear" else output[:, :, 2:-2, 2:-2]  # zero padding reduces the variance at the edge
    expected = 1.0 if kind == "linear" else layers.LEAKY_RELU.gain**2
    assert output.square().mean().item() == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize("kind", ["linear", "strided_conv", "conv_transpose", "grouped"])
def test_normal_weights_have_the_papers_standard_deviation(kind: str) -> None:
    torch.manual_seed(0)
    layer = build_layer("normal", kind)
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not layer.bias.any()


def test_orthogonal_weights_are_orthogonal() -> None:
    layer = layers.LayerFactory(layers.init_orthogonal).linear(64, 64)
    torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(64), rtol=0, atol=1e-5)


def test_spectral_norm_converges_to_norm_one() -> None:
    torch.manual_seed(0)
    factory = layers.LayerFactory(layers.init_kaiming, layers.spectral_norm)
    conv, linear = factory.strided_conv2d(3, 16), factory.linear(48, 8)
    for _ in range(30):
        conv(torch.randn(1, 3, 8, 8))
        linear(torch.randn(1, 48))
    for layer in (conv.eval(), linear.eval()):
        top = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0].item()
        assert top == pytest.approx(1.0, abs=0.01)


def test_scale_of_batch_norm_is_drawn_around_one() -> None:
    torch.manual_seed(0)
    scale = layers.NORMS_2D["batch"].build(4096).weight
    assert scale.mean().item() == pytest.approx(1.0, abs=0.002)
    assert scale.std().item() == pytest.approx(0.02, rel=0.1)


def test_dropout_at_rate_zero_is_the_identity() -> None:
    assert isinstance(layers.dropout_or_identity(0.0), nn.Identity)
    assert layers.dropout_or_identity(0.25).p == 0.25


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_scores_are_at_least_float32(dtype: torch.dtype, expected: torch.dtype) -> None:
    score = layers.to_score(torch.zeros(5, 1, dtype=dtype))
    assert score.shape == (5,)
    assert score.dtype == expected
