"""The network of the FID and the Inception Score: Inception-v3 as Google published it in December 2015.

Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567, in the version
that Heusel et al. 2017, arXiv:1706.08500, compute the FID with and Salimans et al. 2016, arXiv:1606.03498, the
Inception Score. Scores compare with published ones only if the resizing is the same, too: TensorFlow 1's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from zerosum.evaluation.features.base import Seen
from zerosum.evaluation.features.resample import tensorflow_bilinear, three_channels
from zerosum.evaluation.features.weights import Progress, exactly, fetched, quiet, settled

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
CLASSES = 1008
"""ImageNet's 1,000, and eight without a meaning."""
_SIDE = 299

Pool = Callable[[Tensor], Tensor]


class Layer(NamedTuple):
    """A convolution in a table: channels out, the kernel's sides, and whether it halves the size, unpadded."""

    width: int
    rows: int = 1
    columns: int = 1
    halves: bool = False
    pads: bool = True


def _as_is(hidden: Tensor) -> Tensor:
    return hidden


class Branch(NamedTuple):
    """A way through a block: a pool, layers one after another, and layers side by side at its end."""

    name: str
    layers: Sequence[Layer]
    ends: Sequence[Layer] = ()
    pool: Pool = _as_is


# TensorFlow leaves the padding out of averages.
_AVERAGE = partial(functional.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
_LARGEST = partial(functional.max_pool2d, kernel_size=3, stride=1, padding=1)
_HALVING = partial(functional.max_pool2d, kernel_size=3, stride=2)
_ENDS = (Layer(384, 1, 3), Layer(384, 3, 1))


def _fine(pooled: int) -> tuple[Branch, ...]:
    """Blocks at 35 x 35."""
    return (
        Branch("branch1x1", [Layer(64)]),
        Branch("branch5x5", [Layer(48), Layer(64, 5, 5)]),
        Branch("branch3x3dbl", [Layer(64), Layer(96, 3, 3), Layer(96, 3, 3)]),
        Branch("branch_pool", [Layer(pooled)], pool=_AVERAGE),
    )


def _middle(wide: int) -> tuple[Branch, ...]:
    """Blocks at 17 x 17: 7 x 7 convolutions taken apart into rows and columns."""
    down, across = Layer(wide, 7, 1), Layer(wide, 1, 7)
    return (
        Branch("branch1x1", [Layer(192)]),
        Branch("branch7x7", [Layer(wide), across, Layer(192, 7, 1)]),
        Branch("branch7x7dbl", [Layer(wide), down, across, down, Layer(192, 1, 7)]),
        Branch("branch_pool", [Layer(192)], pool=_AVERAGE),
    )


def _coarse(pool: Pool) -> tuple[Branch, ...]:
    """Blocks at 8 x 8."""
    return (
        Branch("branch1x1", [Layer(320)]),
        Branch("branch3x3", [Layer(384)], _ENDS),
        Branch("branch3x3dbl", [Layer(448), Layer(384, 3, 3)], _ENDS),
        Branch("branch_pool", [Layer(192)], pool=pool),
    )


_TO_MIDDLE = (
    Branch("branch3x3", [Layer(384, 3, 3, halves=True)]),
    Branch("branch3x3dbl", [Layer(64), Layer(96, 3, 3), Layer(96, 3, 3, halves=True)]),
    Branch("", [], pool=_HALVING),
)
_TO_COARSE = (
    Branch("branch3x3", [Layer(192), Layer(320, 3, 3, halves=True)]),
    Branch("branch7x7x3", [Layer(192), Layer(192, 1, 7), Layer(192, 7, 1), Layer(192, 3, 3, halves=True)]),
    Branch("", [], pool=_HALVING),
)
_STEM = {
    "Conv2d_1a_3x3": Layer(32, 3, 3, halves=True),
    "Conv2d_2a_3x3": Layer(32, 3, 3, pads=False),
    "Conv2d_2b_3x3": Layer(64, 3, 3),
    "Conv2d_3b_1x1": Layer(80),
    "Conv2d_4a_3x3": Layer(192, 3, 3, pads=False),
}
_POOLED = ("Conv2d_2b_3x3", "Conv2d_4a_3x3")
"""The layers of the stem that a pool follows."""
_BLOCKS = {
    "Mixed_5b": _fine(32),
    "Mixed_5c": _fine(64),
    "Mixed_5d": _fine(64),
    "Mixed_6a": _TO_MIDDLE,
    "Mixed_6b": _middle(128),
    "Mixed_6c": _middle(160),
    "Mixed_6d": _middle(160),
    "Mixed_6e": _middle(192),
    "Mixed_7a": _TO_COARSE,
    "Mixed_7b": _coarse(_AVERAGE),
    "Mixed_7c": _coarse(_LARGEST),  # the published network's own
}


class Convolution(nn.Module):
    """A convolution without bias, batch norm and ReLU."""

    bn: nn.Module

    def __init__(self, inside: int, layer: Layer) -> None:
        super().__init__()
        padding = (layer.rows // 2, layer.columns // 2) if layer.pads and not layer.halves else 0
        stride = 2 if layer.halves else 1
        self.conv = nn.Conv2d(inside, layer.width, layer[1:3], stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(layer.width, eps=1e-3)

    def fold(self) -> None:
        """Make the batch norm part of the convolution."""
        assert isinstance(self.bn, nn.BatchNorm2d)
        self.conv, self.bn = fuse_conv_bn_eval(self.conv, self.bn), nn.Identity()

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, width, H', W'), halved or as large, less 2 where nothing pads."""
        return functional.relu_(self.bn(self.conv(hidden)))


class Mixed(nn.Module):
    """Branches side by side, put together by channels."""

    def __init__(self, inside: int, branches: Sequence[Branch]) -> None:
        """Layers are called as in the published file: alone by the branch, else numbered, side by side lettered."""
        super().__init__()
        self._paths = [(branch.pool, *self._laid(inside, branch)) for branch in branches]
        widths = [[layer.width for layer in branch.ends or branch.layers[-1:]] or [inside] for branch in branches]
        self.width = sum(map(sum, widths))

    def _laid(self, inside: int, branch: Branch) -> tuple[list[nn.Module], list[nn.Module]]:
        """A branch's layers, and those at its end."""
        row: list[nn.Module] = []
        alone = len(branch.layers) + len(branch.ends) == 1
        for number, layer in enumerate(branch.layers, 1):
            row.append(self._named(branch.name if alone else f"{branch.name}_{number}", inside, layer))
            inside = layer.width
        letters = zip("ab", branch.ends, strict=False)
        return row, [self._named(f"{branch.name}_{len(row) + 1}{letter}", inside, layer) for letter, layer in letters]

    def _named(self, name: str, inside: int, layer: Layer) -> nn.Module:
        made = Convolution(inside, layer)
        self.add_module(name, made)
        return made

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, width, H, W), or half as large."""
        seen: list[Tensor] = []
        for pool, row, ends in self._paths:
            part = pool(hidden)
            for layer in row:
                part = layer(part)
            seen += [end(part) for end in ends] or [part]
        return torch.cat(seen, 1)


def network() -> nn.Sequential:
    """The network with weights as they come; its parts are called as in the published file.

    It takes (N, 3, 299, 299) in [-1, 1] to (N, 1008); its last part, `fc`, takes (N, 2048).
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    width = 3
    for name, layer in _STEM.items():
        parts[name] = Convolution(width, layer)
        width = layer.width
        if name in _POOLED:
            parts[f"{name}_pool"] = nn.MaxPool2d(3, 2)
    for name, branches in _BLOCKS.items():
        parts[name] = mixed = Mixed(width, branches)
        width = mixed.width
    parts |= {"AvgPool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(width, CLASSES)}
    return nn.Sequential(parts)


@dataclass(frozen=True, eq=False)
class Inception:
    """The features the FID compares, and the chances the Inception Score reads."""

    trunk: nn.Module
    head: nn.Module
    at_once: int
    """Images that go through the trunk together."""
    name: ClassVar[str] = "inception"
    steady: ClassVar[bool] = True
    version: ClassVar[str] = SHA256[:8]
    resize: ClassVar[str] = f"bilinear as in TensorFlow 1, to {_SIDE} px"

    @classmethod
    def load(cls, device: torch.device, progress: Progress = quiet) -> Self:
        """The network with its published weights, 96 MB that are downloaded the first time.

        Raises:
            BadInput: they are not there and cannot be downloaded.
        """
        file = fetched(URL, SHA256, URL.rpartition("/")[2], progress)
        return cls.of(torch.load(file, map_location="cpu", weights_only=True), device)

    @classmethod
    def of(cls, published: dict[str, Tensor], device: torch.device) -> Self:
        """The network with these weights, by the names of the published file."""
        whole = network().eval()
        whole.load_state_dict(published)
        whole[-1].register_parameter("bias", None)  # the Inception Score was published with logits that lack it
        for part in whole.modules():
            if isinstance(part, Convolution):
                part.fold()
        whole = settled(whole, device)
        return cls(whole[:-1], whole[-1], 4 if device.type == "cpu" else 64)

    def __call__(self, images: Tensor) -> Seen:
        """Images (N, C, H, W) in [-1, 1] to features (N, 2048), 0 or above, and chances (N, 1008)."""
        with exactly():
            features = torch.cat([self._features(part) for part in torch.split(images, self.at_once)])
            return Seen(features, self.head(features).softmax(1))

    def _features(self, images: Tensor) -> Tensor:
        bytes_ = ((three_channels(images) + 1) * 127.5).round()  # they came from bytes, exactly
        pixels = (tensorflow_bilinear(bytes_, _SIDE) - 128) / 128
        features: Tensor = self.trunk(pixels.contiguous(memory_format=torch.channels_last))
        return features
