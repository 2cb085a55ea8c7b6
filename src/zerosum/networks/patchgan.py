"""The PatchGAN discriminator, which scores every position of an image by its surroundings, as if it were a sample.

Isola et al. 2017, arXiv:1611.07004, section 3.2.2: with three halvings the patch of a position is 70x70. Several
scales: Wang et al. 2018, "High-Resolution Image Synthesis with Conditional GANs", arXiv:1711.11585, section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.layers import LEAKY_RELU, NORMS_2D, LayerFactory, Norm
from zerosum.networks.stages import Stages, join_stages


class ScaleDiscriminator(nn.Module):
    """Discriminator of one scale."""

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, ...],
        norm: Norm,
        factory: LayerFactory,
        full_resolution_channels: int = 0,
    ) -> None:
        """Create the network; the layer next to the image has no norm.

        Args:
            in_channels: channels of the image, and of the input it is concatenated with.
            widths: channels after each halving, and after the convolution of stride 1 that follows them.
            norm: norm of the other layers.
            factory: creates the layers.
            full_resolution_channels: channels of a 3x3 convolution before the first halving; 0 for none.
        """
        super().__init__()
        no_norm, channels = NORMS_2D["none"], in_channels
        stages: list[nn.Module] = []
        if full_resolution_channels:
            conv = factory.conv2d(in_channels, full_resolution_channels, kernel_size=3, gain=LEAKY_RELU.gain)
            stages.append(_build_conv_norm_leaky_relu(conv, full_resolution_channels, no_norm))
            channels = full_resolution_channels
        for index, width in enumerate(widths):
            build_conv = factory.conv4x4 if index == len(widths) - 1 else factory.strided_conv2d
            stage_norm = norm if index else no_norm
            conv = build_conv(channels, width, LEAKY_RELU.gain, not stage_norm.has_bias)
            stages.append(_build_conv_norm_leaky_relu(conv, width, stage_norm))
            channels = width
        self.stages = nn.ModuleList(stages)
        self.score = factory.conv4x4(channels, 1)

    def forward(self, sample: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Map (N, C_in, H, W) to scores (N, 1, h, w) and the feature maps of all layers."""
        feature_maps = []
        for stage in self.stages:
            sample = stage(sample)
            feature_maps.append(sample)
        score = self.score(sample)
        return score.to(torch.promote_types(score.dtype, torch.float32)), tuple(feature_maps)

    def stages_from_sample(self) -> Stages:
        """Return the convolutions before the one that scores."""
        return [[stage] for stage in self.stages]


class Discriminator(nn.Module):
    """Map images of any size to the scores of their patches."""

    def __init__(self, scales: list[ScaleDiscriminator], concat_input: bool) -> None:
        """Create the network from its scales.

        Args:
            scales: the first scores the image itself, each further one an image of half the size.
            concat_input: concatenate each sample with the input it was translated from.
        """
        super().__init__()
        self.scales = nn.ModuleList(scales)
        self.condition_inputs: tuple[str, ...] = ("inputs",) if concat_input else ()

    def forward(self, sample: Tensor, inputs: Tensor | None = None) -> DiscriminatorOutput:
        """Map images (N, C, H, W), and their inputs (N, C_in, h, w), to scores and the `feature_maps` of all scales.

        The scores of one scale are (N, 1, h, w). Those of several are concatenated to (N, 1, 1, P): in the mean over
        positions the finer scales, which have more of them, have more weight, where the paper weights all scales
        equally.
        """
        if inputs is not None:
            sample = torch.cat([sample, _resize_to_sample(inputs, sample)], 1)
        scores: list[Tensor] = []
        feature_maps: tuple[Tensor, ...] = ()
        for index, scale in enumerate(self.scales):
            sample = functional.avg_pool2d(sample, 2) if index else sample
            score, scale_maps = scale(sample)
            scores.append(score)
            feature_maps += scale_maps
        if len(scores) == 1:
            return DiscriminatorOutput(scores[0], feature_maps=feature_maps)
        all_scores = torch.cat([score.flatten(1) for score in scores], 1)[:, None, None]
        return DiscriminatorOutput(all_scores, feature_maps=feature_maps)

    def stages_from_sample(self) -> Stages:
        """Return the stages of all scales: the first of each scale, the second of each scale, and so on."""
        return join_stages(*self.scales)


def count_halvings(side: int, max_halvings: int) -> int:
    """Return how often an image of this side can be halved, up to `max_halvings`, with a score map of at least 2x2."""
    count = 0
    while count < max_halvings and side >> (count + 1) >= 4:  # the two convolutions after it reduce the side by 2
        count += 1
    return count


def _resize_to_sample(inputs: Tensor, sample: Tensor) -> Tensor:
    """Return the inputs at the sample's size and in its dtype."""
    size = sample.shape[2:]
    if inputs.shape[2:] == size:
        return inputs.to(sample.dtype)
    antialias = inputs.shape[2] > size[0]
    return functional.interpolate(inputs, size, mode="bilinear", antialias=antialias).to(sample.dtype)


def _build_conv_norm_leaky_relu(conv: nn.Module, width: int, norm: Norm) -> nn.Module:
    return nn.Sequential(conv, norm.build(width), LEAKY_RELU.build())
