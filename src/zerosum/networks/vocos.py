"""Translators of spectrograms or waveforms into waveforms, which end in an inverse short-time Fourier transform.

Siuzdak 2023, "Vocos: Closing the gap between time-domain and Fourier-based neural vocoders for high-quality audio
synthesis", arXiv:2306.00814: every layer works at the rate of frames, in blocks like those of ConvNeXt (Liu et al.
2022, arXiv:2201.03545) in one dimension, and the last one gives the magnitude and the phase of each frame.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game.mel_filters import from_unit, mel_filters
from zerosum.game.types import at_least_float32

if TYPE_CHECKING:
    from zerosum.run_folder import Json

KERNEL_SIZE = 7
"""Frames that a convolution sees."""
MAX_LOG_MAGNITUDE = 5.0
"""Largest logarithm of the magnitude of a bin, so that no sound explodes early in training."""
MOMENTUM = 0.9
"""By how much of the last change a step of the fit goes on."""
DIFFERENTIATED_STEPS = 4
"""Steps of the fit through which gradients go."""
COMPRESSION = 0.3
"""Exponent of the magnitudes of an input, so that quiet bins are seen next to loud ones."""
_TINY = 1e-7
_SILENCE = 1e-9  # power, 90 decibels below a sine of amplitude 1
_MAX_GAIN = 100.0


class Transform(nn.Module):
    """Short-time Fourier transform and its inverse, whose frames are centered at multiples of the hop."""

    hann: Tensor

    def __init__(self, window: int, hop: int) -> None:
        """Create the transform with a Hann window.

        Args:
            window: length of a window, even.
            hop: numbers of a waveform from one frame to the next, at most half a window.
        """
        super().__init__()
        self.window, self.hop = window, hop
        self.register_buffer("hann", torch.hann_window(window), persistent=False)

    @property
    def bins(self) -> int:
        """Number F of frequencies."""
        return self.window // 2 + 1

    @property
    def overlap_frames(self) -> int:
        """How many frames on each side of a position are part of the waveform there."""
        return math.ceil(self.window / 2 / self.hop)

    @property
    def numbers(self) -> Mapping[str, Json]:
        """The length of a window, and the hop."""
        return {"window": self.window, "hop": self.hop}

    def spectrum(self, waves: Tensor) -> Tensor:
        """Return the complex spectrum (N, F, W + 1) of waveforms (N, T), silent outside, with T = W hop."""
        return torch.stft(waves, self.window, self.hop, window=self.hann, pad_mode="constant", return_complex=True)

    def waves(self, spectrum: Tensor) -> Tensor:
        """Return the waveforms (N, T) of spectra (N, F, W + 1), with T = W hop."""
        length = (spectrum.shape[2] - 1) * self.hop
        return torch.istft(spectrum, self.window, self.hop, window=self.hann, length=length)


class ConvNeXtBlock(nn.Module):
    """A residual block: a convolution of each channel alone, a norm over channels, and two layers of each frame."""

    def __init__(self, width: int, hidden: int, scale: float) -> None:
        """Create the block.

        Args:
            width: channels.
            hidden: channels between the two layers.
            scale: initial scale of what the block adds.
        """
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, KERNEL_SIZE, padding=KERNEL_SIZE // 2, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand, self.project = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames (N, C, W) to the same shape."""
        hidden = self.norm(self.depthwise(frames).transpose(1, 2))
        change = self.scale * self.project(functional.gelu(self.expand(hidden)))
        result: Tensor = frames + change.transpose(1, 2)
        return result


