"""The feature network of the FID and the Inception Score: Inception-v3 as Google published it in December 2015.

Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567, in the version
that Heusel et al. 2017, arXiv:1706.08500, compute the FID with and Salimans et al. 2016, arXiv:1606.03498, the
Inception Score. Scores are comparable with published ones only if images are also resized as in TensorFlow 1.
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

from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.resample import resize_bilinear_tensorflow, to_rgb
from zerosum.evaluation.features.weights import (
    ProgressFn,
    deterministic_inference,
    download_weights,
    ignore_progress,
)
from zerosum.networks.pretrained import freeze_network

WEIGHTS_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
WEIGHTS_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
NUM_CLASSES = 1008
"""The 1,000 classes of ImageNet, and eight unused ones."""
_IMAGE_SIZE = 299

PoolFn = Callable[[Tensor], Tensor]


class ConvSpec(NamedTuple):
    """A convolution: output channels, kernel size, and whether it has stride 2 (then without padding)."""

    out_channels: int
    kernel_height: int = 1
    kernel_width: int = 1
    uses_stride_2: bool = False
    uses_padding: bool = True


def _identity(hidden: Tensor) -> Tensor:
    return hidden


class BranchSpec(NamedTuple):
    """A branch of a block: a pooling layer, layers in sequence, and parallel layers at its end."""

    name: str
    layers: Sequence[ConvSpec]
    parallel_layers: Sequence[ConvSpec] = ()
    pool: PoolFn = _identity


# As in TensorFlow, averages do not count the padding.
_AVG_POOL = partial(functional.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
_MAX_POOL = partial(functional.max_pool2d, kernel_size=3, stride=1, padding=1)
_STRIDED_MAX_POOL = partial(functional.max_pool2d, kernel_size=3, stride=2)
_PARALLEL_1X3_3X1 = (ConvSpec(384, 1, 3), ConvSpec(384, 3, 1))


def _inception_a(pool_channels: int) -> tuple[BranchSpec, ...]:
    """Return the branches of a block at 35 x 35."""
    return (
        BranchSpec("branch1x1", [ConvSpec(64)]),
        BranchSpec("branch5x5", [ConvSpec(48), ConvSpec(64, 5, 5)]),
        BranchSpec("branch3x3dbl", [ConvSpec(64), ConvSpec(96, 3, 3), ConvSpec(96, 3, 3)]),
        BranchSpec("branch_pool", [ConvSpec(pool_channels)], pool=_AVG_POOL),
    )


def _inception_c(channels_7x7: int) -> tuple[BranchSpec, ...]:
    """Return the branches of a block at 17 x 17: 7 x 7 convolutions factorized into 7 x 1 and 1 x 7."""
    vertical, horizontal = ConvSpec(channels_7x7, 7, 1), ConvSpec(channels_7x7, 1, 7)
    return (
        BranchSpec("branch1x1", [ConvSpec(192)]),
        BranchSpec("branch7x7", [ConvSpec(channels_7x7), horizontal, ConvSpec(192, 7, 1)]),
        BranchSpec("branch7x7dbl", [ConvSpec(channels_7x7), vertical, horizontal, vertical, ConvSpec(192, 1, 7)]),
        BranchSpec("branch_pool", [ConvSpec(192)], pool=_AVG_POOL),
    )


def _inception_e(pool: PoolFn) -> tuple[BranchSpec, ...]:
    """Return the branches of a block at 8 x 8."""
    return (
        BranchSpec("branch1x1", [ConvSpec(320)]),
        BranchSpec("branch3x3", [ConvSpec(384)], _PARALLEL_1X3_3X1),
        BranchSpec("branch3x3dbl", [ConvSpec(448), ConvSpec(384, 3, 3)], _PARALLEL_1X3_3X1),
        BranchSpec("branch_pool", [ConvSpec(192)], pool=pool),
    )


_INCEPTION_B = (
    BranchSpec("branch3x3", [ConvSpec(384, 3, 3, uses_stride_2=True)]),
    BranchSpec("branch3x3dbl", [ConvSpec(64), ConvSpec(96, 3, 3), ConvSpec(96, 3, 3, uses_stride_2=True)]),
    BranchSpec("", [], pool=_STRIDED_MAX_POOL),
)
_INCEPTION_D = (
    BranchSpec("branch3x3", [ConvSpec(192), ConvSpec(320, 3, 3, uses_stride_2=True)]),
    BranchSpec(
        "branch7x7x3",
        [ConvSpec(192), ConvSpec(192, 1, 7), ConvSpec(192, 7, 1), ConvSpec(192, 3, 3, uses_stride_2=True)],
    ),
    BranchSpec("", [], pool=_STRIDED_MAX_POOL),
)
_STEM = {
    "Conv2d_1a_3x3": ConvSpec(32, 3, 3, uses_stride_2=True),
    "Conv2d_2a_3x3": ConvSpec(32, 3, 3, uses_padding=False),
    "Conv2d_2b_3x3": ConvSpec(64, 3, 3),
    "Conv2d_3b_1x1": ConvSpec(80),
    "Conv2d_4a_3x3": ConvSpec(192, 3, 3, uses_padding=False),
}
_STEM_POOLED_LAYERS = ("Conv2d_2b_3x3", "Conv2d_4a_3x3")
"""Layers of the stem that are followed by max pooling."""
_BLOCKS = {
    "Mixed_5b": _inception_a(32),
    "Mixed_5c": _inception_a(64),
    "Mixed_5d": _inception_a(64),
    "Mixed_6a": _INCEPTION_B,
    "Mixed_6b": _inception_c(128),
    "Mixed_6c": _inception_c(160),
    "Mixed_6d": _inception_c(160),
    "Mixed_6e": _inception_c(192),
    "Mixed_7a": _INCEPTION_D,
    "Mixed_7b": _inception_e(_AVG_POOL),
    "Mixed_7c": _inception_e(_MAX_POOL),  # max pooling, as in the published network
}


class BasicConv2d(nn.Module):
    """A convolution without bias, then batch norm and ReLU."""

    bn: nn.Module

    def __init__(self, in_channels: int, spec: ConvSpec) -> None:
        super().__init__()
        padding = (
            (spec.kernel_height // 2, spec.kernel_width // 2) if spec.uses_padding and not spec.uses_stride_2 else 0
        )
        stride = 2 if spec.uses_stride_2 else 1
        self.conv = nn.Conv2d(in_channels, spec.out_channels, spec[1:3], stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(spec.out_channels, eps=1e-3)

    def fold_batch_norm(self) -> None:
        """Fold the batch norm into the convolution."""
        assert isinstance(self.bn, nn.BatchNorm2d)
        self.conv, self.bn = fuse_conv_bn_eval(self.conv, self.bn), nn.Identity()

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H', W'): the same size, or halved, less 2 if unpadded."""
        return functional.relu_(self.bn(self.conv(hidden)))


