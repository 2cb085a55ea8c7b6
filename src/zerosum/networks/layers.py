"""Building blocks of the networks: weight initialization, norms, activations, resampling and scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from zerosum.networks.batch_norm import BatchNorm1d, BatchNorm2d

InitFn = Callable[[Tensor, int, float], None]
"""Initialize a weight in place, from its fan-in (how many inputs each output sums) and the gain of the activation."""

ConstraintFn = Callable[[nn.Module], nn.Module]
"""Wrap a layer so that its weight stays bounded in training, as `spectral_norm` does; `leave_unconstrained` does
not."""


def init_normal(weight: Tensor, fan_in: int, gain: float) -> None:
    """Draw from N(0, 0.02), whatever the layer's size (DCGAN, Radford et al. 2015, arXiv:1511.06434, section 4).

    Meant for networks with batch norm: without it, a narrow network initialized this way passes almost no signal.
    """
    nn.init.normal_(weight, 0.0, 0.02)


def init_kaiming(weight: Tensor, fan_in: int, gain: float) -> None:
    """Draw from N(0, gain^2 / fan_in), which preserves the variance (He et al. 2015, arXiv:1502.01852)."""
    nn.init.normal_(weight, 0.0, gain * fan_in**-0.5)


def init_orthogonal(weight: Tensor, fan_in: int, gain: float) -> None:
    """Draw an orthogonal matrix (Saxe et al. 2013, arXiv:1312.6120), scaled to the mean square of `init_kaiming`."""
    nn.init.orthogonal_(weight)
    with torch.no_grad():
        weight.mul_(gain * fan_in**-0.5 / weight.square().mean().sqrt())


INITS: dict[str, InitFn] = {"normal": init_normal, "orthogonal": init_orthogonal, "kaiming": init_kaiming}
"""Initializations by the name that settings use."""


def leave_unconstrained(layer: nn.Module) -> nn.Module:
    """Return the layer unchanged."""
    return layer


def spectral_norm(layer: nn.Module) -> nn.Module:
    """Divide the layer's weight by its largest singular value (Miyato et al. 2018, arXiv:1802.05957).

    Each forward pass in training mode runs one power iteration. The weight of a convolution is taken as a matrix
    (C_out, C_in * kh * kw).
    """
    return parametrizations.spectral_norm(layer)


class LayerFactory(NamedTuple):
    """Create layers with one weight initialization and one constraint on their weights. Biases start at 0."""

    init: InitFn
    constrain: ConstraintFn = leave_unconstrained

    def linear(self, in_features: int, out_features: int, gain: float = 1.0, bias: bool = True) -> nn.Module:
        """Create a linear layer, (N, in_features) to (N, out_features)."""
        return self._initialize(nn.Linear(in_features, out_features, bias), in_features, gain)

    def strided_conv2d(self, in_channels: int, out_channels: int, gain: float = 1.0, bias: bool = True) -> nn.Module:
        """Create a 4x4 convolution of stride 2, (N, C_in, 2H, 2W) to (N, C_out, H, W)."""
        return self._initialize(nn.Conv2d(in_channels, out_channels, 4, 2, 1, bias=bias), 16 * in_channels, gain)

    def conv_transpose2d(self, in_channels: int, out_channels: int, gain: float = 1.0, bias: bool = True) -> nn.Module:
        """Create a 4x4 transposed convolution of stride 2, (N, C_in, H, W) to (N, C_out, 2H, 2W)."""
        # each output pixel uses only 2x2 of the 4x4 weights: the others fall between input pixels
        return self._initialize(
            nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, bias=bias), 4 * in_channels, gain
        )

    def conv2d(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 1,
        groups: int = 1,
        dilation: int = 1,
        gain: float = 1.0,
        bias: bool = True,
    ) -> nn.Module:
        """Create a convolution that keeps the size, (N, C_in, H, W) to (N, C_out, H, W); `kernel_size` must be odd."""
        padding = dilation * (kernel_size // 2)
        layer = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=padding, dilation=dilation, groups=groups, bias=bias
        )
        return self._initialize(layer, kernel_size * kernel_size * in_channels // groups, gain)

    def conv4x4(self, in_channels: int, out_channels: int, gain: float = 1.0, bias: bool = True) -> nn.Module:
        """Create a 4x4 convolution of stride 1, (N, C_in, H, W) to (N, C_out, H - 1, W - 1)."""
        return self._initialize(nn.Conv2d(in_channels, out_channels, 4, 1, 1, bias=bias), 16 * in_channels, gain)

    def embedding(self, num_embeddings: int, embedding_size: int, gain: float = 1.0) -> nn.Module:
        """Create an embedding of `num_embeddings` classes: class weights (N, num_embeddings) to (N, embedding_size)."""
        # a one-hot input has a single nonzero value, so the fan-in is 1
        return self._initialize(nn.Linear(num_embeddings, embedding_size, bias=False), 1, gain)

    def _initialize(self, layer: _WeightLayer, fan_in: int, gain: float) -> nn.Module:
        self.init(layer.weight, fan_in, gain)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        return self.constrain(layer)


_WeightLayer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


class Activation(NamedTuple):
    """A nonlinearity, and the gain that compensates for the variance it removes."""

    build: Callable[[], nn.Module]
    gain: float


RELU = Activation(nn.ReLU, 2**0.5)
LEAKY_RELU = Activation(lambda: nn.LeakyReLU(0.2), (2 / (1 + 0.2**2)) ** 0.5)

ACTIVATIONS: dict[str, Activation] = {"leaky_relu": LEAKY_RELU, "relu": RELU}
"""Activations by the name that settings use."""


class Norm(NamedTuple):
    """A normalization layer; if it `has_bias`, the layer before it needs none."""

    build: Callable[[int], nn.Module]
    has_bias: bool


def _batch_norm_2d(width: int) -> nn.Module:
    """Create a batch norm whose scale is drawn from N(1, 0.02), as in DCGAN."""
    norm = BatchNorm2d(width)
    nn.init.normal_(norm.weight, 1.0, 0.02)
    return norm


class InstanceNorm(nn.Module):
    """Normalize each channel of each sample to mean 0 and variance 1, then apply a learned scale and shift.

    Ulyanov, Vedaldi, Lempitsky 2016, "Instance Normalization", arXiv:1607.08022. It behaves the same in training and
    evaluation mode.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, hidden: Tensor) -> Tensor:
        """Normalize (N, width, H, W); a 1x1 map, which would become 0, is returned unchanged."""
        if hidden.shape[2] * hidden.shape[3] == 1:
            return hidden
        # the same as functional.instance_norm, but it keeps channels_last
        return functional.group_norm(hidden, len(self.weight), self.weight, self.bias)