def _initialize(layer: nn.Module) -> None:
    """Draw the weights of a layer from a narrow distribution, as the paper does; norms keep theirs."""
    if isinstance(layer, nn.Linear | nn.Conv1d):
        nn.init.trunc_normal_(layer.weight, std=0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


class Backbone(nn.Module):
    """Blocks at the rate of frames, between a first convolution and the magnitudes and phases of spectra."""

    def __init__(self, in_channels: int, width: int, hidden: int, blocks: int, bins: int) -> None:
        """Create the backbone.

        Args:
            in_channels: values of a frame of the input.
            width: channels of the blocks.
            hidden: channels within a block.
            blocks: number of blocks.
            bins: number F of frequencies of the output.
        """
        super().__init__()
        self.embed = nn.Conv1d(in_channels, width, KERNEL_SIZE, padding=KERNEL_SIZE // 2)
        self.first_norm, self.last_norm = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.blocks = nn.ModuleList(ConvNeXtBlock(width, hidden, 1 / blocks) for _ in range(blocks))
        self.head = nn.Linear(width, 2 * bins)
        self.apply(_initialize)

    @property
    def radius(self) -> int:
        """How many frames on each side can affect a frame of the output."""
        return (1 + len(self.blocks)) * (KERNEL_SIZE // 2)

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames (N, C, W) to complex spectra (N, F, W)."""
        log_magnitude, phase = self.polar(frames)
        return torch.polar(log_magnitude.exp(), phase)

    def polar(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logarithms of the magnitudes, and the phases in radians, of the spectra: both (N, F, W)."""
        hidden = self.first_norm(self.embed(frames).transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            hidden = block(hidden)
        values = at_least_float32(self.head(self.last_norm(hidden.transpose(1, 2))))
        log_magnitude, phase = values.transpose(1, 2).chunk(2, 1)
        return log_magnitude.clamp_max(MAX_LOG_MAGNITUDE), phase


class MelBands(nn.Module):
    """The power in mel bands, and the magnitudes that it leaves open."""

    filters: Tensor
    spread: Tensor

    def __init__(self, bands: int, transform: Transform, rate: int) -> None:
        """Create the bands.

        Args:
            bands: number H of mel bands.
            transform: the transform whose magnitudes are meant.
            rate: values of a waveform a second, in Hz.
        """
        super().__init__()
        filters = mel_filters(bands, transform.window, rate)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("spread", filters.t() / (filters.sum(0)[:, None] + _TINY), persistent=False)
        self.full_scale = float(transform.hann.sum()) / 2

    def guess_magnitudes(self, power: Tensor) -> Tensor:
        """Return magnitudes (N, F, W): the power in bands (N, H, W), spread over their frequencies.

        Lv et al. 2024, "FreeV: Free lunch for vocoders through pseudo inversed mel filter", arXiv:2406.08196: a network
        that corrects them learns in a fraction of the time.
        """
        return (self.spread @ power + _TINY**2).sqrt() * self.full_scale

    def fit(self, spectrum: Tensor, power: Tensor) -> Tensor:
        """Return a spectrum (N, F, W + 1), scaled so that its power in bands comes close to that of (N, H, W).

        The last frame, of which a spectrogram says nothing, stays as it is.
        """
        frames, last = spectrum.tensor_split([power.shape[2]], 2)
        own = self.filters @ (frames.real.square() + frames.imag.square()) / self.full_scale**2
        gain = (self.spread @ (power / (own + _SILENCE)) + _SILENCE).sqrt()
        return torch.cat((frames * gain.clamp_max(_MAX_GAIN), last), 2)


class SpectralTranslator(nn.Module, ABC):
    """A translator into waveforms: a backbone that computes with real numbers, and what is done around its spectra."""

    backbone: Backbone
    transform: Transform

    @property
    @abstractmethod
    def numbers(self) -> Mapping[str, Json]:
        """The numbers of what is done around the backbone, for programs that do it without PyTorch."""


class SpectrogramVocoder(SpectralTranslator):
    """Maps log-mel spectrograms (N, H, W) to waveforms (N, 1, T) with T = W hop.

    The spectrum that the backbone gives is fitted to the bands of the input in several steps, each of which goes
    through a waveform, as those of Griffin and Lim do, and through which the network is trained (Masuyama et al. 2019,
    "Deep Griffin-Lim iteration", arXiv:1903.03971). They have momentum (Perraudin, Balazs and Sondergaard 2013). Only
    the last steps are differentiated, as if the others changed nothing (Fung et al. 2021, arXiv:2103.12803).
    """

    condition_inputs: tuple[str, ...] = ()
    size_multiple = 1

    def __init__(
        self, backbone: Backbone, transform: Transform, bands: MelBands, fitting_steps: int, training_steps: int
    ) -> None:
        """Create the network.

        Args:
            backbone: takes the H bands of a frame; its magnitudes are factors of those that the bands leave open.
            transform: what its spectra are.
            bands: the bands of the input.
            fitting_steps: number of steps of the fit; 0 for none.
            training_steps: number of them in training mode, if it is smaller.
        """
        super().__init__()
        self.backbone, self.transform, self.bands = backbone, transform, bands
        self.fitting_steps, self.training_steps = fitting_steps, min(training_steps, fitting_steps)

    @property
    def receptive_field_radius(self) -> int:
        """How many frames on each side can affect a position of the waveform."""
        return self.backbone.radius + (1 + 2 * self.fitting_steps) * self.transform.overlap_frames

    @property
    def numbers(self) -> Mapping[str, Json]:
        """The transform, and the fit to the bands."""
        fit: dict[str, Json] = {"momentum": MOMENTUM, "max_band_gain": _MAX_GAIN, "silent_power": _SILENCE}
        return {
            **self.transform.numbers,
            **fit,
            "fitting_steps": list(_steps_of_fits(self.fitting_steps)),
            "tiny": _TINY,
        }

    def forward(self, inputs: Tensor) -> Tensor:
        """Map spectrograms (N, H, W), the highest band first, to waveforms (N, 1, T)."""
        # one frame more, centered at the end of the waveform: half of its window has what the last one has
        power = from_unit(at_least_float32(inputs).flip(1))
        magnitudes = self.bands.guess_magnitudes(torch.cat((power, power[..., -1:] / 2), 2))
        spectrum = self.backbone(functional.pad(inputs, (0, 1), mode="replicate")) * magnitudes
        first_steps, last_steps = _steps_of_fits(self.training_steps if self.training else self.fitting_steps)
        with torch.no_grad():
            change = self._fit(spectrum, power, first_steps) - spectrum
        return self.transform.waves(self._fit(spectrum + change, power, last_steps))[:, None]

    def _fit(self, spectrum: Tensor, power: Tensor, steps: int) -> Tensor:
        """Return spectra (N, F, W + 1) after steps towards the power in bands (N, H, W)."""
        former, change = spectrum, torch.zeros_like(spectrum)
        for step in range(steps):
            consistent = self.transform.spectrum(self.transform.waves(spectrum))
            change, former = consistent - former if step else change, consistent
            spectrum = self.bands.fit(consistent + MOMENTUM * change, power)
        return spectrum


def _steps_of_fits(steps: int) -> tuple[int, int]:
    """Return how many steps of a fit have no gradients, and how many have them; each part starts without momentum."""
    last_steps = min(steps, DIFFERENTIATED_STEPS)
    return steps - last_steps, last_steps


class WaveformCorrector(SpectralTranslator):
    """Maps waveforms (N, 1, T) to waveforms (N, 1, T): the inputs plus a correction."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self, backbone: Backbone, transform: Transform) -> None:
        """Create the network.

        Args:
            backbone: takes the 2 F values of a frame: its compressed spectrum.
            transform: what its spectra are.
        """
        super().__init__()
        self.backbone, self.transform = backbone, transform

    @property
    def size_multiple(self) -> int:
        """The multiple to which it pads waveforms with silence."""
        return self.transform.hop

    @property
    def receptive_field_radius(self) -> int:
        """How many numbers on each side can affect a position of the waveform."""
        return (self.backbone.radius + 2 * self.transform.overlap_frames) * self.transform.hop

    @property
    def numbers(self) -> Mapping[str, Json]:
        """The transform, and the compression of its magnitudes."""
        return {**self.transform.numbers, "compression": COMPRESSION, "tiny": _TINY}

    def forward(self, inputs: Tensor) -> Tensor:
        """Map waveforms (N, 1, T) of any length to the same shape."""
        length = inputs.shape[2]
        padded = functional.pad(inputs[:, 0], (0, -length % self.transform.hop))
        spectrum = self.transform.spectrum(padded)
        magnitude = spectrum.abs() + _TINY
        compressed = spectrum * magnitude ** (COMPRESSION - 1)
        correction = self.backbone(torch.cat((compressed.real, compressed.imag), 1))
        return inputs + self.transform.waves(correction)[:, None, :length]