class InceptionBlock(nn.Module):
    """Parallel branches, concatenated along the channels."""

    def __init__(self, in_channels: int, branches: Sequence[BranchSpec]) -> None:
        """Create the layers under their names in the published file.

        A branch's only layer has the name of the branch; layers in sequence are numbered, and parallel ones lettered.
        """
        super().__init__()
        self._branches = [(branch.pool, *self._add_branch(in_channels, branch)) for branch in branches]
        widths = [
            [layer.out_channels for layer in branch.parallel_layers or branch.layers[-1:]] or [in_channels]
            for branch in branches
        ]
        self.out_channels = sum(map(sum, widths))

    def _add_branch(self, in_channels: int, branch: BranchSpec) -> tuple[list[nn.Module], list[nn.Module]]:
        """Create a branch; return its layers in sequence and its parallel layers."""
        layers: list[nn.Module] = []
        is_only_layer = len(branch.layers) + len(branch.parallel_layers) == 1
        for number, spec in enumerate(branch.layers, 1):
            layers.append(
                self._add_conv(branch.name if is_only_layer else f"{branch.name}_{number}", in_channels, spec)
            )
            in_channels = spec.out_channels
        lettered = zip("ab", branch.parallel_layers, strict=False)
        return layers, [
            self._add_conv(f"{branch.name}_{len(layers) + 1}{letter}", in_channels, spec) for letter, spec in lettered
        ]

    def _add_conv(self, name: str, in_channels: int, spec: ConvSpec) -> nn.Module:
        conv = BasicConv2d(in_channels, spec)
        self.add_module(name, conv)
        return conv

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W), or to half the size."""
        outputs: list[Tensor] = []
        for pool, layers, parallel_layers in self._branches:
            branch = pool(hidden)
            for layer in layers:
                branch = layer(branch)
            outputs += [layer(branch) for layer in parallel_layers] or [branch]
        return torch.cat(outputs, 1)


def build_inception() -> nn.Sequential:
    """Return the network with random weights; its modules are named as in the published file.

    It maps (N, 3, 299, 299) in [-1, 1] to logits (N, 1008); its last module, `fc`, takes features (N, 2048).
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for name, spec in _STEM.items():
        modules[name] = BasicConv2d(channels, spec)
        channels = spec.out_channels
        if name in _STEM_POOLED_LAYERS:
            modules[f"{name}_pool"] = nn.MaxPool2d(3, 2)
    for name, branches in _BLOCKS.items():
        modules[name] = block = InceptionBlock(channels, branches)
        channels = block.out_channels
    modules |= {"AvgPool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(channels, NUM_CLASSES)}
    return nn.Sequential(modules)


@dataclass(frozen=True, eq=False)
class InceptionFeatures:
    """The features of the FID, and the class probabilities of the Inception Score."""

    backbone: nn.Module
    head: nn.Module
    chunk_size: int
    """Images per call of the backbone."""
    name: ClassVar[str] = "inception"
    is_cacheable: ClassVar[bool] = True
    version: ClassVar[str] = WEIGHTS_SHA256[:8]
    resize_mode: ClassVar[str] = f"bilinear as in TensorFlow 1, to {_IMAGE_SIZE} px"

    @classmethod
    def load(cls, device: torch.device, progress: ProgressFn = ignore_progress, field: str = "features") -> Self:
        """Load the network with its published weights; 96 MB are downloaded the first time.

        Args:
            device: where it computes.
            progress: called after each chunk of a download.
            field: the argument or setting that chose this network, for messages.

        Raises:
            BadInput: the weights are not in the cache and cannot be downloaded.
        """
        file = download_weights(WEIGHTS_URL, WEIGHTS_SHA256, WEIGHTS_URL.rpartition("/")[2], progress, field)
        return cls.from_state_dict(torch.load(file, map_location="cpu", weights_only=True), device)

    @classmethod
    def from_state_dict(cls, state_dict: dict[str, Tensor], device: torch.device) -> Self:
        """Create the network from a state dict with the names of the published file."""
        network = build_inception().eval()
        network.load_state_dict(state_dict)
        network[-1].register_parameter("bias", None)  # the published Inception Score uses logits without bias
        for module in network.modules():
            if isinstance(module, BasicConv2d):
                module.fold_batch_norm()
        network = freeze_network(network, device)
        return cls(network[:-1], network[-1], 4 if device.type == "cpu" else 64)

    def __call__(self, images: Tensor) -> FeatureOutput:
        """Return features (N, 2048), all >= 0, and class probabilities (N, 1008) of images (N, C, H, W) in [-1, 1]."""
        with deterministic_inference():
            features = torch.cat([self._extract_features(part) for part in torch.split(images, self.chunk_size)])
            return FeatureOutput(features, self.head(features).softmax(1))

    def _extract_features(self, images: Tensor) -> Tensor:
        byte_values = ((to_rgb(images) + 1) * 127.5).round()  # exact, since images are stored as bytes
        inputs = (resize_bilinear_tensorflow(byte_values, _IMAGE_SIZE) - 128) / 128
        features: Tensor = self.backbone(inputs.contiguous(memory_format=torch.channels_last))
        return features
