"""Log-mel spectrograms against closed forms, and their inversion."""

import math

import numpy as np
import pytest
import torch

from sounds import click, noise, sine
from zerosum.data.audio.log_mel import LogMel
from zerosum.game.mel_filters import DYNAMIC_RANGE, from_unit, mel_filters, to_unit

FORM = LogMel(rate=16_000, bands=64, frames=64, hop=256, window=1024)
SINES = (110.0, 440.0, 1000.0, 3000.0)


def energy(sounds: torch.Tensor) -> torch.Tensor:
    """In decibels."""
    return 10 * torch.log10(sounds.square().sum(1))


def band_width(frequency: float) -> float:
    """Distance between the centers of neighboring bands in Hz, where the mel scale has the slope of a frequency."""
    mel = 2595 * math.log10((700 + FORM.rate / 2) / 720) / (FORM.bands + 1)
    return mel * (700 + frequency) * math.log(10) / 2595


def test_sine_has_its_level_in_the_band_of_its_frequency() -> None:
    sounds = torch.from_numpy(np.stack([sine(frequency, FORM.length, FORM.rate, 1.0) for frequency in SINES]))
    image = FORM.spectrogram(sounds)[:, 0, :, 8:-8].mean(2)  # without the ends
    centers = 700 * (10 ** (torch.linspace(math.log10(720 / 700), math.log10(8700 / 700), 66)[1:-1]) - 1)
    for frequency, values in zip(SINES, image, strict=True):
        loudest = float(centers.flip(0)[values.argmax()])  # row 0 is the highest band
        assert abs(loudest - frequency) <= band_width(frequency)
    # a Hann window spreads the power of a sine over 1.5 bins, and a band has their mean
    weights = mel_filters(64, 1024, 16_000)[:, round(440 / 15.625)].max()
    expected = DYNAMIC_RANGE * (1 - (1 + float(image[1].max())) / 2)
    assert expected == pytest.approx(-10 * math.log10(1.5 * float(weights)), abs=1.5)


def test_silence_is_the_lowest_value_and_stays_silent() -> None:
    silence = torch.zeros(1, FORM.length)
    image = FORM.spectrogram(silence)
    assert torch.equal(image, torch.full((1, 1, 64, 64), -1.0))
    assert FORM.sounds(image, torch.tensor([1])).abs().max() == 0


def test_decibels_are_inverted() -> None:
    powers = torch.tensor([0.0, 1e-7, 1e-3, 1.0])
    # float32 rounds values near -1 by 6e-8, which the exponent turns into 1e-6 of a power, and of the floor below it
    assert torch.allclose(from_unit(to_unit(powers)), powers, rtol=1e-4, atol=1e-10)


def test_filters_cover_all_frequencies() -> None:
    filters = mel_filters(128, 2048, 44_100)
    assert torch.allclose(filters.sum(1), torch.ones(128))
    assert (filters.sum(0)[2:-1] > 0).all()


def test_sines_come_back_at_their_frequency_and_level() -> None:
    sounds = torch.from_numpy(np.stack([sine(frequency, FORM.length, FORM.rate) for frequency in SINES]))
    inverted = FORM.sounds(FORM.spectrogram(sounds), torch.arange(len(SINES)))
    peaks = torch.fft.rfft(inverted).abs().argmax(1) * FORM.rate / FORM.length
    bins = torch.tensor([max(FORM.rate / FORM.window, band_width(frequency)) for frequency in SINES])
    assert ((peaks - torch.tensor(SINES)).abs() < bins).all()
    assert (energy(inverted) - energy(sounds)).abs().max() < 1


def test_noise_and_click_come_back() -> None:
    sounds = torch.from_numpy(np.stack((noise(FORM.length, 1), click(FORM.length, 8000))))
    image = FORM.spectrogram(sounds)
    inverted = FORM.sounds(image, torch.tensor([1, 2]))
    assert (energy(inverted) - energy(sounds)).abs().max() < 1
    assert abs(int(inverted[1].abs().argmax()) - 8000) < FORM.hop
    error = (FORM.spectrogram(inverted) - image)[:, :, :, 2:-2].square().mean().sqrt() * DYNAMIC_RANGE / 2
    assert error < 3  # decibels


def test_phases_derive_from_the_seed_of_each_sample() -> None:
    form = LogMel(rate=8_000, bands=16, frames=16, hop=64, window=256)
    image = form.spectrogram(torch.from_numpy(np.stack([noise(form.length, 1)] * 2)))
    both = form.sounds(image, torch.tensor([5, 6]))
    assert torch.allclose(form.sounds(image[1:], torch.tensor([6]))[0], both[1], atol=1e-4)
    assert (both[0] - both[1]).abs().max() > 0.01
