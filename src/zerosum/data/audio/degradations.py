"""Degradations of sounds, by which the inputs of a translation are made from its targets.

Importing this module does not import PyTorch: settings check names without it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zerosum.data.audio.input_forms import InputForm, SoundInputs, SpectrogramInputs
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.data.audio.log_mel import LogMel

NOISE_RANGE = (0.0, 20.0)
"""Range of the random signal-to-noise ratio of `noise`, in decibels."""
MAX_NOISE_SLOPE = 2.0
"""Largest exponent a of noise whose power falls as 1 / f^a: white is 0, and 2 is like the rumble of wind."""
LOWEST_NOISE = 50.0
"""Lowest frequency of noise in Hz: what is below, most of the power of a steep spectrum, is hardly heard."""
CUTOFF_RANGE = (0.15, 0.6)
"""Range of the random cutoff of `lowpass`, as fractions of half the rate."""
TELEPHONE_BAND = (300.0, 3400.0)
"""Frequencies in Hz that a telephone line transmits (ITU-T G.712)."""
MU = 255
"""Steps of the logarithmic quantization of a telephone line (ITU-T G.711)."""
TRANSITION = 0.1
"""Width of the slope of a filter, as a fraction of its cutoff."""
_TINY = 1e-9

MEL = "mel"
"""The degradation that keeps the log-mel spectrogram alone."""


def check_degradations(names: Sequence[str]) -> None:
    """Raise if these degradations cannot be applied in this order.

    Raises:
        BadInput: one is unknown or named twice, two exclude each other, or one follows `mel`.
    """
    known = (MEL, *DEGRADATIONS)
    for name in names:
        if name not in known:
            matches = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean {matches[0]}?" if matches else f"give one of {', '.join(known)}"
            raise BadInput(f"there is no degradation {name!r} of sounds: {hint}")
        if names.count(name) > 1:
            raise BadInput(f"the degradation {name!r} is named twice: name it once")
    used = [name for name in names if name != MEL and DEGRADATIONS[name].is_band_limit]
    if len(used) > 1:
        raise BadInput(f"the degradations {used[0]!r} and {used[1]!r} both remove high frequencies: keep one of them")
    if MEL in names[:-1]:
        raise BadInput(f"the degradation {names[names.index(MEL) + 1]!r} after {MEL!r} has no sound: name {MEL!r} last")


@dataclass(frozen=True)
class Degradation:
    """A degradation of sounds."""

    name: str
    """Its name in `data.degrade`."""
    function: Callable[[Tensor, Tensor, int], Tensor]
    """Returns degraded copies (N, T) of sounds (N, T), of their seeds (N,) and their rate in Hz."""
    is_band_limit: bool = False
    """Whether it removes high frequencies."""

    def __call__(self, sounds: Tensor, seed: Tensor, rate: int) -> Tensor:
        """Return degraded copies (N, T) in [-1, 1] of sounds (N, T), of their seeds (N,) and their rate in Hz."""
        return self.function(sounds, seed, rate).clamp(-1, 1)


class SoundDegradations:
    """Degradations, applied in order, and the form of what they make, as one function of sounds and their seeds."""

    def __init__(self, names: Sequence[str], log_mel: LogMel) -> None:
        """Look up the degradations.

        Args:
            names: as in `data.degrade`.
            log_mel: the form of spectrograms, and the rate.

        Raises:
            BadInput: see `check_degradations`.
        """
        check_degradations(names)
        self.names = tuple(names)
        self.steps = tuple(DEGRADATIONS[name] for name in names if name != MEL)
        self.form: InputForm = SpectrogramInputs(log_mel) if MEL in names else SoundInputs(log_mel)

    @property
    def makes_spectrograms(self) -> bool:
        """Whether an input is a spectrogram, not a sound."""
        return self.form.is_spectrogram

    def __call__(self, waves: Tensor, seed: Tensor) -> Tensor:
        """Return inputs of targets; each depends on its own target and seed alone.

        Args:
            waves: (N, 1, T) in [-1, 1], of any number of whole frames.
            seed: (N,) int64.

        Returns:
            Inputs of the form, in [-1, 1].
        """
        seed, sounds = seed.to(waves.device), waves[:, 0]
        for step in self.steps:
            sounds = step(sounds, seed, self.form.log_mel.rate)
        return self.form.make(sounds)


def noise(sounds: Tensor, seed: Tensor, rate: int) -> Tensor:
    """Add Gaussian noise to sounds (N, T), of a random level and a random slope of its spectrum."""
    import torch

    from zerosum.game.seeded_rng import RandomStream, fork_seed, normal, uniform

    draws, length = uniform(seed, 2, RandomStream.SOUND_NOISE), sounds.shape[1]
    white = normal(fork_seed(seed, 1), length, RandomStream.SOUND_NOISE)
    frequencies = torch.fft.rfftfreq(length, 1 / rate, device=sounds.device)
    slope = MAX_NOISE_SLOPE * draws[:, 1:]
    gain = frequencies.clamp_min(LOWEST_NOISE) ** (-slope / 2) * (frequencies >= LOWEST_NOISE)
    colored = torch.fft.irfft(torch.fft.rfft(white) * gain, length)
    ratio = NOISE_RANGE[0] + (NOISE_RANGE[1] - NOISE_RANGE[0]) * draws[:, :1]
    level = _root_mean_square(sounds) * 10 ** (-ratio / 20)
    noisy: Tensor = sounds + level * colored / (_root_mean_square(colored) + _TINY)
    return noisy


def lowpass(sounds: Tensor, seed: Tensor, rate: int) -> Tensor:
    """Remove the frequencies above a random cutoff of sounds (N, T)."""
    from zerosum.game.seeded_rng import RandomStream, uniform

    low, high = (math.log(value * rate / 2) for value in CUTOFF_RANGE)
    cutoff = (low + (high - low) * uniform(seed, 1, RandomStream.CUTOFF)).exp()
    return _keep_band(sounds, rate, None, cutoff)


def telephone(sounds: Tensor, seed: Tensor, rate: int) -> Tensor:
    """Keep the band of a telephone of sounds (N, T), in 8 bits with logarithmic steps."""
    import torch

    low, high = (torch.full((len(sounds), 1), value, device=sounds.device) for value in TELEPHONE_BAND)
    band = _keep_band(sounds, rate, low, high).clamp(-1, 1)
    compressed = band.sign() * torch.log1p(MU * band.abs()) / math.log1p(MU)
    levels = (compressed * (MU // 2)).round() / (MU // 2)
    return levels.sign() * torch.expm1(levels.abs() * math.log1p(MU)) / MU


DEGRADATIONS: Mapping[str, Degradation] = {
    degradation.name: degradation
    for degradation in (
        Degradation("noise", noise),
        Degradation("lowpass", lowpass, is_band_limit=True),
        Degradation("telephone", telephone, is_band_limit=True),
    )
}
"""All degradations by their names."""


def _keep_band(sounds: Tensor, rate: int, low: Tensor | None, high: Tensor) -> Tensor:
    """Return sounds (N, T) with the frequencies between `low` and `high` (N, 1) in Hz, by filters of linear phase."""
    import torch

    length = sounds.shape[1]
    padded = 2 * length  # with silence, so that the end does not leak into the start
    frequencies = torch.fft.rfftfreq(padded, 1 / rate, device=sounds.device)
    gain = ((high * (1 + TRANSITION) - frequencies) / (high * TRANSITION)).clamp(0, 1)
    if low is not None:
        gain = gain * ((frequencies - low * (1 - TRANSITION)) / (low * TRANSITION)).clamp(0, 1)
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(sounds, padded) * gain, padded)[:, :length]
    return filtered


def _root_mean_square(sounds: Tensor) -> Tensor:
    """Return the root mean square (N, 1) of sounds (N, T)."""
    return sounds.square().mean(1, keepdim=True).sqrt()
