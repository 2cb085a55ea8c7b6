"""The patch discriminator: every place of a picture is judged by what lies around it, as if it were a sample.

Isola et al. 2017, arXiv:1611.07004, section 3.2.2: three halvings make a place's patch 70x70. At several scales: Wang
et al. 2018, "High-Resolution Image Synthesis with Conditional GANs", arXiv:1711.11585, section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.layers import LEAKY_RELU, NORMS_2D, LayerFactory, Norm


class ScaleDiscriminator(nn.Module):
    """The discriminator of one scale."""

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, ...],
        norm: Norm,
        factory: LayerFactory,
        full_resolution_channels: int = 0,
    ) -> None:
        """`widths` are the channels after each halving, and after the convolution of stride 1 that follows them.

        `full_resolution_channels` are those of a 3x3 convolution before; 0: none. There is no norm beside the picture.
        """
        super().__init__()
        plain, before = NORMS_2D["none"], in_channels
        stages: list[nn.Module] = []
        if full_resolution_channels:
            close = factory.conv2d(in_channels, full_resolution_channels, kernel_size=3, gain=LEAKY_RELU.gain)
            stages, before = (
                [_build_conv_norm_leaky_relu(close, full_resolution_channels, plain)],
                full_resolution_channels,
            )
        for place, width in enumerate(widths):
            make = factory.conv4x4 if place == len(widths) - 1 else factory.strided_conv2d
            kind = norm if place else plain
            stages.append(
                _build_conv_norm_leaky_relu(make(before, width, LEAKY_RELU.gain, not kind.has_bias), width, kind)
            )
            before = width
        self.stages = nn.ModuleList(stages)
        self.score = factory.conv4x4(before, 1)

    def forward(self, sample: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(N, inside, H, W) to scores (N, 1, h, w) and the maps they were made of."""
        seen = []
        for setup in self.stages:
            sample = setup(sample)
            seen.append(sample)
        score = self.score(sample)
        return score.to(torch.promote_types(score.dtype, torch.float32)), tuple(seen)


class Discriminator(nn.Module):
    """Pictures of any size to the scores of their patches."""

    def __init__(self, scales: list[ScaleDiscriminator], concat_input: bool) -> None:
        """The first scale judges the picture as it is, each further one at half the size.

        `concat_input`: each sample is seen beside what it is made from.
        """
        super().__init__()
        self.scales = nn.ModuleList(scales)
        self.condition_inputs: tuple[str, ...] = ("inputs",) if concat_input else ()

    def forward(self, sample: Tensor, inputs: Tensor | None = None) -> DiscriminatorOutput:
        """(N, C, H, W), and (N, Ci, h, w) that it is made from, to a verdict with the scales' maps in `seen`.

        One scale's scores are (N, 1, h, w). Those of several are (N, 1, 1, P), one after the other: in the mean over
        places the finer scales, which have more of them, count for more, where the paper gives all scales one voice.
        """
        if inputs is not None:
            sample = torch.cat([sample, _resize_to_sample(inputs, sample)], 1)
        scores: list[Tensor] = []
        seen: tuple[Tensor, ...] = ()
        for place, scale in enumerate(self.scales):
            sample = functional.avg_pool2d(sample, 2) if place else sample
            score, maps = scale(sample)
            scores.append(score)
            seen += maps
        if len(scores) == 1:
            return DiscriminatorOutput(scores[0], feature_maps=seen)
        return DiscriminatorOutput(
            torch.cat([score.flatten(1) for score in scores], 1)[:, None, None], feature_maps=seen
        )


def count_halvings(side: int, max_halvings: int) -> int:
    """How often a picture of this side is halved, at most so often, for its scores to be 2x2 places or more."""
    count = 0
    while count < max_halvings and side >> (count + 1) >= 4:  # the two convolutions after it take 2 of them
        count += 1
    return count


def _resize_to_sample(inputs: Tensor, sample: Tensor) -> Tensor:
    """What is given, at the sample's size and in its precision."""
    size = sample.shape[2:]
    if inputs.shape[2:] == size:
        return inputs.to(sample.dtype)
    shrinks = inputs.shape[2] > size[0]
    return functional.interpolate(inputs, size, mode="bilinear", antialias=shrinks).to(sample.dtype)


def _build_conv_norm_leaky_relu(conv: nn.Module, width: int, norm: Norm) -> nn.Module:
    return nn.Sequential(conv, norm.build(width), LEAKY_RELU.build())
