"""What the networks are built of: drawing weights, norms, activations, resampling, the score."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

InitFn = Callable[[Tensor, int, float], None]
"""Draws a weight in place, given the number of inputs each of its outputs sums (fan-in) and the gain."""

ConstraintFn = Callable[[nn.Module], nn.Module]
"""Keeps a layer's weight within bounds while it learns; `free` does not."""


def init_normal(weight: Tensor, fan_in: int, gain: float) -> None:
    """N(0, 0.02) whatever the layer's size: DCGAN's (Radford et al. 2015, arXiv:1511.06434, section 4).

    Made for networks with batch norm; without it a narrow network drawn so passes almost no signal.
    """
    nn.init.normal_(weight, 0.0, 0.02)


def init_kaiming(weight: Tensor, fan_in: int, gain: float) -> None:
    """N(0, gain^2 / fan_in), which carries variance through the layer (He et al. 2015, arXiv:1502.01852)."""
    nn.init.normal_(weight, 0.0, gain * fan_in**-0.5)


def init_orthogonal(weight: Tensor, fan_in: int, gain: float) -> None:
    """Orthogonal directions (Saxe et al. 2013, arXiv:1312.6120), with the mean square size of `scaled`."""
    nn.init.orthogonal_(weight)
    with torch.no_grad():
        weight.mul_(gain * fan_in**-0.5 / weight.square().mean().sqrt())


INITS: dict[str, InitFn] = {"normal": init_normal, "orthogonal": init_orthogonal, "kaiming": init_kaiming}


def leave_unconstrained(layer: nn.Module) -> nn.Module:
    """The layer as it is."""
    return layer


def spectral_norm(layer: nn.Module) -> nn.Module:
    """The layer with its weight divided by its largest singular value (Miyato et al. 2018, arXiv:1802.05957).

    One power iteration a training forward; a convolution's weight is taken as the matrix (out, in * kh * kw).
    """
    return parametrizations.spectral_norm(layer)