NORMS_2D: dict[str, Norm] = {
    "none": Norm(nn.Identity, False),
    "batch": Norm(_batch_norm_2d, True),
    "instance": Norm(InstanceNorm, True),
}
"""Norms for (N, C, H, W)."""
NORMS_1D: dict[str, Norm] = {"none": Norm(nn.Identity, False), "batch": Norm(BatchNorm1d, True)}
"""Norms for (N, C)."""
RESIDUAL_OUTPUT_GAIN = 0.1
"""Gain of the last convolution of a network that corrects its input: at first the image hardly changes."""


def dropout_or_identity(rate: float) -> nn.Module:
    """Return dropout of single values at this rate, or the identity at rate 0."""
    return nn.Dropout(rate) if rate > 0 else nn.Identity()


def tanh_or_identity(bounded: bool) -> nn.Module:
    """Return the output activation of a generator: tanh if samples are bounded to [-1, 1], else the identity."""
    return nn.Tanh() if bounded else nn.Identity()


def to_score(column: Tensor) -> Tensor:
    """Squeeze (N, 1) to scores (N,) in float32, whatever precision the network ran in (float64 stays float64)."""
    return column.squeeze(1).to(torch.promote_types(column.dtype, torch.float32))


class Upsample(nn.Module):
    """Double the size with the separable filter [1, 3, 3, 1] / 4 and replicated edges; a constant stays constant.

    The filter is the one of R3GAN (Huang et al. 2024, arXiv:2501.05441) and StyleGAN2.
    """

    def forward(self, sample: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, 2H, 2W)."""
        # filtering the zero-inserted signal with [1, 3, 3, 1] equals bilinear interpolation, which is 1.4 to 2 times as
        # fast as a depthwise transposed convolution on a CPU in channels_last
        return functional.interpolate(sample, scale_factor=2.0, mode="bilinear", align_corners=False)


class Downsample(nn.Module):
    """Halve the size with the separable filter [1, 3, 3, 1] / 8 and replicated edges; a constant stays constant."""

    def forward(self, sample: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H / 2, W / 2); H and W must be even."""
        return _downsample_by_upsample_gradient(sample) if sample.device.type == "cpu" else _downsample_by_conv(sample)


