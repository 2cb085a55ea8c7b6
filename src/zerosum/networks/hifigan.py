"""Discriminators of waveforms: at several periods, and of spectrograms at several resolutions.

Kong, Kim and Bae 2020, "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech Synthesis",
arXiv:2010.05646, section 2.3: a waveform is folded at a period, and strided convolutions run along each column. Jang et
al. 2021, "UnivNet", arXiv:2106.07889, section 2.2: spectrograms with windows of several lengths take the place of that
paper's waveforms at several scales.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game.stft_window import choose_hop
from zerosum.game.types import DiscriminatorOutput, at_least_float32
from zerosum.networks.stages import Stages, join_stages

SLOPE = 0.1
"""Slope of the leaky ReLUs for negative values; the papers' is the same."""
_TINY = 1e-5


class Branch(nn.Module):
    """Convolutions with leaky ReLUs, and one that scores each position."""

    def __init__(self, convolutions: Sequence[nn.Module], score: nn.Module) -> None:
        """Create the branch from its layers."""
        super().__init__()
        self.convolutions, self.score = nn.ModuleList(convolutions), score

    def forward(self, image: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Map (N, 1, H, W) to scores (N, P) of its P positions, and the feature maps of all layers."""
        maps = []
        for convolution in self.convolutions:
            image = functional.leaky_relu(convolution(image), SLOPE)
            maps.append(image)
        return at_least_float32(self.score(image)).flatten(1), tuple(maps)

    def stages_from_sample(self) -> Stages:
        """Return the convolutions before the one that scores."""
        return [[convolution] for convolution in self.convolutions]


class PeriodDiscriminator(nn.Module):
    """Sees every p-th number of a waveform together."""

    def __init__(self, period: int, branch: Branch) -> None:
        """Create the discriminator of a period p."""
        super().__init__()
        self.period, self.branch = period, branch

    def forward(self, waves: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Map waveforms (N, 1, T) to scores (N, P) and feature maps."""
        padded = functional.pad(waves, (0, -waves.shape[2] % self.period), mode="reflect")
        result: tuple[Tensor, tuple[Tensor, ...]] = self.branch(padded.reshape(len(padded), 1, -1, self.period))
        return result

    def stages_from_sample(self) -> Stages:
        """Return the convolutions before the one that scores."""
        return self.branch.stages_from_sample()


class ResolutionDiscriminator(nn.Module):
    """Sees the magnitudes of a spectrogram."""

    hann: Tensor

    def __init__(self, window: int, branch: Branch) -> None:
        """Create the discriminator of spectrograms of a window."""
        super().__init__()
        self.window, self.branch = window, branch
        self.register_buffer("hann", torch.hann_window(window), persistent=False)

    def forward(self, waves: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Map waveforms (N, 1, T) to scores (N, P) and feature maps."""
        spectrum = torch.stft(
            waves[:, 0].float(),
            self.window,
            choose_hop(self.window),
            window=self.hann,
            pad_mode="constant",
            return_complex=True,
        )
        magnitude = (spectrum.real.square() + spectrum.imag.square() + _TINY).sqrt()  # abs has no gradient at 0
        result: tuple[Tensor, tuple[Tensor, ...]] = self.branch(magnitude[:, None])
        return result

    def stages_from_sample(self) -> Stages:
        """Return the convolutions before the one that scores."""
        return self.branch.stages_from_sample()


class Discriminator(nn.Module):
    """Several discriminators of waveforms as one."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        """Create the network from its parts."""
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        """Map waveforms (N, 1, T) to the scores of their positions, (N, 1, 1, P), and feature maps.

        In the mean over positions those parts have more weight that score more positions; the papers weight all parts
        equally.
        """
        outputs = [part(sample) for part in self.parts]
        scores = torch.cat([scores for scores, _ in outputs], 1)[:, None, None]
        return DiscriminatorOutput(scores, feature_maps=tuple(one for _, maps in outputs for one in maps))

    def stages_from_sample(self) -> Stages:
        """Return the stages of all parts: the first of each, the second of each, and so on."""
        return join_stages(*self.parts)


def build_period_branch(widths: Sequence[int]) -> Branch:
    """Return the layers of a period: convolutions of 5 numbers along the columns, all but the last of stride 3."""
    convolutions, channels = [], 1
    for index, width in enumerate(widths):
        stride = 3 if index < len(widths) - 1 else 1
        convolutions.append(nn.Conv2d(channels, width, (5, 1), (stride, 1), (2, 0)))
        channels = width
    return Branch(convolutions, nn.Conv2d(channels, 1, (3, 1), padding=(1, 0)))


def build_resolution_branch(width: int, layers: int) -> Branch:
    """Return the layers of a resolution: convolutions that halve the frequencies, all but the first the frames too.

    Args:
        width: channels.
        layers: number of these convolutions.
    """
    convolutions, channels = [], 1
    for index in range(layers):
        convolutions.append(nn.Conv2d(channels, width, (5, 3), (2, 2 if index else 1), (2, 1)))
        channels = width
    return Branch(convolutions, nn.Conv2d(width, 1, 3, padding=1))