class LayerFactory(NamedTuple):
    """How a network's weights are drawn, and what keeps them in bounds."""

    init: InitFn
    constrain: ConstraintFn = leave_unconstrained

    def linear(self, in_features: int, out_features: int, gain: float = 1.0, bias: bool = True) -> nn.Module:
        """(N, inside) to (N, outside)."""
        return self._initialize(nn.Linear(in_features, out_features, bias), in_features, gain)

    def strided_conv2d(self, in_channels: int, out_channels: int, gain: float = 1.0, bias: bool = True) -> nn.Module:
        """4x4 convolution of stride 2: (N, inside, 2H, 2W) to (N, outside, H, W)."""
        return self._initialize(nn.Conv2d(in_channels, out_channels, 4, 2, 1, bias=bias), 16 * in_channels, gain)

    def conv_transpose2d(self, in_channels: int, out_channels: int, gain: float = 1.0, bias: bool = True) -> nn.Module:
        """4x4 transposed convolution of stride 2: (N, inside, H, W) to (N, outside, 2H, 2W)."""
        # Each output pixel meets only 2x2 of the 4x4 weights: the others fall between input pixels.
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
        """Convolution of odd side that keeps the size: (N, inside, H, W) to (N, outside, H, W)."""
        padding = dilation * (kernel_size // 2)
        layer = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=padding, dilation=dilation, groups=groups, bias=bias
        )
        return self._initialize(layer, kernel_size * kernel_size * in_channels // groups, gain)

    def conv4x4(self, in_channels: int, out_channels: int, gain: float = 1.0, bias: bool = True) -> nn.Module:
        """4x4 convolution of stride 1: (N, inside, H, W) to (N, outside, H - 1, W - 1)."""
        return self._initialize(nn.Conv2d(in_channels, out_channels, 4, 1, 1, bias=bias), 16 * in_channels, gain)

    def embedding(self, num_embeddings: int, embedding_size: int, gain: float = 1.0) -> nn.Module:
        """A row for each of `num_embeddings` things: their weights (N, rows) to (N, size)."""
        # of a one-hot input only one number is not 0, so the fan-in is 1
        return self._initialize(nn.Linear(num_embeddings, embedding_size, bias=False), 1, gain)

    def _initialize(self, layer: _WeightLayer, fan_in: int, gain: float) -> nn.Module:
        self.init(layer.weight, fan_in, gain)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        return self.constrain(layer)


_WeightLayer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


class Activation(NamedTuple):
    """A nonlinearity, and the gain that makes up for the variance it takes."""

    build: Callable[[], nn.Module]
    gain: float


RELU = Activation(nn.ReLU, 2**0.5)
LEAKY_RELU = Activation(lambda: nn.LeakyReLU(0.2), (2 / (1 + 0.2**2)) ** 0.5)

ACTIVATIONS: dict[str, Activation] = {"leaky_relu": LEAKY_RELU, "relu": RELU}


class Norm(NamedTuple):
    """A normalisation; one that `shifts` has a bias of its own, so the layer before it needs none."""

    build: Callable[[int], nn.Module]
    has_bias: bool


def _batch_norm_2d(width: int) -> nn.Module:
    """Batch norm with its scale drawn from N(1, 0.02), as DCGANs are."""
    norm = nn.BatchNorm2d(width)
    nn.init.normal_(norm.weight, 1.0, 0.02)
    return norm


class InstanceNorm(nn.Module):
    """Each map of each sample brought to mean 0 and variance 1, then to a learned scale and shift.

    Ulyanov, Vedaldi, Lempitsky 2016, "Instance Normalization", arXiv:1607.08022. Training and use are the same to it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same; a map of a single place, which would become 0, is left as it is."""
        if hidden.shape[2] * hidden.shape[3] == 1:
            return hidden
        # groups of one channel are the same sum, and unlike functional.instance_norm keep channels_last
        return functional.group_norm(hidden, len(self.weight), self.weight, self.bias)


NORMS_2D: dict[str, Norm] = {
    "none": Norm(nn.Identity, False),
    "batch": Norm(_batch_norm_2d, True),
    "instance": Norm(InstanceNorm, True),
}
"""For (N, C, H, W)."""
NORMS_1D: dict[str, Norm] = {"none": Norm(nn.Identity, False), "batch": Norm(nn.BatchNorm1d, True)}
"""For (N, C)."""


def dropout_or_identity(rate: float) -> nn.Module:
    """Dropout of single values at this rate in training; nothing at all at rate 0."""
    return nn.Dropout(rate) if rate > 0 else nn.Identity()


def tanh_or_identity(bounded: bool) -> nn.Module:
    """What ends a generator: tanh, for samples in [-1, 1], or nothing."""
    return nn.Tanh() if bounded else nn.Identity()


def to_score(column: Tensor) -> Tensor:
    """(N, 1) to the (N,) of a verdict: float32 whatever the network ran in (float64 stays float64)."""
    return column.squeeze(1).to(torch.promote_types(column.dtype, torch.float32))


class Upsample(nn.Module):
    """Twice the size by the filter [1, 3, 3, 1] / 4 each way, edges repeated: a constant stays constant.

    The filter is R3GAN's (Huang et al. 2024, arXiv:2501.05441) and StyleGAN2's.
    """

    def forward(self, sample: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, 2H, 2W)."""
        # The zero-inserted signal under [1, 3, 3, 1] is bilinear interpolation, term for term; this form is
        # 1.4 to 2 times as fast as a depthwise transposed convolution on a CPU in channels_last.
        return functional.interpolate(sample, scale_factor=2.0, mode="bilinear", align_corners=False)


class Downsample(nn.Module):
    """Half the size by the filter [1, 3, 3, 1] / 8 each way, edges repeated: a constant stays constant."""

    def forward(self, sample: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H / 2, W / 2); H and W even."""
        return _downsample_by_upsample_gradient(sample) if sample.device.type == "cpu" else _downsample_by_conv(sample)


def _downsample_by_upsample_gradient(sample: Tensor) -> Tensor:
    """A quarter of the slope of `Upsample`, which is this very filter, edges included.

    Its second derivative is `Upsample` itself, and in channels_last all of it is 4 to 6 times as fast on a CPU as
    filtering. On a GPU its sums come in no fixed order, so a run would not repeat exactly.
    """
    count, channels, height, width = sample.shape
    sample = sample.contiguous(memory_format=torch.channels_last)
    small = [count, channels, height // 2, width // 2]
    slope: Tensor = torch.ops.aten.upsample_bilinear2d_backward(sample, [height, width], small, False, 2.0, 2.0)
    return slope / 4


def _downsample_by_conv(sample: Tensor) -> Tensor:
    """The filter itself, a depthwise convolution of stride 2."""
    channels = sample.shape[1]
    taps = sample.new_tensor([1.0, 3.0, 3.0, 1.0]) / 8
    depthwise = torch.outer(taps, taps).expand(channels, 1, 4, 4)
    return functional.conv2d(functional.pad(sample, (1, 1, 1, 1), "replicate"), depthwise, stride=2, groups=channels)


def fuse_box_filter(weight: Tensor) -> Tensor:
    """A 3x3 kernel added to itself at the four corners of a pixel: (..., 3, 3) to (..., 4, 4)."""
    tall = functional.pad(weight, (0, 0, 0, 1)) + functional.pad(weight, (0, 0, 1, 0))
    return functional.pad(tall, (0, 1)) + functional.pad(tall, (1, 0))


def upsample_conv2d(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A 3x3 convolution of twice the size, each pixel repeated: (N, inside, H, W) to (N, outside, 2H, 2W).

    Where pixels are repeated, 3x3 weights (outside, inside, 3, 3) meet 2x2 different ones. So it is one transposed
    convolution by a 4x4 kernel, with 4 products a pixel instead of 9 and without the large map: 1.5 to 2.8 times as
    fast on a CPU.
    """
    kernel = fuse_box_filter(weight.transpose(0, 1).flip(2, 3))  # turned round before it is widened: less to copy
    return functional.conv_transpose2d(hidden, kernel, bias, stride=2, padding=1)


class FusedResampleConv(nn.Module):
    """A 3x3 convolution that keeps the size, and resampling worked into it."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        assert isinstance(conv, nn.Conv2d)
        self.conv = conv


class UpsampleConv(FusedResampleConv):
    """Every pixel is made four alike, then convolved."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, 2H, 2W)."""
        return upsample_conv2d(hidden, self.conv.weight, self.conv.bias)


class ConvMeanPool(FusedResampleConv):
    """Convolved, then every four pixels are averaged."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, 2H, 2W) to (N, outside, H, W)."""
        kernel = fuse_box_filter(self.conv.weight) / 4
        return functional.conv2d(hidden, kernel, self.conv.bias, stride=2, padding=1)