def _downsample_by_upsample_gradient(sample: Tensor) -> Tensor:
    """Return a quarter of the gradient of `Upsample`, which is exactly this filter, edges included.

    The second derivative is `Upsample` itself, and in channels_last this is 4 to 6 times as fast on a CPU as a
    convolution. On a GPU the gradient is summed in no fixed order, so a run would not be reproducible.
    """
    count, channels, height, width = sample.shape
    sample = sample.contiguous(memory_format=torch.channels_last)
    output_size = [count, channels, height // 2, width // 2]
    gradient: Tensor = torch.ops.aten.upsample_bilinear2d_backward(
        sample, [height, width], output_size, False, 2.0, 2.0
    )
    return gradient / 4


def _downsample_by_conv(sample: Tensor) -> Tensor:
    """Apply the filter as a depthwise convolution of stride 2."""
    channels = sample.shape[1]
    taps = sample.new_tensor([1.0, 3.0, 3.0, 1.0]) / 8
    depthwise = torch.outer(taps, taps).expand(channels, 1, 4, 4)
    return functional.conv2d(functional.pad(sample, (1, 1, 1, 1), "replicate"), depthwise, stride=2, groups=channels)


def repeat_pixels(sample: Tensor) -> Tensor:
    """Double the size by repeating pixels: (N, C, H, W) to (N, C, 2H, 2W)."""
    return functional.interpolate(sample, scale_factor=2.0)


def fuse_box_filter(weight: Tensor) -> Tensor:
    """Return the sum of a 3x3 kernel shifted to the four corners of a pixel: (..., 3, 3) to (..., 4, 4)."""
    rows = functional.pad(weight, (0, 0, 0, 1)) + functional.pad(weight, (0, 0, 1, 0))
    return functional.pad(rows, (0, 1)) + functional.pad(rows, (1, 0))


def upsample_conv2d(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with a 3x3 kernel after nearest-neighbor upsampling: (N, C_in, H, W) to (N, C_out, 2H, 2W).

    Where pixels are repeated, a 3x3 kernel (C_out, C_in, 3, 3) covers only 2x2 different ones. So this is one
    transposed convolution with a 4x4 kernel, with 4 products per pixel instead of 9 and without the large map: 1.5 to
    2.8 times as fast on a CPU.
    """
    kernel = fuse_box_filter(weight.transpose(0, 1).flip(2, 3))  # flipped before it is enlarged: less to copy
    return functional.conv_transpose2d(hidden, kernel, bias, stride=2, padding=1)


class FusedResampleConv(nn.Module):
    """Base class of a 3x3 convolution that is fused with resampling."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        assert isinstance(conv, nn.Conv2d)
        self.conv = conv


class UpsampleConv(FusedResampleConv):
    """Nearest-neighbor upsampling, then the convolution."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, 2H, 2W)."""
        return upsample_conv2d(hidden, self.conv.weight, self.conv.bias)


class ConvMeanPool(FusedResampleConv):
    """The convolution, then the mean of each 2x2 pixels."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, C_in, 2H, 2W) to (N, C_out, H, W)."""
        kernel = fuse_box_filter(self.conv.weight) / 4
        return functional.conv2d(hidden, kernel, self.conv.bias, stride=2, padding=1)
